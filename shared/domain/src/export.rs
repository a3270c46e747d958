//! How an export of cart events is asked for.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::error::Problems;
use crate::event_filter::Direction;
use crate::query::given;
use crate::schema::CursorText;
use crate::{ParseErrors, Reason};

/// Which part of which export to give, as text.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// `csv`, the default, `xlsx` or `ndjson`; in any case.
    #[param(value_type = Option<ExportFormat>, inline)]
    pub format: Option<String>,
    /// By time: `ASC`, the oldest first, or `DESC`, the default; in any case.
    #[param(value_type = Option<Direction>, inline)]
    pub order_direction: Option<String>,
    /// The `X-Next-Cursor` of the part before; without it the first part.
    #[param(value_type = Option<CursorText>)]
    pub cursor: Option<String>,
}

/// A part of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// How it is written.
    pub format: ExportFormat,
    /// By time.
    pub direction: Direction,
    /// Where to go on, as it was sent.
    pub cursor: Option<String>,
}

impl Export {
    /// Reads the parameters.
    ///
    /// # Errors
    ///
    /// All that break a rule. The cursor is not looked at.
    pub fn parse(query: &ExportQuery) -> Result<Self, ParseErrors> {
        let mut problems = Problems::default();
        let format = problems.parameter("format", query.format.as_deref(), ExportFormat::parse);
        let direction = query.order_direction.as_deref();
        let direction = problems.parameter("orderDirection", direction, Direction::parse);
        problems.into_result()?;
        Ok(Self {
            format: format.unwrap_or_default(),
            direction: direction.unwrap_or_default(),
            cursor: given(query.cursor.as_deref()).map(str::to_owned),
        })
    }
}

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum ExportFormat {
    /// Comma-separated values, RFC 4180.
    #[default]
    Csv,
    /// A workbook of Excel's.
    Xlsx,
    /// One JSON object a line.
    Ndjson,
}

impl ExportFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Xlsx, Self::Ndjson];

    /// Takes a format's name, in any case.
    ///
    /// # Errors
    ///
    /// [`Reason::NotAnExportFormat`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or(Reason::NotAnExportFormat)
    }

    /// The format's name, which is also what its files' names end with.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Ndjson => "ndjson",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_a_default() {
        let blank = ExportQuery {
            format: Some(String::new()),
            cursor: Some(" ".into()),
            ..ExportQuery::default()
        };
        let expected = Export {
            format: ExportFormat::Csv,
            direction: Direction::Descending,
            cursor: None,
        };
        assert_eq!(Export::parse(&blank), Ok(expected));
    }

    #[test]
    fn a_format_is_in_any_case_and_none_other() {
        for format in ExportFormat::ALL {
            let written = format!(" {} ", format.as_str().to_uppercase());
            assert_eq!(ExportFormat::parse(&written), Ok(format));
        }
        let query = ExportQuery {
            format: Some("xls".into()),
            order_direction: Some("up".into()),
            cursor: None,
        };
        let errors = Export::parse(&query).unwrap_err();
        let told: Vec<_> = errors
            .iter()
            .map(|error| (error.field.as_ref(), error.reason))
            .collect();
        let expected = [
            ("format", Reason::NotAnExportFormat),
            ("orderDirection", Reason::NotADirection),
        ];
        assert_eq!(told, expected);
    }
}
