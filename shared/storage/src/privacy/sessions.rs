//! Sessions on their way out. First a session is closed: a tombstone keeps everything new away, its head is
//! deleted, and a note in the job says that it is to be visited. The visit, when the indexes have settled, deletes
//! everything else that there is of it, and then the note.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use serde::{Deserialize, Serialize};
use shoptrail_domain::Timestamp;
use shoptrail_domain::session::SessionId;
use tokio::time::Instant;

use super::batch::{Key, WIDTH, Write, from_key, in_parallel, text, to_key};
use super::events::{EventTable, Source};
use super::{Item, OPERATION, Work};
use crate::decisions::is_tally;
use crate::erasures::Trace;
use crate::privacy_jobs::{job_key, to_item};
use crate::sessions::HEAD;
use crate::tables::{ID, IDX_SESSION_ID, JOB_ITEM, SESSION, SESSION_ITEM, STORE_NAME};
use crate::transactions::is_refused;
use crate::{Erased, Store, StoreError, expires_at};

/// What the names of the notes begin with.
const NOTE: &str = "session#";
/// Sessions that one step visits.
const VISITS: i32 = 32;
/// How long a note is kept that a job which ended in the middle left behind.
const NOTE_DAYS: u32 = 7;
/// Where the events of a session are found, in the order of a visit.
const EVENT_TABLES: [EventTable; 2] = [EventTable::CartEvents, EventTable::ImageGenerations];

/// A note that a session is to be visited, and how far the visit is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Note {
    id: String,
    /// With a hash of the session's name, which may be longer than a key.
    item: String,
    pub(super) session: String,
    /// Whether the tracker's session of this name belongs to it.
    pub(super) is_tracked: bool,
    /// Which of the session's sources comes next.
    pub(super) source: usize,
    /// Pages of it that are done.
    pub(super) page: u64,
    /// Where its next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Key>,
    expires_at: i64,
}

impl Note {
    pub(super) fn new(work: &Work, session: &str, is_tracked: bool, now: Timestamp) -> Self {
        Self {
            id: work.job_id.clone(),
            item: format!("{NOTE}{}", work.session_hash(session)),
            session: session.to_owned(),
            is_tracked,
            source: 0,
            page: 0,
            key: None,
            expires_at: expires_at(now, NOTE_DAYS),
        }
    }

    /// Goes on to the next page, or to the next source.
    pub(super) fn advance(&mut self, next: Option<Key>) {
        self.page += 1;
        if next.is_none() {
            self.source += 1;
            self.page = 0;
        }
        self.key = next;
    }
}

impl Store {
    /// Deletes all items of a session whose head is gone, until there are none.
    pub(crate) async fn erase_session_items(
        &self,
        operation: &'static str,
        session: &str,
    ) -> Result<(), StoreError> {
        loop {
            let query = self
                .client
                .query()
                .table_name(&self.tables.sessions)
                .key_condition_expression("#session = :session")
                .projection_expression("#session, #item")
                .expression_attribute_names("#session", SESSION)
                .expression_attribute_names("#item", SESSION_ITEM)
                .expression_attribute_values(":session", AttributeValue::S(session.to_owned()))
                .consistent_read(true);
            let find = async {
                let found = query.send().await;
                found.map_err(|error| StoreError::new(operation, error))
            };
            let found = self.in_time(operation, Box::pin(find)).await?;
            let keys = found.items.unwrap_or_default();
            if keys.is_empty() {
                return Ok(());
            }
            let deletes = keys.into_iter().map(Write::Delete).collect();
            self.batch_write(operation, &self.tables.sessions, deletes)
                .await?;
        }
    }
}

impl Work {
    /// What stands for a session in the names of the job's items.
    pub(super) fn session_hash(&self, session: &str) -> String {
        let store = self.store_name.as_str();
        Trace::CartSession { store, session }.hash(&self.pepper)
    }

    /// Closes sessions. Counts those of the tracker that there were.
    pub(super) async fn close_sessions(
        self: &Arc<Self>,
        sessions: BTreeSet<String>,
        now: Timestamp,
    ) -> Result<Erased, StoreError> {
        let closing = sessions.into_iter().map(|session| {
            let work = Arc::clone(self);
            async move {
                let close = work.close_session(&session, now);
                work.store.in_time(OPERATION, Box::pin(close)).await
            }
        });
        let closed = in_parallel(OPERATION, WIDTH, closing).await?;
        Ok(Erased {
            sessions: closed.into_iter().map(u64::from).sum(),
            ..Erased::default()
        })
    }

