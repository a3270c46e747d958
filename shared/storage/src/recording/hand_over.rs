//! How an event is handed over to the queue, in place of being stored at once, and answered as if it were.
//!
//! What is known already is answered as the direct way answers it: an `eventId` that is stored, somebody who was erased.
//! The database is asked for that for a short time only, and where it does not say, the event goes into the queue all
//! the same: whoever writes it asks again. What the queue does not take is written directly, under the id and the time
//! that it has been given. So an event is in the queue or stored, or it is not answered with success.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use shoptrail_domain::Timestamp;
use shoptrail_domain::cart_event::CartEvent;
use shoptrail_domain::image_generation::ImageGeneration;

use super::{Batch, BatchOutcome, DRAWS, EventRecorded, IdempotencyRecord, Recording};
use crate::deadline::left;
use crate::event_queue::{EventQueue, QueuedEvent};
use crate::privacy::{READS, key_of};
use crate::tables::ID;
use crate::{Recorded, Store, StoreError, is_alive};

const OPERATION: &str = "hand_over_events";
/// What the look at the database may take of a request, before the queue: a repetition fits in.
const LOOK: Duration = Duration::from_millis(500);

/// What the database says of events before they are handed over.
struct Known {
    erased: Vec<bool>,
    /// The records of keys that were used before, by their ids.
    first_uses: HashMap<String, IdempotencyRecord>,
}

impl Store {
    /// Takes an event: hands it over to the queue where there is one, else stores it as
    /// [`Store::record_cart_event`] does. What is answered is what is stored in the end, with one exception: of two
    /// events of one `event_id` that are handed over before either is written, the first that is written wins, and the
    /// other one's id names nothing.
    ///
    /// # Errors
    ///
    /// As [`Store::record_cart_event`]; [`StoreError::is_unavailable`] where neither the queue nor the database took it.
    pub async fn take_cart_event(
        &self,
        event: &CartEvent,
        now: Timestamp,
        retention_days: u32,
        mut random: impl FnMut() -> u128 + Send,
    ) -> Result<Recorded<EventRecorded>, StoreError> {
        let Some(queue) = &self.event_queue else {
            return self
                .record_cart_event(event, now, retention_days, random)
                .await;
        };
        let queued = QueuedEvent::of_cart_event(event, now, retention_days, random());
        one(self.hand_over(queue, vec![queued]).await?)
    }

    /// Takes events, as [`Store::take_cart_event`] takes one and [`Store::record_cart_events`] stores many.
    ///
    /// # Errors
    ///
    /// When none of the events is known to be taken.
    pub async fn take_cart_events(
        &self,
        events: &[(CartEvent, Timestamp)],
        retention_days: u32,
        mut random: impl FnMut() -> u128 + Send,
    ) -> Result<Vec<BatchOutcome>, StoreError> {
        let Some(queue) = &self.event_queue else {
            return self
                .record_cart_events(events, retention_days, random)
                .await;
        };
        let mut ids = BTreeSet::new();
        let queued = events.iter().map(|(event, now)| {
            let mut draws = std::iter::repeat_with(|| {
                QueuedEvent::of_cart_event(event, *now, retention_days, random())
            });
            // Events of one id would be taken for one event.
            let queued = draws
                .by_ref()
                .take(DRAWS)
                .find(|event| ids.insert(event.id().to_owned()));
            queued.ok_or_else(|| StoreError::throttled(OPERATION))
        });
        let queued = queued.collect::<Result<Vec<_>, _>>()?;
        self.hand_over(queue, queued).await
    }

