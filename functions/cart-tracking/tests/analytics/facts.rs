//! What happened, as the test knows it.

use shoptrail_domain::Timestamp;
use shoptrail_domain::advice::Source;
use shoptrail_domain::advice::outcome::Outcome;

pub(crate) fn millis(iso: &str) -> i64 {
    Timestamp::parse_iso(iso).unwrap().as_millis()
}

pub(crate) fn iso(millis: i64) -> String {
    Timestamp::from_millis(millis).to_iso()
}

/// Whose something is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    pub(crate) session: Option<String>,
    pub(crate) customer: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) picture: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) at: i64,
    pub(crate) store: &'static str,
    pub(crate) expires_at: i64,
    pub(crate) action: &'static str,
    pub(crate) product: Option<&'static str>,
    pub(crate) title: Option<&'static str>,
    pub(crate) identity: Identity,
}

#[derive(Debug, Clone)]
pub(crate) struct Generation {
    pub(crate) id: String,
    pub(crate) at: i64,
    pub(crate) store: &'static str,
    pub(crate) expires_at: i64,
    pub(crate) status: &'static str,
    pub(crate) product: Option<&'static str>,
    pub(crate) identity: Identity,
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) store: &'static str,
    pub(crate) is_expired: bool,
    pub(crate) messages: Vec<Message>,
}

/// One message of a session.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) at: i64,
    pub(crate) products: Vec<&'static str>,
    pub(crate) is_checkout: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Decision {
    pub(crate) session: String,
    pub(crate) at: i64,
    pub(crate) store: &'static str,
    pub(crate) expires_at: i64,
    pub(crate) source: Source,
    pub(crate) shows_popup: bool,
    pub(crate) is_control: bool,
    pub(crate) outcomes: Vec<Outcome>,
}

/// All that was stored.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) events: Vec<Event>,
    pub(crate) generations: Vec<Generation>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) decisions: Vec<Decision>,
}
