//! The table that events make: its columns and what stands in them.

use crate::shown::CartEventShown;

/// The columns' names: those of the fields of a [`CartEventShown`], in its order.
pub(super) const COLUMNS: [&str; 21] = [
    "id",
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
    "ipAddress",
    "sessionId",
    "eventId",
    "occurredAt",
    "createdAt",
    "updatedAt",
];

/// An event's row: one cell for each of [`COLUMNS`], empty where the event has nothing.
pub(super) fn cells(event: &CartEventShown) -> [&str; COLUMNS.len()] {
    [
        &event.id,
        &event.store_name,
        &event.action_type,
        or_empty(&event.product_id),
        or_empty(&event.product_title),
        or_empty(&event.product_url),
        or_empty(&event.variant_id),
        or_empty(&event.customer_id),
        or_empty(&event.customer_email),
        or_empty(&event.customer_first_name),
        or_empty(&event.customer_last_name),
        or_empty(&event.generated_image_url),
        or_empty(&event.person_image_url),
        or_empty(&event.clothing_image_url),
        or_empty(&event.user_agent),
        or_empty(&event.ip_address),
        or_empty(&event.session_id),
        or_empty(&event.event_id),
        or_empty(&event.occurred_at),
        &event.created_at,
        &event.updated_at,
    ]
}

fn or_empty(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or_default()
}
