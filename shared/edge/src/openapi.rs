//! What the functions' OpenAPI documents share.

mod completion;

use serde_json::Value;
use shoptrail_domain::schema;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::error::{ErrorBody, FieldProblem};

/// The document's frame; the functions' own documents are merged into it.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "Shoptrail", description = "Cart tracking, session ingest and Ask AI for Shopify storefronts."),
    components(schemas(
        ErrorBody, FieldProblem,
        // Of parameters.
        schema::ActionTypeText, schema::CursorText, schema::DayOrTimeText, schema::DayText, schema::EmailText,
        schema::EventIdText, schema::IdText, schema::SessionText, schema::StoreNameText, schema::TimeZoneText,
        schema::TopicText, schema::TrackerSession, schema::UserText,
    )),
    tags(
        (name = "Cart tracking", description = "Add-to-cart and buy-now events."),
        (name = "Sessions", description = "Browsing sessions."),
        (name = "Ask AI", description = "Popup decisions."),
        (name = "Reading", description = "What was stored, and what was not."),
        (name = "Privacy", description = "Erasure, and Shopify's compliance webhooks."),
        (name = "Service", description = "Health and documents."),
    ),
)]
pub struct Frame;

impl Frame {
    /// The frame with its security schemes.
    #[must_use]
    pub fn document() -> utoipa::openapi::OpenApi {
        let mut document = Self::openapi();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "apiKey",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key"))),
        );
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        );
        components.add_security_scheme(
            "appProxy",
            SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::with_description(
                "signature",
                "The signature of the query, as Shopify's app proxy makes it",
            ))),
        );
        components.add_security_scheme(
            "shopifyWebhook",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "X-Shopify-Hmac-Sha256",
                "The signature of the body, as Shopify's webhooks make it",
            ))),
        );
        document
    }

    /// A document of all functions with what their operations have in common: examples, errors, headers.
    ///
    /// # Errors
    ///
    /// Where a document is no JSON.
    pub fn complete(document: &utoipa::openapi::OpenApi) -> serde_json::Result<Value> {
        serde_json::to_value(document).map(completion::complete)
    }
}
