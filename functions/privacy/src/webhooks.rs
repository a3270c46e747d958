//! `POST /webhooks/shopify`: the webhooks that Shopify's privacy law compliance asks of every app. The gate has held
//! the body against its signature; the headers are not signed.
//! <https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance>

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shoptrail_domain::email::Email;
use shoptrail_domain::identifier::ExternalId;
use shoptrail_domain::privacy::{ErasureMode, Person};
use shoptrail_domain::schema::{EmailText, IdOrNumber, StoreNameText, TopicText};
use shoptrail_domain::wire::{Object, Scalar};
use shoptrail_domain::{ParseError, Reason, StoreName, json};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext};
use shoptrail_storage::PrivacyTask;
use utoipa::ToSchema;

use crate::jobs;

/// The header that says what a webhook is about.
const TOPIC: &str = "X-Shopify-Topic";
/// What names an event, and a webhook: the same in all deliveries. Old subscriptions send the second one alone.
const EVENT_IDS: [&str; 2] = ["x-shopify-event-id", "x-shopify-webhook-id"];

/// What Shopify tells, as far as it matters here.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({ "shop_domain": "my-store.myshopify.com", "customer": { "id": 191167, "email": "jane@example.com", "phone": "555-625-1199" } }))]
pub(crate) struct ComplianceWebhook {
    /// The store.
    #[schema(value_type = StoreNameText, required = true)]
    #[serde(default)]
    shop_domain: Scalar,
    /// The customer; absent where it is about the whole store.
    #[schema(value_type = Option<WebhookCustomer>)]
    #[serde(default)]
    customer: Object<WebhookCustomer>,
    /// Stands in a `customers/data_request` alone.
    #[schema(value_type = Value, required = false, example = json!({ "id": 9_999 }))]
    #[serde(default)]
    data_request: Value,
}

/// A customer. What the phone number says is not needed: nothing is stored by it.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct WebhookCustomer {
    /// The customer's id: a string or a whole number.
    #[schema(value_type = Option<IdOrNumber>)]
    #[serde(default)]
    id: Scalar,
    /// The e-mail address.
    #[schema(value_type = Option<EmailText>)]
    #[serde(default)]
    email: Scalar,
}

/// The answer to a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookAnswered {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Webhook accepted")]
    message: &'static str,
    data: WebhookJob,
}

/// The job that a webhook made.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({ "jobId": "3f1d2c5e-0b5a-8c1e-9f0e-2d8a7b6c5d4e" }))]
pub(crate) struct WebhookJob {
    /// Absent where there is nothing to do.
    #[schema(
        nullable = false,
        format = "uuid",
        example = "3f1d2c5e-0b5a-8c1e-9f0e-2d8a7b6c5d4e"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
    /// `true` where the webhook had been delivered before; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = true)]
    duplicate: Option<bool>,
}

/// What a webhook is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    /// A customer asks to see their data.
    DataRequest,
    /// A customer is to be erased.
    CustomerRedact,
    /// A store is to be erased: 48 hours ago it uninstalled the app.
    ShopRedact,
}

impl Topic {
    const ALL: [Self; 3] = [Self::DataRequest, Self::CustomerRedact, Self::ShopRedact];

    fn as_str(self) -> &'static str {
        match self {
            Self::DataRequest => "customers/data_request",
            Self::CustomerRedact => "customers/redact",
            Self::ShopRedact => "shop/redact",
        }
    }

    fn of(headers: &HeaderMap) -> Result<Self, ParseError> {
        let given = headers
            .get(TOPIC)
            .map(|value| value.as_bytes().trim_ascii());
        Self::ALL
            .into_iter()
            .find(|topic| given == Some(topic.as_str().as_bytes()))
            .ok_or_else(|| ParseError::new(TOPIC, Reason::NotATopic))
    }

    /// The topic is not signed, the body is: what is said of one thing must not be taken for another, larger one.
    fn check(self, body: &ComplianceWebhook) -> Result<(), ParseError> {
        let names_customer = !matches!(body.customer, Object::Absent);
        let is_request = !body.data_request.is_null();
        let fits = match self {
            Self::DataRequest => true,
            Self::CustomerRedact => !is_request,
            Self::ShopRedact => !is_request && !names_customer,
        };
        if fits {
            Ok(())
        } else {
            Err(ParseError::new(TOPIC, Reason::NotATopic))
        }
    }
}

