//! The one shape of every error.

use std::sync::Arc;

use axum::Json;
use axum::http::header::{ALLOW, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shoptrail_domain::{ParseError, ParseErrors, Reason};
use shoptrail_storage::StoreError;
use utoipa::ToSchema;

/// Seconds after which to try again when the database is not available.
const RETRY_AFTER_SECONDS: &str = "2";

/// Seconds after which to try a route again that is switched off: somebody is looking into it.
const DISABLED_SECONDS: &str = "60";

/// Why a request is not answered with what it asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiError {
    /// The body breaks rules.
    #[error("validation failed")]
    Invalid(#[source] ParseErrors),
    /// No credential, or one that does not verify.
    #[error("unauthorized")]
    Unauthorized,
    /// A valid credential for something else, or an origin that is not allowed.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// What is not there; with a sentence for the client.
    #[error("not found: {0}")]
    NotFound(&'static str),
    /// The path has other methods.
    #[error("method not allowed")]
    MethodNotAllowed {
        /// They, comma separated.
        allow: String,
    },
    /// The body is larger than the route takes.
    #[error("payload too large")]
    PayloadTooLarge {
        /// What it takes, in bytes.
        limit: usize,
    },
    /// The body is of another kind than the route takes.
    #[error("unsupported media type")]
    UnsupportedMediaType,
    /// Too many requests.
    #[error("rate limited")]
    RateLimited {
        /// When to try again.
        retry_after_seconds: u32,
    },
    /// The route is switched off.
    #[error("disabled")]
    Disabled,
    /// The database.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// A fault of ours.
    #[error("internal: {0}")]
    Internal(&'static str),
}

impl From<ParseErrors> for ApiError {
    fn from(errors: ParseErrors) -> Self {
        Self::Invalid(errors)
    }
}

impl From<ParseError> for ApiError {
    fn from(error: ParseError) -> Self {
        Self::Invalid(error.into())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_too_much() {
            return ParseError::new("storeName", Reason::TooLongForAllStores).into();
        }
        Self::Store(Arc::new(error))
    }
}

/// An error's body.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// `false`, on the tracker's routes alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = false)]
    pub ok: Option<bool>,
    /// `error`.
    #[schema(example = "error")]
    pub status: &'static str,
    /// The kind of error, for people.
    #[schema(example = "Validation Error")]
    pub error: &'static str,
    /// What is wrong, for people.
    #[schema(example = "storeName is required")]
    pub message: String,
    /// The kind of error, for programs.
    #[schema(example = "VALIDATION_ERROR")]
    pub code: &'static str,
    /// The request's id, for asking about it.
    #[schema(example = "JKJaXmPLvHcESHA=")]
    pub request_id: String,
    /// The first problem; on 400 alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub details: Option<FieldProblem>,
    /// All problems; on 400 alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub errors: Option<Vec<FieldProblem>>,
}

/// A field and what is wrong with it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldProblem {
    /// The field's name, or `body`.
    #[schema(example = "storeName")]
    pub field: String,
    /// The rule that it breaks.
    #[schema(example = "Field is required")]
    pub reason: String,
}

impl From<&ParseError> for FieldProblem {
    fn from(error: &ParseError) -> Self {
        Self {
            field: error.field.to_string(),
            reason: error.reason.to_string(),
        }
    }
}

/// What an error says to the client.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) error: &'static str,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Answer {
    fn new(status: StatusCode, error: &'static str, code: &'static str, message: &str) -> Self {
        Self {
            status,
            error,
            code,
            message: message.to_owned(),
        }
    }

    /// The same key was used for something else.
    pub(crate) fn conflict() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "Conflict",
            "IDEMPOTENCY_CONFLICT",
            "This eventId was used for another event",
        )
    }

    /// The database does not answer, or not in time.
    pub(crate) fn database_unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Service Unavailable",
            "DATABASE_UNAVAILABLE",
            "Database service unavailable",
        )
    }

    /// The database does not do what it is asked.
    pub(crate) fn database_error() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Server Error",
            "DATABASE_ERROR",
            "The database refused the request",
        )
    }

    /// The same answer in other words.
    pub(crate) fn saying(self, message: &str) -> Self {
        Self {
            message: message.to_owned(),
            ..self
        }
    }

    /// The body that says so.
    pub(crate) fn into_body(
        self,
        problems: Option<Vec<FieldProblem>>,
        request_id: &str,
        is_tracker: bool,
    ) -> ErrorBody {
        ErrorBody {
            ok: is_tracker.then_some(false),
            status: "error",
            error: self.error,
            message: self.message,
            code: self.code,
            request_id: request_id.to_owned(),
            details: problems
                .as_ref()
                .and_then(|problems| problems.first().cloned()),
            errors: problems,
        }
    }
}

