//! Cart events: what a shopper put into the cart, or bought at once.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::email::Email;
use crate::event_fields::{EventFields, fingerprint};
use crate::identifier::{EventId, ExternalId, SessionRef};
use crate::limits::{ACTION_TYPE_CHARS, NAME_CHARS, PRODUCT_TITLE_CHARS, USER_AGENT_CHARS};
use crate::schema::{
    ActionTypeText, ConsentGiven, EmailText, EventIdText, IdOrNumber, SessionText, StoreNameText,
    TimeText, WebUrlText,
};
use crate::sender::Sender;
use crate::web_url::WebUrl;
use crate::wire::Scalar;
use crate::{ParseErrors, Reason, StoreName, Timestamp, text};

/// What a shopper did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionType(String);

impl ActionType {
    /// Takes `add_to_cart`, `buy_now`, `remove_from_cart` or an own name of `[a-z0-9_:.-]`, at most 100.
    ///
    /// # Errors
    ///
    /// [`Reason::TooLong`] or [`Reason::NotAnActionType`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        if text.chars().count() > ACTION_TYPE_CHARS {
            return Err(Reason::TooLong {
                max: ACTION_TYPE_CHARS,
            });
        }
        let valid = !text.is_empty()
            && text.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_:.-".contains(&byte)
            });
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(Reason::NotAnActionType)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ActionType {
    fn default() -> Self {
        Self("add_to_cart".into())
    }
}

/// The body of `POST /api/cart-tracking/track`, as it comes. Unknown fields are ignored.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "storeName": "my-store.myshopify.com", "actionType": "add_to_cart",
    "productId": "8123456789", "productTitle": "Linen shirt", "variantId": "44123456789",
    "productUrl": "https://my-store.myshopify.com/products/linen-shirt",
    "sessionId": "af4bac4d-077a-4756-91d0-fa2570fd206f", "eventId": "b0f3c0de-0001"
}))]
pub struct TrackCartEvent {
    /// The store: its domain, its bare name or its address in Shopify's admin.
    #[schema(value_type = StoreNameText, required = true)]
    #[serde(default)]
    pub store_name: Scalar,
    /// `add_to_cart` (default), `buy_now`, `remove_from_cart` or an own name of `[a-z0-9_:.-]`.
    #[schema(value_type = Option<ActionTypeText>)]
    #[serde(default)]
    pub action_type: Scalar,
    /// A string or a whole number; `gid://shopify/Product/123` is `123`.
    #[schema(value_type = Option<IdOrNumber>)]
    #[serde(default)]
    pub product_id: Scalar,
    /// Cut at 500 characters.
    #[schema(value_type = Option<String>, example = "Linen shirt")]
    #[serde(default)]
    pub product_title: Scalar,
    /// Absolute, `http` or `https`.
    #[schema(value_type = Option<WebUrlText>)]
    #[serde(default)]
    pub product_url: Scalar,
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
    /// Cut at 255 characters.
    #[schema(value_type = Option<String>, example = "Jane")]
    #[serde(default)]
    pub customer_first_name: Scalar,
    /// Cut at 255 characters.
    #[schema(value_type = Option<String>, example = "Doe")]
    #[serde(default)]
    pub customer_last_name: Scalar,
    /// Absolute, `http` or `https`.
    #[schema(value_type = Option<WebUrlText>)]
    #[serde(default)]
    pub generated_image_url: Scalar,
    /// Absolute, `http` or `https`.
    #[schema(value_type = Option<WebUrlText>)]
    #[serde(default)]
    pub person_image_url: Scalar,
    /// Absolute, `http` or `https`.
    #[schema(value_type = Option<WebUrlText>)]
    #[serde(default)]
    pub clothing_image_url: Scalar,
    /// Cut at 1,024 characters; the header `User-Agent` when absent.
    #[schema(value_type = Option<String>, example = "Mozilla/5.0")]
    #[serde(default)]
    pub user_agent: Scalar,
    /// The shopper's session.
    #[schema(value_type = Option<SessionText>)]
    #[serde(default)]
    pub session_id: Scalar,
    /// Idempotency key (also the header `Idempotency-Key`): 8 to 64 of `[A-Za-z0-9_-]`.
    #[schema(value_type = Option<EventIdText>)]
    #[serde(default)]
    pub event_id: Scalar,
    /// The client's time: ISO 8601 or milliseconds since 1970.
    #[schema(value_type = Option<TimeText>)]
    #[serde(default)]
    pub occurred_at: Scalar,
    /// `false`, or an object whose `analytics` is `false`: the event is not stored.
    #[schema(value_type = Option<ConsentGiven>)]
    #[serde(default)]
    pub consent: Value,
}

