//! The first and the last moment of what is asked for, out of days and points in time.

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::day_range::day;
use crate::error::Problems;
use crate::query::given;
use crate::{Reason, Timestamp};

/// A range of time, open at either end where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateBounds {
    /// The first moment.
    pub(crate) from: Option<Timestamp>,
    /// The first moment that is too late.
    pub(crate) until: Option<Timestamp>,
}

/// A bound as it was said.
#[derive(Debug, Clone, Copy)]
enum Bound {
    /// A whole day of the zone.
    Day(Date),
    /// One millisecond.
    Moment(Timestamp),
}

impl DateBounds {
    /// Reads `startDate`, `endDate` and `timezone`. A day and a moment are both included; days are those of the zone,
    /// or of UTC.
    pub(crate) fn parse(
        start: Option<&str>,
        end: Option<&str>,
        zone: Option<&str>,
        problems: &mut Problems,
    ) -> Self {
        let said = Said::parse(start, end, zone, problems);
        if said.is_reversed() {
            problems.note::<()>("endDate", Err(Reason::EndBeforeStart));
        }
        Self {
            from: said.from(),
            until: said.until(),
        }
    }
}

/// A range of time with both ends, in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZonedRange {
    /// The first moment.
    pub(crate) from: Timestamp,
    /// The first moment that is too late. That is `from` itself where the zone left the day out that is asked for.
    pub(crate) until: Timestamp,
    /// Whose days they are.
    pub(crate) zone: TimeZone,
}

impl ZonedRange {
    /// The same as [`DateBounds::parse`], with both ends: without an end it is that of today, in the zone; without a
    /// start the range has `default_days` days, the last one included. `None` where a problem was noted.
    pub(crate) fn parse(
        start: Option<&str>,
        end: Option<&str>,
        zone: Option<&str>,
        now: Timestamp,
        default_days: u32,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut said = Said::parse(start, end, zone, problems);
        if said.is_wrong {
            return None;
        }
        let today = day_of(now, &said.zone);
        let last = said.end.map_or(today, |end| end.day_in(&said.zone));
        said.end = said.end.or(Some(Bound::Day(today)));
        said.start = said.start.or_else(|| {
            let before = i64::from(default_days.saturating_sub(1)).days();
            Some(Bound::Day(last.saturating_sub(before)))
        });
        if said.is_reversed() {
            problems.note::<()>("endDate", Err(Reason::EndBeforeStart));
            return None;
        }
        Some(Self {
            from: said.from()?,
            until: said.until()?,
            zone: said.zone,
        })
    }
}

/// The parameters, each read for itself.
struct Said {
    start: Option<Bound>,
    end: Option<Bound>,
    zone: TimeZone,
    /// Whether one of them could not be read.
    is_wrong: bool,
}

impl Said {
    fn parse(
        start: Option<&str>,
        end: Option<&str>,
        zone: Option<&str>,
        problems: &mut Problems,
    ) -> Self {
        let parsed_start = problems.parameter("startDate", start, Bound::parse);
        let parsed_end = problems.parameter("endDate", end, Bound::parse);
        let parsed_zone = problems.parameter("timezone", zone, parse_zone);
        let is_wrong = |parameter, is_read: bool| given(parameter).is_some() && !is_read;
        Self {
            is_wrong: is_wrong(start, parsed_start.is_some())
                || is_wrong(end, parsed_end.is_some())
                || is_wrong(zone, parsed_zone.is_some()),
            start: parsed_start,
            end: parsed_end,
            zone: parsed_zone.unwrap_or(TimeZone::UTC),
        }
    }

    fn from(&self) -> Option<Timestamp> {
        self.start.map(|bound| bound.first(&self.zone))
    }

    fn until(&self) -> Option<Timestamp> {
        self.end.map(|bound| bound.after(&self.zone))
    }

