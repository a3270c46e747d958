//! What the read routes have in common: the parameters of a query.

use axum::extract::rejection::QueryRejection;
use shoptrail_domain::{ParseError, Reason};

use crate::ApiError;

/// With fields that take any text, nothing else can be wrong with a query than a parameter that is there twice.
impl From<QueryRejection> for ApiError {
    fn from(_: QueryRejection) -> Self {
        ParseError::new("query", Reason::Duplicate).into()
    }
}

/// A parameter's text, trimmed; an empty parameter is an absent one.
#[must_use]
pub fn given(parameter: Option<&str>) -> Option<&str> {
    parameter.map(str::trim).filter(|text| !text.is_empty())
}
