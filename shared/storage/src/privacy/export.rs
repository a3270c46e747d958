//! What a data request gathers: the same that an erasure would erase, as texts of JSON objects.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use serde_json::{Map, Value, json};
use shoptrail_domain::Timestamp;
use shoptrail_domain::session::{SessionId, SessionRecord};
use tokio::time::Instant;

use super::batch::text;
use super::events::{EventTable, Source};
use super::sessions::{Note, event_source};
use super::stages::Stage;
use super::{Item, OPERATION, Run, Step, Work};
use crate::decisions::is_tally;
use crate::privacy_jobs::{PART, RESULT_DAYS, job_key};
use crate::{StoreError, blob, expires_at, is_alive};

/// Characters of records in one part: even if nothing could be compressed, an item of 400 KB holds them.
const PART_BYTES: usize = 300_000;
/// Pages of one session in one record: their names have at most 1,024 characters of at most 4 bytes, and at most 6
/// where JSON escapes them.
const PAGES_IN_A_RECORD: usize = 40;
/// Attributes of an event that serve the table and not the person.
const INTERNAL: [&str; 3] = ["created_bucket", "expires_at", "image_key"];

impl Run<'_> {
    /// Takes the next step of a data request.
    pub(super) async fn export_step(&mut self, stage: Stage) -> Result<Step, StoreError> {
        match stage {
            Stage::NamedSession(session) => {
                let sessions = std::iter::once(session).collect();
                self.work.note_sessions(sessions, (self.clock)()).await?;
                self.advance(None);
            }
            Stage::Events(source) => self.export_page(&source).await?,
            Stage::Visits => {
                let notes = self.work.notes().await?;
                if notes.is_empty() {
                    self.advance(None);
                }
                for note in notes {
                    self.work.export_session(note, (self.clock)()).await?;
                    if Instant::now() >= self.work.ends {
                        break;
                    }
                }
            }
            // Stages of erasures, of which a data request has none.
            _ => self.advance(None),
        }
        Ok(Step::Done)
    }

    async fn export_page(&mut self, source: &Source) -> Result<(), StoreError> {
        let now = (self.clock)();
        let from = self.position.key.clone();
        let page = self.work.event_page(source, from.as_ref()).await?;
        self.work.note_sessions(page.sessions(), now).await?;
        let events = page.events.into_iter().filter(|event| {
            // What is found by the address as well is not gathered twice.
            source.attribute == "customer_email" || !self.work.has_email(event)
        });
        let records = event_records(source.table, events, now)?;
        let name = format!("{:02}#{:010}", self.position.stage, self.position.page);
        self.work.put_parts(&name, records, now).await?;
        self.advance(page.next);
        Ok(())
    }
}

impl Work {
    /// Whether the event is found by the person's address.
    fn has_email(&self, event: &Item) -> bool {
        let email = self
            .person
            .as_ref()
            .and_then(|person| person.customer_email.as_ref());
        email.is_some_and(|email| text(event, "customer_email") == Some(email.as_str()))
    }

    /// Whether the event is found by the person's address or id.
    fn is_persons(&self, event: &Item) -> bool {
        let id = self
            .person
            .as_ref()
            .and_then(|person| person.customer_id.as_ref());
        self.has_email(event)
            || id.is_some_and(|id| text(event, "customer_id") == Some(id.as_str()))
    }

    /// Gathers what there is of a session, as far as the time goes.
    async fn export_session(&self, mut note: Note, now: Timestamp) -> Result<(), StoreError> {
        let name = format!("session#{}", self.session_hash(&note.session));
        if note.source == 0 && note.page == 0 {
            let (mut records, is_own) = self.tracked_records(&note, now).await?;
            records.append(&mut self.decision_records(&note.session, is_own, now).await?);
            self.put_parts(&name, records, now).await?;
        }
        while let Some(source) = event_source(&note.session, note.source) {
            let page = self.event_page(&source, note.key.as_ref()).await?;
            let events = page.events.into_iter();
            let events = events.filter(|event| !self.is_persons(event));
            let records = event_records(source.table, events, now)?;
            let name = format!("{name}#{}#{:010}", note.source, note.page);
            self.put_parts(&name, records, now).await?;
            note.advance(page.next);
            if Instant::now() >= self.ends {
                return self.keep_note(&note).await;
            }
        }
        self.delete_note(&note).await
    }

    /// The tracker's session, and whether it is this store's: one that is bound to another store is not.
    async fn tracked_records(
        &self,
        note: &Note,
        now: Timestamp,
    ) -> Result<(Vec<String>, bool), StoreError> {
        let id = SessionId::parse(&note.session).ok();
        let Some(id) = id.filter(|_| note.is_tracked) else {
            return Ok((Vec::new(), false));
        };
        let Some(session) = self.store.find_session(&id, now).await? else {
            return Ok((Vec::new(), true));
        };
        let bound_to = session.store_name.as_ref();
        if bound_to.is_some_and(|store| *store != self.store_name) {
            return Ok((Vec::new(), false));
        }
        Ok((session_records(&session), true))
    }

