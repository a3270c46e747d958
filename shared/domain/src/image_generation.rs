//! Image generations: pictures that a try-on widget made, or tried to make, of a shopper.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::email::Email;
use crate::event_fields::{EventFields, fingerprint};
use crate::identifier::{EventId, ExternalId, SessionRef};
use crate::schema::{
    ConsentGiven, EmailText, EventIdText, GenerationStatusText, IdOrNumber, SessionText,
    StoreNameText, WebUrlText,
};
use crate::sender::Sender;
use crate::web_url::WebUrl;
use crate::wire::Scalar;
use crate::{ParseErrors, Reason, StoreName};

/// How far a generation is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GenerationStatus {
    /// Asked for.
    Pending,
    /// Under way.
    Processing,
    /// There is a picture.
    #[default]
    Completed,
    /// There will be none.
    Failed,
}

impl GenerationStatus {
    /// All of them, in the order in which a generation goes through them.
    pub const ALL: [Self; 4] = [
        Self::Pending,
        Self::Processing,
        Self::Completed,
        Self::Failed,
    ];

    /// Takes `pending`, `processing`, `completed` or `failed`.
    ///
    /// # Errors
    ///
    /// [`Reason::NotAGenerationStatus`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text.trim())
            .ok_or(Reason::NotAGenerationStatus)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// The body of `POST /api/image-generations/track`, as it comes. Unknown fields are ignored.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "storeName": "my-store.myshopify.com", "status": "completed",
    "generatedImageUrl": "https://images.example.com/try-on/generated.jpg",
    "productId": "8123456789", "variantId": "44123456789",
    "sessionId": "af4bac4d-077a-4756-91d0-fa2570fd206f", "eventId": "b0f3c0de-0002"
}))]
pub struct TrackImageGeneration {
    /// The store: its domain, its bare name or its address in Shopify's admin.
    #[schema(value_type = StoreNameText, required = true)]
    #[serde(default)]
    pub store_name: Scalar,
    /// The try-on picture. Absolute, `http` or `https`.
    #[schema(value_type = Option<WebUrlText>)]
    #[serde(default)]
    pub generated_image_url: Scalar,
    /// The person's picture. Absolute, `http` or `https`.
    #[schema(value_type = Option<WebUrlText>)]
    #[serde(default)]
    pub person_image_url: Scalar,
    /// The garment's picture. Absolute, `http` or `https`.
    #[schema(value_type = Option<WebUrlText>)]
    #[serde(default)]
    pub clothing_image_url: Scalar,
    /// `pending`, `processing`, `completed` (default) or `failed`.
    #[schema(value_type = Option<GenerationStatusText>)]
    #[serde(default)]
    pub status: Scalar,
    /// A string or a whole number; `gid://shopify/Product/123` is `123`.
    #[schema(value_type = Option<IdOrNumber>)]
    #[serde(default)]
    pub product_id: Scalar,
    /// A string or a whole number.
    #[schema(value_type = Option<IdOrNumber>)]
    #[serde(default)]
    pub variant_id: Scalar,
    /// A string or a whole number.
    #[schema(value_type = Option<IdOrNumber>)]
    #[serde(default)]
    pub customer_id: Scalar,
    /// Kept in lower case.
    #[schema(value_type = Option<EmailText>)]
    #[serde(default)]
    pub customer_email: Scalar,
    /// The shopper's session.
    #[schema(value_type = Option<SessionText>)]
    #[serde(default)]
    pub session_id: Scalar,
    /// Idempotency key (also the header `Idempotency-Key`): 8 to 64 of `[A-Za-z0-9_-]`. Another status of the same
    /// generation is another message, with another key.
    #[schema(value_type = Option<EventIdText>)]
    #[serde(default)]
    pub event_id: Scalar,
    /// `false`, or an object whose `analytics` is `false`: the generation is not stored.
    #[schema(value_type = Option<ConsentGiven>)]
    #[serde(default)]
    pub consent: Value,
}

/// An image generation that keeps every rule of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageGeneration {
    /// The store.
    pub store_name: StoreName,
    /// The try-on picture.
    pub generated_image_url: Option<WebUrl>,
    /// The person's picture.
    pub person_image_url: Option<WebUrl>,
    /// The garment's picture.
    pub clothing_image_url: Option<WebUrl>,
    /// How far it is.
    pub status: GenerationStatus,
    /// The product that was tried on.
    pub product_id: Option<ExternalId>,
    /// Its variant.
    pub variant_id: Option<ExternalId>,
    /// The customer.
    pub customer_id: Option<ExternalId>,
    /// The customer's address, in lower case.
    pub customer_email: Option<Email>,
    /// The shopper's session.
    pub session_id: Option<SessionRef>,
    /// The idempotency key.
    pub event_id: Option<EventId>,
    /// Whether the shopper agrees to being recorded.
    pub has_consent: bool,
    /// SHA-256, in hex, of what the client said: two requests of one `eventId` must agree in it.
    pub fingerprint: String,
}

impl ImageGeneration {
    /// Validates and normalizes in one step.
    ///
    /// # Errors
    ///
    /// All fields that break a rule, in the order of [`TrackImageGeneration`].
    pub fn parse(wire: &TrackImageGeneration, sender: Sender<'_>) -> Result<Self, ParseErrors> {
        let mut fields = EventFields::new(sender);
        let store_name = fields.store_name(&wire.store_name);
        let mut generation = Self {
            generated_image_url: fields.url("generatedImageUrl", &wire.generated_image_url),
            person_image_url: fields.url("personImageUrl", &wire.person_image_url),
            clothing_image_url: fields.url("clothingImageUrl", &wire.clothing_image_url),
            status: fields
                .named("status", &wire.status, GenerationStatus::parse)
                .unwrap_or_default(),
            product_id: fields.external_id("productId", &wire.product_id),
            variant_id: fields.external_id("variantId", &wire.variant_id),
            customer_id: fields.customer_id(&wire.customer_id),
            customer_email: fields.customer_email(&wire.customer_email),
            session_id: fields.session_id(&wire.session_id),
            event_id: fields.event_id(&wire.event_id),
            has_consent: fields.consent(&wire.consent),
            fingerprint: String::new(),
            store_name: fields.finish(store_name)?,
        };
        // Only with a key is there anything to compare it with.
        if generation.event_id.is_some() {
            generation.fingerprint = generation.compute_fingerprint();
        }
        Ok(generation)
    }