/// A cart event that keeps every rule of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CartEvent {
    /// The store.
    pub store_name: StoreName,
    /// What the shopper did.
    pub action_type: ActionType,
    /// The product.
    pub product_id: Option<ExternalId>,
    /// Its title, at most 500 characters.
    pub product_title: Option<String>,
    /// Its page.
    pub product_url: Option<WebUrl>,
    /// The variant.
    pub variant_id: Option<ExternalId>,
    /// The customer.
    pub customer_id: Option<ExternalId>,
    /// The customer's address, in lower case.
    pub customer_email: Option<Email>,
    /// At most 255 characters.
    pub customer_first_name: Option<String>,
    /// At most 255 characters.
    pub customer_last_name: Option<String>,
    /// The try-on picture.
    pub generated_image_url: Option<WebUrl>,
    /// The person's picture.
    pub person_image_url: Option<WebUrl>,
    /// The garment's picture.
    pub clothing_image_url: Option<WebUrl>,
    /// At most 1,024 characters.
    pub user_agent: Option<String>,
    /// The shopper's session.
    pub session_id: Option<SessionRef>,
    /// The idempotency key.
    pub event_id: Option<EventId>,
    /// The client's time.
    pub occurred_at: Option<Timestamp>,
    /// The shopper's address.
    pub ip_address: Option<IpAddr>,
    /// Whether the shopper agrees to being recorded.
    pub has_consent: bool,
    /// SHA-256, in hex, of what the client said: two requests of one `eventId` must agree in it.
    pub fingerprint: String,
}

impl CartEvent {
    /// Validates and normalizes in one step.
    ///
    /// # Errors
    ///
    /// All fields that break a rule, in the order of the contract's table.
    pub fn parse(wire: &TrackCartEvent, sender: Sender<'_>) -> Result<Self, ParseErrors> {
        let mut fields = EventFields::new(sender);
        let store_name = fields.store_name(&wire.store_name);
        let action_type = fields.named("actionType", &wire.action_type, ActionType::parse);
        let product_id = fields.external_id("productId", &wire.product_id);
        let variant_id = fields.external_id("variantId", &wire.variant_id);
        let customer_id = fields.customer_id(&wire.customer_id);
        let product_title =
            fields.free_text("productTitle", &wire.product_title, PRODUCT_TITLE_CHARS);
        let customer_first_name =
            fields.free_text("customerFirstName", &wire.customer_first_name, NAME_CHARS);
        let customer_last_name =
            fields.free_text("customerLastName", &wire.customer_last_name, NAME_CHARS);
        let customer_email = fields.customer_email(&wire.customer_email);
        let product_url = fields.url("productUrl", &wire.product_url);
        let generated_image_url = fields.url("generatedImageUrl", &wire.generated_image_url);
        let person_image_url = fields.url("personImageUrl", &wire.person_image_url);
        let clothing_image_url = fields.url("clothingImageUrl", &wire.clothing_image_url);
        let user_agent = fields.free_text("userAgent", &wire.user_agent, USER_AGENT_CHARS);
        let session_id = fields.session_id(&wire.session_id);
        let event_id = fields.event_id(&wire.event_id);
        let occurred_at = fields.time("occurredAt", &wire.occurred_at);
        let has_consent = fields.consent(&wire.consent);

        let mut event = Self {
            store_name: fields.finish(store_name)?,
            action_type: action_type.unwrap_or_default(),
            product_id,
            product_title,
            product_url,
            variant_id,
            customer_id,
            customer_email,
            customer_first_name,
            customer_last_name,
            generated_image_url,
            person_image_url,
            clothing_image_url,
            user_agent,
            session_id,
            event_id,
            occurred_at,
            ip_address: sender.ip_address,
            has_consent,
            fingerprint: String::new(),
        };
        // Only with a key is there anything to compare it with, and only the body counts: a retry over
        // another network has another address and may have another agent.
        if event.event_id.is_some() {
            event.fingerprint = event.compute_fingerprint();
        }
        event.user_agent = event.user_agent.or_else(|| {
            sender
                .user_agent
                .and_then(|agent| text::clean(agent, USER_AGENT_CHARS))
        });
        Ok(event)
    }

