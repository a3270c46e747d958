//! What is sent: the events of a shop whose customers are logged in, as the tracker and widgets write them.

use serde_json::{Value, json};
use shoptrail_domain::Timestamp;

/// The shop.
pub(super) const STORE: &str = "demo.myshopify.com";
/// What a browser calls itself; it stands in every event.
pub(super) const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

pub(super) fn session(number: usize) -> String {
    format!("af4bac4d-077a-4756-91d0-{number:012x}")
}

pub(super) fn email(number: usize) -> String {
    format!("shopper{number}@example.com")
}

pub(super) fn image(number: usize) -> String {
    format!(
        "https://images.example.com/try-on/{number}.jpg?signature=0123456789abcdef0123456789abcdef"
    )
}

/// A cart event as the tracker or a widget sends it, of a customer who is logged in: it is in every index but that of
/// the pictures.
pub(super) fn cart_event(number: usize) -> Value {
    json!({
        "storeName": STORE, "actionType": "add_to_cart", "productId": 8_123_456_000_u64 + number as u64 % 200,
        "variantId": 45_123_456_789_u64, "productTitle": "Linen shirt, long sleeves",
        "productUrl": format!("https://{STORE}/products/linen-shirt?variant=45123456789"),
        "customerId": 7_123_456_000_u64 + number as u64 / 8, "customerEmail": email(number / 8),
        "sessionId": session(number / 3), "userAgent": USER_AGENT,
    })
}

pub(super) fn generation(number: usize) -> Value {
    json!({
        "storeName": STORE, "productId": 8_123_456_000_u64 + number as u64 % 200,
        "customerId": 7_123_456_000_u64 + number as u64 / 8, "customerEmail": email(number / 8),
        "sessionId": session(number / 3), "generatedImageUrl": image(number), "status": "completed",
        "personImageUrl": format!("https://images.example.com/person/{number}.jpg"),
        "clothingImageUrl": format!("https://images.example.com/clothing/{number}.jpg"),
    })
}

/// A session's message `number` as the tracker sends it, with `count` events: for each ten a view of a product, which is
/// another one in every second message, and clicks.
pub(super) fn envelope(now: Timestamp, session: &str, number: usize, count: usize) -> Value {
    let now = now.as_millis();
    let page = format!("/products/linen-shirt-{number}");
    let events = (0..count).map(|place| {
        let at = now - (count - place) as i64 * 1_000;
        let id = format!("{number:04}{place:04}-0b5a-4c1e");
        match place % 10 {
            0 => json!({ "type": "page_view", "ts": at, "id": id, "title": "Linen shirt, long sleeves" }),
            1 => json!({ "type": "product_view", "ts": at, "id": id, "productId": 8_123_456_000_u64 + number as u64 / 2 }),
            _ => json!({ "type": "click", "ts": at, "id": id, "tag": "button", "target": format!("#option-{place}"), "text": "Add to cart" }),
        }
    });
    let events: Vec<_> = events.collect();
    json!({
        "reason": "interval", "ts": now, "session": session, "storeName": STORE, "seq": number,
        "state": {
            "session": session, "itemsInCart": 2, "timeonpage": { page.clone(): 12_000 }, "events": { page: events },
        },
    })
}
