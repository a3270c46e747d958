//! A second path of the tracker's script. Blockers match scripts by their names, so whoever serves it may give it a
//! neutral one.

use std::str::FromStr;

use axum::http::Method;

use crate::routes::{self, Match};

/// The longest path: that of a file in a few folders.
const MOST_CHARS: usize = 128;

/// `TRACKER_PATH`: a path such as `/s.js`, which leads nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerPath(String);

impl TrackerPath {
    /// What a malformed one is told.
    pub(crate) const EXPECTED: &str = "a path such as /s.js: segments of A-Z, a-z, 0-9, '_', '.' and '-', '.js' at its end, \
                                       at most 128 characters, and not the path of a route";

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrackerPath {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let segments = text.strip_prefix('/').ok_or(())?;
        let is_well_formed = text.len() <= MOST_CHARS
            && text.ends_with(".js")
            && segments.split('/').all(is_segment);
        // In whatever method: the gateway in front leads known paths to other functions.
        let is_free = routes::find(&Method::GET, text) == Match::NotFound;
        if is_well_formed && is_free {
            Ok(Self(text.to_owned()))
        } else {
            Err(())
        }
    }
}

/// Browsers take `.` and `..` out of a path before they ask for it.
fn is_segment(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !["", ".", ".."].contains(&text) && text.bytes().all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neutral_path_is_a_script_of_any_name() {
        let longest = format!("/{}.js", "a".repeat(124));
        for path in ["/s.js", "/assets/v2/main-1.0_b.js", "/.js", &longest] {
            assert_eq!(path.parse(), Ok(TrackerPath(path.to_owned())), "{path}");
        }
        let too_long = format!("/{}.js", "a".repeat(125));
        for path in [
            "s.js",
            "https://cdn.example.com/s.js",
            "/s",
            "/s.json",
            "/s.js/",
            "/",
            "//s.js",
            "/a//s.js",
            "/../s.js",
            "/./s.js",
            "/s.js?v=1",
            "/{file}.js",
            "/s%20.js",
            "/ä.js",
            &too_long,
        ] {
            assert_eq!(path.parse::<TrackerPath>(), Err(()), "{path}");
        }
    }

    #[test]
    fn what_leads_to_a_route_is_taken() {
        for path in [
            "/tracker.js",
            "/docs/s.js",
            "/sessions/s.js",
            "/privacy/requests/s.js",
        ] {
            assert_eq!(path.parse::<TrackerPath>(), Err(()), "{path}");
        }
    }
}
