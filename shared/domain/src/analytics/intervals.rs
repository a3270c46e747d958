//! The days or hours of a zone into which a range of time is divided.

use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use crate::date_bounds::{ZonedRange, day_of, local, start_of};
use crate::{Reason, Timestamp};

/// How long an interval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// A day of the zone.
    #[default]
    Day,
    /// An hour, as the zone's clocks show it.
    Hour,
}

const HOUR_MS: i64 = 3_600_000;

impl Interval {
    /// Takes `day` or `hour`, in any case.
    ///
    /// # Errors
    ///
    /// [`Reason::NotAnInterval`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        [(Self::Day, "day"), (Self::Hour, "hour")]
            .into_iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(text))
            .map(|(interval, _)| interval)
            .ok_or(Reason::NotAnInterval)
    }
}

/// A range of time and the intervals that it consists of. The first and the last one are cut where the range begins or
/// ends within them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervals {
    from: Timestamp,
    until: Timestamp,
    starts: Vec<Timestamp>,
}

impl Intervals {
    /// Divides a range into days or hours of its zone.
    ///
    /// # Errors
    ///
    /// [`Reason::NotARange`] for a range with more than `most_days` days.
    pub(super) fn of_range(
        range: ZonedRange,
        interval: Interval,
        most_days: u32,
    ) -> Result<Self, Reason> {
        let ZonedRange { from, until, zone } = range;
        let (first, last) = (day_of(from, &zone), day_of(until.plus_millis(-1), &zone));
        let days = last.duration_since(first).as_secs() / 86_400 + 1;
        if days > i64::from(most_days) {
            return Err(Reason::NotARange { days: most_days });
        }
        let starts = match interval {
            // A day more, for clocks that go back over midnight: the last moment may be of the day before the last.
            Interval::Day => first
                .series(1.day())
                .take_while(|day| *day <= last.saturating_add(1.day()))
                .map(|day| start_of(day, &zone))
                .filter(|start| (from < *start) & (*start < until))
                .collect(),
            Interval::Hour => {
                let next = |start: &Timestamp| Some(hour_after(*start, &zone));
                let starts = std::iter::successors(next(&from), next);
                starts.take_while(|start| *start < until).collect()
            }
        };
        let mut starts: Vec<Timestamp> = starts;
        if from < until {
            starts.insert(0, from);
        }
        // A day that the zone left out begins where the next one does.
        starts.dedup();
        Ok(Self {
            from,
            until,
            starts,
        })
    }

    /// The range's first moment.
    #[must_use]
    pub fn from(&self) -> Timestamp {
        self.from
    }

    /// The first moment that is too late.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// The first moment of each interval, in order. None where the zone left the day out that was asked for.
    #[must_use]
    pub fn starts(&self) -> &[Timestamp] {
        &self.starts
    }

    /// The number of the interval that a time (ISO 8601) lies in; `None` outside the range.
    pub(super) fn of(&self, at: &str) -> Option<u32> {
        let at = Timestamp::parse_iso(at)
            .ok()
            .filter(|at| *at < self.until)?;
        let number = self.starts.partition_point(|start| *start <= at);
        // There are at most some hundred.
        number.checked_sub(1).map(|number| number as u32)
    }
}