    /// Whether there was a tracker's session.
    async fn close_session(&self, session: &str, now: Timestamp) -> Result<bool, StoreError> {
        if let Some(id) = tracker_session(session) {
            let is_there = self.has_head(&id).await?;
            let store = self.store_name.as_str();
            let actions = [
                self.delete_own_head(&id)?,
                self.tombstone(Trace::TrackerSession { session }, now)?,
                self.tombstone(Trace::CartSession { store, session }, now)?,
                self.put_note(&Note::new(self, session, true, now))?,
            ];
            let closed = self.store.transact(OPERATION, &actions).await?;
            if !closed.is_err_and(|reasons| reasons.first().is_some_and(is_refused)) {
                return Ok(is_there);
            }
            // It is bound to another store, and stays. What this store's events say of it does not.
        }
        let store = self.store_name.as_str();
        let actions = [
            self.tombstone(Trace::CartSession { store, session }, now)?,
            self.put_note(&Note::new(self, session, false, now))?,
        ];
        // Without conditions, nothing can be refused.
        let _ = self.store.transact(OPERATION, &actions).await?;
        Ok(false)
    }

    async fn has_head(&self, session: &SessionId) -> Result<bool, StoreError> {
        let found = self
            .store
            .client
            .get_item()
            .table_name(&self.store.tables.sessions)
            .set_key(Some(session_key(session.as_str(), HEAD)))
            .projection_expression("#session")
            .expression_attribute_names("#session", SESSION)
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::new(OPERATION, error))?;
        Ok(found.item.is_some())
    }

    /// Deletes a session's head, which must not be bound to another store. Without a head, a message finds the
    /// tombstone.
    fn delete_own_head(&self, session: &SessionId) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.store.tables.sessions)
            .set_key(Some(session_key(session.as_str(), HEAD)))
            .condition_expression("attribute_not_exists(#store) OR #store = :store")
            .expression_attribute_names("#store", STORE_NAME)
            .expression_attribute_values(":store", AttributeValue::S(self.store_name.to_string()))
            .build()
            .map_err(|error| StoreError::unreadable(OPERATION, error))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    fn tombstone(&self, trace: Trace<'_>, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let days = self.tombstone_days;
        self.store.tombstone(OPERATION, trace, now, days)
    }

    fn put_note(&self, note: &Note) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.store.tables.privacy_jobs)
            .set_item(Some(to_item(OPERATION, note)?))
            .build()
            .map_err(|error| StoreError::unreadable(OPERATION, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Notes sessions that a data request has to visit, without closing them.
    pub(super) async fn note_sessions(
        &self,
        sessions: BTreeSet<String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let note = |session: String| {
            let is_tracked = tracker_session(&session).is_some();
            let note = Note::new(self, &session, is_tracked, now);
            to_item(OPERATION, &note).map(Write::Put)
        };
        let notes: Result<Vec<_>, _> = sessions.into_iter().map(note).collect();
        let table = &self.store.tables.privacy_jobs;
        self.store.batch_write(OPERATION, table, notes?).await
    }

    /// Some sessions that are to be visited; none when all were.
    pub(super) async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        let found = self
            .store
            .client
            .query()
            .table_name(&self.store.tables.privacy_jobs)
            .key_condition_expression("#id = :id AND begins_with(#item, :note)")
            .expression_attribute_names("#id", ID)
            .expression_attribute_names("#item", JOB_ITEM)
            .expression_attribute_values(":id", AttributeValue::S(self.job_id.clone()))
            .expression_attribute_values(":note", AttributeValue::S(NOTE.to_owned()))
            .consistent_read(true)
            .limit(VISITS)
            .send()
            .await
            .map_err(|error| StoreError::new(OPERATION, error))?;
        let notes = found.items.unwrap_or_default().into_iter();
        let notes = notes.map(|item| {
            serde_dynamo::from_item(item).map_err(|error| StoreError::unreadable(OPERATION, error))
        });
        notes.collect()
    }

    /// Keeps how far a visit is.
    pub(super) async fn keep_note(&self, note: &Note) -> Result<(), StoreError> {
        let keep = [self.put_note(note)?, self.lease_check()?];
        self.transact_leased(&keep).await
    }

    pub(super) async fn delete_note(&self, note: &Note) -> Result<(), StoreError> {
        let key = job_key(&note.id, &note.item);
        let table = &self.store.tables.privacy_jobs;
        self.store
            .batch_write(OPERATION, table, vec![Write::Delete(key)])
            .await
    }

    /// Visits sessions that are closed, and erases what there is of them.
    pub(super) async fn erase_sessions(
        self: &Arc<Self>,
        notes: Vec<Note>,
    ) -> Result<Erased, StoreError> {
        let visits = notes.into_iter().map(|note| {
            let work = Arc::clone(self);
            async move { work.erase_session(note).await }
        });
        let mut erased = Erased::default();
        for visited in in_parallel(OPERATION, WIDTH, visits).await? {
            erased += visited;
        }
        Ok(erased)
    }

    async fn erase_session(self: Arc<Self>, mut note: Note) -> Result<Erased, StoreError> {
        let mut erased = Erased::default();
        if note.source == 0 && note.page == 0 {
            if note.is_tracked {
                self.store
                    .erase_session_items(OPERATION, &note.session)
                    .await?;
            }
            erased.decisions += self.erase_decisions(&note.session, note.is_tracked).await?;
        }
        while let Some(source) = event_source(&note.session, note.source) {
            let page = self.event_page(&source, note.key.as_ref()).await?;
            erased += self.erase_events(source.table, page.events).await?;
            note.advance(page.next);
            if Instant::now() >= self.ends {
                self.keep_note(&note).await?;
                return Ok(erased);
            }
        }
        self.delete_note(&note).await?;
        Ok(erased)
    }

    /// Deletes a session's decisions and its tally: this store's, and those of no store where the session is its own.
    /// Until there are none: an outcome that is reported meanwhile may write the tally anew, as long as its decision
    /// is there.
    async fn erase_decisions(&self, session: &str, is_own: bool) -> Result<u64, StoreError> {
        let mut erased = 0;
        let mut from = None;
        let mut was_any = false;
        loop {
            let (items, next) = self
                .decision_page(
                    session,
                    from.as_ref(),
                    is_own,
                    Some("#session, decision_id"),
                )
                .await?;
            was_any |= !items.is_empty();
            erased += items.iter().filter(|item| !is_tally(item)).count() as u64;
            let deletes = items.into_iter().map(Write::Delete).collect();
            let table = &self.store.tables.decisions;
            self.store.batch_write(OPERATION, table, deletes).await?;
            if next.is_none() && !std::mem::take(&mut was_any) {
                return Ok(erased);
            }
            from = next;
        }
    }

    /// A page of a session's decisions, and its tally, whole or the attributes of `projection`.
    pub(super) async fn decision_page(
        &self,
        session: &str,
        from: Option<&Key>,
        is_own: bool,
        projection: Option<&str>,
    ) -> Result<(Vec<Item>, Option<Key>), StoreError> {
        let found = self
            .store
            .client
            .query()
            .table_name(&self.store.tables.decisions)
            .key_condition_expression("#session = :session")
            .filter_expression(if is_own {
                "#store = :store OR attribute_not_exists(#store)"
            } else {
                "#store = :store"
            })
            .set_projection_expression(projection.map(str::to_owned))
            .expression_attribute_names("#session", SESSION)
            .expression_attribute_names("#store", STORE_NAME)
            .expression_attribute_values(":session", AttributeValue::S(session.to_owned()))
            .expression_attribute_values(":store", AttributeValue::S(self.store_name.to_string()))
            .set_exclusive_start_key(from.map(from_key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::new(OPERATION, error))?;
        Ok((
            found.items.unwrap_or_default(),
            found.last_evaluated_key.map(to_key),
        ))
    }

    /// A page of the sessions that are bound to the store: their names.
    pub(super) async fn bound_sessions(
        &self,
        from: Option<&Key>,
    ) -> Result<(BTreeSet<String>, Option<Key>), StoreError> {
        const PAGE: i32 = 100;
        let found = self
            .store
            .client
            .query()
            .table_name(&self.store.tables.sessions)
            .index_name(crate::tables::IDX_STORE_NAME)
            .key_condition_expression("#store = :store")
            .expression_attribute_names("#store", STORE_NAME)
            .expression_attribute_values(":store", AttributeValue::S(self.store_name.to_string()))
            .set_exclusive_start_key(from.map(from_key))
            .limit(PAGE)
            .send()
            .await
            .map_err(|error| StoreError::new(OPERATION, error))?;
        let heads = found.items.unwrap_or_default();
        let sessions = heads.iter().filter_map(|head| text(head, SESSION));
        Ok((
            sessions.map(str::to_owned).collect(),
            found.last_evaluated_key.map(to_key),
        ))
    }
}

/// The tracker's session of this name; other widgets' names are no names of the tracker's.
fn tracker_session(session: &str) -> Option<SessionId> {
    let id = SessionId::parse(session).ok()?;
    (id.as_str() == session).then_some(id)
}

/// Where the events of a session are found, by the number of the table.
pub(super) fn event_source(session: &str, number: usize) -> Option<Source> {
    Some(Source {
        table: *EVENT_TABLES.get(number)?,
        index: IDX_SESSION_ID,
        attribute: "session_id",
        value: session.to_owned(),
    })
}

pub(crate) fn session_key(session: &str, item: &str) -> Item {
    Item::from([
        (SESSION.to_owned(), AttributeValue::S(session.to_owned())),
        (SESSION_ITEM.to_owned(), AttributeValue::S(item.to_owned())),
    ])
}