impl ApiError {
    pub(crate) fn answer(&self) -> Answer {
        let answer = Answer::new;
        match self {
            Self::Invalid(errors) => answer(
                StatusCode::BAD_REQUEST,
                "Validation Error",
                "VALIDATION_ERROR",
                &errors.first().message(),
            ),
            Self::Unauthorized => answer(
                StatusCode::UNAUTHORIZED,
                "Unauthorized",
                "UNAUTHORIZED",
                "A valid credential is required",
            ),
            Self::Forbidden(message) => {
                answer(StatusCode::FORBIDDEN, "Forbidden", "FORBIDDEN", message)
            }
            Self::NotFound(message) => {
                answer(StatusCode::NOT_FOUND, "Not Found", "NOT_FOUND", message)
            }
            Self::MethodNotAllowed { .. } => answer(
                StatusCode::METHOD_NOT_ALLOWED,
                "Method Not Allowed",
                "METHOD_NOT_ALLOWED",
                "This path does not take this method",
            ),
            Self::PayloadTooLarge { limit } => answer(
                StatusCode::PAYLOAD_TOO_LARGE,
                "Payload Too Large",
                "PAYLOAD_TOO_LARGE",
                &format!("The body may hold at most {} KiB", limit / 1024),
            ),
            Self::UnsupportedMediaType => answer(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported Media Type",
                "UNSUPPORTED_MEDIA_TYPE",
                "The body must be JSON, uncompressed",
            ),
            Self::RateLimited { .. } => answer(
                StatusCode::TOO_MANY_REQUESTS,
                "Too Many Requests",
                "RATE_LIMITED",
                "Too many requests",
            ),
            Self::Disabled => answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "Service Unavailable",
                "DISABLED",
                "This route is switched off for the moment",
            ),
            Self::Store(error) if error.is_conflict() => Answer::conflict(),
            Self::Store(error) if error.is_unavailable() => Answer::database_unavailable(),
            Self::Store(_) => Answer::database_error(),
            Self::Internal(_) => answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Server Error",
                "SERVER_ERROR",
                "Something went wrong on our side",
            ),
        }
    }

    /// The error's code on the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.answer().code
    }

    /// The answer to a request with this id.
    #[must_use]
    pub fn to_response(&self, request_id: &str, is_tracker: bool) -> Response {
        let answer = self.answer();
        let status = answer.status;
        let problems: Option<Vec<FieldProblem>> = match self {
            Self::Invalid(errors) => Some(errors.iter().map(FieldProblem::from).collect()),
            _ => None,
        };
        let body = answer.into_body(problems, request_id, is_tracker);
        (status, self.headers(), Json(body)).into_response()
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::MethodNotAllowed { allow } => {
                headers.extend(
                    HeaderValue::from_str(allow)
                        .ok()
                        .map(|allow| (ALLOW, allow)),
                );
            }
            Self::RateLimited {
                retry_after_seconds,
            } => {
                headers.insert(RETRY_AFTER, (*retry_after_seconds).into());
            }
            Self::Disabled => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(DISABLED_SECONDS));
            }
            Self::Store(error) if error.is_unavailable() => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
            }
            _ => {}
        }
        headers
    }
}

/// Handlers return the bare error; the gate, which knows the request's id and its route, writes the answer.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.answer().status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
