//! The demo shop, behind the gateway and beside the real functions.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use axum::body::{Body, to_bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request};
use serde_json::{Value, json};
use shoptrail_domain::access::Scope;
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::{Fault, FaultProxy, TestDb, TestShop};

const SESSION: &str = "af4bac4d-077a-4756-91d0-fa2570fd206f";
/// What a browser says when it leaves for another page.
const PAGE: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const FORM: &str = "application/x-www-form-urlencoded";

/// An answer, read whole.
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }

    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

/// A browser in the shop: it keeps the one cookie.
struct Visitor {
    shop: TestShop,
    cookie: Option<String>,
}

impl Visitor {
    async fn new() -> Self {
        Self {
            shop: TestShop::start(Deployment::Local, &[]).await,
            cookie: None,
        }
    }

    async fn send(&mut self, request: Builder, body: impl Into<Body>) -> Answer {
        let request = match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        let request = request.body(body.into()).unwrap();
        let answer = self.shop.answer(request).await;
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let answer = Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        };
        if let Some((pair, _)) = answer.header("set-cookie").split_once(';') {
            self.cookie = Some(pair.to_owned());
        }
        answer
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path), Body::empty()).await
    }

    async fn post(&mut self, path: &str, body: Value) -> Answer {
        let request = Request::post(path).header("content-type", "application/json");
        self.send(request, body.to_string()).await
    }

    /// What the cart holds: `[[variant, quantity], …]`.
    async fn cart(&mut self) -> Value {
        let cart = self.get("/demo/cart.js").await.json();
        let items = cart["items"].as_array().unwrap().iter();
        items
            .map(|item| json!([item["variant_id"], item["quantity"]]))
            .collect()
    }
}

/// What the shop sells, as its page reads it.
struct Catalogue(Value);

impl Catalogue {
    async fn of(visitor: &mut Visitor) -> Self {
        Self(visitor.get("/demo/assets/catalogue.json").await.json())
    }

    fn products(&self) -> impl Iterator<Item = &Value> {
        self.0["products"].as_array().unwrap().iter()
    }

    /// The ids of variants that are to be had, or not.
    fn variants(&self, available: bool) -> Vec<u64> {
        self.products()
            .flat_map(|product| product["variants"].as_array().unwrap())
            .filter(|variant| variant["available"] == available)
            .map(|variant| variant["id"].as_u64().unwrap())
            .collect()
    }
}

#[tokio::test]
async fn every_page_is_the_shell_and_is_allowed_nothing_from_elsewhere() {
    let mut visitor = Visitor::new().await;
    let catalogue = Catalogue::of(&mut visitor).await;
    let handle = catalogue.products().next().unwrap()["handle"].as_str();
    let product = format!("/demo/products/{}", handle.unwrap());
    for path in [
        "/demo/",
        "/demo/?utm_source=x",
        "/demo/collections/all",
        &product,
        "/demo/search?q=shirt",
        "/demo/cart",
        "/demo/checkout",
        "/demo/checkout/thank-you",
    ] {
        let answer = visitor.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert!(answer.text.contains("data-store=\"demo-shop\""), "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.text.contains("<style") && !answer.text.contains("<script>"));
    }
    let answer = visitor.get("/demo?utm_source=x").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (308, "/demo/?utm_source=x")
    );
}

