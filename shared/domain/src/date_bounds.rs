//! The first and the last moment of what is asked for, out of days and points in time.

use chrono::{DateTime, MappedLocalTime, NaiveDate, NaiveTime, TimeZone as _};
use chrono_tz::{GapInfo, Tz};

use crate::day_range::day;
use crate::error::Problems;
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
    Day(NaiveDate),
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
        let start = problems.parameter("startDate", start, Bound::parse);
        let end = problems.parameter("endDate", end, Bound::parse);
        let zone = problems
            .parameter("timezone", zone, parse_zone)
            .unwrap_or(Tz::UTC);
        let from = start.map(|bound| bound.first(zone));
        let until = end.map(|bound| bound.after(zone));
        let is_reversed = match (start, end) {
            // Not by their moments: a day that the zone left out is an empty range, and no wrong one.
            (Some(Bound::Day(start)), Some(Bound::Day(end))) => end < start,
            _ => matches!((from, until), (Some(from), Some(until)) if until <= from),
        };
        if is_reversed {
            problems.note::<()>("endDate", Err(Reason::EndBeforeStart));
        }
        Self { from, until }
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

    /// The first moment of it.
    fn first(self, zone: Tz) -> Timestamp {
        match self {
            Self::Day(day) => start_of(day, zone),
            Self::Moment(at) => at,
        }
    }

    /// The first moment after it.
    fn after(self, zone: Tz) -> Timestamp {
        match self {
            // The calendar ends long after the last day that can be written.
            Self::Day(day) => start_of(day.succ_opt().unwrap_or(day), zone),
            Self::Moment(at) => at.plus_millis(1),
        }
    }
}

fn parse_zone(text: &str) -> Result<Tz, Reason> {
    text.parse().map_err(|_| Reason::NotATimeZone)
}

/// When a day begins: at midnight; at the first of two where the zone's clocks show it twice; and where they leave it
/// out, at the moment at which they go on.
fn start_of(day: NaiveDate, zone: Tz) -> Timestamp {
    let midnight = day.and_time(NaiveTime::MIN);
    let start = match zone.from_local_datetime(&midnight) {
        MappedLocalTime::Single(start) => Some(start),
        MappedLocalTime::Ambiguous(one, other) => Some(one.min(other)),
        MappedLocalTime::None => GapInfo::new(&midnight, &zone).and_then(|gap| gap.end),
    };
    let millis = start.as_ref().map_or_else(
        || midnight.and_utc().timestamp_millis(),
        DateTime::timestamp_millis,
    );
    Timestamp::from_millis(millis)
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
        let first: NaiveDate = "2010-01-01".parse().unwrap();
        for zone in chrono_tz::TZ_VARIANTS {
            for day in first.iter_days().take(3 * 365) {
                let start = start_of(day, zone).as_millis();
                let shown = |millis| {
                    let at = zone.timestamp_millis_opt(millis);
                    at.unwrap().date_naive()
                };
                assert!(shown(start) >= day, "{zone} {day}");
                assert!(shown(start - 1) < day, "{zone} {day}");
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