    async fn decision_records(
        &self,
        session: &str,
        is_own: bool,
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        let mut records = Vec::new();
        let mut from = None;
        loop {
            let (decisions, next) = self
                .decision_page(session, from.as_ref(), is_own, None)
                .await?;
            // The tally says nothing that the decisions do not.
            for decision in decisions.into_iter().filter(|item| !is_tally(item)) {
                records.extend(record("decision", decision, now)?);
            }
            if next.is_none() {
                return Ok(records);
            }
            from = next;
        }
    }

    /// Stores records as parts of these names, numbered; the same records under the same names again change nothing.
    async fn put_parts(
        &self,
        name: &str,
        records: Vec<String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (number, records) in split(records).into_iter().enumerate() {
            let body =
                blob::encode(&records).map_err(|error| StoreError::unreadable(OPERATION, error))?;
            let mut item = job_key(&self.job_id, &format!("{PART}{name}#{number:05}"));
            item.insert("body".to_owned(), AttributeValue::B(body.into()));
            let expires_at = AttributeValue::N(expires_at(now, RESULT_DAYS).to_string());
            item.insert("expires_at".to_owned(), expires_at);
            let put = Put::builder()
                .table_name(&self.store.tables.privacy_jobs)
                .set_item(Some(item))
                .build()
                .map_err(|error| StoreError::unreadable(OPERATION, error))?;
            let put = TransactWriteItem::builder().put(put).build();
            self.transact_leased(&[self.lease_check()?, put]).await?;
        }
        Ok(())
    }
}

/// The records in as many groups as parts are needed.
fn split(records: Vec<String>) -> Vec<Vec<String>> {
    let mut parts: Vec<Vec<String>> = Vec::new();
    let mut bytes = 0;
    for record in records {
        match parts.last_mut() {
            Some(part) if bytes + record.len() <= PART_BYTES => {
                bytes += record.len();
                part.push(record);
            }
            _ => {
                bytes = record.len();
                parts.push(vec![record]);
            }
        }
    }
    parts
}

fn event_records(
    table: EventTable,
    events: impl Iterator<Item = Item>,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let kind = match table {
        EventTable::CartEvents => "cart_event",
        EventTable::ImageGenerations => "image_generation",
    };
    let mut records = Vec::new();
    for event in events {
        records.extend(record(kind, event, now)?);
    }
    Ok(records)
}

/// An item as it would stand on the wire; none where it has expired.
fn record(kind: &str, item: Item, now: Timestamp) -> Result<Option<String>, StoreError> {
    let expires_at = item.get("expires_at").and_then(|at| at.as_n().ok());
    let lives = expires_at
        .and_then(|at| at.parse().ok())
        .is_none_or(|at| is_alive(at, now));
    if !lives {
        return Ok(None);
    }
    let fields: Map<String, Value> =
        serde_dynamo::from_item(item).map_err(|error| StoreError::unreadable(OPERATION, error))?;
    let fields = fields
        .into_iter()
        .filter(|(name, _)| !INTERNAL.contains(&name.as_str()))
        .map(|(name, value)| (camel_case(&name), value));
    let mut record: Map<String, Value> = fields.collect();
    record.insert("kind".to_owned(), Value::from(kind));
    Ok(Some(Value::Object(record).to_string()))
}

/// A session and its events. The times of many pages are spread over several records.
fn session_records(session: &SessionRecord) -> Vec<String> {
    let mut records = Vec::new();
    let times: Vec<_> = session.time_on_page.iter().collect();
    let mut chunks = times.chunks(PAGES_IN_A_RECORD);
    let mut next = Some(chunks.next().unwrap_or_default());
    while let Some(times) = next {
        let times: std::collections::BTreeMap<_, _> = times.iter().copied().collect();
        records.push(json!({
            "kind": "session", "session": session.session, "itemsInCart": session.items_in_cart,
            "timeOnPage": times, "updatedAt": session.updated_at,
        }));
        next = chunks.next();
    }
    for (page, events) in &session.events {
        let event = |event| json!({ "kind": "session_event", "session": session.session, "page": page, "event": event });
        records.extend(events.iter().map(event));
    }
    records.iter().map(Value::to_string).collect()
}

/// `store_name` is `storeName` on the wire.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_get_their_names_of_the_wire() {
        assert_eq!(camel_case("id"), "id");
        assert_eq!(camel_case("customer_first_name"), "customerFirstName");
    }

    #[test]
    fn no_part_is_larger_than_an_item() {
        let records = vec!["r".repeat(PART_BYTES / 2); 5];
        let sizes: Vec<_> = split(records).iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 2, 1]);
        assert!(split(Vec::new()).is_empty());
    }
}
