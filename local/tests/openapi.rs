//! The OpenAPI document, generated from the handlers of all functions, and what must agree with it: the
//! committed file that `GET /openapi.json` answers, the routes' table and `template.yaml`.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests fail so, but not their helpers"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use shoptrail_edge::openapi::Frame;
use shoptrail_edge::routes::{Access, ROUTES};
use shoptrail_local::template::{EMBEDDED, RouteMatch, Template};
use utoipa::OpenApi as _;

fn generated() -> Value {
    let mut document = Frame::document();
    document.merge(cart_tracking::Document::openapi());
    document.merge(session_ingest::Document::openapi());
    document.merge(ask_ai::Document::openapi());
    document.merge(privacy::Document::openapi());
    serde_json::to_value(document).unwrap()
}

/// `POST /ingest` and the like.
fn operations(document: &Value) -> BTreeMap<String, &Value> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        methods
            .as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| {
                (format!("{} {path}", method.to_uppercase()), operation)
            })
    });
    operations.collect()
}

/// Run with `UPDATE_OPENAPI=1` to write the file.
#[test]
fn the_committed_document_is_what_the_handlers_generate() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let generated = serde_json::to_string_pretty(&generated()).unwrap() + "\n";
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch of this test, not a setting of the program"
    )]
    if std::env::var("UPDATE_OPENAPI").is_ok() {
        std::fs::write(&file, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap();
    assert!(
        committed == generated,
        "docs/openapi.json is stale: run this test with UPDATE_OPENAPI=1 and commit the file"
    );
}

#[test]
fn the_document_describes_every_route_and_who_may_call_it() {
    let document = generated();
    let operations = operations(&document);
    let routes: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(operations.keys().cloned().collect::<BTreeSet<_>>(), routes);
    for route in ROUTES {
        let operation = operations[&format!("{} {}", route.method, route.path)];
        let security = operation["security"]
            .as_array()
            .unwrap_or_else(|| panic!("{} declares no security", route.path));
        let declares = |scheme: &str| security.iter().any(|kind| kind.get(scheme).is_some());
        let declared: Vec<&str> = ["apiKey", "bearer", "appProxy", "shopifyWebhook"]
            .into_iter()
            .filter(|scheme| declares(scheme))
            .collect();
        let is_open = security.contains(&serde_json::json!({}));
        let expected: (bool, &[&str]) = match route.access {
            Access::Anyone => (true, &[]),
            Access::Tracker | Access::Storefront => (true, &["apiKey", "bearer", "appProxy"]),
            Access::Key(_) => (false, &["apiKey", "bearer"]),
            Access::Webhook => (false, &["shopifyWebhook"]),
        };
        assert_eq!((is_open, declared.as_slice()), expected, "{}", route.path);
    }
}

#[test]
fn the_template_leads_every_route_to_a_function_in_both_its_forms() {
    let template = Template::parse(EMBEDDED, &BTreeMap::new()).unwrap();
    let declared: BTreeSet<String> = template
        .routes
        .iter()
        .filter(|route| !matches!(route.matches, RouteMatch::Default))
        .map(|route| route.matches.key())
        .collect();
    let mut expected = BTreeSet::new();
    for route in ROUTES {
        expected.insert(format!("{} {}", route.method, route.path));
        // The form in which a Shopify app proxy forwards it.
        if let Some(proxied) = route.path.strip_prefix("/api") {
            expected.insert(format!("{} {proxied}", route.method));
        }
    }
    assert_eq!(declared, expected);
}
