//! `/api/privacy/customers`: erasing a customer, and how it went.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Serialize;
use shoptrail_domain::json;
use shoptrail_domain::privacy::{EraseCustomer, Erasure, ErasureMode};
use shoptrail_edge::error::ErrorBody;
use shoptrail_edge::{ApiError, App, RequestContext};
use shoptrail_storage::{Erased, PrivacyJob, PrivacyJobKind, PrivacyJobStatus, PrivacyTask};
use utoipa::ToSchema;

use crate::{jobs, worker};

/// How long an answer waits for the work. API Gateway waits 30 s, and the work's last step, the start of a cold Lambda
/// and the answer's way need some of it.
const PATIENCE: Duration = Duration::from_secs(20);

const NO_RECEIPT: &str = "There is no such receipt";

/// The answer to an erasure.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CustomerErased {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Customer erased")]
    message: &'static str,
    data: ErasureReceipt,
}

/// What an erasure has done so far.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErasureReceipt {
    /// Shows later how it went.
    #[schema(format = "uuid", example = "3f1d2c5e-0b5a-4c1e-9f0e-2d8a7b6c5d4e")]
    receipt_id: String,
    /// `done`, or `running` while there is more to do; it goes on by itself.
    #[schema(value_type = String, example = "done")]
    status: PrivacyJobStatus,
    erased: ErasedCounts,
}

/// How much was erased, or made anonymous.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErasedCounts {
    #[schema(example = 4)]
    cart_events: u64,
    #[schema(example = 2)]
    image_generations: u64,
    #[schema(example = 1)]
    sessions: u64,
    #[schema(example = 3)]
    decisions: u64,
    /// Idempotency records and the like.
    #[schema(example = 1)]
    other: u64,
}

/// A receipt.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceiptFound {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Customer erased")]
    message: &'static str,
    data: WholeReceipt,
}

/// A receipt with its times.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WholeReceipt {
    #[serde(flatten)]
    receipt: ErasureReceipt,
    /// `null` where not a customer but the whole store was erased.
    #[schema(required = true)]
    mode: Option<ErasureMode>,
    #[schema(format = DateTime, example = "2024-01-01T12:00:00.000Z")]
    created_at: String,
    /// `null` while it runs.
    #[schema(required = true, format = DateTime, example = "2024-01-01T12:00:03.000Z")]
    done_at: Option<String>,
}

impl From<Erased> for ErasedCounts {
    fn from(erased: Erased) -> Self {
        Self {
            cart_events: erased.cart_events,
            image_generations: erased.image_generations,
            sessions: erased.sessions,
            decisions: erased.decisions,
            other: erased.other,
        }
    }
}

impl From<&PrivacyJob> for ErasureReceipt {
    fn from(job: &PrivacyJob) -> Self {
        Self {
            receipt_id: job.id.clone(),
            status: job.status,
            erased: job.erased.into(),
        }
    }
}

impl ErasureReceipt {
    /// Of an erasure of which nothing is known yet but that it will be done.
    fn of_new(id: String) -> Self {
        Self {
            receipt_id: id,
            status: PrivacyJobStatus::Running,
            erased: ErasedCounts::default(),
        }
    }
}

fn message(kind: PrivacyJobKind, status: PrivacyJobStatus) -> &'static str {
    match (status, kind) {
        (PrivacyJobStatus::Running, _) => "Erasure is under way",
        (PrivacyJobStatus::Done, PrivacyJobKind::EraseShop) => "Store erased",
        (PrivacyJobStatus::Done, _) => "Customer erased",
    }
}

/// Erases a customer in one store: cart events, generated images, sessions and decisions. Events that come late are
/// not stored any more.
#[utoipa::path(
    delete,
    path = "/api/privacy/customers",
    tag = "Privacy",
    request_body = EraseCustomer,
    security(("apiKey" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Erased, or under way: the receipt tells", body = CustomerErased),
        (status = 400, description = "A field is missing or malformed", body = ErrorBody),
        (status = 401, description = "No credential, or one that does not verify", body = ErrorBody),
        (status = 403, description = "A key without the scope `erase`, or for other stores", body = ErrorBody),
        (status = 413, description = "The body is over 64 KiB", body = ErrorBody),
        (status = 415, description = "The body is no JSON by its type", body = ErrorBody),
        (status = 429, description = "Too many requests of this key", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn erase(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    body: Bytes,
) -> Result<Json<CustomerErased>, ApiError> {
    let wire: EraseCustomer = json::decode(&body)?;
    let Erasure {
        store_name,
        person,
        mode,
    } = Erasure::parse(&wire)?;
    context.admit(&app, Some(&store_name), 1).await?;
    let id = jobs::random_id(&app);
    let task = PrivacyTask::EraseCustomer { person, mode };
    // That there is a job of this id already is our own retry, whose first answer was lost.
    jobs::create(&app, &id, &store_name, &task).await?;
    let data = match worker::run(&app, &id, PATIENCE).await {
        Ok(Some(job)) => ErasureReceipt::from(&job),
        Ok(None) => ErasureReceipt::of_new(id),
        Err(error) => {
            // The job is stored, so the worker does it, and whoever asked must learn its id.
            tracing::warn!(cause = %error, "an erasure is left to the worker");
            ErasureReceipt::of_new(id)
        }
    };
    context.note_outcome(match data.status {
        PrivacyJobStatus::Running => "running",
        PrivacyJobStatus::Done => "erased",
    });
    Ok(Json(CustomerErased {
        status: "success",
        message: message(PrivacyJobKind::EraseCustomer, data.status),
        data,
    }))
}

/// Shows how an erasure went, by its receipt.
#[utoipa::path(
    get,
    path = "/api/privacy/customers/{receiptId}",
    tag = "Privacy",
    params(("receiptId" = String, Path, format = "uuid", description = "The id that the erasure was answered with", example = "3f1d2c5e-0b5a-4c1e-9f0e-2d8a7b6c5d4e")),
    security(("apiKey" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The receipt", body = ReceiptFound),
        (status = 401, description = "No credential, or one that does not verify", body = ErrorBody),
        (status = 403, description = "A key without the scope `erase`, or for other stores", body = ErrorBody),
        (status = 404, description = "There is no such receipt", body = ErrorBody),
        (status = 429, description = "Too many requests of this key", body = ErrorBody),
        (status = 503, description = "The database is not available, or the route is switched off", body = ErrorBody),
    ),
)]
pub(crate) async fn receipt(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<ReceiptFound>, ApiError> {
    let is_erasure = |job: &PrivacyJob| job.kind != PrivacyJobKind::ExportCustomer;
    let job = jobs::find(&app, &context, path, is_erasure, NO_RECEIPT).await?;
    Ok(Json(ReceiptFound {
        status: "success",
        message: message(job.kind, job.status),
        data: WholeReceipt {
            receipt: ErasureReceipt::from(&job),
            mode: job.mode,
            created_at: job.created_at,
            done_at: job.done_at,
        },
    }))
}
