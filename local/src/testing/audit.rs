//! The audit: nothing personal is in any log line or answer of any test. The helpers that see these look at each,
//! whatever the test itself is about, so that the whole test run is searched.
//!
//! What is personal is told by marks: the customers of the tests and of `events/` have e-mail addresses of
//! `example.com`, and most have the canary in all that is theirs.

use std::sync::{Mutex, PoisonError};

use shoptrail_edge::telemetry::{self, Format};
use tracing::level_filters::LevelFilter;

/// Lines of this process's own log in which something personal was found.
static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Stands in every e-mail address, name, user agent and wrong key of the tests.
pub const CANARY: &str = "canary";
/// What no log line may hold: the canary, and the addresses and programs of senders.
const UNLOGGED: [&str; 5] = [CANARY, "203.0.113.", "198.51.100.", "mozilla", "curl/"];
/// What a key with the scope `read` asks for may hold a customer's data: that is what it is asked for. The API's
/// documents have examples.
const MAY_HOLD_DATA: [&str; 9] = [
    "/sessions/",
    "/cart-tracking/events",
    "/cart-tracking/all",
    "/cart-tracking/customer/",
    "/image-generations/all",
    "/cart-tracking/analytics",
    "/privacy/requests/",
    "/openapi.json",
    "/docs",
];

/// Holds a log against the audit.
///
/// # Panics
///
/// When something personal is in it.
pub fn assert_log_is_impersonal(log: &str) {
    for line in log.lines() {
        let found = personal_in(line);
        assert!(found.is_none(), "{found:?} is in the log: {line}");
    }
}

/// Looks at every line that this process logs from now on.
pub fn watch_own_log() {
    telemetry::start(
        LevelFilter::TRACE,
        Format::To(|line| {
            if personal_in(line).is_some() {
                let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
                found.push(line.to_owned());
            }
        }),
    );
}

/// Holds what this process has logged against the audit.
///
/// # Panics
///
/// When something personal is in it.
pub fn assert_own_log_is_impersonal() {
    let found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(
        found.is_empty(),
        "something personal is in the log: {found:?}"
    );
}

/// What of a line is personal.
fn personal_in(line: &str) -> Option<&'static str> {
    let lower = line.to_lowercase();
    let mark = UNLOGGED.into_iter().find(|mark| lower.contains(mark));
    mark.or(has_address(&lower).then_some("an address"))
}

/// Holds the answer to a request (`GET /path`) against the audit.
///
/// # Panics
///
/// When something personal is in it, and it is not the customer's data that was asked for.
pub fn assert_answer_is_impersonal(request: &str, status: u16, answer: &str) {
    let is_asked_for = status == 200 && MAY_HOLD_DATA.iter().any(|path| request.contains(path));
    let lower = answer.to_lowercase();
    assert!(
        is_asked_for || !(lower.contains(CANARY) || has_address(&lower)),
        "something personal comes back from {request}: {status} {answer:.2000}"
    );
}

/// Whether a customer's address is in a text, and not only `j***@example.com`.
fn has_address(lower: &str) -> bool {
    let mut found = lower.match_indices("@example.com");
    found.any(|(at, _)| !lower[..at].ends_with('*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "is in the log")]
    fn a_name_in_a_log_is_found() {
        assert_log_is_impersonal("fine\n{\"message\":\"Canary Canarysdottir\"}");
    }

    #[test]
    #[should_panic(expected = "an address")]
    fn an_address_in_a_log_is_found() {
        assert_log_is_impersonal("j***@example.com wrote to Joe@Example.com");
    }

    #[test]
    #[should_panic(expected = "something personal comes back")]
    fn an_address_in_an_answer_is_found() {
        assert_answer_is_impersonal("POST /ingest", 400, "joe@example.com is no number");
    }

    #[test]
    #[should_panic(expected = "something personal is in the log")]
    fn what_this_process_logs_is_looked_at() {
        watch_own_log();
        tracing::debug!(name = "Canary", "a line that must not be");
        assert_own_log_is_impersonal();
    }

    #[test]
    fn what_was_asked_for_may_be_answered() {
        assert_answer_is_impersonal("GET /sessions/s-1", 200, "canary@example.com");
        assert_log_is_impersonal("j***@example.com");
    }
}
