//! What the analytics route is asked for.

use serde::Deserialize;
use utoipa::IntoParams;

use super::intervals::{Interval, Intervals};
use crate::date_bounds::ZonedRange;
use crate::error::Problems;
use crate::query::{given, number};
use crate::schema::{DayOrTimeText, StoreNameText, TimeZoneText};
use crate::{ParseError, ParseErrors, Reason, StoreName, Timestamp};

/// Days of a range that says nothing.
const DEFAULT_DAYS: u32 = 30;
/// Days of a range: events are kept for a year, unless configured otherwise, and a leap year has 366 days.
const MOST_DAYS: u32 = 366;
/// Days of a range that is divided into hours: a month, which is more columns than a screen shows.
const MOST_DAYS_IN_HOURS: u32 = 31;
/// Entries of a top list that says nothing.
const DEFAULT_TOP: usize = 10;
/// Entries of a top list: more is what `/export` is for.
const MOST_TOP: usize = 100;

/// What is asked for, as text. Parameters that are empty are ignored.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub struct AnalyticsQuery {
    /// The store.
    #[param(value_type = StoreNameText, required = true)]
    pub store_name: Option<String>,
    /// The first day, `YYYY-MM-DD`, or the first moment, in ISO 8601. Without it the range has 30 days. A range has at
    /// most 366 days, and 31 with `interval=hour`.
    #[param(value_type = Option<DayOrTimeText>, example = "2026-01-01")]
    pub start_date: Option<String>,
    /// The last day, `YYYY-MM-DD`, or the last moment, in ISO 8601; both included. Without it today.
    #[param(value_type = Option<DayOrTimeText>, example = "2026-01-31")]
    pub end_date: Option<String>,
    /// The IANA time zone of the days and hours; without it UTC.
    #[param(value_type = Option<TimeZoneText>)]
    pub timezone: Option<String>,
    /// What the series are divided into: `day`, the default, or `hour`.
    #[param(value_type = Option<Interval>, inline)]
    pub interval: Option<String>,
    /// Entries of each top list.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 10)]
    pub top: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalyticsRequest {
    /// The store.
    pub store: StoreName,
    /// The range, divided.
    pub intervals: Intervals,
    /// What it is divided into.
    pub interval: Interval,
    /// The IANA name of the zone.
    pub timezone: String,
    /// Entries of each top list.
    pub top: usize,
}

