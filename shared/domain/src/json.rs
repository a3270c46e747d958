//! From bytes to a wire type, without ever letting a parser's message out: those repeat what was sent.

use serde::de::DeserializeOwned;

use crate::limits::JSON_DEPTH;
use crate::wire::Object;
use crate::{ParseError, Reason};

/// Reads a JSON object.
///
/// # Errors
///
/// On the field `body`: empty, no JSON, no object, nested deeper than [`JSON_DEPTH`], or a known key
/// given twice.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, ParseError> {
    let body = content(body)?;
    if deeper_than(body, JSON_DEPTH) {
        return Err(ParseError::body(Reason::TooDeep));
    }
    read(body)
}

/// Reads a JSON object whose parts are left unread, as `RawValue`s. Nothing is built of them, so that they may be nested
/// as deep as they are; whoever reads one calls [`decode`] on it.
///
/// # Errors
///
/// As [`decode`], without the depth.
pub(crate) fn decode_unread<T: DeserializeOwned>(body: &[u8]) -> Result<T, ParseError> {
    read(content(body)?)
}

/// The body without the mark that some editors put before it.
fn content(body: &[u8]) -> Result<&[u8], ParseError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(ParseError::body(Reason::EmptyBody));
    }
    Ok(body)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ParseError> {
    let parsed =
        serde_json::from_slice(body).or_else(|error| match replace_lone_surrogates(body) {
            Some(repaired) if error.is_syntax() => serde_json::from_slice(&repaired),
            _ => Err(error),
        });
    match parsed {
        Ok(Object::Present(value)) => Ok(value),
        Ok(Object::Absent | Object::Other) => Err(ParseError::body(Reason::NotAnObject)),
        // The wire types take any kind of value for a field, so what is left to complain of in a
        // well-formed text is a key that stands twice.
        Err(error) if error.is_data() => Err(ParseError::body(Reason::Duplicate)),
        Err(_) => Err(ParseError::body(Reason::NotJson)),
    }
}

/// A script that cuts a text at so many UTF-16 units may cut a character in two, and `JSON.stringify`
/// then writes its half as an escape that no text can hold. One such half must not cost a whole batch:
/// it becomes U+FFFD, the sign for what could not be read. `None` where there is none.
fn replace_lone_surrogates(body: &[u8]) -> Option<Vec<u8>> {
    let unit = |at: usize| {
        let digits = body.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut repaired: Option<Vec<u8>> = None;
    let mut at = 0;
    while at < body.len() {
        // Outside a string a backslash is an error, which the second reading finds as well.
        let step = match (body[at], unit(at)) {
            (b'\\', Some(0xd800..=0xdbff)) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => 12,
            (b'\\', Some(0xd800..=0xdfff)) => {
                repaired.get_or_insert_with(|| body.to_vec())[at..at + 6]
                    .copy_from_slice(b"\\ufffd");
                6
            }
            (b'\\', _) => 2,
            _ => 1,
        };
        at += step;
    }
    repaired
}

/// Whether brackets outside strings nest deeper than `limit`. Looks at bytes alone: it runs before
/// anything is built from them.
fn deeper_than(body: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Any {
        #[serde(default)]
        known: crate::wire::Scalar,
    }

    fn reason(body: &str) -> Reason {
        decode::<Any>(body.as_bytes()).unwrap_err().reason
    }

    #[test]
    fn a_body_is_one_json_object() {
        assert_eq!(reason(""), Reason::EmptyBody);
        assert_eq!(reason(" \n"), Reason::EmptyBody);
        assert_eq!(reason("{"), Reason::NotJson);
        assert_eq!(reason("{} {}"), Reason::NotJson);
        assert_eq!(reason("[]"), Reason::NotAnObject);
        assert_eq!(reason("[1]"), Reason::NotAnObject);
        assert_eq!(reason("null"), Reason::NotAnObject);
        assert_eq!(reason("\"text\""), Reason::NotAnObject);
        assert_eq!(reason(r#"{"known":1,"known":2}"#), Reason::Duplicate);
        assert!(decode::<Any>(br#"{"other":1,"other":2}"#).is_ok());
        assert!(decode::<Any>(b"\xef\xbb\xbf{}").is_ok());
    }

    #[test]
    fn the_outermost_object_is_the_first_of_sixteen_levels() {
        let nested = |lists: usize| format!("{{\"a\":{}{}}}", "[".repeat(lists), "]".repeat(lists));
        assert!(decode::<Any>(nested(15).as_bytes()).is_ok());
        assert_eq!(reason(&nested(16)), Reason::TooDeep);
        assert_eq!(reason(&nested(100_000)), Reason::TooDeep);
        assert!(decode::<Any>(format!("{{\"a\":\"{}\\\"[\"}}", "[".repeat(99)).as_bytes()).is_ok());
    }

    #[test]
    fn half_a_character_becomes_a_sign_that_it_could_not_be_read() {
        let text = |text: &str| match decode::<Any>(format!(r#"{{"known":"{text}"}}"#).as_bytes()) {
            Ok(Any {
                known: crate::wire::Scalar::Text(text),
            }) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text(r"cut \ud83d"), "cut \u{fffd}");
        assert_eq!(
            text(r"\ude00 \uD83D\uDE00 \ud83d\ud83d\ude00"),
            "\u{fffd} 😀 \u{fffd}😀"
        );
        assert_eq!(text(r"\\ud83d \\\ud83d"), "\\ud83d \\\u{fffd}");
        assert_eq!(reason(r#"{"known":"\ud83d}"#), Reason::NotJson);
        assert_eq!(reason(r#"{"known":"\ud83"}"#), Reason::NotJson);
    }

    #[test]
    fn kinds_of_numbers_are_kept_apart() {
        use crate::wire::Scalar;
        let known = |text: &str| {
            decode::<Any>(format!("{{\"known\":{text}}}").as_bytes())
                .unwrap()
                .known
        };
        assert_eq!(known("7"), Scalar::Whole(7));
        assert_eq!(known("18446744073709551615"), Scalar::Whole(u64::MAX));
        assert!(matches!(known("18446744073709551616"), Scalar::Number(_)));
        assert!(matches!(known("1.0"), Scalar::Number(_)));
        assert!(matches!(known("1e3"), Scalar::Number(_)));
        assert!(matches!(known("-1"), Scalar::Number(_)));
        assert_eq!(known("null"), Scalar::Absent);
        assert_eq!(known("[1,{}]"), Scalar::Other);
        assert_eq!(known("{\"a\":[]}"), Scalar::Other);
        assert_eq!(known("true"), Scalar::Other);
    }
}
