//! When shoppers come: more in the evening than at night, more at the weekend, and a few more from week to week.

use shoptrail_domain::Timestamp;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// How many come in each hour of a day (UTC), beside the others.
const HOURS: [f64; 24] = [
    5.0, 3.0, 2.0, 1.0, 1.0, 1.5, 3.0, 5.0, 7.0, 9.0, 10.0, 11.0, 12.0, 11.0, 10.0, 10.0, 11.0,
    13.0, 16.0, 20.0, 23.0, 22.0, 16.0, 9.0,
];
/// How many come on each day of a week, from Monday on, beside the others.
const WEEK: [f64; 7] = [0.95, 0.9, 0.95, 1.0, 1.05, 1.2, 1.25];
/// By how much more come at the end than at the beginning.
const GROWTH: f64 = 0.2;
/// 1970 began on a Thursday.
const FIRST_WEEKDAY: i64 = 3;

/// The hours of some days, each with how likely it is that somebody came in it or before.
#[derive(Debug)]
pub(super) struct DayCurve {
    hours: Vec<Hour>,
}

#[derive(Debug)]
struct Hour {
    start: i64,
    /// Shorter than an hour where the time begins or ends within it.
    length_ms: i64,
    /// All weights up to this hour and with it.
    sum: f64,
}

impl DayCurve {
    /// Of the UTC day of `end` and the days before it, `days` in all, until `end`; at least of the 24 hours before it.
    pub(super) fn new(days: u32, end: Timestamp) -> Self {
        let end = end.as_millis();
        let midnight = end - end.rem_euclid(DAY_MS);
        let first = (midnight - i64::from(days.saturating_sub(1)) * DAY_MS).min(end - DAY_MS);
        let mut hours = Vec::new();
        let (mut start, mut sum) = (first.max(0), 0.0);
        while start < end {
            let next = (start - start.rem_euclid(HOUR_MS) + HOUR_MS).min(end);
            let length_ms = next - start;
            let share = length_ms as f64 / HOUR_MS as f64;
            let progress = (start - first) as f64 / (end - first) as f64;
            sum += share * weight(start) * (1.0 + GROWTH * progress);
            hours.push(Hour {
                start,
                length_ms,
                sum,
            });
            start = next;
        }
        Self { hours }
    }

    /// The time at which so large a share of all, from 0 to 1, has come.
    pub(super) fn at(&self, share: f64) -> Timestamp {
        let all = self.hours.last().map_or(0.0, |last| last.sum);
        let wanted = share * all;
        let index = self.hours.partition_point(|hour| hour.sum <= wanted);
        let Some(hour) = self.hours.get(index).or(self.hours.last()) else {
            return Timestamp::default();
        };
        let before = match index {
            0 => 0.0,
            index => self.hours.get(index - 1).map_or(0.0, |before| before.sum),
        };
        let within = ((wanted - before) / (hour.sum - before)).clamp(0.0, 1.0);
        // Within an hour, which is far below what a float holds exactly.
        let offset = (within * hour.length_ms as f64) as i64;
        Timestamp::from_millis(hour.start + offset.min(hour.length_ms - 1))
    }
}

fn weight(start: i64) -> f64 {
    let hour = start.rem_euclid(DAY_MS) / HOUR_MS;
    let weekday = (start.div_euclid(DAY_MS) + FIRST_WEEKDAY).rem_euclid(7);
    let of = |weights: &[f64], index: i64| {
        let index = usize::try_from(index).unwrap_or_default();
        weights.get(index).copied().unwrap_or(1.0)
    };
    of(&HOURS, hour) * of(&WEEK, weekday)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-01-14, a Sunday.
    fn sunday() -> Timestamp {
        Timestamp::parse_iso("2024-01-14T23:59:59.999Z").unwrap()
    }

    fn draws(curve: &DayCurve) -> Vec<Timestamp> {
        let count = 20_000;
        let shares = (0..count).map(|number| f64::from(number) / f64::from(count));
        shares.map(|share| curve.at(share)).collect()
    }

    #[test]
    fn all_times_lie_in_the_days_that_were_asked_for() {
        let draws = draws(&DayCurve::new(14, sunday()));
        assert!(draws.is_sorted());
        assert_eq!(draws[0].to_iso(), "2024-01-01T00:00:00.000Z");
        let last = draws.last().unwrap();
        assert!(*last < sunday() && last.to_iso().as_str() > "2024-01-14T23:50");
    }

    #[test]
    fn more_come_in_the_evening_than_at_four_in_the_night_and_more_at_the_weekend() {
        let draws = draws(&DayCurve::new(14, sunday()));
        let count =
            |holds: &dyn Fn(&str) -> bool| draws.iter().filter(|at| holds(&at.to_iso())).count();
        let in_hour = |hour: &str| count(&|at| &at[11..13] == hour);
        assert!(in_hour("20") > 10 * in_hour("04"));
        assert!(in_hour("04") > 0);
        let (tuesday, sunday) = (
            count(&|at| &at[8..10] == "09"),
            count(&|at| &at[8..10] == "14"),
        );
        assert!(sunday > tuesday, "{sunday} against {tuesday}");
        let (first, second) = (
            count(&|at| &at[8..10] < "08"),
            count(&|at| &at[8..10] >= "08"),
        );
        assert!(second > first, "{second} against {first}");
    }

    #[test]
    fn one_day_is_24_hours_however_early_it_is() {
        let early = Timestamp::parse_iso("2024-01-14T00:00:05Z").unwrap();
        let draws = draws(&DayCurve::new(1, early));
        assert_eq!(draws[0].to_iso(), "2024-01-13T00:00:05.000Z");
        assert!(draws.iter().all(|at| *at < early));
    }
}
