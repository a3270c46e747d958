//! What every operation of the document has in common and no handler has to repeat: examples, put together from
//! those of the fields; what errors look like and which headers they bring; and that empty parameters are ignored.

use serde_json::{Map, Value, json};
use shoptrail_domain::{ParseError, Reason};

use crate::ApiError;
use crate::error::{Answer, ErrorBody, FieldProblem};
use crate::routes::{ROUTES, Route};

/// Where a document's error body is.
const ERROR_BODY: &str = "#/components/schemas/ErrorBody";
/// The id of an API Gateway's request.
pub(crate) const EXAMPLE_REQUEST_ID: &str = "JKJaXmPLvHcESHA=";
/// What answers 500, in any operation; the gate itself answers so where a handler panics.
const SERVER_ERROR: &str = "A fault of ours, which trying again does not cure";

/// Completes a document of all functions.
pub(super) fn complete(mut document: Value) -> Value {
    let mut shared = Map::new();
    let schemas = document["components"]["schemas"].clone();
    let paths = document["paths"].as_object_mut();
    for (path, operations) in paths.into_iter().flatten() {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            let is_this =
                |route: &&Route| route.path == path && route.method.eq_ignore_ascii_case(method);
            if let Some(route) = ROUTES.iter().find(is_this) {
                complete_operation(operation, route, &schemas, &mut shared);
            }
        }
    }
    let components = &mut document["components"];
    components["examples"] = Value::Object(shared);
    components["headers"] = json!({
        "X-Request-Id": {
            "description": "The request's id, for asking about it",
            "schema": { "type": "string" },
            "example": EXAMPLE_REQUEST_ID,
        },
        "Retry-After": {
            "description": "Seconds after which to try again",
            "required": true,
            "schema": { "type": "integer", "minimum": 1 },
            "example": 2,
        },
    });
    document
}

fn complete_operation(
    operation: &mut Value,
    route: &Route,
    schemas: &Value,
    shared: &mut Map<String, Value>,
) {
    for parameter in list(operation.get_mut("parameters")) {
        complete_parameter(parameter, schemas);
    }
    for content in members(operation.pointer_mut("/requestBody/content")) {
        add_example(content, schemas);
    }
    operation["responses"]["500"] = json!({
        "description": SERVER_ERROR,
        "content": { "application/json": { "schema": { "$ref": ERROR_BODY } } },
    });
    let responses = operation["responses"].as_object_mut();
    for (status, response) in responses.into_iter().flatten() {
        complete_response(response, status, route, schemas, shared);
    }
}

/// In a query, what is empty is ignored.
fn complete_parameter(parameter: &mut Value, schemas: &Value) {
    if parameter["in"] == "query" && parameter["required"] == false {
        parameter["allowEmptyValue"] = true.into();
    }
    // The parameter says itself whether it may be left out.
    let mut variants = parameter["schema"]["oneOf"]
        .as_array()
        .into_iter()
        .flatten();
    let variant = variants.find(|variant| variant["type"] != "null").cloned();
    if let Some(variant) = variant {
        parameter["schema"] = variant;
    }
    add_example(parameter, schemas);
}

fn complete_response(
    response: &mut Value,
    status: &str,
    route: &Route,
    schemas: &Value,
    shared: &mut Map<String, Value>,
) {
    let headers = response
        .as_object_mut()
        .map(|response| response.entry("headers").or_insert_with(|| json!({})));
    let Some(headers) = headers else { return };
    headers["X-Request-Id"] = reference("headers", "X-Request-Id");
    let is_error = response["content"]["application/json"]["schema"]["$ref"] == ERROR_BODY;
    if is_error && matches!(status, "429" | "503") {
        response["headers"]["Retry-After"] = reference("headers", "Retry-After");
    }
    if !is_error {
        for content in members(response.get_mut("content")) {
            add_example(content, schemas);
        }
        return;
    }
    let description = response["description"].as_str().unwrap_or_default();
    let examples = error_examples(status, description, route);
    let content = &mut response["content"]["application/json"];
    if !content["example"].is_null() || !content["examples"].is_null() {
        return;
    }
    content["examples"] = json!({});
    for (name, body) in examples {
        let Ok(body) = serde_json::to_value(body) else {
            continue;
        };
        content["examples"][&name] = reference("examples", &name);
        shared.insert(name, json!({ "value": body }));
    }
}

