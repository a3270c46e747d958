//! `/api/privacy/requests`: what customers asked to see of their data, for the merchant to hand it to them.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shoptrail_domain::schema::StoreNameText;
use shoptrail_domain::{ParseError, Reason, StoreName};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext, given};
use shoptrail_storage::{ExportedPage, PrivacyJob, PrivacyJobKind, PrivacyJobStatus};
use utoipa::{IntoParams, ToSchema};

use crate::jobs;

/// Requests of one answer where the client names no number.
const DEFAULT_LIMIT: i32 = 50;
/// The most requests of one answer.
const MOST: i32 = 100;
/// What the database's own cursors begin with. A `#` would end a query, so ours are written with `.` in its place.
const CURSOR: &str = "part#";
/// A session's hash and some numbers, twice over.
const MOST_CURSOR_CHARS: usize = 200;

const NO_REQUEST: &str = "There is no such data request";

/// Whose data requests to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct RequestsQuery {
    /// The store.
    #[param(value_type = StoreNameText, required = true, example = "my-store.myshopify.com")]
    store_name: Option<String>,
    /// How many to list; 0 counts as 1, and what is more than 100 as 100.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_usize, default = 50)]
    limit: Option<String>,
}

/// Where to go on reading.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct RequestQuery {
    /// The `nextCursor` of the page before; without it the first page.
    #[param(
        pattern = "^(?:[a-z0-9.]{0,180}[.][0-9]{1,10})?$",
        example = "00.0000000002.00001"
    )]
    cursor: Option<String>,
}

/// The answer with a store's data requests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequestsListed {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Data requests listed")]
    message: &'static str,
    data: Requests,
}

/// A store's data requests, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Requests {
    requests: Vec<DataRequest>,
}

/// One data request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataRequest {
    #[schema(format = "uuid", example = "3f1d2c5e-0b5a-8c1e-9f0e-2d8a7b6c5d4e")]
    request_id: String,
    #[schema(example = "my-store.myshopify.com")]
    store_name: String,
    /// `running` or `done`.
    #[schema(value_type = String, example = "done")]
    status: PrivacyJobStatus,
    #[schema(format = DateTime, example = "2024-01-01T12:00:00.000Z")]
    created_at: String,
    /// `null` while it runs.
    #[schema(required = true, format = DateTime, example = "2024-01-01T12:00:03.000Z")]
    done_at: Option<String>,
}

/// The answer with what a data request has found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequestFound {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Data request found")]
    message: &'static str,
    data: FoundData,
}

/// A page of what there is of the customer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FoundData {
    #[serde(flatten)]
    request: DataRequest,
    /// What is stored of the customer, each with its `kind`; none while the request runs, and none any more after 30
    /// days.
    #[schema(value_type = Vec<Object>, example = json!([{ "kind": "cart_event", "id": "cart-event-1704067200000-a3f9k2m", "store_name": "my-store.myshopify.com" }]))]
    records: Vec<Box<RawValue>>,
    /// Gives the next page; `null` at the end.
    #[schema(required = true, example = "00.0000000002.00001")]
    next_cursor: Option<String>,
}

impl From<PrivacyJob> for DataRequest {
    fn from(job: PrivacyJob) -> Self {
        Self {
            request_id: job.id,
            store_name: job.store_name.to_string(),
            status: job.status,
            created_at: job.created_at,
            done_at: job.done_at,
        }
    }
}

