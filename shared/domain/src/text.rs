//! Free text: titles, names, user agents.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;

use crate::Reason;
use crate::wire::Scalar;

/// Free text as it is kept: without control and invisible format characters, in Unicode NFC,
/// trimmed, and cut at `max_chars`, never inside a character that a reader sees as one. `None` when
/// nothing is left.
pub(crate) fn clean(text: &str, max_chars: usize) -> Option<String> {
    // Nearly all text is plain ASCII, for which the tables of Unicode have nothing to say.
    let cleaned: String = if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        text.to_owned()
    } else {
        text.chars()
            .filter(|character| !is_invisible(*character))
            .nfc()
            .collect()
    };
    let kept = cut(cleaned.trim(), max_chars).trim_end();
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// A field of free text.
pub(crate) fn parse(value: &Scalar, max_chars: usize) -> Result<Option<String>, Reason> {
    Ok(value.text()?.and_then(|text| clean(text, max_chars)))
}

/// The longest beginning of at most `max_chars` characters that ends between two graphemes.
fn cut(text: &str, max_chars: usize) -> &str {
    let Some((limit, _)) = text.char_indices().nth(max_chars) else {
        return text;
    };
    let end = text
        .grapheme_indices(true)
        .map(|(start, _)| start)
        .take_while(|start| *start <= limit)
        .last()
        .unwrap_or(0);
    // One grapheme may be longer than the whole limit; then its characters are what can be cut.
    if end == 0 {
        &text[..limit]
    } else {
        &text[..end]
    }
}

/// The first `max_chars` characters of `text`.
pub(crate) fn cut_chars(text: &str, max_chars: usize) -> &str {
    text.char_indices()
        .nth(max_chars)
        .map_or(text, |(end, _)| &text[..end])
}

/// Control characters (Cc) and format characters (Cf): zero-width spaces, direction overrides, byte
/// order marks.
fn is_invisible(character: char) -> bool {
    matches!(
        character.general_category(),
        GeneralCategory::Control | GeneralCategory::Format
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn invisible_characters_go_and_the_rest_is_composed() {
        assert_eq!(
            clean(" Caf\u{65}\u{301}\u{200b} \u{202e}x\n", 50).as_deref(),
            Some("Café x")
        );
        assert_eq!(clean("\u{feff}\u{200b} \u{0}", 50), None);
    }

    #[test]
    fn text_is_cut_between_what_readers_see_as_characters() {
        assert_eq!(
            clean(&"é".repeat(600), 500).map(|text| text.chars().count()),
            Some(500)
        );
        assert_eq!(clean("ab👍🏽", 3).as_deref(), Some("ab"));
        assert_eq!(clean("ab👍🏽", 4).as_deref(), Some("ab👍🏽"));
        assert_eq!(clean("word word", 5).as_deref(), Some("word"));
    }

    proptest! {
        #[test]
        fn cleaning_is_idempotent_and_keeps_the_limit(text in ".*", max in 1..40_usize) {
            if let Some(once) = clean(&text, max) {
                prop_assert!(once.chars().count() <= max);
                prop_assert_eq!(clean(&once, max), Some(once.clone()));
            }
        }
    }
}
