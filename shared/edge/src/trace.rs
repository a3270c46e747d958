//! The id under which X-Ray keeps the trace of a request.

use axum::http::HeaderMap;

/// The header that tells it; on AWS the Lambda runtime sets it to its own, whatever the client sent.
const HEADER: &str = "x-amzn-trace-id";

/// The trace's id out of a request's headers.
pub(crate) fn of(headers: &HeaderMap) -> Option<&str> {
    root(headers.get(HEADER)?.to_str().ok()?)
}

/// The trace's id, `1-5759e988-bd862e3fe1be46a994272793`, out of `Root=…;Parent=…;Sampled=…`. Whatever has another form
/// is none: it goes into the log.
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
pub(crate) fn root(header: &str) -> Option<&str> {
    let mut parts = header.split(';').map(str::trim);
    let root = parts.find_map(|part| part.strip_prefix("Root="))?;
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let (time, random) = root.strip_prefix("1-")?.split_once('-')?;
    (is_hex(time, 8) && is_hex(random, 24)).then_some(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_a_trace_is_read_and_nothing_else() {
        let root_of = |id: &str| root(&format!("Self=1-2;Root={id};Parent=5;Sampled=1")).is_some();
        assert!(root_of("1-5759e988-bd862e3fe1be46a994272793"));
        for other in [
            "",
            "2-5759e988-bd862e3fe1be46a994272793",
            "1-5759e988-bd862e3fe1be46a99427279",
            "1-5759e988-bd862e3fe1be46a994272793\"",
            "1-5759e988-joe@example.com.........",
        ] {
            assert!(!root_of(other), "{other}");
        }
        assert_eq!(root("Parent=53995c3f42cd8ad8"), None);
    }
}
