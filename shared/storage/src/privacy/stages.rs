//! The stages of a job, in their order.

use std::collections::BTreeSet;

use shoptrail_domain::StoreName;
use shoptrail_domain::privacy::Person;
use tokio::time::Instant;

use super::batch::Key;
use super::events::{EventTable, Source};
use super::{Run, Step};
use crate::privacy_jobs::PrivacyJobKind;
use crate::tables::{IDX_CUSTOMER_EMAIL, IDX_CUSTOMER_ID, IDX_STORE_CREATED, STORE_NAME};
use crate::{Erased, StoreError};

/// Passes over a store that goes on to send events: what comes after them comes after the erasure.
const SHOP_PASSES: u32 = 5;

/// One stage.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// The session that the person is named by.
    NamedSession(String),
    /// Results of data requests about the person.
    DataRequests,
    /// The store's jobs before this one.
    OlderJobs,
    /// Events, and the sessions that they name.
    Events(Source),
    /// Sessions that are bound to the store.
    BoundSessions,
    /// What the store was refused.
    Refusals,
    /// The end of a pass over all sources from the stage of this number on: another one follows, until one that
    /// began when the indexes had settled finds nothing.
    PassEnd(usize),
    /// Everything else of the sessions that were named.
    Visits,
}

/// The stages of a job. They depend on what the job item holds alone, so that every run has the same ones.
pub(super) fn stages(
    kind: PrivacyJobKind,
    store: &StoreName,
    person: Option<&Person>,
) -> Vec<Stage> {
    let named = person.and_then(|person| person.session_id.as_ref());
    let named = named.map(|session| Stage::NamedSession(session.as_str().to_owned()));
    let mut stages: Vec<_> = named.into_iter().collect();
    let pass = stages.len();
    match kind {
        PrivacyJobKind::EraseCustomer => {
            stages.push(Stage::DataRequests);
            stages.extend(person_sources(person).map(Stage::Events));
            stages.push(Stage::PassEnd(pass));
        }
        PrivacyJobKind::EraseShop => {
            stages.push(Stage::OlderJobs);
            stages.extend(store_sources(store).map(Stage::Events));
            stages.extend([Stage::BoundSessions, Stage::Refusals, Stage::PassEnd(pass)]);
        }
        PrivacyJobKind::ExportCustomer => {
            stages.extend(person_sources(person).map(Stage::Events));
        }
    }
    stages.push(Stage::Visits);
    stages
}

const TABLES: [EventTable; 2] = [EventTable::CartEvents, EventTable::ImageGenerations];

fn person_sources(person: Option<&Person>) -> impl Iterator<Item = Source> {
    let email = person
        .and_then(|person| person.customer_email.as_ref())
        .map(|email| (IDX_CUSTOMER_EMAIL, "customer_email", email.as_str()));
    let id = person
        .and_then(|person| person.customer_id.as_ref())
        .map(|id| (IDX_CUSTOMER_ID, "customer_id", id.as_str()));
    email
        .into_iter()
        .chain(id)
        .flat_map(|(index, attribute, value)| {
            TABLES.map(|table| Source {
                table,
                index,
                attribute,
                value: value.to_owned(),
            })
        })
}

fn store_sources(store: &StoreName) -> impl Iterator<Item = Source> {
    TABLES
        .map(|table| Source {
            table,
            index: IDX_STORE_CREATED,
            attribute: STORE_NAME,
            value: store.to_string(),
        })
        .into_iter()
}

impl Run<'_> {
    /// Takes the next step.
    pub(super) async fn step(&mut self) -> Result<Step, StoreError> {
        let Some(stage) = self.stages.get(self.position.stage).cloned() else {
            return Ok(Step::End);
        };
        if self.kind == PrivacyJobKind::ExportCustomer {
            return self.export_step(stage).await;
        }
        match stage {
            Stage::NamedSession(session) => {
                self.close(BTreeSet::from([session])).await?;
                self.advance(None);
            }
            Stage::DataRequests => {
                let from = self.position.key.clone();
                let (erased, next) = self.work.erase_data_requests(from.as_ref()).await?;
                self.count(erased);
                self.advance(next);
            }
            Stage::OlderJobs => {
                let from = self.position.key.clone();
                let (erased, next) = self.work.erase_older_jobs(from.as_ref()).await?;
                self.count(erased);
                self.advance(next);
            }
            Stage::Events(source) => self.erase_page(&source).await?,
            Stage::BoundSessions => {
                let from = self.position.key.clone();
                let (sessions, next) = self.work.bound_sessions(from.as_ref()).await?;
                self.close(sessions).await?;
                self.advance(next);
            }
            Stage::Refusals => {
                let erased = self.work.erase_refusals().await?;
                self.count(erased);
                self.advance(None);
            }
            Stage::PassEnd(first) => return Ok(self.end_pass(first)),
            Stage::Visits => return self.visit().await,
        }
        Ok(Step::Done)
    }

    /// Erases a page of events. Their sessions are closed first: an event that is gone names none.
    async fn erase_page(&mut self, source: &Source) -> Result<(), StoreError> {
        let from = self.position.key.clone();
        let page = self.work.event_page(source, from.as_ref()).await?;
        self.close(page.sessions()).await?;
        let erased = self.work.erase_events(source.table, page.events).await?;
        self.count(erased);
        self.advance(page.next);
        Ok(())
    }

    async fn close(&mut self, sessions: BTreeSet<String>) -> Result<(), StoreError> {
        if sessions.is_empty() {
            return Ok(());
        }
        let closed = self.work.close_sessions(sessions, (self.clock)()).await?;
        self.position.last_tombstone = (self.clock)();
        self.last_tombstone = Instant::now();
        self.count(closed);
        Ok(())
    }

    fn end_pass(&mut self, first: usize) -> Step {
        let is_shop = self.kind == PrivacyJobKind::EraseShop;
        let is_last = is_shop && self.position.passes >= SHOP_PASSES;
        if self.position.passes > 0 && (is_last || !self.position.has_found) {
            self.advance(None);
            return Step::Done;
        }
        let wait = self.settles_in(self.created_at);
        if !wait.is_zero() {
            return Step::Wait(wait);
        }
        self.position.passes += 1;
        self.position.has_found = false;
        self.position.stage = first;
        self.position.page = 0;
        self.position.key = None;
        Step::Done
    }

    /// Visits some of the sessions that were closed.
    async fn visit(&mut self) -> Result<Step, StoreError> {
        let wait = self.sessions_settle_in();
        let notes = self.work.notes().await?;
        if notes.is_empty() {
            self.advance(None);
            return Ok(Step::Done);
        }
        if !wait.is_zero() {
            return Ok(Step::Wait(wait));
        }
        let erased = self.work.erase_sessions(notes).await?;
        self.count(erased);
        Ok(Step::Done)
    }

    fn count(&mut self, erased: Erased) {
        self.position.has_found |= erased != Erased::default();
        self.erased += erased;
    }

    /// Goes on to the next page of the stage, or to the next stage.
    pub(super) fn advance(&mut self, next: Option<Key>) {
        self.position.page += 1;
        if next.is_none() {
            self.position.stage += 1;
            self.position.page = 0;
        }
        self.position.key = next;
    }
}
