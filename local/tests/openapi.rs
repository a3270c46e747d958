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

/// The documents of all functions.
fn documents() -> [utoipa::openapi::OpenApi; 4] {
    [
        cart_tracking::Document::openapi(),
        session_ingest::Document::openapi(),
        ask_ai::Document::openapi(),
        privacy::Document::openapi(),
    ]
}

fn generated() -> Value {
    let mut document = Frame::document();
    for function in documents() {
        document.merge(function);
    }
    Frame::complete(&document).unwrap()
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

/// Whether there is an example of it: its own, or shared ones.
fn has_example(described: &Value) -> bool {
    let shared = described["examples"].as_object();
    described.get("example").is_some() || shared.is_some_and(|examples| !examples.is_empty())
}

/// The contents of a body or of an answer, each with its media type.
fn contents(holder: &Value) -> impl Iterator<Item = (&String, &Value)> {
    holder["content"].as_object().into_iter().flatten()
}

#[test]
fn every_parameter_body_and_answer_is_shown_by_an_example() {
    let document = generated();
    let mut without = Vec::new();
    for (name, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if !has_example(parameter) {
                without.push(format!("{name}: {}", parameter["name"]));
            }
        }
        for (kind, content) in contents(&operation["requestBody"]) {
            if !has_example(content) {
                without.push(format!("{name}: the body as {kind}"));
            }
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            for (kind, content) in contents(response) {
                if !has_example(content) {
                    without.push(format!("{name}: {status} as {kind}"));
                }
            }
        }
    }
    assert_eq!(without, [""; 0]);
}

#[test]
fn every_operation_describes_its_success_and_a_fault_of_ours() {
    for (name, operation) in operations(&generated()) {
        let responses = &operation["responses"];
        assert!(contents(&responses["200"]).next().is_some(), "{name}");
        assert!(contents(&responses["500"]).next().is_some(), "{name}");
        for status in ["429", "503"] {
            let is_error = responses[status]["content"]["application/json"]["examples"].is_object();
            let says_when = responses[status]["headers"]["Retry-After"].is_object();
            assert_eq!(says_when, is_error, "{name}: {status}");
        }
    }
}

/// The first one would silently stand for both.
#[test]
fn no_two_types_have_one_name() {
    let mut known = BTreeMap::new();
    for document in documents() {
        for (name, schema) in document.components.unwrap_or_default().schemas {
            let schema = serde_json::to_value(schema).unwrap();
            let first = known.entry(name.clone()).or_insert_with(|| schema.clone());
            assert_eq!(*first, schema, "{name}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = generated();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in found {
        let path = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(path).is_some(), "{reference}");
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
        // `HEAD` goes with `GET`, and may be led to the same function.
        .map(|key| key.replacen("HEAD ", "GET ", 1))
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
