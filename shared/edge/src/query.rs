//! What the read routes have in common: the parameters of a query.

use axum::extract::rejection::QueryRejection;
use shoptrail_domain::{ParseError, Reason};

use crate::ApiError;

pub use shoptrail_domain::query::given;

/// With fields that take any text, nothing else can be wrong with a query than a parameter that is there twice.
impl From<QueryRejection> for ApiError {
    fn from(_: QueryRejection) -> Self {
        ParseError::new("query", Reason::Duplicate).into()
    }
}
