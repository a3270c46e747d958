//! A part as an answer: its headers, and the name of the file that a browser makes of it.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use shoptrail_domain::StoreName;
use shoptrail_domain::event_filter::{EventFilter, EventFilterQuery};
use shoptrail_domain::export::ExportFormat;
use shoptrail_domain::query::given;
use shoptrail_edge::ApiError;

/// Tells how to go on.
const X_NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");

/// The answer with a part. `number` counts the parts from 1.
pub(super) fn answer(
    format: ExportFormat,
    number: u32,
    name: &str,
    body: Vec<u8>,
    next_cursor: Option<&str>,
) -> Result<Response, ApiError> {
    let mut answer = Response::new(Body::from(body));
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [
        (CONTENT_TYPE, media_type(format, number)),
        (CONTENT_DISPOSITION, &disposition),
        // It is about persons, and other events may match a moment later.
        (CACHE_CONTROL, "no-store"),
    ];
    let next = next_cursor.map(|cursor| (X_NEXT_CURSOR, cursor));
    for (name, value) in headers.into_iter().chain(next) {
        let value = HeaderValue::from_str(value)
            .map_err(|_| ApiError::Internal("a header that cannot be sent"))?;
        answer.headers_mut().insert(name, value);
    }
    Ok(answer)
}

fn media_type(format: ExportFormat, number: u32) -> &'static str {
    match format {
        // The parameter is RFC 4180's.
        ExportFormat::Csv if number == 1 => "text/csv; charset=utf-8; header=present",
        ExportFormat::Csv => "text/csv; charset=utf-8; header=absent",
        ExportFormat::Ndjson => "application/x-ndjson; charset=utf-8",
        ExportFormat::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    }
}

/// A name such as `cart-events-my-store-2026-01-01-to-2026-01-31-part-2.csv`. It holds what a file's name and a header
/// may hold everywhere, whatever was asked for.
pub(super) fn file_name(
    filter: &EventFilter,
    query: &EventFilterQuery,
    format: ExportFormat,
    number: u32,
) -> String {
    let mut name = String::from("cart-events");
    if let Some(store) = filter.store().map(StoreName::as_str) {
        name.push('-');
        let store = store.strip_suffix(".myshopify.com").unwrap_or(store);
        name.extend(store.chars().filter(|char| is_safe(*char)));
    }
    for (before, date) in [("-", &query.start_date), ("-to-", &query.end_date)] {
        if let Some(day) = date.as_deref().and_then(day) {
            name.push_str(before);
            name.push_str(day);
        }
    }
    if number > 1 {
        name.push_str(&format!("-part-{number}"));
    }
    name.push('.');
    name.push_str(format.as_str());
    name
}

/// The day with which a day or a moment begins.
fn day(date: &str) -> Option<&str> {
    let day = given(Some(date))?.get(..10)?;
    let is_safe = |byte: u8| byte.is_ascii_digit() || byte == b'-';
    day.bytes().all(is_safe).then_some(day)
}

fn is_safe(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '-'
}

#[cfg(test)]
mod tests {
    use shoptrail_domain::access::Stores;
    use shoptrail_domain::event_filter::EventOwnerQuery;

    use super::*;

    fn name(store: &str, start: &str, end: &str, number: u32) -> String {
        let owner = EventOwnerQuery {
            store_name: Some(store.into()),
            customer_id: None,
        };
        let query = EventFilterQuery {
            start_date: Some(start.into()),
            end_date: Some(end.into()),
            ..EventFilterQuery::default()
        };
        let filter = EventFilter::parse(&owner, &query, &Stores::All).unwrap();
        file_name(&filter, &query, ExportFormat::Csv, number)
    }

    #[test]
    fn a_file_is_named_after_its_store_and_days() {
        assert_eq!(
            name(
                "https://My-Store.myshopify.com/",
                "2026-01-01",
                " 2026-01-31 ",
                1
            ),
            "cart-events-my-store-2026-01-01-to-2026-01-31.csv"
        );
        assert_eq!(
            name("my-store", "2026-01-01T10:00:00+01:00", "", 12),
            "cart-events-my-store-2026-01-01-part-12.csv"
        );
        assert_eq!(
            name("", "", "2026-01-31", 1),
            "cart-events-to-2026-01-31.csv"
        );
        assert_eq!(name("", "", "", 1), "cart-events.csv");
    }
}
