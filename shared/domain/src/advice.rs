//! What Ask AI tells the storefront: whether to show a popup, with which words, when, and why.
//!
//! An [`Advice`] is made by [`Advice::parse`] from what a model proposed, which is trusted in nothing,
//! or by the rules in [`rules`], which serve where no model answers. Both look at the session through
//! [`engagement`], and at its pages through [`page`]. The shop's [`policy`] comes before both; what became of a
//! decision is an [`outcome`].

pub mod engagement;
pub mod outcome;
pub mod page;
pub mod policy;
pub mod rules;

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use utoipa::ToSchema;

use crate::text;

/// Characters of a message: the contract's limit, and about what a popup on a phone shows in two lines.
pub const MESSAGE_CHARS: usize = 120;
/// Characters of a reason: two sentences. Longer ones are cut, because no shopper reads them.
pub const REASON_CHARS: usize = 300;
/// Characters of a trigger: a name such as `items_in_cart`, not a sentence.
pub const TRIGGER_CHARS: usize = 64;
/// Milliseconds before the popup is shown: the contract's limit. After a minute the page has changed.
pub const DELAY_MS: u32 = 60_000;

/// Names of what may set a popup off. The rules use no others and the model is asked to keep to them,
/// so that a shop owner's figures by trigger are comparable; [`Advice::parse`] takes any name of this form.
pub const TRIGGERS: [&str; 11] = [
    "items_in_cart",
    "cart_active",
    "cart_idle",
    "cart_dwell",
    "checkout_active",
    "checkout_abandoned",
    "order_completed",
    "returning_shopper",
    "product_dwell",
    "product_comparison",
    "engagement",
];

/// A popup decision that keeps every rule of the contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "ProposedAdvice")]
pub struct Advice {
    /// Whether to show a popup at all.
    #[schema(example = true)]
    show_popup: bool,
    /// What the popup says: plain text, at most 120 characters; empty only without a popup.
    #[schema(
        max_length = 120,
        example = "Your shirt is still in the cart. Questions about its size?"
    )]
    message: String,
    /// Why, for the shop owner.
    #[schema(
        max_length = 300,
        example = "7 items have been in the cart for a while."
    )]
    reason: String,
    /// What kind of popup it is.
    category: Category,
    /// What set it off, as a name such as `items_in_cart`.
    #[schema(
        max_length = 64,
        pattern = "^[a-z][a-z0-9_]*$",
        example = "items_in_cart"
    )]
    trigger: String,
    /// How sure the advisor is.
    #[schema(minimum = 0, maximum = 1, example = 0.92)]
    confidence: f64,
    /// How long to wait before the popup is shown, in milliseconds.
    #[schema(maximum = 60000, example = 2_000)]
    delay_ms: u32,
}

/// The seven fields as a model answers them: of the right types, and nothing else is known about them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ProposedAdvice {
    /// Whether to show a popup.
    pub show_popup: bool,
    /// What it should say.
    pub message: String,
    /// Why.
    pub reason: String,
    /// One of the names of [`Category`], one would hope.
    pub category: String,
    /// What set it off.
    pub trigger: String,
    /// How sure the model is.
    pub confidence: f64,
    /// Milliseconds to wait. A float, because to a model `2000` and `2000.0` are the same.
    pub delay_ms: f64,
}

/// What kind of popup to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// A price reduction.
    Discount,
    /// Buy one, get one.
    Bogo,
    /// Help or information.
    Info,
    /// A reminder of something left behind.
    Reminder,
    /// Nothing to show.
    None,
}

impl Category {
    /// All of them, in the contract's order.
    pub const ALL: [Self; 5] = [
        Self::Discount,
        Self::Bogo,
        Self::Info,
        Self::Reminder,
        Self::None,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discount => "discount",
            Self::Bogo => "bogo",
            Self::Info => "info",
            Self::Reminder => "reminder",
            Self::None => "none",
        }
    }

    /// Takes the exact name on the wire.
    ///
    /// # Errors
    ///
    /// [`AdviceError::UnknownCategory`].
    pub fn parse(name: &str) -> Result<Self, AdviceError> {
        Self::ALL
            .into_iter()
            .find(|category| category.as_str() == name)
            .ok_or(AdviceError::UnknownCategory)
    }
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The model, just now.
    Model,
    /// An earlier decision about the same, unchanged session.
    Cache,
    /// The rules: no model is set, or it gave no valid answer.
    Rules,
    /// The shop's policy, which overrules any advice.
    Policy,
}

