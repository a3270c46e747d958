//! How what is read is ordered and divided into pages.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::error::Problems;
use crate::event_filter::Direction;
use crate::limits::{EVENTS_COLLECTED, PAGE_RECORDS};
use crate::query::{given, number};
use crate::schema::CursorText;
use crate::{ParseErrors, Reason};

/// Records of one page where the request names no number.
const DEFAULT_LIMIT: usize = 50;

/// Which page to give of those that follow each other, as text.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub struct CursorPageQuery {
    /// By time: `ASC`, the oldest first, or `DESC`, the default; in any case.
    #[param(value_type = Option<Direction>, inline)]
    pub order_direction: Option<String>,
    /// Records of a page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 50)]
    pub limit: Option<String>,
    /// The `nextCursor` of the page before; without it the first page.
    #[param(value_type = Option<CursorText>)]
    pub cursor: Option<String>,
}

/// A page of those that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorPage {
    /// By time.
    pub direction: Direction,
    /// Records of a page.
    pub limit: usize,
    /// Where to go on, as it was sent.
    pub cursor: Option<String>,
}

impl CursorPage {
    /// Reads the parameters.
    ///
    /// # Errors
    ///
    /// All that break a rule. The cursor is not looked at.
    pub fn parse(query: &CursorPageQuery) -> Result<Self, ParseErrors> {
        let mut problems = Problems::default();
        let direction = direction(query.order_direction.as_deref(), &mut problems);
        let limit = limit(query.limit.as_deref(), &mut problems);
        problems.into_result()?;
        Ok(Self {
            direction,
            limit,
            cursor: given(query.cursor.as_deref()).map(str::to_owned),
        })
    }
}

/// Which of the numbered pages to give, as text.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub struct NumberedPageQuery {
    /// The page; past the last one there are no records.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100_000, default = 1)]
    pub page: Option<String>,
    /// Records of a page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 50)]
    pub limit: Option<String>,
    /// What the records are ordered by, `created_at` by default. Those without such a field are the smallest.
    #[param(value_type = Option<OrderBy>, inline)]
    pub order_by: Option<String>,
    /// `ASC` or `DESC`, the default; in any case.
    #[param(value_type = Option<Direction>, inline)]
    pub order_direction: Option<String>,
}

/// Which of the numbered pages of image generations to give, as text.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub struct GenerationPageQuery {
    /// The page; past the last one there are no records.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100_000, default = 1)]
    pub page: Option<String>,
    /// Records of a page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 50)]
    pub limit: Option<String>,
    /// What the records are ordered by, `created_at` by default. Those without such a field are the smallest.
    #[param(value_type = Option<GenerationOrderBy>, inline)]
    pub order_by: Option<String>,
    /// `ASC` or `DESC`, the default; in any case.
    #[param(value_type = Option<Direction>, inline)]
    pub order_direction: Option<String>,
}

/// One of the numbered pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberedPage<O = OrderBy> {
    /// Its number; the first one is 1.
    pub page: usize,
    /// Records of a page.
    pub limit: usize,
    /// What comes first.
    pub order_by: O,
    /// Which end of it comes first.
    pub direction: Direction,
}

impl NumberedPage {
    /// Reads the parameters.
    ///
    /// # Errors
    ///
    /// All that break a rule.
    pub fn parse(query: &NumberedPageQuery) -> Result<Self, ParseErrors> {
        Self::read(query, OrderBy::parse)
    }
}

impl NumberedPage<GenerationOrderBy> {
    /// Reads the parameters of a page of image generations.
    ///
    /// # Errors
    ///
    /// All that break a rule.
    pub fn parse_of_generations(query: &GenerationPageQuery) -> Result<Self, ParseErrors> {
        let GenerationPageQuery {
            page,
            limit,
            order_by,
            order_direction,
        } = query.clone();
        let query = NumberedPageQuery {
            page,
            limit,
            order_by,
            order_direction,
        };
        Self::read(&query, GenerationOrderBy::parse)
    }
}

impl<O: Default> NumberedPage<O> {
    fn read(
        query: &NumberedPageQuery,
        parse_order: fn(&str) -> Result<O, Reason>,
    ) -> Result<Self, ParseErrors> {
        let mut problems = Problems::default();
        let page = problems.parameter("page", query.page.as_deref(), |text| {
            // As many pages as there can be records.
            number(text, 1, EVENTS_COLLECTED)
        });
        let limit = limit(query.limit.as_deref(), &mut problems);
        let order_by = problems.parameter("orderBy", query.order_by.as_deref(), parse_order);
        let direction = direction(query.order_direction.as_deref(), &mut problems);
        problems.into_result()?;
        Ok(Self {
            page: page.unwrap_or(1),
            limit,
            order_by: order_by.unwrap_or_default(),
            direction,
        })
    }
}

