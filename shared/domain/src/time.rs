//! Points in time, in milliseconds.

use jiff::civil::Time;
use jiff::fmt::temporal::{DateTimePrinter, Pieces};
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

use crate::Reason;
use crate::wire::Scalar;

/// A point in time: whole milliseconds since 1970, UTC, within the years 1970 to 9999 (to the day before its last one).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// 9999-12-30T22:00:00.999Z, the last millisecond of a year with four digits in every zone: more digits do not sort.
pub(crate) const LAST_MILLIS: i64 = 253_402_207_200_999;
/// Times as they are stored and sent.
static ISO_8601: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
/// Below this a tracker's `ts` counts seconds: as milliseconds it would lie in 1973.
const SECONDS_BELOW: f64 = 100_000_000_000.0;

impl Timestamp {
    /// The time `millis` after 1970; what lies outside of what there is becomes its edge.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LAST_MILLIS))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn as_secs(self) -> i64 {
        self.0 / 1000
    }

    /// The time `days` later.
    #[must_use]
    pub fn plus_days(self, days: u32) -> Self {
        self.plus_millis(i64::from(days) * 86_400_000)
    }

    /// The time `millis` later.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` until this time; 0 when that lies later.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).max(0)
    }

    /// ISO 8601, UTC, with milliseconds and `Z`: `2024-01-01T12:00:00.000Z`. Sorts by time.
    #[must_use]
    pub fn to_iso(self) -> String {
        ISO_8601.timestamp_to_string(&self.to_jiff())
    }

    /// The same for the calendar's library.
    pub(crate) fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX)
    }

    /// The UTC day: `2024-01-01`.
    #[must_use]
    pub fn day(self) -> String {
        let mut iso = self.to_iso();
        iso.truncate("2024-01-01".len());
        iso
    }

    /// An ISO 8601 time; without an offset it is UTC, and a mere day is its first moment.
    ///
    /// # Errors
    ///
    /// [`Reason::NotATime`].
    pub fn parse_iso(text: &str) -> Result<Self, Reason> {
        let pieces = Pieces::parse(text).map_err(|_| Reason::NotATime)?;
        // A zone's name may contradict the offset, and the years of six digits do not sort.
        if pieces.time_zone_annotation().is_some() || text.as_bytes().get(4) != Some(&b'-') {
            return Err(Reason::NotATime);
        }
        let offset = pieces
            .offset()
            .map_or(Offset::UTC, |offset| offset.to_numeric_offset());
        let at = pieces
            .date()
            .to_datetime(pieces.time().unwrap_or(Time::midnight()));
        // Only the year 9999 ends after the last time there is.
        let at = offset.to_timestamp(at).unwrap_or(jiff::Timestamp::MAX);
        Self::exactly(at.as_millisecond())
    }

    /// ISO 8601 or whole milliseconds since 1970, as `occurredAt` and `sentAt` come.
    pub(crate) fn parse(value: &Scalar) -> Result<Option<Self>, Reason> {
        match value {
            Scalar::Whole(millis) => i64::try_from(*millis)
                .map_err(|_| Reason::NotATime)
                .and_then(Self::exactly)
                .map(Some),
            other => match other.text() {
                Ok(text) => text.map(Self::parse_iso).transpose(),
                Err(_) => Err(Reason::NotATime),
            },
        }
    }

    /// A tracker's `ts`: milliseconds, or seconds when it is below 100,000,000,000; fractions of a
    /// millisecond are dropped. A negative one counts as 0; `None` after the year 9999.
    pub(crate) fn from_tracker(ts: f64) -> Option<Self> {
        let millis = if ts < SECONDS_BELOW { ts * 1000.0 } else { ts };
        (millis <= LAST_MILLIS as f64).then_some(Self(millis.max(0.0) as i64))
    }

    fn exactly(millis: i64) -> Result<Self, Reason> {
        if (0..=LAST_MILLIS).contains(&millis) {
            Ok(Self(millis))
        } else {
            Err(Reason::NotATime)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_time_is_the_calendars() {
        assert_eq!(LAST_MILLIS, jiff::Timestamp::MAX.as_millisecond());
        let end_of_9999 = Timestamp::parse_iso("9999-12-31T23:59:59.9999999Z");
        assert_eq!(end_of_9999, Ok(Timestamp(LAST_MILLIS)));
    }

    #[test]
    fn times_are_iso_8601_with_milliseconds() {
        assert_eq!(
            Timestamp::from_millis(1_704_110_400_000).to_iso(),
            "2024-01-01T12:00:00.000Z"
        );
        assert_eq!(
            Timestamp::from_millis(1_704_110_400_000).day(),
            "2024-01-01"
        );
        assert_eq!(
            Timestamp::from_millis(i64::MAX).to_iso(),
            "9999-12-30T22:00:00.999Z"
        );
        assert_eq!(
            Timestamp::from_millis(i64::MIN).to_iso(),
            "1970-01-01T00:00:00.000Z"
        );
    }

    #[test]
    fn iso_times_are_read_with_and_without_an_offset() {
        let noon = Ok(Timestamp::from_millis(1_704_110_400_000));
        for text in [
            "2024-01-01T12:00:00Z",
            "2024-01-01T12:00:00.000Z",
            "2024-01-01T13:00:00+01:00",
            "2024-01-01T12:00:00",
            "2024-01-01 12:00:00.0004Z",
            "2024-01-01t12:00z",
        ] {
            assert_eq!(Timestamp::parse_iso(text), noon, "{text}");
        }
        assert_eq!(
            Timestamp::parse_iso("2024-01-01").map(Timestamp::to_iso),
            Ok("2024-01-01T00:00:00.000Z".into())
        );
        for text in [
            "",
            "noon",
            "2024-13-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "+12024-01-01T00:00:00Z",
            "+002024-01-01T00:00:00Z",
            "-002024-01-01T00:00:00Z",
            "20240101T120000Z",
            "2024-01-01T12:00:00[Europe/Berlin]",
            "2024-01-01T12:00:00+02:00[Europe/Berlin]",
            "0000-01-01",
        ] {
            assert_eq!(Timestamp::parse_iso(text), Err(Reason::NotATime), "{text}");
        }
    }

    #[test]
    fn a_trackers_time_is_seconds_or_milliseconds() {
        let millis = |ts: f64| Timestamp::from_tracker(ts).map(Timestamp::as_millis);
        assert_eq!(millis(1_712_345_678.0), Some(1_712_345_678_000));
        assert_eq!(millis(1_712_345_678.25), Some(1_712_345_678_250));
        assert_eq!(millis(1_712_345_678_901.0), Some(1_712_345_678_901));
        assert_eq!(millis(100_000_000_000.0), Some(100_000_000_000));
        assert_eq!(millis(99_999_999_999.0), Some(99_999_999_999_000));
        assert_eq!(millis(0.0), Some(0));
        assert_eq!(millis(-1.0), Some(0));
        assert_eq!(millis(1e300), None);
        assert_eq!(millis(f64::NAN), None);
    }
}
