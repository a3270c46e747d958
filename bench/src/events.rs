//! What the functions are asked: whole events of an HTTP API, payload 2.0.

use serde_json::{Value, json};
use uuid::Uuid;

/// Events of a shopper in one message: a click, a view, a scroll… of a page or two.
const EVENTS_PER_MESSAGE: usize = 10;

/// A request that the function takes, with the status that it answers. No two are the same.
pub(crate) fn success(function: &str, sessions: &mut impl Iterator<Item = String>) -> Value {
    match function {
        "cart-tracking" => post(
            "/api/cart-tracking/track",
            "application/json",
            &cart_event().to_string(),
        ),
        "session-ingest" => ingest(&Uuid::new_v4().to_string()),
        _ => post("/askai", "text/plain", &sessions.next().unwrap_or_default()),
    }
}

/// A request that the function refuses with a 400: one field is wrong.
pub(crate) fn rejected(function: &str) -> Value {
    match function {
        "cart-tracking" => {
            let mut event = cart_event();
            event["storeName"] = json!("no store!");
            post(
                "/api/cart-tracking/track",
                "application/json",
                &event.to_string(),
            )
        }
        "session-ingest" => ingest("undefined"),
        _ => post("/askai", "text/plain", "not a session"),
    }
}

/// A message to a session, as deployed trackers send it.
pub(crate) fn ingest(session: &str) -> Value {
    post(
        "/ingest",
        "text/plain",
        &envelope(session, 0, EVENTS_PER_MESSAGE).to_string(),
    )
}

/// An envelope with `count` events of a session, of which there were `first` before.
pub(crate) fn envelope(session: &str, first: usize, count: usize) -> Value {
    const START_SECONDS: usize = 1_795_000_000;
    let page = |number: usize| format!("Product:/products/linen-shirt-{}", number / 50);
    let mut events = serde_json::Map::new();
    for number in first..first + count {
        let list = events.entry(page(number)).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(json!({
                "type": if number % 5 == 0 { "page_view" } else { "click" },
                "ts": START_SECONDS + number,
                "url": "https://shop.example.com/products/linen-shirt?variant=41",
                "page": page(number),
                "target": format!("button.option-{}", number % 7),
            }));
        }
    }
    let times: serde_json::Map<_, _> = events
        .keys()
        .map(|page| (page.clone(), json!(1_200)))
        .collect();
    json!({
        "reason": format!("threshold_{count}"),
        "ts": START_SECONDS + first + count,
        "session": session,
        "state": { "session": session, "itemsInCart": 2, "timeonpage": times, "events": events },
    })
}

fn cart_event() -> Value {
    json!({
        "storeName": "demo.myshopify.com",
        "actionType": "add_to_cart",
        "productId": "gid://shopify/Product/8123456789",
        "variantId": "45123456789",
        "productTitle": "Linen shirt, long sleeves",
        "productUrl": "https://demo.myshopify.com/products/linen-shirt",
        "customerId": "7123456789",
        "customerEmail": "shopper@example.com",
        "sessionId": "af4bac4d-077a-4756-91d0-fa2570fd206f",
        "eventId": Uuid::new_v4().to_string(),
    })
}

/// What a key asks for by GET, with this query.
pub(crate) fn read(path: &str, query: &str, key: &str) -> Value {
    let mut event = post(path, "application/json", "");
    event["routeKey"] = json!(format!("GET {path}"));
    event["rawQueryString"] = json!(query);
    event["headers"]["x-api-key"] = json!(key);
    event["requestContext"]["http"]["method"] = json!("GET");
    event["requestContext"]["routeKey"] = json!(format!("GET {path}"));
    event
}

fn post(path: &str, content_type: &str, body: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": format!("POST {path}"),
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "accept": "*/*",
            "accept-encoding": "gzip, deflate, br",
            "content-length": body.len().to_string(),
            "content-type": content_type,
            "host": "abcdefghij.execute-api.eu-central-1.amazonaws.com",
            "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
            "x-amzn-trace-id": "Root=1-65000000-000000000000000000000000",
            "x-forwarded-for": "203.0.113.7",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "abcdefghij",
            "domainName": "abcdefghij.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "abcdefghij",
            "http": {
                "method": "POST",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": format!("POST {path}"),
            "stage": "$default",
            "time": "21/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1_795_262_400_000_u64,
        },
        "body": body,
        "isBase64Encoded": false,
    })
}
