//! `GET /api/cart-tracking/export`: cart events as a file, in parts; and the formats of such files, which the terminal's
//! export writes as well.

mod answer;
mod cells;
mod csv;
mod ndjson;
mod part;
mod xlsx;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use rust_xlsxwriter::XlsxError;
use serde::{Deserialize, Serialize};
use shoptrail_domain::ParseErrors;
use shoptrail_domain::event_filter::{EventFilter, EventFilterQuery, EventOwnerQuery};
use shoptrail_domain::export::{Export, ExportQuery};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, Cursors, RequestContext};
use shoptrail_storage::Position;

pub use self::csv::{append_csv_header, append_csv_row};
pub use self::ndjson::append_ndjson_line;
use self::part::Asked;
pub use self::xlsx::{EventsWorkbook, SHEET_ROWS};
pub use crate::shown::CartEventShown;

/// Why an event is not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// As a row of text.
    #[error("a row cannot be written")]
    Csv(#[from] ::csv::Error),
    /// As an object.
    #[error("an object cannot be written")]
    Json(#[from] serde_json::Error),
    /// Into a workbook.
    #[error("the workbook cannot be written")]
    Workbook(#[from] XlsxError),
}

/// In memory, where nothing can fail but what we do.
impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        tracing::error!(cause = %error, "an export cannot be written");
        Self::Internal("an export cannot be written")
    }
}

/// What a cursor holds.
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    /// The number of the part, the first one being 1.
    part: u32,
    /// It begins behind this event.
    after: Position,
}

/// Exports the events that match, by time, as a file, in parts of at most 5 MB: `X-Next-Cursor` gives the next part with the
/// same parameters, and is absent at the end. A part may hold less where the database was slow. The first part of a CSV
/// alone has the row of the columns' names, so that parts can be appended to each other; each XLSX is a workbook of its own.
/// A cell of a CSV that begins with `=`, `+`, `-`, `@`, a tab or a carriage return gets a leading `'`, so that no
/// spreadsheet takes it for a formula.
#[utoipa::path(
    get,
    path = "/api/cart-tracking/export",
    tag = "Reading",
    params(EventOwnerQuery, EventFilterQuery, ExportQuery),
    security(("apiKey" = []), ("bearer" = [])),
    responses(
        (
            status = 200,
            description = "A part",
            content(
                (String = "text/csv", example = json!(CSV_EXAMPLE)),
                (String = "application/x-ndjson", example = json!(NDJSON_EXAMPLE)),
                (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", example = json!("PK\u{3}\u{4}…")),
            ),
            headers(
                ("X-Next-Cursor" = String, description = "Gives the next part; absent at the end"),
                ("Content-Disposition" = String, description = "Names the file"),
            ),
        ),
        (status = 400, description = "A parameter breaks its rule, or the cursor is of another query", body = ErrorBody),
        (status = 401, description = "No credential, or one that does not verify", body = ErrorBody),
        (status = 403, description = "No key with the scope `read`, or none for this store", body = ErrorBody),
        (status = 429, description = "Too many requests of this key", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn export(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    owner: Result<Query<EventOwnerQuery>, QueryRejection>,
    filter: Result<Query<EventFilterQuery>, QueryRejection>,
    export: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let (Query(owner), Query(asked), Query(export)) = (owner?, filter?, export?);
    let filter = EventFilter::parse(&owner, &asked, context.principal().stores());
    let (filter, export) = ParseErrors::both(filter, Export::parse(&export))?;
    let Export {
        format, direction, ..
    } = export;
    let fingerprint = filter.fingerprint();
    let query = ["export", &fingerprint, direction.as_str(), format.as_str()];
    let cursors = Cursors::of(&app, &query)?;
    let place: Option<Place> = export
        .cursor
        .as_deref()
        .map(|cursor| cursors.open(cursor))
        .transpose()?;
    context.admit(&app, filter.store(), 1).await?;

    let number = place.as_ref().map_or(1, |place| place.part);
    let part = part::read(
        &app,
        Asked {
            filter: &filter,
            format,
            direction,
            after: place.map(|place| place.after),
        },
    )
    .await?;
    let next = part.next.map(|after| Place {
        part: number.saturating_add(1),
        after,
    });
    let next = next.map(|place| cursors.seal(&place)).transpose()?;
    let name = answer::file_name(&filter, &asked, format, number);
    answer::answer(format, number, &name, part.body, next.as_deref())
}

const CSV_EXAMPLE: &str = "id,storeName,actionType,productId,productTitle,productUrl,variantId,customerId,customerEmail,\
    customerFirstName,customerLastName,generatedImageUrl,personImageUrl,clothingImageUrl,userAgent,ipAddress,sessionId,\
    eventId,occurredAt,createdAt,updatedAt\r\n\
    cart-event-1704110400000-a3f9k2m,my-store.myshopify.com,add_to_cart,8123456789,\"Linen shirt, white\",,44123456789,,\
    jane@example.com,,,,,,Mozilla/5.0,203.0.113.7,af4bac4d-077a-4756-91d0-fa2570fd206f,b0f3c0de-0001,,\
    2024-01-01T12:00:00.000Z,2024-01-01T12:00:00.000Z\r\n";
const NDJSON_EXAMPLE: &str = "{\"id\":\"cart-event-1704110400000-a3f9k2m\",\"storeName\":\"my-store.myshopify.com\",\
    \"actionType\":\"add_to_cart\",\"productId\":\"8123456789\",\"productTitle\":\"Linen shirt, white\",\"productUrl\":null,\
    \"variantId\":\"44123456789\",\"customerId\":null,\"customerEmail\":\"jane@example.com\",\"customerFirstName\":null,\
    \"customerLastName\":null,\"generatedImageUrl\":null,\"personImageUrl\":null,\"clothingImageUrl\":null,\
    \"userAgent\":\"Mozilla/5.0\",\"ipAddress\":\"203.0.113.7\",\"sessionId\":\"af4bac4d-077a-4756-91d0-fa2570fd206f\",\
    \"eventId\":\"b0f3c0de-0001\",\"occurredAt\":null,\"createdAt\":\"2024-01-01T12:00:00.000Z\",\
    \"updatedAt\":\"2024-01-01T12:00:00.000Z\"}\n";