    fn compute_fingerprint(&self) -> String {
        let said = [
            self.generated_image_url.as_ref().map(WebUrl::as_str),
            self.person_image_url.as_ref().map(WebUrl::as_str),
            self.clothing_image_url.as_ref().map(WebUrl::as_str),
            Some(self.status.as_str()),
            self.product_id.as_ref().map(ExternalId::as_str),
            self.variant_id.as_ref().map(ExternalId::as_str),
            self.customer_id.as_ref().map(ExternalId::as_str),
            self.customer_email.as_ref().map(Email::as_str),
            self.session_id.as_ref().map(SessionRef::as_str),
        ];
        fingerprint(said, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::sender::Signed;
    use serde_json::json;

    fn parse_from(body: &Value, sender: Sender<'_>) -> Result<ImageGeneration, ParseErrors> {
        let wire = json::decode(body.to_string().as_bytes()).map_err(ParseErrors::from)?;
        ImageGeneration::parse(&wire, sender)
    }

    fn parse(body: &Value) -> Result<ImageGeneration, ParseErrors> {
        parse_from(body, Sender::default())
    }

    #[test]
    fn a_store_alone_is_a_completed_generation() {
        let generation = parse(&json!({ "storeName": "my-store", "status": " " })).unwrap();
        assert_eq!(generation.store_name.as_str(), "my-store.myshopify.com");
        assert_eq!(generation.status, GenerationStatus::Completed);
        assert!(generation.has_consent);
    }

    #[test]
    fn a_status_is_one_of_four() {
        for status in GenerationStatus::ALL {
            let body = json!({ "storeName": "s", "status": format!(" {} ", status.as_str()) });
            assert_eq!(parse(&body).unwrap().status, status);
            assert_eq!(json!(status), json!(status.as_str()));
        }
        for (wrong, reason) in [
            (json!("Completed"), Reason::NotAGenerationStatus),
            (json!("done"), Reason::NotAGenerationStatus),
            (json!(1), Reason::NotAString),
        ] {
            let errors = parse(&json!({ "storeName": "s", "status": wrong })).unwrap_err();
            assert_eq!(
                (errors.first().field.as_ref(), errors.first().reason),
                ("status", reason)
            );
        }
    }

    #[test]
    fn all_problems_are_told_in_the_order_of_the_fields() {
        let errors = parse(&json!({
            "consent": "perhaps", "eventId": "short", "sessionId": 7, "customerEmail": "nobody", "customerId": 1.5, "variantId": [],
            "productId": {}, "status": "done", "clothingImageUrl": 7, "personImageUrl": "/me.png", "generatedImageUrl": "data:,",
        }))
        .unwrap_err();
        let told: Vec<_> = errors.iter().map(|error| error.field.as_ref()).collect();
        assert_eq!(
            told,
            [
                "storeName",
                "generatedImageUrl",
                "personImageUrl",
                "clothingImageUrl",
                "status",
                "productId",
                "variantId",
                "customerId",
                "customerEmail",
                "sessionId",
                "eventId",
                "consent",
            ]
        );
    }

    #[test]
    fn ids_and_addresses_are_normalized_as_those_of_cart_events() {
        let generation = parse(&json!({
            "storeName": "s", "productId": "gid://shopify/Product/7", "variantId": 8, "customerEmail": " Jane@Example.com ",
        }))
        .unwrap();
        assert_eq!(generation.product_id.unwrap().as_str(), "7");
        assert_eq!(generation.variant_id.unwrap().as_str(), "8");
        assert_eq!(
            generation.customer_email.unwrap().as_str(),
            "jane@example.com"
        );
    }

    #[test]
    fn what_is_signed_goes_before_what_the_body_says() {
        let store_name = StoreName::parse("s").unwrap();
        let sender = Sender {
            signed: Some(Signed {
                store_name: &store_name,
                customer_id: None,
            }),
            ..Sender::default()
        };
        let generation = parse_from(&json!({ "customerId": 7 }), sender).unwrap();
        assert_eq!(
            (generation.store_name, generation.customer_id),
            (store_name.clone(), None)
        );
    }

    #[test]
    fn everything_that_is_said_is_in_the_fingerprint() {
        let whole = json!({
            "storeName": "s", "eventId": "key-12345", "status": "pending", "productId": "1", "variantId": "2", "customerId": "3",
            "customerEmail": "jane@example.com", "sessionId": "s-1", "generatedImageUrl": "https://img.example/1",
            "personImageUrl": "https://img.example/2", "clothingImageUrl": "https://img.example/3",
        });
        let print = |body: &Value| parse(body).unwrap().fingerprint;
        assert_eq!(print(&whole), print(&whole));
        for field in whole.as_object().unwrap().keys() {
            let mut less = whole.clone();
            less.as_object_mut().unwrap().remove(field);
            match field.as_str() {
                // Which record it is held against: see the database.
                "storeName" => {}
                "eventId" => assert_eq!(print(&less), "", "without a key there is none"),
                field => assert_ne!(print(&less), print(&whole), "{field}"),
            }
        }
    }
}