impl Source {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Cache => "cache",
            Self::Rules => "rules",
            Self::Policy => "policy",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The rule that a proposed advice broke. Never holds what was proposed: that may repeat what a shopper
/// or a stranger wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdviceError {
    /// A popup that says nothing.
    #[error("a popup needs a message")]
    MessageMissing,
    /// Too long for a popup. Not cut: half a sentence is worse than none.
    #[error("the message is longer than {MESSAGE_CHARS} characters")]
    MessageTooLong,
    /// Control characters, line breaks, or invisible characters that turn the reading direction.
    #[error("the message holds control or invisible characters")]
    MessageNotPlain,
    /// A tag or a character reference, or an angle bracket that may become one.
    #[error("the message holds HTML")]
    MessageHasHtml,
    /// Emphasis, code, a heading, a list or a bracketed link.
    #[error("the message holds Markdown")]
    MessageHasMarkdown,
    /// A URL, a bare domain or a path.
    #[error("the message holds a link")]
    MessageHasLink,
    /// An e-mail address.
    #[error("the message holds an e-mail address")]
    MessageHasEmail,
    /// A decision that nobody can account for.
    #[error("the reason is missing")]
    ReasonMissing,
    /// Empty, too long, or not of letters, digits and underscores.
    #[error("the trigger is no name of 1 to {TRIGGER_CHARS} letters, digits and underscores")]
    TriggerMalformed,
    /// Not one of the five.
    #[error("the category is unknown")]
    UnknownCategory,
    /// Below 0, above 1, or no number.
    #[error("the confidence is not between 0 and 1")]
    ConfidenceOutOfRange,
    /// Negative, too long, or not a whole number.
    #[error("the delay is not a whole number of milliseconds between 0 and {DELAY_MS}")]
    DelayOutOfRange,
}

impl Advice {
    /// Takes what a model proposed. The message is trimmed and composed (Unicode NFC); the reason is
    /// cleaned and cut; the trigger is lower-cased, with `_` for blanks and hyphens; the confidence is
    /// rounded to thousandths. All else must be right as it is.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn parse(proposed: ProposedAdvice) -> Result<Self, AdviceError> {
        let message = parse_message(&proposed.message)?;
        if proposed.show_popup && message.is_empty() {
            return Err(AdviceError::MessageMissing);
        }
        // A range holds no NaN, and neither infinity.
        if !(0.0..=1.0).contains(&proposed.confidence) {
            return Err(AdviceError::ConfidenceOutOfRange);
        }
        if !(0.0..=f64::from(DELAY_MS)).contains(&proposed.delay_ms)
            || proposed.delay_ms.fract() != 0.0
        {
            return Err(AdviceError::DelayOutOfRange);
        }
        Ok(Self {
            show_popup: proposed.show_popup,
            message,
            reason: text::clean(&proposed.reason, REASON_CHARS)
                .ok_or(AdviceError::ReasonMissing)?,
            category: Category::parse(proposed.category.trim())?,
            trigger: parse_trigger(&proposed.trigger)?,
            // Thousandths survive any store and any reader of JSON unchanged, which the seventeenth digit
            // does not. Adding zero turns a negative zero, which JSON can say, into a plain one.
            confidence: (proposed.confidence * 1_000.0).round() / 1_000.0 + 0.0,
            // The range above fits a u32.
            delay_ms: proposed.delay_ms as u32,
        })
    }

    /// Whether to show a popup.
    #[must_use]
    pub fn show_popup(&self) -> bool {
        self.show_popup
    }

    /// What the popup says; may be empty when there is none.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Why, for the shop owner.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What kind of popup it is.
    #[must_use]
    pub fn category(&self) -> Category {
        self.category
    }

    /// What set it off, as a name.
    #[must_use]
    pub fn trigger(&self) -> &str {
        &self.trigger
    }

    /// How sure the advisor is, from 0 to 1.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        self.confidence
    }

    /// Milliseconds to wait before the popup is shown.
    #[must_use]
    pub fn delay_ms(&self) -> u32 {
        self.delay_ms
    }
}

impl TryFrom<ProposedAdvice> for Advice {
    type Error = AdviceError;

    fn try_from(proposed: ProposedAdvice) -> Result<Self, AdviceError> {
        Self::parse(proposed)
    }
}

