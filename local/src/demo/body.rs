//! A request's body as one JSON object, whichever of the three ways it came: as JSON, or as a form that a browser
//! encoded in its URL's manner or in parts. Shopify takes all three, and themes use all three.
//!
//! Of a multipart body only what browsers write is understood, and files are passed over: the cart has no use for them,
//! and a parser for streams of large files would be a crate more for nothing.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::cart_error::CartError;

/// Names in brackets are followed so deep: `items[0][properties][note]`.
const MOST_LEVELS: usize = 4;

/// Whether a body is declared as JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers) == "application/json"
}

/// Reads a body. An empty one holds nothing.
pub(super) fn read(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Map<String, Value>, CartError> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => CartError::TooLarge,
        _ => CartError::Unreadable,
    })?;
    if body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    match media_type(headers).as_str() {
        "application/json" => serde_json::from_slice(&body).map_err(|_| CartError::Unreadable),
        "multipart/form-data" => {
            let fields = boundary(headers).and_then(|boundary| parts(&boundary, &body));
            Ok(nested(fields.ok_or(CartError::Unreadable)?))
        }
        _ => Ok(nested(form_urlencoded::parse(&body).into_owned())),
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn media_type(headers: &HeaderMap) -> String {
    let essence = content_type(headers).split(';').next();
    essence.unwrap_or_default().trim().to_ascii_lowercase()
}

/// Browsers make boundaries of letters, digits and hyphens, so none holds a semicolon.
fn boundary(headers: &HeaderMap) -> Option<String> {
    let boundary = content_type(headers)
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim().trim_matches('"'))?;
    (!boundary.is_empty()).then(|| boundary.to_owned())
}

/// The fields of a multipart body (RFC 7578); `None` where it is none.
fn parts(boundary: &str, body: &[u8]) -> Option<Vec<(String, String)>> {
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter stands at the start, without its line break.
    let mut rest = body.strip_prefix(&delimiter.as_bytes()[2..])?;
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        let part = rest.strip_prefix(b"\r\n")?;
        let end = find(part, delimiter.as_bytes())?;
        let (part, after) = part.split_at(end);
        rest = &after[delimiter.len()..];
        let head_end = find(part, b"\r\n\r\n")?;
        let (head, value) = (&part[..head_end], &part[head_end + 4..]);
        if let Some(name) = field_name(&String::from_utf8_lossy(head)) {
            fields.push((name, String::from_utf8_lossy(value).into_owned()));
        }
    }
    Some(fields)
}

/// The name in a part's head, unless it is a file's. Browsers write a quotation mark in it as `%22`.
fn field_name(head: &str) -> Option<String> {
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    })?;
    if disposition.contains("; filename") {
        return None;
    }
    let (_, name) = disposition.split_once("; name=\"")?;
    let (name, _) = name.split_once('"')?;
    Some(name.replace("%22", "\""))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

/// Fields with their names' brackets followed: `updates[41]=2` is `{ "updates": { "41": "2" } }`, and `updates[]=2` is
/// `{ "updates": ["2"] }`.
fn nested(fields: impl IntoIterator<Item = (String, String)>) -> Map<String, Value> {
    let mut root = Value::Object(Map::new());
    for (name, value) in fields {
        let name = name.replace(']', "");
        let path: Vec<&str> = name.splitn(MOST_LEVELS, '[').collect();
        put(&mut root, &path, value);
    }
    match root {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// What stands where something of another kind must go is replaced: as in any form, the last one wins.
fn put(target: &mut Value, path: &[&str], value: String) {
    match path {
        [] => *target = Value::String(value),
        [""] => match target {
            Value::Array(list) => list.push(Value::String(value)),
            _ => *target = Value::Array(vec![Value::String(value)]),
        },
        [name, rest @ ..] => {
            if !target.is_object() {
                *target = Value::Object(Map::new());
            }
            if let Value::Object(fields) = target {
                put(fields.entry(*name).or_insert(Value::Null), rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn headers(content_type: &str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())])
    }

    fn parsed(content_type: &str, body: &'static str) -> Result<Value, CartError> {
        read(&headers(content_type), Ok(body.into())).map(Value::Object)
    }

    #[test]
    fn the_same_fields_come_out_of_all_three_kinds() {
        let wanted = json!({ "id": "41", "quantity": "2", "note": "a&b" });
        let form = parsed(
            "application/x-www-form-urlencoded",
            "id=41&quantity=2&note=a%26b",
        );
        let multipart = parsed(
            "multipart/form-data; boundary=----WebKitFormBoundary7MA4",
            "------WebKitFormBoundary7MA4\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n41\r\n\
             ------WebKitFormBoundary7MA4\r\ncontent-disposition: form-data; name=\"quantity\"\r\n\r\n2\r\n\
             ------WebKitFormBoundary7MA4\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\
             Content-Type: image/png\r\n\r\n\0\0\r\n\
             ------WebKitFormBoundary7MA4\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\na&b\r\n\
             ------WebKitFormBoundary7MA4--\r\n",
        );
        let json = parsed(
            "application/json; charset=utf-8",
            r#"{"id":"41","quantity":"2","note":"a&b"}"#,
        );
        assert_eq!(form.as_ref(), Ok(&wanted));
        assert_eq!(multipart.as_ref(), Ok(&wanted));
        assert_eq!(json.as_ref(), Ok(&wanted));
    }

    #[test]
    fn brackets_in_names_are_followed() {
        let form = |body| parsed("application/x-www-form-urlencoded", body).unwrap();
        assert_eq!(
            form("updates[41]=2&updates%5B42%5D=0"),
            json!({ "updates": { "41": "2", "42": "0" } })
        );
        assert_eq!(
            form("updates[]=1&updates[]=3"),
            json!({ "updates": ["1", "3"] })
        );
        assert_eq!(
            form("items[0][id]=41&items[0][quantity]=2"),
            json!({ "items": { "0": { "id": "41", "quantity": "2" } } })
        );
        assert_eq!(form("a=1&a[b]=2"), json!({ "a": { "b": "2" } }));
        let deep = "a".to_owned() + &"[x]".repeat(1_000) + "=1";
        assert_eq!(nested([(deep, String::new())]).len(), 1);
    }

    #[test]
    fn a_broken_body_is_refused_and_an_empty_one_holds_nothing() {
        assert_eq!(parsed("application/json", ""), Ok(json!({})));
        assert_eq!(parsed("", " \n"), Ok(json!({})));
        for (content_type, body) in [
            ("application/json", "{"),
            ("application/json", "[1]"),
            ("application/json", "\"x\""),
            ("multipart/form-data", "--x\r\n\r\n--x--"),
            ("multipart/form-data; boundary=", "--x--"),
            ("multipart/form-data; boundary=x", "nothing of the kind"),
            ("multipart/form-data; boundary=x", "--x\r\nno end"),
            ("multipart/form-data; boundary=x", "--x\r\nno head\r\n--x--"),
        ] {
            assert_eq!(
                parsed(content_type, body),
                Err(CartError::Unreadable),
                "{content_type} {body}"
            );
        }
    }
}