    fn is_reversed(&self) -> bool {
        match (self.start, self.end) {
            // Not by their moments: a day that the zone left out is an empty range, and no wrong one.
            (Some(Bound::Day(start)), Some(Bound::Day(end))) => end < start,
            _ => matches!((self.from(), self.until()), (Some(from), Some(until)) if until <= from),
        }
    }
}

impl Bound {
    fn parse(text: &str) -> Result<Self, Reason> {
        if let Some(day) = day(text) {
            return Ok(Self::Day(day));
        }
        // A date that is no day such as `2026-1-1` is no moment either.
        let has_time = matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' '));
        let moment = Timestamp::parse_iso(text).ok().filter(|_| has_time);
        moment.map(Self::Moment).ok_or(Reason::NotADayOrTime)
    }

    /// The day of the zone that it is, or that it lies in.
    fn day_in(self, zone: &TimeZone) -> Date {
        match self {
            Self::Day(day) => day,
            Self::Moment(at) => day_of(at, zone),
        }
    }

    /// The first moment of it.
    fn first(self, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Day(day) => start_of(day, zone),
            Self::Moment(at) => at,
        }
    }

    /// The first moment after it.
    fn after(self, zone: &TimeZone) -> Timestamp {
        match self {
            // The calendar ends long after the last day that can be written.
            Self::Day(day) => start_of(day.tomorrow().unwrap_or(day), zone),
            Self::Moment(at) => at.plus_millis(1),
        }
    }
}

fn parse_zone(text: &str) -> Result<TimeZone, Reason> {
    TimeZone::get(text).map_err(|_| Reason::NotATimeZone)
}

/// The day that the zone's clocks show at a moment.
pub(crate) fn day_of(at: Timestamp, zone: &TimeZone) -> Date {
    local(at, zone).date()
}

/// What the zone's clocks show at a moment.
pub(crate) fn local(at: Timestamp, zone: &TimeZone) -> DateTime {
    zone.to_datetime(at.to_jiff())
}