    /// Takes a generation, as [`Store::take_cart_event`] takes an event.
    ///
    /// # Errors
    ///
    /// As [`Store::record_image_generation`]; [`StoreError::is_unavailable`] where neither the queue nor the database
    /// took it.
    pub async fn take_image_generation(
        &self,
        generation: &ImageGeneration,
        now: Timestamp,
        retention_days: u32,
        mut random: impl FnMut() -> u128 + Send,
    ) -> Result<Recorded<EventRecorded>, StoreError> {
        let Some(queue) = &self.event_queue else {
            return self
                .record_image_generation(generation, now, retention_days, random)
                .await;
        };
        let queued = QueuedEvent::of_image_generation(generation, now, retention_days, random());
        one(self.hand_over(queue, vec![queued]).await?)
    }

    /// Hands events of one table over, and writes those that the queue does not take.
    async fn hand_over(
        &self,
        queue: &EventQueue,
        events: Vec<QueuedEvent>,
    ) -> Result<Vec<BatchOutcome>, StoreError> {
        let recordings = events
            .iter()
            .map(|event| event.recording(OPERATION))
            .collect::<Result<Vec<_>, _>>()?;
        let known = self.look(&recordings).await;

        let mut outcomes = vec![None; events.len()];
        // Of several new events with one key, the first stands for all.
        let (mut firsts, mut repeats) = (HashMap::new(), Vec::new());
        let mut fresh = Vec::new();
        for (index, recording) in recordings.iter().enumerate() {
            let key = recording.idempotency_id();
            let first_use = key.as_ref().and_then(|key| known.first_uses.get(key));
            if known.erased[index] {
                outcomes[index] = Some(BatchOutcome::Erased);
            } else if let Some(first_use) = first_use {
                outcomes[index] = Some(recording.judge(first_use, None));
            } else if let Some(first) = key.as_ref().and_then(|key| firsts.get(key)) {
                repeats.push((index, *first));
            } else {
                firsts.extend(key.map(|key| (key, index)));
                fresh.push(index);
            }
        }

        let taken = match fresh.len() {
            0 => Default::default(),
            _ => {
                queue
                    .send(OPERATION, fresh.iter().map(|index| &events[*index]))
                    .await
            }
        };
        let mut direct = Vec::new();
        for (place, index) in fresh.into_iter().enumerate() {
            if taken.contains(&place) {
                outcomes[index] = Some(recordings[index].accepted());
            } else {
                direct.push(index);
            }
        }
        for (index, first) in repeats {
            match outcomes[first] {
                Some(_) => {
                    outcomes[index] = Some(recordings[index].judge_beside(&recordings[first]))
                }
                None => direct.push(index),
            }
        }
        direct.sort_unstable();

        let written = self.write_directly(&events, &direct).await;
        let is_known = |outcome: &Option<BatchOutcome>| {
            matches!(
                outcome,
                Some(BatchOutcome::Recorded(_) | BatchOutcome::Conflict)
            )
        };
        let written = match written {
            Ok(written) => written,
            // Of a batch that was taken in part, the rest is to be sent again.
            Err(_) if outcomes.iter().any(is_known) => vec![BatchOutcome::Retry; direct.len()],
            Err(error) => return Err(error),
        };
        for (index, outcome) in direct.into_iter().zip(written) {
            outcomes[index] = Some(outcome);
        }
        let outcomes = outcomes.into_iter();
        Ok(outcomes
            .map(|outcome| outcome.unwrap_or(BatchOutcome::Retry))
            .collect())
    }

