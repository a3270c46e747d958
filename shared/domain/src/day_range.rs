//! A range of UTC days, as the read routes take it.

use jiff::ToSpan as _;
use jiff::civil::Date;

use crate::{ParseError, Reason, Timestamp};

/// Days from the first to the last, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayRange {
    first: String,
    last: String,
}

impl DayRange {
    /// Takes `startDate` and `endDate`, each `YYYY-MM-DD`. Without an end it is today; without a start, the range has
    /// `default_days` days.
    ///
    /// # Errors
    ///
    /// [`Reason::NotADay`]; [`Reason::NotARange`] when the end lies before the start or the range has more than
    /// `most_days` days.
    pub fn parse(
        start: Option<&str>,
        end: Option<&str>,
        now: Timestamp,
        default_days: u32,
        most_days: u32,
    ) -> Result<Self, ParseError> {
        let last = match end {
            Some(text) => parse_day("endDate", text)?,
            None => parse_day("endDate", &now.day())?,
        };
        let first = match start {
            Some(text) => parse_day("startDate", text)?,
            None => last.saturating_sub(i64::from(default_days.saturating_sub(1)).days()),
        };
        let days = last.duration_since(first).as_secs() / 86_400;
        if !(0..i64::from(most_days)).contains(&days) {
            let reason = Reason::NotARange { days: most_days };
            return Err(ParseError::new("endDate", reason));
        }
        Ok(Self {
            first: first.to_string(),
            last: last.to_string(),
        })
    }

    /// The first day, `YYYY-MM-DD`.
    #[must_use]
    pub fn first(&self) -> &str {
        &self.first
    }

    /// The last day, `YYYY-MM-DD`.
    #[must_use]
    pub fn last(&self) -> &str {
        &self.last
    }
}

fn parse_day(field: &'static str, text: &str) -> Result<Date, ParseError> {
    day(text).ok_or_else(|| ParseError::new(field, Reason::NotADay))
}

/// Exactly `YYYY-MM-DD`, in the years that [`Timestamp`] knows.
pub(crate) fn day(text: &str) -> Option<Date> {
    // The forms without hyphens are days as well, and what follows a day is not looked at.
    let hyphens = text.match_indices('-').map(|(place, _)| place);
    let is_day = text.len() == "2026-01-31".len() && hyphens.eq([4, 7]) && text >= "1971";
    text.parse().ok().filter(|_| is_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: Option<&str>, end: Option<&str>) -> Result<String, (String, Reason)> {
        let now = Timestamp::parse_iso("2026-03-01T23:59:59Z").unwrap();
        DayRange::parse(start, end, now, 30, 366)
            .map(|range| format!("{} {}", range.first(), range.last()))
            .map_err(|error| (error.field.into_owned(), error.reason))
    }

    #[test]
    fn days_are_inclusive_and_have_defaults() {
        assert_eq!(range(None, None), Ok("2026-01-31 2026-03-01".into()));
        assert_eq!(
            range(Some("2026-03-01"), None),
            Ok("2026-03-01 2026-03-01".into())
        );
        assert_eq!(
            range(None, Some("2024-03-01")),
            Ok("2024-02-01 2024-03-01".into())
        );
        assert_eq!(
            range(Some("2024-01-01"), Some("2024-12-31")),
            Ok("2024-01-01 2024-12-31".into())
        );
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let not_a_range = Err(("endDate".to_owned(), Reason::NotARange { days: 366 }));
        assert_eq!(range(Some("2026-03-02"), None), not_a_range);
        assert_eq!(range(Some("2025-02-28"), None), not_a_range);
        for text in [
            "2026-02-30",
            "2026-1-1",
            "yesterday",
            "0000-01-01",
            "2026-01-01T00:00:00Z",
        ] {
            assert_eq!(
                range(Some(text), None),
                Err(("startDate".into(), Reason::NotADay)),
                "{text}"
            );
        }
    }
}