/// When the hour ends that the zone's clocks show at a moment: at the next whole hour, or before it where they are
/// set. So a day has 23 or 25 hours when summer time comes or goes, and half an hour counts as one of its own where
/// clocks are set by half an hour.
fn hour_after(at: Timestamp, zone: &TimeZone) -> Timestamp {
    let clock = local(at, zone);
    let into_hour = i64::from(clock.minute()) * 60_000
        + i64::from(clock.second()) * 1_000
        + at.as_millis() % 1_000;
    let whole = at.plus_millis(HOUR_MS - into_hour);
    let mut changes = zone
        .following(at.to_jiff())
        .take_while(|change| change.timestamp() < whole.to_jiff());
    // Where a zone changes its name alone, the clocks go on.
    let is_set = changes.find(|change| change.offset() != zone.to_offset(at.to_jiff()));
    is_set.map_or(whole, |change| {
        Timestamp::from_millis(change.timestamp().as_millisecond())
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_iso(text).unwrap()
    }

    fn range(zone: &str, from: &str, until: &str) -> ZonedRange {
        ZonedRange {
            from: at(from),
            until: at(until),
            zone: TimeZone::get(zone).unwrap(),
        }
    }

    /// The starts of the intervals, to the minute.
    fn starts(range: ZonedRange, interval: Interval) -> Vec<String> {
        let intervals = Intervals::of_range(range, interval, 1_000).unwrap();
        let starts = intervals.starts().iter();
        starts
            .map(|start| start.to_iso()[..16].to_owned())
            .collect()
    }

    /// A whole day of a zone.
    fn day(zone: &str, day: &str) -> ZonedRange {
        let (zone, day): (_, Date) = (TimeZone::get(zone).unwrap(), day.parse().unwrap());
        ZonedRange {
            from: start_of(day, &zone),
            until: start_of(day.tomorrow().unwrap(), &zone),
            zone,
        }
    }

    #[test]
    fn days_are_those_of_the_zone_and_cut_at_the_ends_of_the_range() {
        assert_eq!(
            starts(
                range(
                    "Europe/Berlin",
                    "2026-03-28T11:30:00Z",
                    "2026-03-30T04:00:00Z"
                ),
                Interval::Day
            ),
            ["2026-03-28T11:30", "2026-03-28T23:00", "2026-03-29T22:00"]
        );
        assert_eq!(
            starts(
                range("UTC", "2026-02-27T00:00:00Z", "2026-03-02T00:00:00Z"),
                Interval::Day
            ),
            ["2026-02-27T00:00", "2026-02-28T00:00", "2026-03-01T00:00"]
        );
    }

    #[test]
    fn a_day_has_as_many_hours_as_the_zone_gives_it() {
        for (zone, of, hours) in [
            ("Europe/Berlin", "2026-03-29", 23),
            ("Europe/Berlin", "2026-10-25", 25),
            ("Europe/Berlin", "2026-07-01", 24),
            ("America/New_York", "2026-11-01", 25),
            // Clocks that leave midnight out, and that show it twice.
            ("America/Sao_Paulo", "2018-11-04", 23),
            ("America/Havana", "2025-11-02", 25),
            ("Asia/Kathmandu", "2026-01-01", 24),
            // Half an hour more and less: 24 whole hours and a half; 23 and a half.
            ("Australia/Lord_Howe", "2026-04-05", 25),
            ("Australia/Lord_Howe", "2026-10-04", 24),
            // A day that Samoa left out.
            ("Pacific/Apia", "2011-12-30", 0),
        ] {
            let found = starts(day(zone, of), Interval::Hour);
            assert_eq!(found.len(), hours, "{zone} {of}: {found:?}");
        }
    }

    #[test]
    fn an_hour_begins_where_the_clocks_show_it_or_are_set() {
        let hours = |zone, from, until| starts(range(zone, from, until), Interval::Hour);
        assert_eq!(
            hours(
                "Asia/Kathmandu",
                "2026-01-01T00:00:00Z",
                "2026-01-01T02:30:00Z"
            ),
            [
                "2026-01-01T00:00",
                "2026-01-01T00:15",
                "2026-01-01T01:15",
                "2026-01-01T02:15"
            ]
        );
        // From two o'clock back to half past one, and from two o'clock on to half past two.
        assert_eq!(
            hours(
                "Australia/Lord_Howe",
                "2026-04-04T14:00:00Z",
                "2026-04-04T16:00:00Z"
            ),
            ["2026-04-04T14:00", "2026-04-04T15:00", "2026-04-04T15:30"]
        );
        assert_eq!(
            hours(
                "Australia/Lord_Howe",
                "2026-10-03T14:30:00Z",
                "2026-10-03T17:00:00Z"
            ),
            ["2026-10-03T14:30", "2026-10-03T15:30", "2026-10-03T16:00"]
        );
        // A minute after midnight, until 2011.
        assert_eq!(
            hours(
                "America/St_Johns",
                "2011-03-13T03:00:00Z",
                "2011-03-13T05:00:00Z"
            ),
            [
                "2011-03-13T03:00",
                "2011-03-13T03:30",
                "2011-03-13T03:31",
                "2011-03-13T04:30"
            ]
        );
    }

    #[test]
    fn in_every_zone_an_hour_is_one_hour_of_one_day_and_of_one_offset() {
        for (from, until) in [
            // When America, Europe and Australia set their clocks.
            ("2026-03-08T00:00:00Z", "2026-03-09T12:34:56.789Z"),
            ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"),
            ("2026-04-04T00:00:00Z", "2026-04-05T12:00:00Z"),
            ("2026-10-03T00:00:00Z", "2026-10-04T12:00:00Z"),
            ("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"),
        ] {
            for zone in jiff::tz::db().available() {
                let mut range = range(zone.as_str(), from, until);
                let change = range.zone.following(range.from.to_jiff()).next();
                if change.is_none_or(|change| change.timestamp() >= range.until.to_jiff()) {
                    // All days are alike.
                    range.until = range.from.plus_days(1);
                }
                let (zone, until) = (range.zone.clone(), range.until);
                let hours = Intervals::of_range(range, Interval::Hour, 1_000).unwrap();
                let ends = hours.starts().iter().skip(1).chain([&until]);
                for (number, (start, end)) in hours.starts().iter().zip(ends).enumerate() {
                    let last = end.plus_millis(-1);
                    assert!(*start <= last, "{zone:?}");
                    let shown = shown_hour(last, &zone);
                    assert_eq!(shown_hour(*start, &zone), shown, "{zone:?} {start:?}");
                    for within in [*start, last] {
                        assert_eq!(hours.of(&within.to_iso()), Some(number as u32));
                    }
                    if *end != until {
                        assert_ne!(shown_hour(*end, &zone), shown, "{zone:?}");
                    }
                }
            }
        }
    }

    /// The hour of which day, and the offset.
    fn shown_hour(at: Timestamp, zone: &TimeZone) -> (Date, i8, i32) {
        let shown = local(at, zone);
        let offset = zone.to_offset(at.to_jiff()).seconds();
        (shown.date(), shown.hour(), offset)
    }

    #[test]
    fn a_moment_lies_in_one_interval_or_outside_the_range() {
        let days = Intervals::of_range(
            range(
                "Europe/Berlin",
                "2026-03-28T23:00:00Z",
                "2026-03-30T22:00:00Z",
            ),
            Interval::Day,
            2,
        )
        .unwrap();
        for (text, number) in [
            ("2026-03-28T22:59:59.999Z", None),
            ("2026-03-28T23:00:00.000Z", Some(0)),
            ("2026-03-29T21:59:59.999Z", Some(0)),
            ("2026-03-29T22:00:00.000Z", Some(1)),
            ("2026-03-30T21:59:59.999Z", Some(1)),
            ("2026-03-30T22:00:00.000Z", None),
            ("soon", None),
        ] {
            assert_eq!(days.of(text), number, "{text}");
        }
    }

    #[test]
    fn a_range_of_too_many_days_is_refused() {
        let divided = |until, most| {
            let range = range("Europe/Berlin", "2026-03-01T22:30:00Z", until);
            Intervals::of_range(range, Interval::Day, most).map(|days| days.starts().len())
        };
        // A little of the first of March, and of the third.
        assert_eq!(divided("2026-03-02T23:00:00.001Z", 3), Ok(3));
        let too_long = Err(Reason::NotARange { days: 2 });
        assert_eq!(divided("2026-03-02T23:00:00.001Z", 2), too_long);
        assert_eq!(divided("2026-03-02T23:00:00.000Z", 2), Ok(2));
    }
}