    fn compute_fingerprint(&self) -> String {
        let said = [
            Some(self.action_type.as_str()),
            self.product_id.as_ref().map(ExternalId::as_str),
            self.product_title.as_deref(),
            self.product_url.as_ref().map(WebUrl::as_str),
            self.variant_id.as_ref().map(ExternalId::as_str),
            self.customer_id.as_ref().map(ExternalId::as_str),
            self.customer_email.as_ref().map(Email::as_str),
            self.customer_first_name.as_deref(),
            self.customer_last_name.as_deref(),
            self.generated_image_url.as_ref().map(WebUrl::as_str),
            self.person_image_url.as_ref().map(WebUrl::as_str),
            self.clothing_image_url.as_ref().map(WebUrl::as_str),
            self.user_agent.as_deref(),
            self.session_id.as_ref().map(SessionRef::as_str),
        ];
        fingerprint(said, self.occurred_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::sender::Signed;
    use proptest::prelude::*;

    fn parse(body: &serde_json::Value) -> Result<CartEvent, ParseErrors> {
        let wire = json::decode(body.to_string().as_bytes()).map_err(ParseErrors::from)?;
        CartEvent::parse(&wire, Sender::default())
    }

    #[test]
    fn a_store_alone_is_an_event() {
        let event = parse(&serde_json::json!({ "storeName": "my-store", "unknown": 1, "productTitle": null, "userAgent": " " })).unwrap();
        assert_eq!(event.store_name.as_str(), "my-store.myshopify.com");
        assert_eq!(event.action_type, ActionType::default());
        assert_eq!(event.product_title, None);
    }

    #[test]
    fn all_problems_are_told_in_the_order_of_the_table() {
        let errors = parse(&serde_json::json!({
            "customerEmail": "nobody", "productUrl": 7, "actionType": "Add to cart", "eventId": "short", "occurredAt": "noon",
        }))
        .unwrap_err();
        let told: Vec<_> = errors
            .iter()
            .map(|error| (error.field.as_ref(), error.reason))
            .collect();
        assert_eq!(
            told,
            [
                ("storeName", Reason::Required),
                ("actionType", Reason::NotAnActionType),
                ("customerEmail", Reason::NotAnEmail),
                ("productUrl", Reason::NotAString),
                ("eventId", Reason::NotAnEventId),
                ("occurredAt", Reason::NotATime),
            ]
        );
        assert_eq!(errors.first().message(), "storeName is required");
    }

    #[test]
    fn headers_fill_in_what_the_body_leaves_out() {
        let wire = TrackCartEvent {
            store_name: Scalar::Text("s".into()),
            ..Default::default()
        };
        let sender = Sender {
            user_agent: Some("Agent\u{7}/1"),
            idempotency_key: Some("key-12345"),
            ..Sender::default()
        };
        let event = CartEvent::parse(&wire, sender).unwrap();
        assert_eq!(event.user_agent.as_deref(), Some("Agent/1"));
        assert_eq!(
            event.event_id.as_ref().map(EventId::as_str),
            Some("key-12345")
        );
        let wrong = CartEvent::parse(
            &wire,
            Sender {
                idempotency_key: Some("!"),
                ..sender
            },
        )
        .unwrap_err();
        assert_eq!(wrong.first().field, "Idempotency-Key");
    }

    #[test]
    fn what_is_signed_goes_before_what_the_body_says() {
        let (store_name, customer) = (
            StoreName::parse("s").unwrap(),
            ExternalId::parse("42").unwrap(),
        );
        let parse = |store: Scalar, customer_id: Option<&ExternalId>| {
            let wire = TrackCartEvent {
                store_name: store,
                customer_id: Scalar::Whole(7),
                ..Default::default()
            };
            let signed = Some(Signed {
                store_name: &store_name,
                customer_id,
            });
            let sender = Sender {
                signed,
                ..Sender::default()
            };
            let event = CartEvent::parse(&wire, sender).unwrap();
            (event.store_name, event.customer_id)
        };
        assert_eq!(
            parse(Scalar::Absent, Some(&customer)),
            (store_name.clone(), Some(customer.clone()))
        );
        // Whether the credential covers the store that the body names is judged elsewhere.
        let other = StoreName::parse("other").unwrap();
        assert_eq!(parse(Scalar::Text("other".into()), None), (other, None));
    }

    #[test]
    fn the_fingerprint_is_of_the_body_alone() {
        let wire = |title: &str| TrackCartEvent {
            store_name: Scalar::Text("s".into()),
            event_id: Scalar::Text("key-12345".into()),
            product_title: Scalar::Text(title.into()),
            ..Default::default()
        };
        let print = |wire, agent| {
            CartEvent::parse(
                &wire,
                Sender {
                    user_agent: Some(agent),
                    ..Sender::default()
                },
            )
            .unwrap()
            .fingerprint
        };
        assert_eq!(print(wire("Shirt"), "a"), print(wire(" Shirt "), "b"));
        assert_ne!(print(wire("Shirt"), "a"), print(wire("Skirt"), "a"));
    }

    fn any_text() -> impl Strategy<Value = serde_json::Value> {
        prop_oneof![
            any::<String>().prop_map(Into::into),
            "[ -~]{0,30}".prop_map(Into::into),
            "(https?://)?[a-z.]{1,9}/[a-zé]{0,9}".prop_map(Into::into),
            "[a-z]{1,9}@[a-zA-Z]{1,9}\\.com".prop_map(Into::into),
            ".{500,600}".prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            Just(serde_json::Value::Null),
            Just(serde_json::json!([{}])),
        ]
    }

    const FIELDS: [&str; 17] = [
        "storeName",
        "actionType",
        "productId",
        "productTitle",
        "productUrl",
        "variantId",
        "customerId",
        "customerEmail",
        "customerFirstName",
        "customerLastName",
        "generatedImageUrl",
        "personImageUrl",
        "clothingImageUrl",
        "userAgent",
        "sessionId",
        "eventId",
        "occurredAt",
    ];

    /// The event as a client would send it again.
    fn to_wire(event: &CartEvent) -> serde_json::Value {
        serde_json::json!({
            "storeName": event.store_name, "actionType": event.action_type, "productId": event.product_id,
            "productTitle": event.product_title, "productUrl": event.product_url, "variantId": event.variant_id,
            "customerId": event.customer_id, "customerEmail": event.customer_email,
            "customerFirstName": event.customer_first_name, "customerLastName": event.customer_last_name,
            "generatedImageUrl": event.generated_image_url, "personImageUrl": event.person_image_url,
            "clothingImageUrl": event.clothing_image_url, "userAgent": event.user_agent, "sessionId": event.session_id,
            "eventId": event.event_id, "occurredAt": event.occurred_at,
        })
    }

    proptest! {
        #[test]
        fn normalization_is_idempotent_and_keeps_every_limit(
            values in proptest::collection::vec(proptest::option::weighted(0.4, any_text()), FIELDS.len()),
            store in "[a-z]{1,5}",
        ) {
            let mut body: serde_json::Map<_, _> = FIELDS.iter().zip(values)
                .filter_map(|(field, value)| Some(((*field).to_owned(), value?)))
                .collect();
            // Most of these bodies are refused; then only the fields that were at fault are taken out.
            let event = loop {
                match parse(&body.clone().into()) {
                    Ok(event) => break event,
                    Err(errors) => for error in errors.iter() {
                        body.remove(error.field.as_ref());
                        if error.field == "storeName" {
                            body.insert("storeName".into(), store.clone().into());
                        }
                    },
                }
            };
            let again = parse(&to_wire(&event)).unwrap();
            prop_assert_eq!(&again, &event);
            let chars = |text: &Option<String>| text.as_ref().map_or(0, |text| text.chars().count());
            prop_assert!(chars(&event.product_title) <= PRODUCT_TITLE_CHARS);
            prop_assert!(chars(&event.customer_first_name) <= NAME_CHARS);
            prop_assert!(chars(&event.user_agent) <= USER_AGENT_CHARS);
            prop_assert!(event.product_url.is_none_or(|url| url.as_str().chars().count() <= crate::limits::URL_CHARS));
            prop_assert!(event.customer_email.is_none_or(|email| email.as_str().chars().count() <= crate::limits::EMAIL_CHARS));
        }

        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\":,0-9a-zA-Z]{0,60}") {
            for body in [bytes.as_slice(), text.as_bytes()] {
                if let Ok(wire) = json::decode::<TrackCartEvent>(body) {
                    let _ = CartEvent::parse(&wire, Sender::default());
                }
            }
        }
    }
}