/// Lists the requests of a store's customers to see their data, which came by Shopify's webhook.
#[utoipa::path(
    get,
    path = "/api/privacy/requests",
    tag = "Privacy",
    params(RequestsQuery),
    security(("apiKey" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The requests", body = RequestsListed),
        (status = 400, description = "No store, or a limit that is no number", body = ErrorBody),
        (status = 401, description = "No credential, or one that does not verify", body = ErrorBody),
        (status = 403, description = "A key without the scope `read`, or for other stores", body = ErrorBody),
        (status = 429, description = "Too many requests of this key", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn requests(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    query: Result<Query<RequestsQuery>, QueryRejection>,
) -> Result<Json<RequestsListed>, ApiError> {
    let Query(query) = query?;
    let store = StoreName::parse(&query.store_name.unwrap_or_default())
        .map_err(|reason| ParseError::new("storeName", reason))?;
    let limit = limit(query.limit.as_deref())?;
    context.admit(&app, Some(&store), 1).await?;
    let jobs = app.store.list_data_requests(&store, limit, app.clock.now());
    let requests = jobs.await?.into_iter().map(DataRequest::from).collect();
    Ok(Json(RequestsListed {
        status: "success",
        message: "Data requests listed",
        data: Requests { requests },
    }))
}

/// Shows what a data request has found, page by page.
#[utoipa::path(
    get,
    path = "/api/privacy/requests/{requestId}",
    tag = "Privacy",
    params(("requestId" = String, Path, format = "uuid", description = "The request's id", example = "3f1d2c5e-0b5a-8c1e-9f0e-2d8a7b6c5d4e"), RequestQuery),
    security(("apiKey" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "A page of what there is", body = RequestFound),
        (status = 400, description = "The cursor is none of ours", body = ErrorBody),
        (status = 401, description = "No credential, or one that does not verify", body = ErrorBody),
        (status = 403, description = "A key without the scope `read`, or for other stores", body = ErrorBody),
        (status = 404, description = "There is no such request", body = ErrorBody),
        (status = 429, description = "Too many requests of this key", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn request(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<RequestQuery>, QueryRejection>,
) -> Result<Json<RequestFound>, ApiError> {
    let Query(query) = query?;
    let cursor = cursor(query.cursor.as_deref())?;
    let is_request = |job: &PrivacyJob| job.kind == PrivacyJobKind::ExportCustomer;
    let job = jobs::find(&app, &context, path, is_request, NO_REQUEST).await?;
    let page = match job.status {
        // What was found so far is no answer yet.
        PrivacyJobStatus::Running => ExportedPage {
            records: Vec::new(),
            next_cursor: None,
        },
        PrivacyJobStatus::Done => {
            let now = app.clock.now();
            app.store
                .list_exported(&job.id, cursor.as_deref(), now)
                .await?
        }
    };
    let records = page.records.into_iter().map(RawValue::from_string);
    let next_cursor = page.next_cursor.as_deref().map(shown_cursor);
    Ok(Json(RequestFound {
        status: "success",
        message: "Data request found",
        data: FoundData {
            request: job.into(),
            records: records
                .collect::<Result<_, _>>()
                .map_err(|_| ApiError::Internal("a record of a data request is no JSON"))?,
            next_cursor: next_cursor.transpose()?,
        },
    }))
}

fn limit(parameter: Option<&str>) -> Result<i32, ParseError> {
    let Some(text) = given(parameter) else {
        return Ok(DEFAULT_LIMIT);
    };
    let wrong = |_| ParseError::new("limit", Reason::NotAWholeNumber);
    // Who asks for more than there may be in one answer gets as many as there may be.
    let number: u32 = text.parse().map_err(wrong)?;
    Ok(i32::try_from(number).map_or(MOST, |number| number.clamp(1, MOST)))
}

/// A cursor of ours as the database takes it.
fn cursor(parameter: Option<&str>) -> Result<Option<String>, ParseError> {
    let Some(text) = given(parameter) else {
        return Ok(None);
    };
    let is_made_of = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.';
    let ends_in_digits = text.rsplit_once('.').is_some_and(|(_, number)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    if text.len() > MOST_CURSOR_CHARS || !text.bytes().all(is_made_of) || !ends_in_digits {
        return Err(ParseError::new("cursor", Reason::NotACursor));
    }
    Ok(Some(format!("{CURSOR}{}", text.replace('.', "#"))))
}

/// The database's cursor as it is shown.
fn shown_cursor(cursor: &str) -> Result<String, ApiError> {
    let rest = cursor.strip_prefix(CURSOR);
    rest.map(|rest| rest.replace('#', "."))
        .ok_or(ApiError::Internal("a cursor that cannot be shown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_shown() {
        for name in [
            "part#00#0000000002#00001",
            "part#session#0af3#1#0000000000#00000",
        ] {
            let shown = shown_cursor(name).unwrap();
            assert!(!shown.contains('#'), "{shown}");
            assert_eq!(cursor(Some(&shown)), Ok(Some(name.to_owned())));
        }
        assert_eq!(cursor(None), Ok(None));
        assert_eq!(cursor(Some(" ")), Ok(None));
        for wrong in [
            "part#00#0#1",
            "1",
            "job",
            "a.b",
            "00.",
            "ä.1",
            &format!("{}.1", "0".repeat(200)),
        ] {
            assert_eq!(cursor(Some(wrong)).unwrap_err().field, "cursor", "{wrong}");
        }
    }

    #[test]
    fn a_limit_is_a_number_and_never_more_than_there_may_be() {
        for (text, number) in [
            (None, 50),
            (Some(""), 50),
            (Some("7"), 7),
            (Some("101"), 100),
            (Some("0"), 1),
        ] {
            assert_eq!(limit(text), Ok(number), "{text:?}");
        }
        assert_eq!(limit(Some("4294967295")), Ok(MOST));
        for wrong in ["many", "-1", "1.5", "99999999999"] {
            assert!(limit(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
