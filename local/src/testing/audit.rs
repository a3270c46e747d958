//! The audit: nothing personal is in any log line or answer of any test. The helpers that see these look at each,
//! whatever the test itself is about, so that the whole test run is searched.
//!
//! What is personal is told by marks: the tests and `events/` give their customers these names and addresses, and a
//! test of their own holds `events/` to it.

/// Stands in every e-mail address, name, user agent and wrong key of the tests.
pub const CANARY: &str = "canary";
/// What no log line may hold: the canary, and the addresses and programs of senders.
const UNLOGGED: [&str; 5] = [CANARY, "203.0.113.", "198.51.100.", "mozilla", "curl/"];
/// What a key with the scope `read` or `erase` asks for may hold a customer's data: that is what it is asked for.
const ADMIN_PATHS: [&str; 2] = ["/sessions/", "/privacy/requests/"];

/// Holds a log against the audit.
///
/// # Panics
///
/// When something personal is in it.
pub fn assert_log_is_impersonal(log: &str) {
    for line in log.lines() {
        let lower = line.to_lowercase();
        let found = UNLOGGED.iter().find(|mark| lower.contains(**mark));
        assert!(found.is_none(), "{found:?} is in the log: {line}");
    }
}

/// Holds the answer to a request (`GET /path`) against the audit.
///
/// # Panics
///
/// When something personal is in it, and it is not the customer's data that was asked for.
pub fn assert_answer_is_impersonal(request: &str, status: u16, answer: &str) {
    let is_asked_for = status == 200 && ADMIN_PATHS.iter().any(|path| request.contains(path));
    assert!(
        is_asked_for || !answer.to_lowercase().contains(CANARY),
        "something personal comes back from {request}: {status} {answer}"
    );
}