/// What numbered pages are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are the records' own fields")]
pub enum OrderBy {
    #[default]
    CreatedAt,
    UpdatedAt,
    ActionType,
    ProductId,
    VariantId,
}

impl OrderBy {
    /// Takes the field's name.
    ///
    /// # Errors
    ///
    /// [`Reason::NotAnOrder`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Ok(match text.trim() {
            "created_at" => Self::CreatedAt,
            "updated_at" => Self::UpdatedAt,
            "action_type" => Self::ActionType,
            "product_id" => Self::ProductId,
            "variant_id" => Self::VariantId,
            _ => return Err(Reason::NotAnOrder),
        })
    }
}

/// What numbered pages of image generations are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are the records' own fields")]
pub enum GenerationOrderBy {
    #[default]
    CreatedAt,
    UpdatedAt,
    Status,
    ProductId,
    VariantId,
}

impl GenerationOrderBy {
    /// Takes the field's name.
    ///
    /// # Errors
    ///
    /// [`Reason::NotAGenerationOrder`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Ok(match text.trim() {
            "created_at" => Self::CreatedAt,
            "updated_at" => Self::UpdatedAt,
            "status" => Self::Status,
            "product_id" => Self::ProductId,
            "variant_id" => Self::VariantId,
            _ => return Err(Reason::NotAGenerationOrder),
        })
    }
}

fn limit(parameter: Option<&str>, problems: &mut Problems) -> usize {
    let parse = |text: &str| number(text, 1, PAGE_RECORDS);
    let limit = problems.parameter("limit", parameter, parse);
    limit.unwrap_or(DEFAULT_LIMIT)
}

fn direction(parameter: Option<&str>, problems: &mut Problems) -> Direction {
    let direction = problems.parameter("orderDirection", parameter, Direction::parse);
    direction.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_a_default() {
        let page = CursorPage::parse(&CursorPageQuery {
            limit: Some(" ".into()),
            cursor: Some(String::new()),
            ..CursorPageQuery::default()
        });
        let expected = CursorPage {
            direction: Direction::Descending,
            limit: 50,
            cursor: None,
        };
        assert_eq!(page, Ok(expected));
        let expected = NumberedPage {
            page: 1,
            limit: 50,
            order_by: OrderBy::CreatedAt,
            direction: Direction::Descending,
        };
        assert_eq!(
            NumberedPage::parse(&NumberedPageQuery::default()),
            Ok(expected)
        );
    }

    #[test]
    fn everything_wrong_is_told() {
        for [page, limit] in [["0", "0"], ["100001", "101"], ["-1", "+1"], ["1.5", "ten"]] {
            let query = NumberedPageQuery {
                page: Some(page.into()),
                limit: Some(limit.into()),
                order_by: Some("id; DROP TABLE".into()),
                order_direction: Some("up".into()),
            };
            let errors = NumberedPage::parse(&query).unwrap_err();
            let told: Vec<_> = errors.iter().map(|error| error.reason).collect();
            let from_1_to = |max| Reason::NotANumberFrom { min: 1, max };
            let expected = [
                from_1_to(100_000),
                from_1_to(100),
                Reason::NotAnOrder,
                Reason::NotADirection,
            ];
            assert_eq!(told, expected, "{page} {limit}");
        }
    }

    #[test]
    fn generations_are_ordered_by_what_they_have() {
        let parse = |order_by: &str| {
            NumberedPage::parse_of_generations(&GenerationPageQuery {
                order_by: Some(order_by.into()),
                limit: Some("7".into()),
                ..GenerationPageQuery::default()
            })
        };
        let page = parse(" status ").unwrap();
        assert_eq!((page.order_by, page.limit), (GenerationOrderBy::Status, 7));
        assert_eq!(parse("").unwrap().order_by, GenerationOrderBy::CreatedAt);
        for wrong in ["action_type", "STATUS", "id"] {
            let errors = parse(wrong).unwrap_err();
            assert_eq!(errors.first().reason, Reason::NotAGenerationOrder);
        }
    }

    #[test]
    fn a_direction_is_in_any_case() {
        for text in ["asc", "ASC", " Asc "] {
            assert_eq!(Direction::parse(text), Ok(Direction::Ascending), "{text}");
        }
    }
}
