//! What all routes do with jobs: name, create and find them.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use sha2::{Digest as _, Sha256};
use shoptrail_domain::StoreName;
use shoptrail_edge::{ApiError, App, RequestContext};
use shoptrail_storage::{PrivacyJob, PrivacyTask, StoreError};
use uuid::{Builder, Uuid};

/// The id of a job that is like no other: UUID version 4.
pub(crate) fn random_id(app: &App) -> String {
    Builder::from_random_bytes(app.random.draw().to_be_bytes())
        .into_uuid()
        .to_string()
}

/// The id of the one job that is made for this: UUID version 8 of a hash. The last part alone may hold NUL.
pub(crate) fn id_for(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update([0]);
        hash.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// Takes a job on; `false` when there is one of this id already. An erased session stays erased for as long as
/// anything that was sent before could be kept.
pub(crate) async fn create(
    app: &App,
    id: &str,
    store: &StoreName,
    task: &PrivacyTask,
) -> Result<bool, StoreError> {
    let retention = app.config.retention;
    let tombstone_days = retention.event_days.max(retention.session_days);
    app.store
        .create_privacy_job(id, store, task, tombstone_days, app.clock.now())
        .await
}

/// The job that a path names, if `is_wanted` and if the credential covers its store. `missing` is said of any other.
pub(crate) async fn find(
    app: &App,
    context: &RequestContext,
    path: Result<Path<String>, PathRejection>,
    is_wanted: impl Fn(&PrivacyJob) -> bool,
    missing: &'static str,
) -> Result<PrivacyJob, ApiError> {
    // What is not written as we write ids is no id of ours; a path that is no UTF-8 is none either.
    let id = path
        .ok()
        .map(|Path(text)| text)
        .filter(|text| Uuid::try_parse(text).is_ok_and(|id| id.to_string() == *text))
        .ok_or(ApiError::NotFound(missing))?;
    context.limit(app, None, 1).await?;
    let found = app.store.find_privacy_job(&id, app.clock.now()).await?;
    let job = found.filter(is_wanted).ok_or(ApiError::NotFound(missing))?;
    context.note_store(Some(&job.store_name));
    context.authorize_reading(Some(&job.store_name))?;
    Ok(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_parts_make_the_same_id_and_others_another() {
        let id = id_for(&[b"customers/redact", b"event-1", b"a.myshopify.com"]);
        assert_eq!(
            id,
            id_for(&[b"customers/redact", b"event-1", b"a.myshopify.com"])
        );
        assert_ne!(
            id,
            id_for(&[b"customers/redact", b"event-1a", b".myshopify.com"])
        );
        assert_ne!(
            id,
            id_for(&[b"shop/redact", b"event-1", b"a.myshopify.com"])
        );
        assert_eq!(Uuid::try_parse(&id).map(|id| id.get_version_num()), Ok(8));
    }
}
