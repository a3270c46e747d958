//! `GET /api/cart-tracking/refusals`: what was not stored, so that merchants see what they lose.

use std::collections::BTreeMap;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use shoptrail_domain::access::Stores;
use shoptrail_domain::day_range::DayRange;
use shoptrail_domain::refusal::Refusal;
use shoptrail_domain::schema::{DayText, StoreNameText};
use shoptrail_domain::{ParseError, StoreName};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ALL_STORES, ApiError, App, RequestContext, given};
use utoipa::{IntoParams, ToSchema};

/// Days that are shown where the request names none.
const DEFAULT_DAYS: u32 = 30;
/// Days of one answer: a leap year.
const MOST_DAYS: u32 = 366;

/// Which refusals to show.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(crate) struct RefusalsQuery {
    /// The store; without it all that the key may see.
    #[param(value_type = Option<StoreNameText>)]
    store_name: Option<String>,
    /// The first day, `YYYY-MM-DD` in UTC; without it the 30 days up to the last one.
    #[param(value_type = Option<DayText>, example = "2026-01-01")]
    start_date: Option<String>,
    /// The last day, `YYYY-MM-DD` in UTC; without it today.
    #[param(value_type = Option<DayText>, example = "2026-01-31")]
    end_date: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusalsListed {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Refusals listed")]
    message: &'static str,
    data: RefusalDays,
}

/// The days on which something was refused, the earliest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusalDays {
    days: Vec<RefusedOnDay>,
}

/// One day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusedOnDay {
    #[schema(format = Date, example = "2026-01-31")]
    day: String,
    /// How many, by reason: `invalid`, `rate_limited`, `no_consent`, `erased`, `duplicate`.
    #[schema(value_type = BTreeMap<String, u64>, example = json!({ "invalid": 3 }))]
    reasons: BTreeMap<Refusal, u64>,
}

/// What was not stored, by day and reason. A count appears some seconds after what it counts.
#[utoipa::path(
    get,
    path = "/api/cart-tracking/refusals",
    tag = "Reading",
    params(RefusalsQuery),
    security(("apiKey" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The days", body = RefusalsListed),
        (status = 400, description = "A day is none, or the range is too long", body = ErrorBody),
        (status = 401, description = "No credential, or one that does not verify", body = ErrorBody),
        (status = 403, description = "No key with the scope `read`, or none for this store", body = ErrorBody),
        (status = 429, description = "Too many requests of this key", body = ErrorBody),
        (status = 503, description = "The database is not available", body = ErrorBody),
    ),
)]
pub(crate) async fn refusals(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    query: Result<Query<RefusalsQuery>, QueryRejection>,
) -> Result<Json<RefusalsListed>, ApiError> {
    let Query(query) = query?;
    let now = app.clock.now();
    let store = given(query.store_name.as_deref())
        .map(StoreName::parse)
        .transpose()
        .map_err(|reason| ParseError::new("storeName", reason))?;
    let (first, last) = (
        given(query.start_date.as_deref()),
        given(query.end_date.as_deref()),
    );
    let range = DayRange::parse(first, last, now, DEFAULT_DAYS, MOST_DAYS)?;
    context.admit(&app, store.as_ref(), 1).await?;

    let names: Vec<&str> = match (&store, context.principal().stores()) {
        (Some(store), _) => vec![store.as_str()],
        (None, Stores::All) => vec![ALL_STORES],
        (None, Stores::These(stores)) => stores.iter().map(StoreName::as_str).collect(),
    };
    let mut days: BTreeMap<String, BTreeMap<Refusal, u64>> = BTreeMap::new();
    for name in names {
        for found in app
            .store
            .list_refusals(name, range.first(), range.last(), now)
            .await?
        {
            let reasons = days.entry(found.day).or_default();
            for (reason, count) in found.reasons {
                *reasons.entry(reason).or_default() += count;
            }
        }
    }
    let days = days
        .into_iter()
        .map(|(day, reasons)| RefusedOnDay { day, reasons })
        .collect();
    Ok(Json(RefusalsListed {
        status: "success",
        message: "Refusals listed",
        data: RefusalDays { days },
    }))
}
