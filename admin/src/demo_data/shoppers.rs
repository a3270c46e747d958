//! Who comes: most of them once, some again, a few very often. Nobody is real: their addresses are at example.com and in
//! the networks that are kept for documentation.

use std::net::{IpAddr, Ipv4Addr};

use fastrand::Rng;
use shoptrail_domain::Reason;
use shoptrail_domain::email::Email;
use shoptrail_domain::identifier::ExternalId;

use super::chance::{Purpose, rng_of};

/// How many of a hundred visits are those of somebody who was there before.
const RETURNING: u32 = 36;
/// How many of a hundred shoppers have an account.
const KNOWN: u32 = 55;
/// How many of a hundred accounts are told by their id alone.
const ID_ALONE: u32 = 25;
/// Where the ids of customers begin, as Shopify's are long.
const FIRST_CUSTOMER: u64 = 7_000_000_000_000;
/// The networks of RFC 5737.
const NETWORKS: [[u8; 3]; 3] = [[192, 0, 2], [198, 51, 100], [203, 0, 113]];

const USER_AGENTS: [&str; 6] = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
];

/// Somebody who visits the shop. The same number is the same person, in everything.
#[derive(Debug, Clone)]
pub(super) struct Shopper {
    pub(super) customer_id: Option<ExternalId>,
    pub(super) customer_email: Option<Email>,
    pub(super) user_agent: &'static str,
    pub(super) ip_address: IpAddr,
}

/// Draws the shopper of one visit after the other.
#[derive(Debug)]
pub(super) struct Shoppers {
    seed: u64,
    rng: Rng,
    /// The number of each visit's shopper. Whoever returns is drawn from it, so that those who came often come often:
    /// the visits of a shopper follow a power law.
    visits: Vec<u32>,
    count: u32,
}

impl Shoppers {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            rng: rng_of(seed, Purpose::Shoppers, 0),
            visits: Vec::new(),
            count: 0,
        }
    }

    /// The shopper of the next visit.
    pub(super) fn draw(&mut self) -> Result<Shopper, Reason> {
        let number = match self.visits.len() {
            there if there > 0 && self.rng.u32(0..100) < RETURNING => {
                self.visits[self.rng.usize(0..there)]
            }
            _ => {
                self.count += 1;
                self.count
            }
        };
        self.visits.push(number);
        Shopper::new(self.seed, number)
    }
}

impl Shopper {
    fn new(seed: u64, number: u32) -> Result<Self, Reason> {
        let mut rng = rng_of(seed, Purpose::Shopper, u64::from(number));
        let (mut customer_id, mut customer_email) = (None, None);
        if rng.u32(0..100) < KNOWN {
            let id = FIRST_CUSTOMER + u64::from(number);
            customer_id = Some(ExternalId::parse(&id.to_string())?);
            if rng.u32(0..100) >= ID_ALONE {
                customer_email = Some(Email::parse(&format!("customer-{number}@example.com"))?);
            }
        }
        let [a, b, c] = NETWORKS[rng.usize(0..NETWORKS.len())];
        Ok(Self {
            customer_id,
            customer_email,
            user_agent: USER_AGENTS[rng.usize(0..USER_AGENTS.len())],
            ip_address: IpAddr::V4(Ipv4Addr::new(a, b, c, rng.u8(1..255))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn most_come_once_and_a_few_very_often() {
        let mut shoppers = Shoppers::new(1);
        for _ in 0..5_000 {
            shoppers.draw().unwrap();
        }
        let mut counts = BTreeMap::new();
        for number in &shoppers.visits {
            *counts.entry(number).or_insert(0_u32) += 1;
        }
        let once = counts.values().filter(|count| **count == 1).count();
        assert!(once * 2 > counts.len(), "{once} of {}", counts.len());
        let most = counts.values().max().copied().unwrap_or_default();
        assert!((10..500).contains(&most), "{most} visits of one shopper");
    }

    #[test]
    fn the_same_shopper_comes_with_the_same_account() {
        let one = Shopper::new(1, 7).unwrap();
        let again = Shopper::new(1, 7).unwrap();
        assert_eq!(format!("{one:?}"), format!("{again:?}"));
    }

    #[test]
    fn nobody_has_an_address_outside_of_example_com() {
        let shoppers = (1..500).map(|number| Shopper::new(3, number).unwrap());
        let (mut named, mut nameless) = (0, 0);
        for shopper in shoppers {
            match shopper.customer_email {
                Some(email) => {
                    assert!(email.as_str().ends_with("@example.com"));
                    named += 1;
                }
                None => nameless += 1,
            }
        }
        assert!(named > 100 && nameless > 100, "{named} and {nameless}");
    }
}
