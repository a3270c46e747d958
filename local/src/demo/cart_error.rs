//! What goes wrong with a cart, in the shape that Shopify's Ajax API gives it: `{ status, message, description }`.
//! Themes show the description to the shopper, so it names products, and nothing that was sent.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use thiserror::Error;

/// Why a request for the cart, or for a product, is not done. Nothing of it is done then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum CartError {
    #[error("The request body could not be read")]
    Unreadable,
    #[error("The request body is too large")]
    TooLarge,
    #[error("Required parameter missing or invalid: {0}")]
    Parameter(&'static str),
    /// A change of a line that the cart does not have.
    #[error("no valid id or line parameter")]
    NoSuchLine,
    #[error("Cannot find variant")]
    UnknownVariant,
    #[error("Cannot find product")]
    UnknownProduct,
    /// With the variant's full title.
    #[error("The product '{0}' is already sold out.")]
    SoldOut(String),
    /// With the variant's full title.
    #[error("You can't add more {0} to the cart.")]
    TooMany(String),
}

impl CartError {
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unreadable | Self::Parameter(_) | Self::NoSuchLine => {
                (StatusCode::BAD_REQUEST, "Bad Request")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large"),
            Self::UnknownVariant => (StatusCode::NOT_FOUND, "Cart Error"),
            Self::UnknownProduct => (StatusCode::NOT_FOUND, "Not Found"),
            Self::SoldOut(_) | Self::TooMany(_) => (StatusCode::UNPROCESSABLE_ENTITY, "Cart Error"),
        }
    }
}

impl IntoResponse for CartError {
    fn into_response(self) -> Response {
        let (status, message) = self.status();
        let body = json!({
            "status": status.as_u16(),
            "message": message,
            "description": self.to_string(),
        });
        (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
    }
}