#[tokio::test]
async fn what_the_shop_does_not_have_is_the_shell_with_404() {
    let mut visitor = Visitor::new().await;
    for path in [
        "/demo/products/no-such-thing",
        "/demo/products/",
        "/demo/products/a/b",
        "/demo/products/%ff",
        "/demo/products/..%2f..%2fetc%2fpasswd",
        "/demo/products/%3Cscript%3E",
        "/demo/cart/",
        "/demo/nothing",
        "/demo//",
        "/demo/../ingest",
    ] {
        let answer = visitor.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text.contains("data-store=\"demo-shop\""), "{path}");
        assert!(!answer.text.contains("no-such-thing") && !answer.text.contains("passwd"));
    }
    // Beside it, the functions go on answering.
    for path in ["/demos", "/%64emo/", "/"] {
        let answer = visitor.get(path).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (404, &json!("NOT_FOUND")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn files_come_with_a_tag_that_saves_the_second_time() {
    let mut visitor = Visitor::new().await;
    let catalogue = Catalogue::of(&mut visitor).await;
    let picture = catalogue.products().next().unwrap()["handle"]
        .as_str()
        .unwrap();
    let picture = format!("/demo/assets/products/{picture}.svg");
    for (path, content_type) in [
        ("/demo/assets/catalogue.json", "application/json"),
        ("/demo/assets/shop.js", "text/javascript; charset=utf-8"),
        ("/demo/assets/shop.css", "text/css; charset=utf-8"),
        (&picture, "image/svg+xml"),
    ] {
        let first = visitor.get(path).await;
        assert_eq!(
            (first.status, first.header("content-type")),
            (200, content_type),
            "{path}"
        );
        assert_eq!(first.header("cache-control"), "no-cache");
        assert_eq!(first.header("x-content-type-options"), "nosniff");
        let request = Request::get(path).header("if-none-match", first.header("etag"));
        let second = visitor.send(request, Body::empty()).await;
        assert_eq!((second.status, second.text.as_str()), (304, ""), "{path}");
        assert_eq!(second.header("etag"), first.header("etag"));
        let length = first.text.len().to_string();
        assert_eq!(second.header("content-length"), length, "{path}");
        let request = Request::get(path).header("if-none-match", "\"of yesterday\"");
        assert_eq!(visitor.send(request, Body::empty()).await.status, 200);
        assert_eq!(
            visitor.send(Request::head(path), Body::empty()).await.text,
            ""
        );
    }
}

#[tokio::test]
async fn no_path_leads_out_of_the_shops_files() {
    let mut visitor = Visitor::new().await;
    for path in [
        "/demo/assets/",
        "/demo/assets/shop.html",
        "/demo/assets/products",
        "/demo/assets/../shop.js",
        "/demo/assets/..%2fshop.js",
        "/demo/assets/..%2f..%2f..%2flocal%2fCargo.toml",
        "/demo/assets/%2fetc%2fpasswd",
        "/demo/assets//etc/passwd",
        "/demo/assets/shop.js%00.svg",
        "/demo/assets/shop.js/",
        "/demo/assets/%ff",
    ] {
        let answer = visitor.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_product_is_told_as_shopify_tells_it() {
    let mut visitor = Visitor::new().await;
    let catalogue = Catalogue::of(&mut visitor).await;
    for sold in catalogue.products() {
        let handle = sold["handle"].as_str().unwrap();
        let product = visitor
            .get(&format!("/demo/products/{handle}.js"))
            .await
            .json();
        for field in ["id", "title", "handle", "description", "type"] {
            assert_eq!(product[field], sold[field], "{field} of {handle}");
        }
        assert_eq!(product["url"], format!("/demo/products/{handle}"));
        let variants = (product["variants"].as_array(), sold["variants"].as_array());
        assert_eq!(variants.0.unwrap().len(), variants.1.unwrap().len());
        let picture = visitor
            .get(product["featured_image"].as_str().unwrap())
            .await;
        assert_eq!(picture.status, 200, "{handle}");
    }
    let answer = visitor.get("/demo/products/nothing.js").await;
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (404, &json!(404))
    );
}

#[tokio::test]
async fn a_variant_gets_into_the_cart_by_json_and_by_each_kind_of_form() {
    let mut visitor = Visitor::new().await;
    let variants = Catalogue::of(&mut visitor).await.variants(true);
    let (first, second, third) = (variants[0], variants[1], variants[2]);

    let answer = visitor
        .post("/demo/cart/add.js", json!({ "id": first, "quantity": 2 }))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let line = answer.json();
    assert_eq!(
        (&line["variant_id"], &line["quantity"]),
        (&json!(first), &json!(2))
    );
    assert_eq!(line["line_price"], line["price"].as_u64().unwrap() * 2);
    for field in ["key", "product_title", "handle", "url", "image", "title"] {
        assert!(line[field].is_string(), "{field}: {line}");
    }

    let items =
        json!({ "items": [{ "id": first }, { "id": second.to_string(), "quantity": "3" }] });
    let answer = visitor.post("/demo/cart/add.js", items).await;
    let lines = answer.json();
    assert_eq!(
        (
            &lines["items"][0]["quantity"],
            &lines["items"][1]["quantity"]
        ),
        (&json!(3), &json!(3))
    );

    let request = Request::post("/demo/cart/add.js").header("content-type", FORM);
    let answer = visitor
        .send(
            request,
            format!("id={third}&quantity=1&properties%5Bnote%5D=x"),
        )
        .await;
    assert_eq!(
        (answer.status, &answer.json()["quantity"]),
        (200, &json!(1))
    );

    // As a theme sends its product form.
    let request = Request::post("/demo/cart/add")
        .header("accept", "application/javascript")
        .header("x-requested-with", "XMLHttpRequest")
        .header(
            "content-type",
            "multipart/form-data; boundary=----geckoformboundary4f1",
        );
    let part = |name: &str, value: &str| {
        format!(
            "------geckoformboundary4f1\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
    };
    let body =
        part("form_type", "product") + &part("id", &third.to_string()) + &part("quantity", "2");
    let answer = visitor
        .send(request, body + "------geckoformboundary4f1--\r\n")
        .await;
    assert_eq!(
        (answer.status, &answer.json()["quantity"]),
        (200, &json!(3)),
        "{}",
        answer.text
    );

    assert_eq!(
        visitor.cart().await,
        json!([[third, 3], [second, 3], [first, 3]])
    );
    let cart = visitor.get("/demo/cart.json").await;
    assert_eq!(cart.header("cache-control"), "no-store");
    let cart = cart.json();
    let sum = |field: &str| {
        let items = cart["items"].as_array().unwrap().iter();
        items.map(|item| item[field].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(cart["item_count"], sum("quantity"));
    assert_eq!(cart["total_price"], sum("line_price"));
}

#[tokio::test]
async fn a_form_without_a_script_leads_on_but_never_out_of_the_shop() {
    let mut visitor = Visitor::new().await;
    let variant = Catalogue::of(&mut visitor).await.variants(true)[0];
    for (return_to, location) in [
        ("", "/demo/cart"),
        ("&return_to=/demo/checkout", "/demo/checkout"),
        (
            "&return_to=%2Fdemo%2Fcheckout%3Fa%3Db",
            "/demo/checkout?a=b",
        ),
        ("&return_to=/checkout", "/demo/cart"),
        ("&return_to=//evil.example/", "/demo/cart"),
        ("&return_to=https://evil.example/demo/", "/demo/cart"),
        ("&return_to=/demo/../ingest", "/demo/cart"),
        ("&return_to=/demo/%0D%0ASet-Cookie:%20a=b", "/demo/cart"),
    ] {
        let request = Request::post("/demo/cart/add")
            .header("accept", PAGE)
            .header("content-type", FORM);
        let answer = visitor
            .send(request, format!("id={variant}{return_to}"))
            .await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (302, location),
            "{return_to}"
        );
        let cookie = answer.header("set-cookie");
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/demo"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
    }
    assert_eq!(visitor.cart().await, json!([[variant, 8]]));
}

#[tokio::test]
async fn lines_are_changed_by_variant_key_or_place_and_all_at_once() {
    let mut visitor = Visitor::new().await;
    let variants = Catalogue::of(&mut visitor).await.variants(true);
    let (first, second, third) = (variants[0], variants[1], variants[2]);
    let items = json!({ "items": [{ "id": first }, { "id": second }] });
    let added = visitor.post("/demo/cart/add.js", items).await.json();
    assert_eq!(visitor.cart().await, json!([[second, 1], [first, 1]]));

    let change = "/demo/cart/change.js";
    let answer = visitor
        .post(change, json!({ "id": first, "quantity": 4 }))
        .await;
    assert_eq!(
        (answer.status, &answer.json()["item_count"]),
        (200, &json!(5))
    );
    let key = &added["items"][1]["key"];
    visitor
        .post(change, json!({ "id": key, "quantity": 5 }))
        .await;
    assert_eq!(visitor.cart().await, json!([[second, 5], [first, 4]]));
    visitor
        .post(change, json!({ "line": 2, "quantity": 0 }))
        .await;
    assert_eq!(visitor.cart().await, json!([[second, 5]]));

    let update = "/demo/cart/update.js";
    let updates = json!({ "updates": { first.to_string(): 1, third.to_string(): 2 } });
    let answer = visitor.post(update, updates).await;
    assert_eq!(
        (answer.status, &answer.json()["item_count"]),
        (200, &json!(8))
    );
    let request = Request::post(update).header("content-type", FORM);
    visitor
        .send(request, format!("updates[{third}]=0&updates[{second}]=2"))
        .await;
    assert_eq!(visitor.cart().await, json!([[first, 1], [second, 2]]));
    visitor.post(update, json!({ "updates": [3, 0] })).await;
    assert_eq!(visitor.cart().await, json!([[first, 3]]));
    visitor
        .post(update, json!({ "note": "a note alone" }))
        .await;
    assert_eq!(visitor.cart().await, json!([[first, 3]]));

    let answer = visitor.post("/demo/cart/clear.js", json!({})).await;
    assert_eq!((answer.status, &answer.json()["items"]), (200, &json!([])));
    assert_eq!(visitor.cart().await, json!([]));
}

#[tokio::test]
async fn what_cannot_be_is_refused_as_shopify_refuses_it_and_changes_nothing() {
    let mut visitor = Visitor::new().await;
    let catalogue = Catalogue::of(&mut visitor).await;
    let (variant, sold_out) = (catalogue.variants(true)[0], catalogue.variants(false)[0]);
    visitor
        .post("/demo/cart/add.js", json!({ "id": variant, "quantity": 7 }))
        .await;
    let before = visitor.cookie.clone();
    let (add, change, update) = ("add.js", "change.js", "update.js");
    for (path, body, status) in [
        (add, json!({ "id": 1 }), 404),
        (add, json!({ "id": "canary" }), 404),
        (add, json!({ "quantity": 1 }), 400),
        (add, json!({ "id": variant, "quantity": 0 }), 400),
        (add, json!({ "id": variant, "quantity": -1 }), 400),
        (add, json!({ "id": variant, "quantity": 1.5 }), 400),
        (add, json!({ "id": variant, "quantity": 93 }), 422),
        (add, json!({ "id": variant, "quantity": u32::MAX }), 422),
        (add, json!({ "id": variant, "quantity": u64::MAX }), 400),
        (add, json!({ "id": sold_out }), 422),
        (add, json!({ "items": "canary" }), 400),
        (add, json!({ "items": [1] }), 400),
        (
            add,
            json!({ "items": [{ "id": variant }, { "id": 1 }] }),
            404,
        ),
        (add, json!([]), 400),
        (change, json!({ "quantity": 1 }), 400),
        (change, json!({ "id": sold_out, "quantity": 1 }), 400),
        (
            change,
            json!({ "id": format!("{variant}:canary"), "quantity": 1 }),
            400,
        ),
        (change, json!({ "line": 0, "quantity": 1 }), 400),
        (change, json!({ "line": 2, "quantity": 1 }), 400),
        (change, json!({ "id": variant }), 400),
        (change, json!({ "id": variant, "quantity": 100 }), 422),
        (update, json!({ "updates": { "1": 1 } }), 404),
        (update, json!({ "updates": [1, 1] }), 404),
        (
            update,
            json!({ "updates": { variant.to_string(): "canary" } }),
            400,
        ),
        (update, json!({ "updates": 7 }), 400),
    ] {
        let answer = visitor
            .post(&format!("/demo/cart/{path}"), body.clone())
            .await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.text);
        let error = answer.json();
        assert_eq!(error["status"], status, "{body}");
        assert!(
            error["message"].is_string() && error["description"].is_string(),
            "{error}"
        );
        assert!(!answer.text.contains("canary"), "{error}");
        assert_eq!(visitor.cookie, before, "{body}");
    }
    let large = format!("{{\"id\":{variant},\"note\":\"{}\"}}", "x".repeat(70_000));
    let request = Request::post("/demo/cart/add.js").header("content-type", "application/json");
    assert_eq!(visitor.send(request, large).await.status, 413);
    assert_eq!(visitor.get("/demo/cart/add.js").await.status, 405);
    assert_eq!(visitor.cart().await, json!([[variant, 7]]));
}

#[tokio::test]
async fn a_cookie_that_somebody_wrote_harms_nobody() {
    let mut visitor = Visitor::new().await;
    let variant = Catalogue::of(&mut visitor).await.variants(true)[0];
    for (cookie, wanted) in [
        (
            format!("demo_cart={variant}:4294967296.{variant}:2"),
            json!([[variant, 2]]),
        ),
        (
            format!("demo_cart={variant}:100000"),
            json!([[variant, 99]]),
        ),
        (
            format!("demo_cart=1:1.x.{variant}:1.{variant}:50"),
            json!([[variant, 1]]),
        ),
        ("demo_cart=<script>alert(1)</script>".to_owned(), json!([])),
        (format!("demo_cart={}", "9".repeat(20_000)), json!([])),
    ] {
        visitor.cookie = Some(cookie.clone());
        assert_eq!(visitor.cart().await, wanted, "{cookie:.80}");
        visitor.post("/demo/cart/update.js", json!({})).await;
        let kept = visitor.cookie.clone().unwrap();
        let plain = |byte: u8| byte.is_ascii_digit() || b".:".contains(&byte);
        assert!(kept["demo_cart=".len()..].bytes().all(plain), "{kept:.80}");
    }
}

#[tokio::test]
async fn the_panel_shows_what_the_backend_stored_of_the_visit() {
    let mut visitor = Visitor::new().await;
    let catalogue = Catalogue::of(&mut visitor).await;
    let product = catalogue.products().next().unwrap();
    let (product_id, title) = (product["id"].to_string(), &product["title"]);
    let path = format!("/demo/api/sessions/{SESSION}");

    let nothing = visitor.get(&path).await;
    assert_eq!(
        (nothing.status, nothing.header("cache-control")),
        (200, "no-store")
    );
    let empty = json!({ "session": null, "cartEvents": [], "generations": [], "decisions": [], "preview": null });
    assert_eq!(nothing.json(), empty);

    let now = visitor.shop.now().as_millis();
    let message = json!({
        "session": SESSION, "storeName": "demo-shop", "itemsInCart": 7, "timeOnPage": { "/cart": 61_000 },
        "events": { "/cart": [{ "type": "page_view", "ts": now - 90_000 }] },
    });
    assert_eq!(visitor.post("/ingest", message).await.status, 200);
    for action in ["add_to_cart", "buy_now"] {
        let event = json!({
            "storeName": "demo-shop", "actionType": action, "productId": product_id, "productTitle": title,
            "sessionId": SESSION, "customerEmail": "canary@example.com",
        });
        assert_eq!(
            visitor.post("/api/cart-tracking/track", event).await.status,
            200
        );
        visitor.shop.pass_seconds(1);
    }
    let generation = json!({
        "storeName": "demo-shop", "status": "completed", "productId": product_id, "sessionId": SESSION,
        "generatedImageUrl": "https://shop.example/canary.png",
    });
    assert_eq!(
        visitor
            .post("/api/image-generations/track", generation)
            .await
            .status,
        200
    );

    let panel = visitor.get(&path).await;
    assert!(
        !panel.text.contains("canary"),
        "no customer is in it: {}",
        panel.text
    );
    let panel = panel.json();
    let key = visitor.shop.create_key(&[Scope::Read], &["*"]).await;
    let request = Request::get(format!("/sessions/{SESSION}")).header("x-api-key", key.expose());
    let read = visitor.send(request, Body::empty()).await.json();
    assert_eq!(panel["session"], read, "as the API answers");
    assert_eq!(panel["session"]["itemsInCart"], 7);
    let actions: Vec<_> = panel["cartEvents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["actionType"])
        .collect();
    assert_eq!(actions, ["buy_now", "add_to_cart"], "newest first");
    assert_eq!(&panel["cartEvents"][0]["productTitle"], title);
    assert_eq!(&panel["generations"][0]["productTitle"], title);
    assert_eq!(panel["generations"][0]["status"], "completed");

    // The preview is what Ask AI then says, and asking for it has stored nothing.
    assert_eq!(panel["decisions"], json!([]));
    let preview = panel["preview"].clone();
    let fields = preview.as_object().unwrap();
    assert_eq!(fields.len(), 7, "{preview}");
    let decided = visitor
        .post("/askai", json!({ "session": SESSION }))
        .await
        .json();
    assert_eq!(decided["decision"], preview);
    let panel = visitor.get(&path).await.json();
    let shown = &panel["decisions"][0];
    assert_eq!(shown["decisionId"], decided["decisionId"]);
    assert_eq!(shown["outcomes"], json!({}));
    assert_eq!(
        panel["decisions"].as_array().unwrap().len(),
        1,
        "the preview is none"
    );
    for (name, value) in fields {
        assert_eq!(&shown[name], value, "{name}");
    }
    assert_eq!(panel["preview"], preview, "the session has not changed");
}

#[tokio::test]
async fn the_preview_obeys_the_policy_and_outcomes_are_shown() {
    let mut visitor = Visitor::new().await;
    let path = format!("/demo/api/sessions/{SESSION}");
    let message = json!({ "session": SESSION, "storeName": "demo-shop", "itemsInCart": 7 });
    visitor.post("/ingest", message).await;
    let decided = visitor
        .post("/askai", json!({ "session": SESSION }))
        .await
        .json();
    assert_eq!(decided["show_popup"], true, "{decided}");
    let outcome =
        json!({ "session": SESSION, "decisionId": decided["decisionId"], "outcome": "dismissed" });
    assert_eq!(visitor.post("/askai/outcome", outcome).await.status, 200);
    let panel = visitor.get(&path).await.json();
    assert_eq!(
        panel["decisions"][0]["outcomes"]["dismissed"],
        visitor.shop.now().to_iso()
    );
    let preview = &panel["preview"];
    assert_eq!(
        (&preview["show_popup"], &preview["trigger"]),
        (&json!(false), &json!("cooldown"))
    );
}

#[tokio::test]
async fn the_panel_shows_nothing_of_another_store() {
    let mut visitor = Visitor::new().await;
    let message =
        |store: Option<&str>| json!({ "session": SESSION, "storeName": store, "itemsInCart": 7 });
    let event = |store| json!({ "storeName": store, "productId": "1", "sessionId": SESSION });
    // Another store's session, to which the demo's own events cling.
    visitor.post("/ingest", message(Some("other-store"))).await;
    visitor.post("/askai", json!({ "session": SESSION })).await;
    for store in ["other-store", "demo-shop"] {
        visitor.post("/api/cart-tracking/track", event(store)).await;
    }
    let other = visitor.get(&format!("/demo/api/sessions/{SESSION}")).await;
    let unknown = visitor.get("/demo/api/sessions/unknown").await;
    assert_eq!((other.status, &other.text), (200, &unknown.text));

    // The demo's session, under which another store has events as well.
    let mut visitor = Visitor::new().await;
    visitor.post("/ingest", message(Some("demo-shop"))).await;
    for store in ["other-store", "demo-shop", "other-store"] {
        visitor.post("/api/cart-tracking/track", event(store)).await;
    }
    let panel = visitor
        .get(&format!("/demo/api/sessions/{SESSION}"))
        .await
        .json();
    assert_eq!(panel["cartEvents"].as_array().unwrap().len(), 1);
    assert_eq!(panel["session"]["storeName"], "demo-shop.myshopify.com");

    // No store has claimed it: another one may do so yet.
    let mut visitor = Visitor::new().await;
    visitor.post("/ingest", message(None)).await;
    let unclaimed = visitor.get(&format!("/demo/api/sessions/{SESSION}")).await;
    assert_eq!((unclaimed.status, &unclaimed.text), (200, &unknown.text));
}

#[tokio::test]
async fn the_panel_answers_json_whatever_is_asked_of_it() {
    let mut visitor = Visitor::new().await;
    for session in [
        "null",
        "%ff",
        "a%2Fb",
        "..%2f..",
        "%3Cscript%3E",
        &"a".repeat(129),
    ] {
        let answer = visitor.get(&format!("/demo/api/sessions/{session}")).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (400, &json!("VALIDATION_ERROR")),
            "{session}"
        );
        assert!(answer.headers.get("access-control-allow-origin").is_none());
    }
    for path in [
        "/demo/api/sessions/",
        "/demo/api/sessions",
        "/demo/api/sessions/a/b",
    ] {
        assert_eq!(visitor.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_database_that_is_gone_is_a_503_and_the_shop_goes_on() {
    let db = TestDb::start().await;
    let proxy = FaultProxy::start(db.endpoint_url()).await;
    let endpoint = proxy.endpoint_url().to_owned();
    let mut visitor = Visitor {
        shop: TestShop::start_at(db, &endpoint, Deployment::Local, &[]),
        cookie: None,
    };
    proxy.set(Fault::Refuse).await;
    let answer = visitor.get(&format!("/demo/api/sessions/{SESSION}")).await;
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (503, &json!("DATABASE_UNAVAILABLE"))
    );
    assert_eq!(visitor.get("/demo/").await.status, 200);
    assert_eq!(visitor.cart().await, json!([]));
}

#[tokio::test]
async fn api_gateway_has_no_such_route() {
    let db = TestDb::start().await;
    for route in &db.template().routes {
        assert!(!route.matches.key().contains("demo"), "{route:?}");
    }
}