fn parse_message(proposed: &str) -> Result<String, AdviceError> {
    // A model's whole budget is about 1,024 tokens; what is far over the limit is not worth composing.
    if proposed.len() > MESSAGE_CHARS * 32 {
        return Err(AdviceError::MessageTooLong);
    }
    let message: String = proposed.trim().nfc().collect();
    if message.chars().count() > MESSAGE_CHARS {
        return Err(AdviceError::MessageTooLong);
    }
    if message.chars().any(is_not_plain) {
        return Err(AdviceError::MessageNotPlain);
    }
    // The compatibility form shows what look-alikes such as `＜`, `＠` and `．` stand for: a browser
    // reads a full-width dot in a host name as a dot.
    let plain: String = message.nfkc().collect();
    if has_html(&plain) {
        return Err(AdviceError::MessageHasHtml);
    }
    if has_email(&plain) {
        return Err(AdviceError::MessageHasEmail);
    }
    if has_markdown(&plain) {
        return Err(AdviceError::MessageHasMarkdown);
    }
    if has_link(&plain) {
        return Err(AdviceError::MessageHasLink);
    }
    Ok(message)
}

fn parse_trigger(proposed: &str) -> Result<String, AdviceError> {
    let trigger: String = proposed
        .trim()
        .chars()
        .map(|character| {
            if matches!(character, ' ' | '-') {
                '_'
            } else {
                character.to_ascii_lowercase()
            }
        })
        .take(TRIGGER_CHARS + 1)
        .collect();
    let is_name = trigger.starts_with(|first: char| first.is_ascii_lowercase())
        && trigger
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_name && trigger.len() <= TRIGGER_CHARS {
        Ok(trigger)
    } else {
        Err(AdviceError::TriggerMalformed)
    }
}

/// Control characters, line and paragraph separators, and format characters; but the two joiners, without
/// which Persian is misspelt and a family falls apart into single faces.
fn is_not_plain(character: char) -> bool {
    match character {
        '\u{200c}' | '\u{200d}' => false,
        _ => matches!(
            character.general_category(),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::PrivateUse
        ),
    }
}

/// Any angle bracket, and anything of the form `&name;`. A harmless `<3` is refused too: the rules
/// answer in its place, which costs little.
fn has_html(message: &str) -> bool {
    message.contains(['<', '>'])
        || message.match_indices('&').any(|(start, _)| {
            let name = message[start + 1..]
                .strip_prefix('#')
                .unwrap_or(&message[start + 1..]);
            name.find(';').is_some_and(|end| {
                end > 0
                    && name
                        .bytes()
                        .take(end)
                        .all(|byte| byte.is_ascii_alphanumeric())
            })
        })
}

/// An `@` between two characters that are no blanks. `@brand` alone is none.
fn has_email(message: &str) -> bool {
    message.split_whitespace().any(|word| {
        word.match_indices('@').any(|(at, _)| {
            let before = word[..at].chars().next_back();
            let after = word[at + 1..].chars().next();
            before.is_some_and(|c| c.is_alphanumeric() || "\"'._+-".contains(c))
                && after.is_some_and(|c| c.is_alphanumeric() || c == '[')
        })
    })
}

fn has_markdown(message: &str) -> bool {
    let marks = ["`", "**", "__", "~~", "[", "]", "\\"];
    marks.iter().any(|mark| message.contains(mark))
        || starts_a_block(message)
        || is_emphasized(message, '*')
        || is_emphasized(message, '_')
}

/// A heading, a list item, numbered or not, or a rule.
fn starts_a_block(message: &str) -> bool {
    let after_hashes = message.trim_start_matches('#');
    if after_hashes.len() < message.len()
        && (after_hashes.is_empty() || after_hashes.starts_with(' '))
    {
        return true;
    }
    if ["- ", "* ", "+ ", "---", "***", "==="]
        .iter()
        .any(|start| message.starts_with(start))
    {
        return true;
    }
    let after_digits = message.trim_start_matches(|c: char| c.is_ascii_digit());
    after_digits.len() < message.len()
        && (after_digits.starts_with(". ") || after_digits.starts_with(") "))
}

/// Two marks with text close inside them and none close outside, as in `*now*`; not `5*` or `snake_case_name`.
fn is_emphasized(message: &str, mark: char) -> bool {
    let mut opened = false;
    let mut before = ' ';
    let mut characters = message.chars().peekable();
    while let Some(character) = characters.next() {
        if character == mark {
            let after = characters.peek().copied().unwrap_or(' ');
            if opened && !before.is_whitespace() && !after.is_alphanumeric() {
                return true;
            }
            if !before.is_alphanumeric() && !after.is_whitespace() {
                opened = true;
            }
        }
        before = character;
    }
    false
}

