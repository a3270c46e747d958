//! A cart event as the read routes show it.

use serde::Serialize;
use shoptrail_storage::CartEventRecord;
use utoipa::ToSchema;

/// A cart event, whole; what is absent is `null`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CartEventShown {
    /// The event's id.
    #[schema(example = "cart-event-1704067200000-a3f9k2m")]
    pub(crate) id: String,
    #[schema(example = "my-store.myshopify.com")]
    pub(crate) store_name: String,
    #[schema(example = "add_to_cart")]
    pub(crate) action_type: String,
    #[schema(required = true, example = "8123456789")]
    pub(crate) product_id: Option<String>,
    #[schema(required = true, example = "Linen shirt")]
    pub(crate) product_title: Option<String>,
    #[schema(
        required = true,
        example = "https://my-store.myshopify.com/products/linen-shirt"
    )]
    pub(crate) product_url: Option<String>,
    #[schema(required = true, example = "44123456789")]
    pub(crate) variant_id: Option<String>,
    #[schema(required = true, example = "7123456789")]
    pub(crate) customer_id: Option<String>,
    #[schema(required = true, example = "jane@example.com")]
    pub(crate) customer_email: Option<String>,
    #[schema(required = true, example = "Jane")]
    pub(crate) customer_first_name: Option<String>,
    #[schema(required = true, example = "Doe")]
    pub(crate) customer_last_name: Option<String>,
    #[schema(required = true, example = "https://images.example.com/try-on/1.jpg")]
    pub(crate) generated_image_url: Option<String>,
    #[schema(required = true, example = "https://images.example.com/person/1.jpg")]
    pub(crate) person_image_url: Option<String>,
    #[schema(required = true, example = "https://images.example.com/shirt.jpg")]
    pub(crate) clothing_image_url: Option<String>,
    #[schema(required = true, example = "Mozilla/5.0")]
    pub(crate) user_agent: Option<String>,
    #[schema(required = true, example = "203.0.113.7")]
    pub(crate) ip_address: Option<String>,
    #[schema(required = true, example = "af4bac4d-077a-4756-91d0-fa2570fd206f")]
    pub(crate) session_id: Option<String>,
    /// The idempotency key.
    #[schema(required = true, example = "b0f3c0de-0001")]
    pub(crate) event_id: Option<String>,
    /// The client's time.
    #[schema(required = true, format = DateTime, example = "2024-01-01T11:59:59.500Z")]
    pub(crate) occurred_at: Option<String>,
    /// When it was stored.
    #[schema(format = DateTime, example = "2024-01-01T12:00:00.000Z")]
    pub(crate) created_at: String,
    #[schema(format = DateTime, example = "2024-01-01T12:00:00.000Z")]
    pub(crate) updated_at: String,
}

impl From<CartEventRecord> for CartEventShown {
    fn from(record: CartEventRecord) -> Self {
        Self {
            id: record.id,
            store_name: record.store_name,
            action_type: record.action_type,
            product_id: record.product_id,
            product_title: record.product_title,
            product_url: record.product_url,
            variant_id: record.variant_id,
            customer_id: record.customer_id,
            customer_email: record.customer_email,
            customer_first_name: record.customer_first_name,
            customer_last_name: record.customer_last_name,
            generated_image_url: record.generated_image_url,
            person_image_url: record.person_image_url,
            clothing_image_url: record.clothing_image_url,
            user_agent: record.user_agent,
            ip_address: record.ip_address,
            session_id: record.session_id,
            event_id: record.event_id,
            occurred_at: record.occurred_at,
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}
