//! How sure a difference of two rates is: Newcombe's hybrid score interval, which holds its confidence with small
//! groups and rates near 0 and 1 as well, where the textbook's normal interval does not.
//!
//! R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of eleven
//! methods", Statistics in Medicine 17 (1998), 873–890, method 10 (without a continuity correction). It joins E. B.
//! Wilson's score intervals of the two rates.

/// How often, of such intervals, the true difference lies within.
pub(super) const CONFIDENCE: f64 = 0.95;
/// The standard normal distribution's quantile of 0.975, which leaves 5 % outside on both sides together.
const Z: f64 = 1.959_963_984_540_054;

/// How many of a group succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) size: usize,
    pub(super) successes: usize,
}

/// A difference of rates and its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Difference {
    pub(super) difference: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Group {
    /// The share of successes, 0 to 1; `None` of nobody.
    pub(super) fn rate(self) -> Option<f64> {
        (self.size > 0).then(|| self.successes as f64 / self.size as f64)
    }

    /// Wilson's score interval of the rate.
    fn score_interval(self) -> [f64; 2] {
        let (size, successes) = (self.size as f64, self.successes as f64);
        let failures = size - successes;
        let middle = 2.0 * successes + Z * Z;
        let half = Z * (Z * Z + 4.0 * successes * failures / size).sqrt();
        [-half, half].map(|half| ((middle + half) / (2.0 * (size + Z * Z))).clamp(0.0, 1.0))
    }
}

/// The rate of `one` less that of `other`; `None` where either is empty.
pub(super) fn difference(one: Group, other: Group) -> Option<Difference> {
    let (rate, other_rate) = (one.rate()?, other.rate()?);
    let ([low, high], [other_low, other_high]) = (one.score_interval(), other.score_interval());
    let difference = rate - other_rate;
    Some(Difference {
        difference,
        low: difference - (rate - low).hypot(other_high - other_rate),
        high: difference + (high - rate).hypot(other_rate - other_low),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(successes: usize, size: usize) -> Group {
        Group { size, successes }
    }

    /// Table II of the paper, the row of method 10, as printed: four decimals.
    #[test]
    fn the_intervals_are_those_that_newcombe_published() {
        for (one, other, low, high) in [
            (of(56, 70), of(48, 80), 0.0524, 0.3339),
            (of(9, 10), of(3, 10), 0.1705, 0.8090),
            (of(6, 7), of(2, 7), 0.0582, 0.8062),
            (of(5, 56), of(0, 29), -0.0381, 0.1926),
            (of(0, 10), of(0, 20), -0.1611, 0.2775),
            (of(0, 10), of(0, 10), -0.2775, 0.2775),
            (of(10, 10), of(0, 20), 0.6791, 1.0000),
            (of(10, 10), of(0, 10), 0.6075, 1.0000),
        ] {
            let found = difference(one, other).unwrap();
            for (found, printed) in [(found.low, low), (found.high, high)] {
                let is_same = f64::abs(found - printed) <= 0.000_05;
                assert!(is_same, "{one:?} {other:?}: {found} is not {printed}");
            }
        }
    }

    #[test]
    fn the_interval_turns_with_its_groups_and_holds_the_difference() {
        for size in 1..12 {
            for other_size in 1..12 {
                for successes in 0..=size {
                    for other_successes in 0..=other_size {
                        let (one, other) = (of(successes, size), of(other_successes, other_size));
                        let found = difference(one, other).unwrap();
                        let turned = difference(other, one).unwrap();
                        assert_eq!(found.difference, -turned.difference);
                        assert!((found.low + turned.high).abs() < 1e-12);
                        assert!(found.low <= found.difference && found.difference <= found.high);
                        assert!(found.low >= -1.0 - 1e-12 && found.high <= 1.0 + 1e-12);
                    }
                }
            }
        }
    }

    #[test]
    fn of_nobody_there_is_no_rate() {
        assert_eq!(difference(of(0, 0), of(1, 2)), None);
        assert_eq!(difference(of(1, 2), of(0, 0)), None);
    }
}