/// Takes one of Shopify's compliance webhooks on, once however often it is delivered. The work is done after the answer.
#[utoipa::path(
    post,
    path = "/webhooks/shopify",
    tag = "Privacy",
    request_body = ComplianceWebhook,
    params(
        ("X-Shopify-Topic" = TopicText, Header, description = "What the webhook is about; it must fit the body"),
        ("X-Shopify-Event-Id" = Option<String>, Header, description = "Names the event: another delivery of it changes nothing", example = "98880550-7158-44d4-b7cd-2c97c8a091b5"),
        ("X-Shopify-Webhook-Id" = Option<String>, Header, description = "The same, where there is no `X-Shopify-Event-Id`", example = "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
    ),
    security(("shopifyWebhook" = [])),
    responses(
        (status = 200, description = "Accepted, now or before; or there is nothing to do", body = WebhookAnswered),
        (status = 400, description = "Another topic, or no store", body = ErrorBody),
        (status = 401, description = "The signature does not verify", body = ErrorBody),
        (status = 413, description = "The body is over 64 KiB", body = ErrorBody),
        (status = 415, description = "The body is no JSON by its type", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn shopify(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<WebhookAnswered>, ApiError> {
    let topic = Topic::of(&headers)?;
    let wire: ComplianceWebhook = json::decode(&body)?;
    topic.check(&wire)?;
    let store = store(&wire.shop_domain)?;
    context.note_store(Some(&store));
    let Some(task) = task(topic, wire.customer)? else {
        context.note_outcome("nothing");
        return Ok(answer(
            "Nothing is stored by what is known of this customer",
            None,
            false,
        ));
    };
    let id = job_id(topic, &store, &headers, &body);
    let is_new = jobs::create(&app, &id, &store, &task).await?;
    Ok(if is_new {
        context.note_outcome("accepted");
        answer("Webhook accepted", Some(id), false)
    } else {
        context.note_outcome("duplicate");
        answer("Webhook accepted before", Some(id), true)
    })
}

fn answer(
    message: &'static str,
    job_id: Option<String>,
    is_duplicate: bool,
) -> Json<WebhookAnswered> {
    Json(WebhookAnswered {
        status: "success",
        message,
        data: WebhookJob {
            job_id,
            duplicate: is_duplicate.then_some(true),
        },
    })
}

/// The same for every delivery of one event.
fn job_id(topic: Topic, store: &StoreName, headers: &HeaderMap, body: &[u8]) -> String {
    let given = |name: &&str| Some(headers.get(*name)?.as_bytes().trim_ascii());
    let event = EVENT_IDS.iter().filter_map(given).find(|id| !id.is_empty());
    let topic = topic.as_str().as_bytes();
    match event {
        Some(event) => jobs::id_for(&[b"event", topic, store.as_str().as_bytes(), event]),
        None => jobs::id_for(&[b"body", topic, body]),
    }
}

fn store(shop_domain: &Scalar) -> Result<StoreName, ParseError> {
    let name = match shop_domain {
        Scalar::Text(name) => StoreName::parse(name),
        Scalar::Absent => Err(Reason::Required),
        _ => Err(Reason::NotAString),
    };
    name.map_err(|reason| ParseError::new("shop_domain", reason))
}

/// What is to be done; nothing where nothing can be found by what is known of the customer.
fn task(
    topic: Topic,
    customer: Object<WebhookCustomer>,
) -> Result<Option<PrivacyTask>, ParseError> {
    if topic == Topic::ShopRedact {
        return Ok(Some(PrivacyTask::EraseShop));
    }
    let customer = match customer {
        Object::Present(customer) => customer,
        Object::Absent => WebhookCustomer::default(),
        Object::Other => return Err(ParseError::new("customer", Reason::NotAnObject)),
    };
    Ok(person(&customer)?.map(|person| match topic {
        Topic::DataRequest => PrivacyTask::ExportCustomer { person },
        _ => PrivacyTask::EraseCustomer {
            person,
            mode: ErasureMode::Delete,
        },
    }))
}

/// Whoever is named. Where the id and the address are both there, the one that can be read is enough: it is the law
/// that asks, and a webhook that is refused is delivered again as it is.
fn person(customer: &WebhookCustomer) -> Result<Option<Person>, ParseError> {
    let (id, email) = (customer_id(&customer.id), email(&customer.email));
    let is_named = matches!(id, Ok(Some(_))) || matches!(email, Ok(Some(_)));
    let (customer_id, customer_email) = match (id, email) {
        (id, email) if is_named => (id.unwrap_or_default(), email.unwrap_or_default()),
        (Err(reason), _) => return Err(ParseError::new("customer.id", reason)),
        (_, Err(reason)) => return Err(ParseError::new("customer.email", reason)),
        _ => return Ok(None),
    };
    Ok(Some(Person {
        customer_email,
        customer_id,
        session_id: None,
    }))
}

fn customer_id(value: &Scalar) -> Result<Option<ExternalId>, Reason> {
    match value {
        Scalar::Whole(number) => ExternalId::parse(&number.to_string()).map(Some),
        Scalar::Text(text) if !text.trim().is_empty() => ExternalId::parse(text).map(Some),
        Scalar::Absent | Scalar::Text(_) => Ok(None),
        Scalar::Number(_) | Scalar::Other => Err(Reason::NotAnIdentifier),
    }
}

fn email(value: &Scalar) -> Result<Option<Email>, Reason> {
    match value {
        Scalar::Text(text) if !text.trim().is_empty() => Email::parse(text).map(Some),
        Scalar::Absent | Scalar::Text(_) => Ok(None),
        _ => Err(Reason::NotAString),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An id, and an e-mail address.
    type Named = (Option<String>, Option<String>);

    /// Who is named by a customer written so; else the field at fault.
    fn named(customer: &str) -> Result<Option<Named>, (String, Reason)> {
        let body = format!(r#"{{ "customer": {customer} }}"#);
        let wire: ComplianceWebhook = json::decode(body.as_bytes()).unwrap();
        match task(Topic::CustomerRedact, wire.customer) {
            Ok(Some(PrivacyTask::EraseCustomer { person, mode })) => {
                assert_eq!((mode, &person.session_id), (ErasureMode::Delete, &None));
                let id = person.customer_id.map(|id| id.as_str().to_owned());
                let email = person.customer_email.map(|email| email.as_str().to_owned());
                Ok(Some((id, email)))
            }
            Ok(None) => Ok(None),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err((error.field.into_owned(), error.reason)),
        }
    }

    #[test]
    fn a_customer_is_named_by_id_and_address_in_whatever_form_they_come() {
        let is = |customer: &str, id: Option<&str>, email: Option<&str>| {
            let person = (id.map(str::to_owned), email.map(str::to_owned));
            assert_eq!(named(customer), Ok(Some(person)), "{customer}");
        };
        is(
            r#"{"id":191167,"email":"Jane@Example.com","phone":"1"}"#,
            Some("191167"),
            Some("jane@example.com"),
        );
        is(r#"{"id":"191167","email":null}"#, Some("191167"), None);
        is(r#"{"id":"gid://shopify/Customer/7"}"#, Some("7"), None);
        is(
            r#"{"id":null,"email":"jane@example.com"}"#,
            None,
            Some("jane@example.com"),
        );
        is(r#"{"id":7,"email":"not an address"}"#, Some("7"), None);
        is(
            r#"{"id":true,"email":"jane@example.com"}"#,
            None,
            Some("jane@example.com"),
        );
    }

    #[test]
    fn nobody_is_named_by_a_phone_number_alone() {
        for customer in [
            "null",
            "{}",
            r#"{"phone":"555-625-1199"}"#,
            r#"{"id":null,"email":" "}"#,
        ] {
            assert_eq!(named(customer), Ok(None), "{customer}");
        }
    }

    #[test]
    fn what_cannot_be_read_and_stands_alone_is_told() {
        let is = |customer: &str, field: &str, reason| {
            assert_eq!(
                named(customer),
                Err((field.to_owned(), reason)),
                "{customer}"
            );
        };
        is(
            r#"{"email":"nobody"}"#,
            "customer.email",
            Reason::NotAnEmail,
        );
        is(r#"{"email":7}"#, "customer.email", Reason::NotAString);
        is(
            r#"{"id":1.5,"email":"nobody"}"#,
            "customer.id",
            Reason::NotAnIdentifier,
        );
        is("[]", "customer", Reason::NotAnObject);
    }

    #[test]
    fn a_body_is_taken_for_no_more_than_it_says() {
        let check = |topic: Topic, body: &str| {
            let wire: ComplianceWebhook = json::decode(body.as_bytes()).unwrap();
            topic.check(&wire).map_err(|error| error.reason)
        };
        let (shop, customer) = ("{}", r#"{ "customer": { "id": 1 } }"#);
        let request = r#"{ "customer": { "id": 1 }, "data_request": { "id": 9 } }"#;
        assert_eq!(check(Topic::ShopRedact, shop), Ok(()));
        assert_eq!(check(Topic::ShopRedact, customer), Err(Reason::NotATopic));
        assert_eq!(check(Topic::CustomerRedact, customer), Ok(()));
        assert_eq!(
            check(Topic::CustomerRedact, request),
            Err(Reason::NotATopic)
        );
        assert_eq!(check(Topic::DataRequest, request), Ok(()));
    }

    #[test]
    fn an_event_is_named_by_its_headers_and_else_by_its_body() {
        let store = StoreName::parse("a").unwrap();
        let id = |headers: &[(&'static str, &str)], body: &[u8]| {
            let pairs = headers.iter().map(|(name, value)| {
                (
                    axum::http::HeaderName::from_static(name),
                    value.parse().unwrap(),
                )
            });
            job_id(Topic::ShopRedact, &store, &pairs.collect(), body)
        };
        let event = ("x-shopify-event-id", "event-1");
        let webhook = ("x-shopify-webhook-id", "webhook-1");
        assert_eq!(id(&[event], b"1"), id(&[event, webhook], b"2"));
        assert_eq!(
            id(&[webhook], b"1"),
            id(&[("x-shopify-event-id", " "), webhook], b"2")
        );
        assert_ne!(id(&[event], b"1"), id(&[webhook], b"1"));
        assert_eq!(id(&[], b"1"), id(&[], b"1"));
        assert_ne!(id(&[], b"1"), id(&[], b"2"));
        let other = StoreName::parse("b").unwrap();
        let headers = HeaderMap::new();
        assert_ne!(
            job_id(Topic::ShopRedact, &store, &headers, b"1"),
            job_id(Topic::CustomerRedact, &other, &headers, b"1")
        );
    }
}
