//! Many new sessions at once, as the local gateway's sample data has them. What is stored of each is what
//! [`Store::record_session_message`] would have stored of its messages one after the other.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use shoptrail_domain::Timestamp;
use shoptrail_domain::access::Stores;
use shoptrail_domain::session::{Merged, Milestones, SessionMessage, SessionState};

use super::{Change, EXPIRY_STEP, Head, Item, bytes};
use crate::erasures::Trace;
use crate::transactions::is_refused;
use crate::{Recorded, Store, StoreError, expires_at};

const OPERATION: &str = "record_new_sessions";
/// Sessions of one transaction, of which DynamoDB takes 100 actions: few enough that an engine on a laptop is done with
/// them well within an attempt's time.
const TRANSACTION_SESSIONS: usize = 50;
/// Bytes of a session's state up to which it goes this way: 50 of them fit the 4 MB of a transaction thrice.
const STATE_BYTES: usize = 24 * 1024;

/// A session's messages, each with the time at which it arrived; the oldest first, and all of one session.
pub type NewSession = Vec<(SessionMessage, Timestamp)>;

/// What is written of a session that is new.
struct NewHead {
    /// Where it stands among all.
    index: usize,
    item: Item,
}

impl Store {
    /// Stores sessions that the database most likely knows nothing of, in transactions of many. The outcomes come in the
    /// order of the sessions: whether each was new. A session that is there already stays as it is.
    ///
    /// All of it ends within [`Store::OPERATION_TIMEOUT`], so that some hundreds of sessions fit into one call.
    ///
    /// # Errors
    ///
    /// When the database does not take all of them. Those that it took are not new when they come again.
    pub async fn record_new_sessions(
        &self,
        sessions: &[NewSession],
        retention_days: u32,
        mut random: impl FnMut() -> u128 + Send,
    ) -> Result<Vec<Recorded<bool>>, StoreError> {
        let traces: Vec<_> = sessions.iter().map(trace_of).collect();
        let look = self.erased_among(OPERATION, &traces);
        let erased = self.in_time(OPERATION, Box::pin(look)).await?;
        let mut outcomes = vec![Recorded::Erased; sessions.len()];
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for (index, session) in sessions.iter().enumerate() {
            if erased[index] || session.is_empty() {
                continue;
            }
            let write = format!("{:016x}", random() as u64);
            match self.new_head(session, &write, retention_days)? {
                Some(item) => small.push(NewHead { index, item }),
                None => large.push(index),
            }
        }
        while !small.is_empty() {
            let rest = small.split_off(small.len().min(TRANSACTION_SESSIONS));
            let put = self.put_new_heads(small, &mut outcomes);
            self.in_time(OPERATION, Box::pin(put)).await?;
            small = rest;
        }
        for index in large {
            let mut is_new = false;
            for (message, at) in &sessions[index] {
                let recorded = self
                    .record_session_message(message, &Stores::All, *at, retention_days, &mut random)
                    .await?;
                is_new |= matches!(recorded, Recorded::Stored(recorded) if recorded.saved);
            }
            outcomes[index] = Recorded::Stored(is_new);
        }
        Ok(outcomes)
    }

    /// The head of a session with these messages; `None` for one that needs more than a small head.
    fn new_head(
        &self,
        session: &NewSession,
        write: &str,
        retention_days: u32,
    ) -> Result<Option<Item>, StoreError> {
        let Some((first, at)) = session.first() else {
            return Ok(None);
        };
        let mut expiry = expires_at(*at, retention_days);
        let mut state = SessionState::default();
        let mut milestones = Milestones::default();
        for (message, at) in session {
            let merged = state.merge(message, &HashSet::new(), *at);
            milestones.reach(message, *at);
            if !merged.sealed.is_empty() {
                return Ok(None);
            }
            let next = expires_at(*at, retention_days);
            if !(expiry..expiry + EXPIRY_STEP).contains(&next) {
                expiry = next;
            }
        }
        let change = Change {
            state,
            milestones,
            merged: Merged::default(),
        };
        // As if each of the messages had made a version.
        let before = Head {
            version: session.len() as u64 - 1,
            ..Head::default()
        };
        let writes = self.encode(first.session(), &change, &before, write, expiry)?;
        let size = bytes(&writes.head, "body").map_or(0, <[u8]>::len);
        Ok((writes.put.is_empty() && size <= STATE_BYTES).then_some(writes.head))
    }

    /// Puts heads where there are none. One that is there cancels the transaction; it is left out, and the rest is tried
    /// again.
    async fn put_new_heads(
        &self,
        heads: Vec<NewHead>,
        outcomes: &mut [Recorded<bool>],
    ) -> Result<(), StoreError> {
        let mut pending = heads;
        while !pending.is_empty() {
            let actions = pending.iter().map(|head| {
                let put = Put::builder()
                    .table_name(&self.tables.sessions)
                    .set_item(Some(head.item.clone()))
                    .condition_expression("attribute_not_exists(version)");
                let put = put
                    .build()
                    .map_err(|error| StoreError::unreadable(OPERATION, error))?;
                Ok(TransactWriteItem::builder().put(put).build())
            });
            let actions = actions.collect::<Result<Vec<_>, StoreError>>()?;
            let Err(reasons) = self.transact(OPERATION, &actions).await? else {
                for head in pending {
                    outcomes[head.index] = Recorded::Stored(true);
                }
                return Ok(());
            };
            let tried = pending.len();
            let (there, rest): (Vec<_>, Vec<_>) = pending
                .into_iter()
                .zip(&reasons)
                .partition(|(_, reason)| is_refused(reason));
            for (head, _) in there {
                outcomes[head.index] = Recorded::Stored(false);
            }
            pending = rest.into_iter().map(|(head, _)| head).collect();
            if pending.len() == tried {
                return Err(StoreError::throttled(OPERATION));
            }
        }
        Ok(())
    }
}

fn trace_of(session: &NewSession) -> (Vec<Trace<'_>>, Timestamp) {
    let first = session.first();
    let trace = first.map(|(message, _)| Trace::TrackerSession {
        session: message.session().as_str(),
    });
    let at = first.map(|(_, at)| *at).unwrap_or_default();
    (trace.into_iter().collect(), at)
}