/// What errors of this status say on this route, each under a name that tells it from all others.
fn error_examples(status: &str, description: &str, route: &Route) -> Vec<(String, ErrorBody)> {
    let errors: Vec<(String, Answer, Vec<FieldProblem>)> = match status {
        "400" => {
            let error = first_problem(route);
            let name = format!("VALIDATION_ERROR.{}", error.field);
            let problem = FieldProblem::from(&error);
            vec![(name, ApiError::from(error).answer(), vec![problem])]
        }
        "401" => vec![named(ApiError::Unauthorized.answer())],
        "403" => vec![named(
            ApiError::Forbidden("This credential is for other stores").answer(),
        )],
        "404" => {
            let answer = ApiError::NotFound("").answer().saying(description);
            let name = format!(
                "{}.{}",
                answer.code,
                description.rsplit(' ').next().unwrap_or_default()
            );
            vec![(name, answer, Vec::new())]
        }
        "409" => vec![named(Answer::conflict())],
        "413" => {
            let limit = route.body_bytes;
            let answer = ApiError::PayloadTooLarge { limit }.answer();
            vec![(
                format!("{}.{}", answer.code, limit / 1024),
                answer,
                Vec::new(),
            )]
        }
        "415" => vec![named(ApiError::UnsupportedMediaType.answer())],
        "429" => {
            let error = ApiError::RateLimited {
                retry_after_seconds: 1,
            };
            vec![named(error.answer())]
        }
        "500" => vec![
            named(Answer::database_error()),
            named(ApiError::Internal("").answer()),
        ],
        "503" => vec![
            named(Answer::database_unavailable()),
            named(ApiError::Disabled.answer()),
        ],
        _ => Vec::new(),
    };
    let is_tracker = route.is_tracker();
    errors
        .into_iter()
        .map(|(name, answer, problems)| {
            let name = if is_tracker {
                format!("tracker.{name}")
            } else {
                name
            };
            let problems = (!problems.is_empty()).then_some(problems);
            (
                name,
                answer.into_body(problems, EXAMPLE_REQUEST_ID, is_tracker),
            )
        })
        .collect()
}

fn named(answer: Answer) -> (String, Answer, Vec<FieldProblem>) {
    (answer.code.to_owned(), answer, Vec::new())
}

/// What a route's callers get wrong first: the store of a body, the session of a tracker, a parameter.
fn first_problem(route: &Route) -> ParseError {
    if route.is_tracker() {
        ParseError::new("session", Reason::NotASessionId)
    } else if route.path.ends_with("/batch") {
        ParseError::new("events", Reason::Required)
    } else if route.path.ends_with("/shopify") {
        ParseError::new("shop_domain", Reason::Required)
    } else if route.path.ends_with("/{requestId}") {
        ParseError::new("cursor", Reason::NotACursor)
    } else if route.method == "GET" {
        ParseError::new("storeName", Reason::NotAStore)
    } else {
        ParseError::new("storeName", Reason::Required)
    }
}

/// Gives content or a parameter the example of its schema, where it has none of its own.
fn add_example(content: &mut Value, schemas: &Value) {
    let has_one = content.get("example").or(content.get("examples")).is_some();
    if !has_one && let Some(example) = example_of(&content["schema"], schemas) {
        content["example"] = example;
    }
}

/// An example of a schema: its own, or one put together from those of its parts. `None` where a part has none.
fn example_of(schema: &Value, schemas: &Value) -> Option<Value> {
    if let Some(name) = schema["$ref"].as_str() {
        return example_of(&schemas[name.rsplit('/').next()?], schemas);
    }
    let given = [
        &schema["example"],
        &schema["examples"][0],
        &schema["enum"][0],
        &schema["default"],
    ];
    if let Some(given) = given.into_iter().find(|given| !given.is_null()) {
        return Some(given.clone());
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = Map::new();
        // What only says which fields must be there adds nothing.
        for part in parts.iter().filter(|part| part["anyOf"].is_null()) {
            whole.extend(example_of(part, schemas)?.as_object()?.clone());
        }
        return Some(Value::Object(whole));
    }
    let variants = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    if let Some(variants) = variants {
        let mut variants = variants.iter().filter(|variant| variant["type"] != "null");
        return example_of(variants.next()?, schemas);
    }
    if schema["type"] == "array" {
        return Some(json!([example_of(&schema["items"], schemas)?]));
    }
    // What may be absent is left out: not all of it goes together.
    let required = schema["required"].as_array()?.iter();
    let members = required.map(|name| {
        let name = name.as_str()?;
        Some((
            name.to_owned(),
            example_of(&schema["properties"][name], schemas)?,
        ))
    });
    members.collect::<Option<Map<_, _>>>().map(Value::Object)
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

fn list(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value.and_then(Value::as_array_mut).into_iter().flatten()
}

fn members(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    let members = value.and_then(Value::as_object_mut).into_iter().flatten();
    members.map(|(_, member)| member)
}
