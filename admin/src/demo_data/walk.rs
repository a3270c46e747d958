//! A visit under way, as the tracker in the shop's pages records it: what was looked at, for how long, and the messages
//! that tell it.

use std::collections::BTreeMap;
use std::mem;

use serde_json::{Map, Value, json};
use shoptrail_domain::session::{
    SessionId, SessionMessage, SessionMessageBody, SessionRecord, SessionState,
};
use shoptrail_domain::{StoreName, Timestamp};
use shoptrail_storage::NewSession;

use super::visit::VisitError;

/// No visit is longer: 40 minutes, which few are in any shop.
pub(super) const LONGEST_VISIT_MS: i64 = 40 * 60_000;
/// What a step takes at the least, so that no two events have the same time.
const STEP_MS: i64 = 350;

/// Where somebody is, and what is known of the visit so far.
#[derive(Debug)]
pub(super) struct Walk {
    session: SessionId,
    store: StoreName,
    start: Timestamp,
    /// Since the start.
    elapsed_ms: i64,
    /// What the ids of the visit's events begin with.
    events_id: String,
    page: String,
    items: u32,
    /// Of the message that is being filled.
    events: BTreeMap<String, Vec<Value>>,
    time_on_page: BTreeMap<String, i64>,
    count: u32,
    messages: NewSession,
    state: SessionState,
}

impl Walk {
    /// Begins a visit; `events_id` is unlike that of any other visit.
    pub(super) fn new(
        session: SessionId,
        store: StoreName,
        start: Timestamp,
        events_id: String,
    ) -> Self {
        Self {
            session,
            store,
            start,
            elapsed_ms: 0,
            events_id,
            page: String::new(),
            items: 0,
            events: BTreeMap::new(),
            time_on_page: BTreeMap::new(),
            count: 0,
            messages: Vec::new(),
            state: SessionState::default(),
        }
    }

    pub(super) fn session(&self) -> &SessionId {
        &self.session
    }

    pub(super) fn store(&self) -> &StoreName {
        &self.store
    }

    /// The time of the visit.
    pub(super) fn now(&self) -> Timestamp {
        self.start.plus_millis(self.elapsed_ms)
    }

    /// How many things are in the cart.
    pub(super) fn items(&self) -> u32 {
        self.items
    }

    pub(super) fn set_items(&mut self, items: u32) {
        self.items = items;
    }

    /// The version of the stored session: how many messages it has.
    pub(super) fn version(&self) -> u64 {
        self.messages.len() as u64
    }

    /// The address of a page of the shop.
    pub(super) fn url(&self, page: &str) -> String {
        format!("https://{}{page}", self.store)
    }

    /// Goes to a page.
    pub(super) fn view(&mut self, page: &str, title: &str) {
        page.clone_into(&mut self.page);
        let url = self.url(page);
        self.record("page_view", json!({ "url": url, "title": title }));
    }

    /// Something happens on the page.
    pub(super) fn record(&mut self, kind: &str, fields: Value) {
        self.stay(STEP_MS);
        let mut event = match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let id = format!("{}-{}", self.events_id, self.count);
        self.count += 1;
        event.insert("type".into(), kind.into());
        event.insert("ts".into(), self.now().as_millis().into());
        event.insert("eventId".into(), id.into());
        let events = self.events.entry(self.page.clone()).or_default();
        events.push(Value::Object(event));
    }

    /// Time passes on the page, as far as there is some left.
    pub(super) fn stay(&mut self, ms: i64) {
        let ms = ms.min(LONGEST_VISIT_MS - self.elapsed_ms).max(0);
        self.elapsed_ms += ms;
        *self.time_on_page.entry(self.page.clone()).or_default() += ms;
    }

    /// Sends what was recorded since the last message.
    pub(super) fn send(&mut self, reason: &str) -> Result<(), VisitError> {
        if self.events.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let message = json!({
            "reason": reason,
            "ts": now.as_millis(),
            "session": self.session.as_str(),
            "storeName": self.store.as_str(),
            "seq": self.messages.len() + 1,
            "state": {
                "session": self.session.as_str(),
                "itemsInCart": self.items,
                "timeOnPage": mem::take(&mut self.time_on_page),
                "events": mem::take(&mut self.events),
            },
        });
        let body: SessionMessageBody = serde_json::from_value(message)?;
        let message = SessionMessage::parse(body, now)?;
        // Nothing was sealed: a visit is far shorter than what a segment is made for.
        let _ = self.state.merge(&message, &Default::default(), now);
        self.messages.push((message, now));
        Ok(())
    }

    /// The session as it is stored by now.
    pub(super) fn stored(&self) -> SessionRecord {
        let state = self.state.clone();
        state.into_record(self.session.clone(), Vec::new())
    }

    /// All that was sent.
    pub(super) fn into_messages(self) -> NewSession {
        self.messages
    }
}