impl AnalyticsRequest {
    /// Reads the parameters.
    ///
    /// # Errors
    ///
    /// All that break a rule.
    pub fn parse(query: &AnalyticsQuery, now: Timestamp) -> Result<Self, ParseErrors> {
        let mut problems = Problems::default();
        let store = given(query.store_name.as_deref()).ok_or(Reason::Required);
        let store = problems.note("storeName", store.and_then(StoreName::parse));
        let range = ZonedRange::parse(
            query.start_date.as_deref(),
            query.end_date.as_deref(),
            query.timezone.as_deref(),
            now,
            DEFAULT_DAYS,
            &mut problems,
        );
        let interval = problems.parameter("interval", query.interval.as_deref(), Interval::parse);
        let interval = interval.unwrap_or_default();
        let most_days = match interval {
            Interval::Day => MOST_DAYS,
            Interval::Hour => MOST_DAYS_IN_HOURS,
        };
        let name = range.as_ref().and_then(|range| range.zone.iana_name());
        let timezone = name.unwrap_or("UTC").to_owned();
        let intervals = range.and_then(|range| {
            let divided = Intervals::of_range(range, interval, most_days);
            problems.note("endDate", divided)
        });
        let top = problems.parameter("top", query.top.as_deref(), |text| {
            number(text, 1, MOST_TOP)
        });
        problems.into_result()?;
        // What could not be read is among the problems above.
        let missing = |field: &'static str| ParseError::new(field, Reason::Required);
        Ok(Self {
            store: store.ok_or_else(|| missing("storeName"))?,
            intervals: intervals.ok_or_else(|| missing("startDate"))?,
            interval,
            timezone,
            top: top.unwrap_or(DEFAULT_TOP),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a request with these parameters asks for, at half past eleven in the evening (UTC) of 1 March 2026.
    fn asked(parameters: &[(&str, &str)]) -> Result<AnalyticsRequest, Vec<(String, Reason)>> {
        let of = |name: &str| {
            let found = parameters.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let query = AnalyticsQuery {
            store_name: of("storeName"),
            start_date: of("startDate"),
            end_date: of("endDate"),
            timezone: of("timezone"),
            interval: of("interval"),
            top: of("top"),
        };
        let now = Timestamp::parse_iso("2026-03-01T23:30:00Z").unwrap();
        AnalyticsRequest::parse(&query, now).map_err(|errors| {
            let told = errors.iter();
            told.map(|error| (error.field.to_string(), error.reason))
                .collect()
        })
    }

    /// The first and the last moment, and the number of intervals.
    fn range(parameters: &[(&str, &str)]) -> (String, String, usize) {
        let mut all = vec![("storeName", "my-store")];
        all.extend(parameters);
        let intervals = asked(&all).unwrap().intervals;
        let last = intervals.until().plus_millis(-1);
        let count = intervals.starts().len();
        (intervals.from().to_iso(), last.to_iso(), count)
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let request = asked(&[
            ("storeName", " https://My-Store.myshopify.com/ "),
            ("top", " "),
        ]);
        let request = request.unwrap();
        assert_eq!(request.store.as_str(), "my-store.myshopify.com");
        assert_eq!(
            (request.interval, request.timezone.as_str(), request.top),
            (Interval::Day, "UTC", 10)
        );
        let of =
            |from: &str, last: &str, count| (format!("{from}.000Z"), format!("{last}.999Z"), count);
        assert_eq!(
            range(&[]),
            of("2026-01-31T00:00:00", "2026-03-01T23:59:59", 30)
        );
        // In Berlin it is tomorrow already, and in New York still the afternoon.
        assert_eq!(
            range(&[("timezone", "Europe/Berlin")]),
            of("2026-01-31T23:00:00", "2026-03-02T22:59:59", 30)
        );
        assert_eq!(
            range(&[("timezone", "America/New_York")]),
            of("2026-01-31T05:00:00", "2026-03-02T04:59:59", 30)
        );
        assert_eq!(
            range(&[("endDate", "2026-01-30")]),
            of("2026-01-01T00:00:00", "2026-01-30T23:59:59", 30)
        );
        assert_eq!(
            range(&[("startDate", "2026-02-28")]),
            of("2026-02-28T00:00:00", "2026-03-01T23:59:59", 2)
        );
        assert_eq!(
            range(&[
                ("startDate", "2026-02-28T10:00:00Z"),
                ("endDate", "2026-02-28T11:30:00.999Z"),
                ("interval", "HOUR")
            ]),
            of("2026-02-28T10:00:00", "2026-02-28T11:30:00", 2)
        );
        // A moment as the end, in Berlin on the first of February.
        assert_eq!(
            range(&[
                ("endDate", "2026-01-31T23:30:00.999Z"),
                ("timezone", "Europe/Berlin")
            ]),
            of("2026-01-02T23:00:00", "2026-01-31T23:30:00", 30)
        );
    }

    #[test]
    fn a_day_that_the_zone_left_out_is_an_empty_range() {
        let (_, _, count) = range(&[
            ("startDate", "2011-12-30"),
            ("endDate", "2011-12-30"),
            ("timezone", "Pacific/Apia"),
        ]);
        assert_eq!(count, 0);
        let (.., count) = range(&[
            ("startDate", "2011-12-29"),
            ("endDate", "2011-12-31"),
            ("timezone", "Pacific/Apia"),
        ]);
        assert_eq!(count, 2);
    }

    #[test]
    fn all_that_is_wrong_is_told_and_nothing_twice() {
        let told = |parameters: &[(&str, &str)]| asked(parameters).unwrap_err();
        assert_eq!(told(&[]), [("storeName".to_owned(), Reason::Required)]);
        assert_eq!(
            told(&[
                ("storeName", "nowhere.example.com"),
                ("startDate", "2026-02-30"),
                ("timezone", "Europe/Atlantis"),
                ("interval", "week"),
                ("top", "101"),
            ]),
            [
                ("storeName".to_owned(), Reason::NotAStore),
                ("startDate".to_owned(), Reason::NotADayOrTime),
                ("timezone".to_owned(), Reason::NotATimeZone),
                ("interval".to_owned(), Reason::NotAnInterval),
                (
                    "top".to_owned(),
                    Reason::NotANumberFrom { min: 1, max: 100 }
                ),
            ]
        );
        let of_dates = |start, end, interval| {
            let errors = told(&[
                ("storeName", "my-store"),
                ("startDate", start),
                ("endDate", end),
                ("interval", interval),
            ]);
            assert_eq!((errors.len(), errors[0].0.as_str()), (1, "endDate"));
            errors[0].1
        };
        assert_eq!(
            of_dates("2026-01-02", "2026-01-01", ""),
            Reason::EndBeforeStart
        );
        // In the future, where nothing else is said.
        assert_eq!(of_dates("2026-03-02", "", "hour"), Reason::EndBeforeStart);
        let too_long = |days| Reason::NotARange { days };
        assert_eq!(of_dates("2025-03-01", "2026-03-02", ""), too_long(366));
        assert_eq!(of_dates("2026-01-01", "2026-02-01", "hour"), too_long(31));
        let mut longest = vec![("storeName", "my-store"), ("startDate", "2025-03-01")];
        longest.push(("endDate", "2026-03-01"));
        assert_eq!(asked(&longest).unwrap().intervals.starts().len(), 366);
    }
}