/// When a day begins: at midnight; at the first of two where the zone's clocks show it twice; and where they leave it
/// out, at the moment at which they go on.
pub(crate) fn start_of(day: Date, zone: &TimeZone) -> Timestamp {
    let midnight = zone.to_ambiguous_timestamp(day.to_datetime(Time::midnight()));
    let is_left_out = matches!(midnight.offset(), AmbiguousOffset::Gap { .. });
    let earlier = midnight.earlier().unwrap_or(jiff::Timestamp::MAX);
    let start = if is_left_out {
        // What the offset behind the gap makes of midnight lies before it.
        let changes = zone.following(earlier).next();
        changes.map_or(earlier, |change| change.timestamp())
    } else {
        earlier
    };
    Timestamp::from_millis(start.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bounds in ISO 8601, or the problems.
    fn bounds(start: &str, end: &str, zone: &str) -> Result<[String; 2], Vec<(String, Reason)>> {
        let mut problems = Problems::default();
        let bounds = DateBounds::parse(Some(start), Some(end), Some(zone), &mut problems);
        problems
            .into_result()
            .map(|()| {
                [bounds.from, bounds.until].map(|at| at.map_or("-".into(), Timestamp::to_iso))
            })
            .map_err(|errors| {
                let told = errors.iter();
                told.map(|error| (error.field.to_string(), error.reason))
                    .collect()
            })
    }

    fn day_in(zone: &str, day: &str) -> [String; 2] {
        bounds(day, day, zone).unwrap()
    }

    #[test]
    fn days_and_moments_are_included() {
        assert_eq!(bounds("", " ", ""), Ok(["-".into(), "-".into()]));
        assert_eq!(
            bounds("2026-01-31", "2026-02-01", ""),
            Ok([
                "2026-01-31T00:00:00.000Z".into(),
                "2026-02-02T00:00:00.000Z".into()
            ])
        );
        assert_eq!(
            bounds(
                "2026-01-31T10:00:00+01:00",
                "2026-01-31T09:00:00Z",
                "Europe/Berlin"
            ),
            Ok([
                "2026-01-31T09:00:00.000Z".into(),
                "2026-01-31T09:00:00.001Z".into()
            ])
        );
        assert_eq!(
            bounds("9999-12-31", "9999-12-31", "Pacific/Kiritimati").unwrap()[0],
            "9999-12-30T10:00:00.000Z"
        );
    }

    #[test]
    fn a_day_is_as_long_as_its_zone_makes_it() {
        for (zone, day, first, next) in [
            // 23 and 25 hours.
            (
                "Europe/Berlin",
                "2026-03-29",
                "2026-03-28T23:00",
                "2026-03-29T22:00",
            ),
            (
                "Europe/Berlin",
                "2026-10-25",
                "2026-10-24T22:00",
                "2026-10-25T23:00",
            ),
            // Clocks that go from 24:00 to 01:00, and from 24:00 back to 23:00.
            (
                "America/Sao_Paulo",
                "2018-11-04",
                "2018-11-04T03:00",
                "2018-11-05T02:00",
            ),
            (
                "America/Sao_Paulo",
                "2018-02-17",
                "2018-02-17T02:00",
                "2018-02-18T03:00",
            ),
            // Midnight twice on one day.
            (
                "America/Havana",
                "2025-11-02",
                "2025-11-02T04:00",
                "2025-11-03T05:00",
            ),
            // Samoa had no 30 December 2011, and Kwajalein no 21 August 1993.
            (
                "Pacific/Apia",
                "2011-12-29",
                "2011-12-29T10:00",
                "2011-12-30T10:00",
            ),
            (
                "Pacific/Apia",
                "2011-12-30",
                "2011-12-30T10:00",
                "2011-12-30T10:00",
            ),
            (
                "Pacific/Apia",
                "2011-12-31",
                "2011-12-30T10:00",
                "2011-12-31T10:00",
            ),
            (
                "Pacific/Kwajalein",
                "1993-08-21",
                "1993-08-21T12:00",
                "1993-08-21T12:00",
            ),
        ] {
            let expected = [first, next].map(|at| format!("{at}:00.000Z"));
            assert_eq!(day_in(zone, day), expected, "{zone} {day}");
        }
    }

    #[test]
    fn a_day_begins_where_the_clocks_of_its_zone_first_show_it() {
        let first: Date = "2010-01-01".parse().unwrap();
        let zones: Vec<_> = jiff::tz::db().available().collect();
        assert!(zones.len() > 400, "{}", zones.len());
        for name in zones {
            let zone = TimeZone::get(name.as_str()).unwrap();
            for day in first.series(1.day()).take(3 * 365) {
                let start = start_of(day, &zone);
                assert!(day_of(start, &zone) >= day, "{name} {day}");
                let before = Timestamp::from_millis(start.as_millis() - 1);
                assert!(day_of(before, &zone) < day, "{name} {day}");
            }
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let reversed = Err(vec![("endDate".to_owned(), Reason::EndBeforeStart)]);
        assert_eq!(bounds("2026-01-02", "2026-01-01", ""), reversed);
        assert_eq!(
            bounds("2026-01-02", "2026-01-01T23:59:59.999Z", ""),
            reversed
        );
        assert_eq!(
            bounds("2026-01-01T00:00:00.001Z", "2026-01-01T00:00:00.000Z", ""),
            reversed
        );
        assert_eq!(
            bounds("2026-02-30", "2026-1-1", "Europe/Atlantis"),
            Err(vec![
                ("startDate".into(), Reason::NotADayOrTime),
                ("endDate".into(), Reason::NotADayOrTime),
                ("timezone".into(), Reason::NotATimeZone),
            ])
        );
        for text in [
            "noon",
            "0000-01-01",
            "2026-01-01T25:00:00Z",
            "+2026-01-01",
            "1767225600000",
        ] {
            let wrong = bounds(text, "", "").unwrap_err();
            assert_eq!(
                wrong,
                [("startDate".into(), Reason::NotADayOrTime)],
                "{text}"
            );
        }
    }
}
