//! What the OpenAPI document says of values that are read more generously than a type of Rust or of JSON says: blanks
//! around them do not count, `null` and blanks alone are as good as nothing, ids may be numbers. None of these types is
//! ever made; fields and parameters name them as their `value_type`.
//!
//! A pattern of a field that may be left out also allows blanks alone.

use std::borrow::Cow;

use serde_json::{Value, json};
use utoipa::openapi::schema::{AllOfBuilder, AnyOfBuilder, KnownFormat, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, OpenApi, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::image_generation::GenerationStatus;
use crate::limits::{
    ACTION_TYPE_CHARS, EMAIL_CHARS, EVENT_ID_CHARS, IDENTIFIER_CHARS, SESSION_ID_CHARS, URL_CHARS,
};
use crate::time::LAST_MILLIS;

/// The characters of ASCII that count as blanks.
const BLANKS: &str = r"[\t-\r ]*";
/// The ways of writing a store.
const STORE: &str = r"(?:https?://)?(?:admin\.shopify\.com/store/)?[A-Za-z0-9][A-Za-z0-9-]{0,240}(?:\.myshopify\.com)?\.*(?:[/?#][\s\S]*)?";

macro_rules! documented {
    ($(#[doc = $doc:literal] $name:ident = $schema:expr;)+) => {$(
        #[doc = $doc]
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.description(Some($doc.trim())).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )+};
}

documented! {
    /// A store: its domain, its bare name or its address in Shopify's admin.
    StoreNameText = text(STORE, "my-store.myshopify.com");
    /// What a shopper did: `add_to_cart`, `buy_now`, `remove_from_cart` or an own name of `[a-z0-9_:.-]`.
    ActionTypeText = text(&format!("[a-z0-9_:.-]{{0,{ACTION_TYPE_CHARS}}}"), "add_to_cart");
    /// An id without control characters. `gid://shopify/Product/123` is `123`.
    IdText = id_text().examples([json!("8123456789")]);
    /// An id as a string, or as a whole number, which is kept as a string. `gid://shopify/Product/123` is `123`.
    IdOrNumber = any_of([
        id_text(),
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0_usize))
            .maximum(Some(usize::MAX)),
    ]).examples([json!("8123456789")]);
    /// A session's id without control characters, of whatever kind.
    SessionText = id_text().examples([json!("af4bac4d-077a-4756-91d0-fa2570fd206f")]);
    /// The id of a session of the tracker; no placeholder such as `null`, `undefined` or the nil UUID.
    TrackerSession = text(
        &format!("[A-Za-z0-9_.:-]{{1,{SESSION_ID_CHARS}}}"),
        "af4bac4d-077a-4756-91d0-fa2570fd206f",
    );
    /// The same, where it may be left out.
    OptionalTrackerSession = text(
        &format!("[A-Za-z0-9_.:-]{{0,{SESSION_ID_CHARS}}}"),
        "af4bac4d-077a-4756-91d0-fa2570fd206f",
    );
    /// A store, where it may be left out.
    OptionalStoreName = text(&format!("(?:{STORE})?"), "my-store.myshopify.com");
    /// The id of a decision, a UUID.
    DecisionIdText = text(
        "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
        "019363a1-5e2a-7c4b-9d1e-3f5a7b9c1d2e",
    );
    /// An idempotency key.
    EventIdText = text(
        &format!("(?:[A-Za-z0-9_-]{{{},{}}})?", EVENT_ID_CHARS.start(), EVENT_ID_CHARS.end()),
        "b0f3c0de-0001",
    );
    /// An e-mail address, in any case.
    EmailText = any_of([
        string().format(Some(SchemaFormat::KnownFormat(KnownFormat::Email))).max_length(Some(EMAIL_CHARS)),
        blank(),
    ]).examples([json!("jane@example.com")]);
    /// An absolute URL, `http` or `https`.
    WebUrlText = any_of([
        string().format(Some(SchemaFormat::Custom("uri".into()))).max_length(Some(URL_CHARS)),
        blank(),
    ]).examples([json!("https://images.example.com/1.jpg")]);
    /// A time not before 1970: ISO 8601, or milliseconds since 1970.
    TimeText = any_of([
        string().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))),
        string().format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))),
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0_usize))
            .maximum(usize::try_from(LAST_MILLIS).ok()),
        blank(),
    ]).examples([json!("2024-01-01T11:59:59.500Z")]);
    /// A day, `YYYY-MM-DD`, or a moment in ISO 8601; not before 1971.
    DayOrTimeText = any_of([
        string().format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))),
        string().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))),
    ]).examples([json!("2026-01-01")]);
    /// A day, `YYYY-MM-DD`; not before 1971.
    DayText = string()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
        .examples([json!("2026-01-01")]);
    /// A time zone of the IANA database.
    TimeZoneText = string()
        .format(Some(SchemaFormat::Custom("timezone".into())))
        .examples([json!("Europe/Berlin")]);
    /// How far a generation is; `completed` where nothing is said.
    GenerationStatusText = any_of([
        string().enum_values(Some(GenerationStatus::ALL.map(GenerationStatus::as_str))),
        blank(),
    ]).examples([json!("completed")]);
    /// `delete` (default), or `anonymize`: events stay, without what tells whose they were.
    ErasureModeText = any_of([string().enum_values(Some(["delete", "anonymize"])), blank()])
        .examples([json!("delete")]);
    /// The id of a customer, or an e-mail address, which is told by its `@`.
    UserText = any_of([
        text(&format!("[^@\\x00-\\x1f\\x7f-\\x9f]{{0,{IDENTIFIER_CHARS}}}"), "7123456789"),
        string().format(Some(SchemaFormat::KnownFormat(KnownFormat::Email))).max_length(Some(EMAIL_CHARS)),
    ]).examples([json!("7123456789")]);
    /// What a webhook of Shopify's is about.
    TopicText = string()
        .enum_values(Some(["customers/data_request", "customers/redact", "shop/redact"]))
        .examples([json!("customers/redact")]);
    /// Where a page ended, as an answer told it: it is signed, and fits the same query alone.
    CursorText = string().examples([json!(EXAMPLE_CURSOR)]);
    /// Whether the shopper agrees to being recorded, which is meant unless it is `false`; also as `analytics` of an object.
    ConsentGiven = any_of([
        ObjectBuilder::new().schema_type(Type::Boolean),
        ObjectBuilder::new().property(
            "analytics",
            ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Boolean, Type::Null])),
        ),
    ]).examples([json!(true)]);
}