/// A scheme, a bare domain (`shop.example`), or a path (`/cart`). A full stop without a blank behind it
/// looks like a domain and is refused as well.
fn has_link(message: &str) -> bool {
    let lower = message.to_lowercase();
    if lower.contains("://") || lower.contains("www.") {
        return true;
    }
    lower.split_whitespace().any(|word| {
        let word = word.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '/');
        let is_path = word
            .strip_prefix('/')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '/'));
        let has_scheme = [
            "mailto:",
            "tel:",
            "sms:",
            "javascript:",
            "data:",
            "vbscript:",
        ]
        .iter()
        .any(|scheme| {
            word.strip_prefix(scheme)
                .is_some_and(|rest| !rest.is_empty())
        });
        is_path || has_scheme || holds_a_domain(word)
    })
}

/// A dot with a letter or digit before it and two letters or more behind it, or four numbers with dots
/// between them. `U.S.`, `a.m.`, `5.00` and `wait...what` are none of these.
fn holds_a_domain(word: &str) -> bool {
    let mut numbers = 0;
    for (dot, _) in word.match_indices('.') {
        let before = word[..dot].chars().next_back();
        let label: Vec<char> = word[dot + 1..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '-')
            .collect();
        if !before.is_some_and(char::is_alphanumeric) {
            continue;
        }
        if label.iter().filter(|c| c.is_alphabetic()).count() >= 2 {
            return true;
        }
        if label.first().is_some_and(|c| c.is_numeric()) {
            numbers += 1;
        }
    }
    numbers >= 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn proposed() -> ProposedAdvice {
        ProposedAdvice {
            show_popup: true,
            message: "Need help with your order? We are happy to answer any question.".into(),
            reason: "Seven items in the cart and no checkout yet.".into(),
            category: "info".into(),
            trigger: "items_in_cart".into(),
            confidence: 0.92,
            delay_ms: 2000.0,
        }
    }

    fn with_message(message: &str) -> Result<Advice, AdviceError> {
        Advice::parse(ProposedAdvice {
            message: message.into(),
            ..proposed()
        })
    }

    #[test]
    fn a_sound_proposal_is_answered_as_the_contract_shows_it() {
        let advice = Advice::parse(proposed()).unwrap();
        assert_eq!(
            serde_json::to_value(&advice).unwrap(),
            serde_json::json!({
                "show_popup": true, "message": "Need help with your order? We are happy to answer any question.",
                "reason": "Seven items in the cart and no checkout yet.", "category": "info",
                "trigger": "items_in_cart", "confidence": 0.92, "delay_ms": 2000,
            })
        );
    }

    #[test]
    fn advice_is_read_back_from_the_store_through_the_same_rules() {
        let advice = Advice::parse(proposed()).unwrap();
        let stored = serde_json::to_string(&advice).unwrap();
        assert_eq!(serde_json::from_str::<Advice>(&stored).unwrap(), advice);
        let tampered = stored.replace("Need help", "<b>Need</b> help");
        assert!(serde_json::from_str::<Advice>(&tampered).is_err());
    }

    #[test]
    fn messages_that_shops_write_are_taken() {
        for message in [
            "Free returns & easy exchanges, 7 days a week!",
            "Save $5.00 (10%) on orders over $50 - today only.",
            "Café crème? Ça va: 20 % sur tout, jusqu'à minuit…",
            "You're almost there... 2 items left",
            "Q&A: just ask us",
            "Noch 3 Stück auf Lager. Jetzt sichern?",
            "👨‍👩‍👧 Family sizes are back",
            "می‌خواهید کمک کنیم؟",
            "送料無料は本日まで。お急ぎください",
            "Rated 4.8/5 by 1,200 shoppers",
            "Open 9 a.m. to 5 p.m. in the U.S.",
            "5* comfort, 10 * better",
            "Buy 2 and/or 3 pieces",
            "#1 choice of our customers",
            "Follow @brand for news",
            "Our size_guide_chart helps",
            "24/7 support",
            "It's 50/50: yours to choose",
        ] {
            assert_eq!(
                with_message(message).map(|advice| advice.message().to_owned()),
                Ok(message.nfc().collect()),
                "{message}"
            );
        }
    }

    #[test]
    fn html_is_refused() {
        for message in [
            "<b>Sale</b>",
            "Sale <img src=x onerror=alert(1)>",
            "1 < 2",
            "Fish &amp; chips",
            "&#60;b&#62;",
            "&#x3c;",
            "<!-- hidden -->",
            "＜script＞",
            "</div>",
        ] {
            assert_eq!(
                with_message(message),
                Err(AdviceError::MessageHasHtml),
                "{message}"
            );
        }
    }

    #[test]
    fn markdown_is_refused() {
        for message in [
            "**Sale** today",
            "Sale *today* only",
            "It is _really_ cheap",
            "__bold__",
            "`code`",
            "# Sale",
            "##",
            "- one",
            "* one",
            "+ one",
            "1. one",
            "2) two",
            "~~old~~ new",
            "[Sale](now)",
            "Hi [Name]",
            "![x]",
            "--- sale",
            "\\*sale",
        ] {
            assert_eq!(
                with_message(message),
                Err(AdviceError::MessageHasMarkdown),
                "{message}"
            );
        }
    }

    #[test]
    fn links_are_refused() {
        for message in [
            "Visit https://shop.example",
            "see HTTP://X",
            "www.shop",
            "Go to shop.example now",
            "(shop.example/sale)",
            "Shop.Example",
            "пример.рф",
            "go to /cart",
            "//evil",
            "tel:5551234",
            "javascript:alert(1)",
            "ping 10.0.0.1",
            "shop．example",
            "xn--bcher-kva.example",
            "a.b.co",
        ] {
            assert_eq!(
                with_message(message),
                Err(AdviceError::MessageHasLink),
                "{message}"
            );
        }
    }

    #[test]
    fn email_addresses_are_refused() {
        for message in [
            "Write to jane@example.com",
            "jane@localhost",
            "JANE@EXAMPLE.COM!",
            "(a@b)",
            "mailto:jane@example.com",
            "jane＠example.com",
        ] {
            assert_eq!(
                with_message(message),
                Err(AdviceError::MessageHasEmail),
                "{message}"
            );
        }
    }

    #[test]
    fn control_and_invisible_characters_are_refused() {
        for message in [
            "two\nlines",
            "tab\there",
            "nul\0",
            "\u{202e}reversed",
            "zero\u{200b}width",
            "line\u{2028}break",
        ] {
            assert_eq!(
                with_message(message),
                Err(AdviceError::MessageNotPlain),
                "{message:?}"
            );
        }
    }

    #[test]
    fn a_message_is_refused_and_not_cut_when_it_is_too_long() {
        assert!(with_message(&"é".repeat(MESSAGE_CHARS)).is_ok());
        assert_eq!(
            with_message(&"é".repeat(MESSAGE_CHARS + 1)),
            Err(AdviceError::MessageTooLong)
        );
        assert_eq!(
            with_message(&"x".repeat(1_000_000)),
            Err(AdviceError::MessageTooLong)
        );
        assert!(with_message(&format!("  {}  ", "x".repeat(MESSAGE_CHARS))).is_ok());
    }

    #[test]
    fn a_popup_needs_a_message_and_no_popup_needs_none() {
        for message in ["", "  ", "\u{3000}"] {
            assert_eq!(
                with_message(message),
                Err(AdviceError::MessageMissing),
                "{message:?}"
            );
            let silent = ProposedAdvice {
                show_popup: false,
                message: message.into(),
                category: "none".into(),
                ..proposed()
            };
            assert_eq!(
                Advice::parse(silent).map(|advice| advice.message().to_owned()),
                Ok(String::new())
            );
        }
    }

    #[test]
    fn the_other_fields_keep_their_limits() {
        let broken = |change: fn(&mut ProposedAdvice)| {
            let mut proposed = proposed();
            change(&mut proposed);
            Advice::parse(proposed).unwrap_err()
        };
        assert_eq!(
            broken(|p| p.category = "sale".into()),
            AdviceError::UnknownCategory
        );
        assert_eq!(
            broken(|p| p.category = "Info".into()),
            AdviceError::UnknownCategory
        );
        assert_eq!(
            broken(|p| p.category = String::new()),
            AdviceError::UnknownCategory
        );
        assert_eq!(
            broken(|p| p.reason = " \u{200b}".into()),
            AdviceError::ReasonMissing
        );
        assert_eq!(
            broken(|p| p.confidence = f64::NAN),
            AdviceError::ConfidenceOutOfRange
        );
        assert_eq!(
            broken(|p| p.confidence = f64::INFINITY),
            AdviceError::ConfidenceOutOfRange
        );
        assert_eq!(
            broken(|p| p.confidence = -0.1),
            AdviceError::ConfidenceOutOfRange
        );
        assert_eq!(
            broken(|p| p.confidence = 1.01),
            AdviceError::ConfidenceOutOfRange
        );
        assert_eq!(broken(|p| p.delay_ms = -1.0), AdviceError::DelayOutOfRange);
        assert_eq!(
            broken(|p| p.delay_ms = 60_001.0),
            AdviceError::DelayOutOfRange
        );
        assert_eq!(broken(|p| p.delay_ms = 0.5), AdviceError::DelayOutOfRange);
        assert_eq!(
            broken(|p| p.delay_ms = f64::NAN),
            AdviceError::DelayOutOfRange
        );
        for trigger in [
            "",
            "1st",
            "items in cart!",
            "тест",
            &"x".repeat(TRIGGER_CHARS + 1),
            "a@b.c",
        ] {
            let proposed = ProposedAdvice {
                trigger: trigger.into(),
                ..proposed()
            };
            assert_eq!(
                Advice::parse(proposed),
                Err(AdviceError::TriggerMalformed),
                "{trigger}"
            );
        }
    }

    #[test]
    fn what_is_harmless_is_set_right() {
        let advice = Advice::parse(ProposedAdvice {
            trigger: " Items-in Cart ".into(),
            reason: "r".repeat(REASON_CHARS + 50),
            confidence: -0.0,
            delay_ms: f64::from(DELAY_MS),
            ..proposed()
        })
        .unwrap();
        assert_eq!(advice.trigger(), "items_in_cart");
        assert_eq!(advice.reason().chars().count(), REASON_CHARS);
        assert!(advice.confidence().is_sign_positive());
        assert_eq!(advice.delay_ms(), DELAY_MS);
    }

    #[test]
    fn errors_name_the_rule_and_never_the_value() {
        let error = with_message("canary@example.com").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[test]
    fn names_on_the_wire_are_the_same_everywhere() {
        for category in Category::ALL {
            assert_eq!(serde_json::to_value(category).unwrap(), category.as_str());
            assert_eq!(Category::parse(category.as_str()), Ok(category));
        }
        for source in [Source::Model, Source::Cache, Source::Rules, Source::Policy] {
            assert_eq!(serde_json::to_value(source).unwrap(), source.as_str());
        }
        for trigger in TRIGGERS {
            assert_eq!(parse_trigger(trigger).as_deref(), Ok(trigger));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_keeps_every_limit(
            show_popup: bool,
            message in prop_oneof![".{0,200}", "[ -~]{0,150}", "[a-z .@<>&;*_`\\[\\]/:#-]{0,40}", "[A-Za-z ,!?]{0,130}"],
            reason in ".{0,400}",
            category in prop_oneof![Just("info".to_owned()), Just("none".to_owned()), ".{0,8}"],
            trigger in prop_oneof!["[a-zA-Z _-]{0,80}", ".{0,20}"],
            confidence in prop_oneof![0.0..=1.0_f64, any::<f64>()],
            delay_ms in prop_oneof![(0..=60_000_u32).prop_map(f64::from), any::<f64>()],
        ) {
            let proposed = ProposedAdvice { show_popup, message, reason, category, trigger, confidence, delay_ms };
            if let Ok(advice) = Advice::parse(proposed) {
                prop_assert!(advice.message().chars().count() <= MESSAGE_CHARS);
                prop_assert!(!advice.show_popup() || !advice.message().trim().is_empty());
                prop_assert!(!advice.message().contains(['<', '>', '\n', '`', '[']));
                prop_assert!(!advice.message().contains("://"));
                prop_assert!((1..=REASON_CHARS).contains(&advice.reason().chars().count()));
                prop_assert!((1..=TRIGGER_CHARS).contains(&advice.trigger().len()));
                prop_assert!((0.0..=1.0).contains(&advice.confidence()));
                prop_assert!(advice.delay_ms() <= DELAY_MS);
                // What was accepted once is accepted again, unchanged: the cache reads it back.
                let again: Advice = serde_json::from_str(&serde_json::to_string(&advice).unwrap()).unwrap();
                prop_assert_eq!(again, advice);
            }
        }
    }
}