    /// Whose events were erased and which keys were used before, as far as the database says so in time.
    async fn look(&self, recordings: &[Recording<'_>]) -> Known {
        let people: Vec<_> = recordings
            .iter()
            .map(|recording| (recording.traces(), recording.now))
            .collect();
        let erased = self.erased_among(OPERATION, &people);
        let first_uses = self.find_first_uses(recordings);
        let patience = left(Self::OPERATION_TIMEOUT).min(LOOK);
        let looks = async {
            tokio::join!(
                tokio::time::timeout(patience, erased),
                tokio::time::timeout(patience, first_uses)
            )
        };
        let (erased, first_uses) = Box::pin(looks).await;
        let erased = erased.ok().and_then(Result::ok);
        let first_uses = first_uses.ok().and_then(Result::ok);
        Known {
            erased: erased.unwrap_or_else(|| vec![false; recordings.len()]),
            first_uses: first_uses.unwrap_or_default(),
        }
    }

    async fn find_first_uses(
        &self,
        recordings: &[Recording<'_>],
    ) -> Result<HashMap<String, IdempotencyRecord>, StoreError> {
        let keys: BTreeSet<String> = recordings
            .iter()
            .filter_map(Recording::idempotency_id)
            .collect();
        let keys: Vec<_> = keys.iter().map(|key| key_of(ID, key)).collect();
        let mut first_uses = HashMap::new();
        let (Some(recording), false) = (recordings.first(), keys.is_empty()) else {
            return Ok(first_uses);
        };
        let table = self.event_table(recording.table);
        for keys in keys.chunks(READS) {
            for item in self.batch_read(OPERATION, table, keys.to_vec()).await? {
                let first: IdempotencyRecord = serde_dynamo::from_item(item)
                    .map_err(|error| StoreError::unreadable(OPERATION, error))?;
                // One that has expired is free again.
                if is_alive(first.expires_at, recording.now) {
                    first_uses.insert(first.id.clone(), first);
                }
            }
        }
        Ok(first_uses)
    }

    /// Stores those of `events` that stand at `places`, as a request without a queue does.
    async fn write_directly(
        &self,
        events: &[QueuedEvent],
        places: &[usize],
    ) -> Result<Vec<BatchOutcome>, StoreError> {
        let recording = |place: &usize| events[*place].recording(OPERATION);
        match places {
            [] => Ok(Vec::new()),
            [place] => {
                let event = &events[*place];
                let recorded = self
                    .record_once(&recording(place)?, |_| event.record(), || 0)
                    .await;
                match recorded {
                    Ok(Recorded::Stored(recorded)) => Ok(vec![BatchOutcome::Recorded(recorded)]),
                    Ok(Recorded::Erased | Recorded::OtherStore) => Ok(vec![BatchOutcome::Erased]),
                    Err(error) if error.is_conflict() => Ok(vec![BatchOutcome::Conflict]),
                    Err(error) => Err(error),
                }
            }
            places => {
                let batch = Batch {
                    operation: OPERATION,
                    table: events[places[0]].table(),
                    recordings: places.iter().map(recording).collect::<Result<_, _>>()?,
                };
                let record = |index: usize, _: &super::Stamp| events[places[index]].record();
                self.record_batch(&batch, record, || 0).await
            }
        }
    }
}

impl Recording<'_> {
    /// What it will be once it is written.
    fn accepted(&self) -> BatchOutcome {
        match self.given.clone() {
            Some(stamp) => BatchOutcome::Recorded(EventRecorded::first(stamp)),
            None => BatchOutcome::Retry,
        }
    }

    /// What it is beside an event of the same key that was handed over before it.
    fn judge_beside(&self, first: &Self) -> BatchOutcome {
        if first.fingerprint != self.fingerprint {
            return BatchOutcome::Conflict;
        }
        match first.accepted() {
            BatchOutcome::Recorded(first) => BatchOutcome::Recorded(EventRecorded {
                duplicate: true,
                ..first
            }),
            outcome => outcome,
        }
    }
}

/// The outcome of a single event.
fn one(outcomes: Vec<BatchOutcome>) -> Result<Recorded<EventRecorded>, StoreError> {
    match outcomes.into_iter().next() {
        Some(BatchOutcome::Recorded(recorded)) => Ok(Recorded::Stored(recorded)),
        Some(BatchOutcome::Erased) => Ok(Recorded::Erased),
        Some(BatchOutcome::Conflict) => Err(StoreError::conflict(OPERATION)),
        Some(BatchOutcome::Retry) | None => Err(StoreError::throttled(OPERATION)),
    }
}
