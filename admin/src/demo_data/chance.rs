//! Chance that can be repeated: what is drawn depends on a seed, on what it is drawn for, and on a number. So one visit's
//! draws do not depend on another's, and a longer run begins with what a shorter one is.

use fastrand::Rng;
use uuid::Builder;

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Who comes.
    Shoppers,
    /// One shopper's account and device.
    Shopper,
    /// One visit.
    Visit,
    /// The ids of what one request stores.
    Ids,
}

/// The chance for one purpose.
pub(super) fn rng_of(seed: u64, purpose: Purpose, number: u64) -> Rng {
    let parts = [seed, purpose as u64, number];
    Rng::with_seed(parts.into_iter().fold(0, mix))
}

/// The seed of one store's data. A session's id is known in all stores, so that two stores must not share any.
pub(super) fn seed_of(seed: u64, store: &str) -> u64 {
    store.bytes().map(u64::from).fold(mix(0, seed), mix)
}

/// A UUID of version 4.
pub(super) fn uuid(rng: &mut Rng) -> String {
    let bytes = rng.u128(..).to_be_bytes();
    Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// Whether something happens that happens so many times of a thousand.
pub(super) fn happens(rng: &mut Rng, of_thousand: u32) -> bool {
    rng.u32(0..1_000) < of_thousand
}

/// SplitMix64: neighbouring numbers end far from each other.
fn mix(state: u64, number: u64) -> u64 {
    let mut z = state
        .wrapping_add(number)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_repeats_for_the_same_and_differs_for_anything_else() {
        let draw = |seed, purpose, number| rng_of(seed, purpose, number).u64(..);
        let one = draw(1, Purpose::Visit, 1);
        assert_eq!(draw(1, Purpose::Visit, 1), one);
        for other in [
            draw(2, Purpose::Visit, 1),
            draw(1, Purpose::Shopper, 1),
            draw(1, Purpose::Visit, 2),
        ] {
            assert_ne!(other, one);
        }
        assert_ne!(seed_of(1, "a.myshopify.com"), seed_of(1, "b.myshopify.com"));
        assert_ne!(seed_of(1, "a.myshopify.com"), seed_of(2, "a.myshopify.com"));
    }
}