/// What a cursor looks like: nobody can make up one that is taken.
const EXAMPLE_CURSOR: &str =
    "q1cLkO2yJm0a9a5s3c0nX4vYw8tZ7eRbUoPiHdGfKsN7InYiOjEsInBvc2l0aW9uIjp7fX0";

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Text of this form, with blanks around it or not.
fn text(form: &str, example: &str) -> ObjectBuilder {
    string()
        .pattern(Some(format!("^{BLANKS}{form}{BLANKS}$")))
        .examples([Value::from(example)])
}

fn id_text() -> ObjectBuilder {
    let form = format!(r"[^\x00-\x1f\x7f-\x9f]{{0,{IDENTIFIER_CHARS}}}");
    string().pattern(Some(format!("^{BLANKS}{form}{BLANKS}$")))
}

/// Nothing, for a field that may be left out.
fn blank() -> ObjectBuilder {
    string().pattern(Some(format!("^{BLANKS}$")))
}

fn any_of<const N: usize>(schemas: [ObjectBuilder; N]) -> AnyOfBuilder {
    schemas
        .into_iter()
        .fold(AnyOfBuilder::new(), |any, schema| any.item(schema))
}

/// Says of an object of a document that one of these fields must be there.
pub fn require_one_of(document: &mut OpenApi, object: &str, fields: &[&str]) {
    let components = document.components.as_mut();
    let Some(schema) = components.and_then(|components| components.schemas.get_mut(object)) else {
        return;
    };
    let one_of = fields.iter().fold(AnyOfBuilder::new(), |any, field| {
        any.item(ObjectBuilder::new().required(*field))
    });
    let whole = std::mem::replace(schema, Schema::default().into());
    *schema = AllOfBuilder::new().item(whole).item(one_of).into();
}
