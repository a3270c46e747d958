//! The shop's policy: when no popup is shown, whatever a model or the rules would advise. It is judged before
//! anybody is asked, so that a popup that must not be shown costs nothing.

use sha2::{Digest as _, Sha256};

use super::engagement::{current_page, order_was_placed};
use super::page::{Page, PageKind};
use super::{Advice, Category};
use crate::Timestamp;
use crate::session::SessionRecord;

/// Milliseconds in a minute.
const MINUTE_MS: i64 = 60_000;
/// Keeps these hashes apart from any others of the same texts.
const HOLDOUT: &[u8] = b"shoptrail holdout\0";

/// How often popups may be shown, and to whom never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Sessions of a hundred that are never shown a popup, so that what popups bring can be measured; 0 to 100.
    pub holdout_percent: u8,
    /// Popups of one session; 0 is none at all.
    pub popups_per_session: u32,
    /// Popups of one browser in a UTC day; 0 is none at all.
    pub popups_per_day: u32,
    /// Minutes without a popup after one was dismissed.
    pub cooldown_minutes: u32,
}

/// What a browser was shown so far, and what became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PopupHistory {
    /// Popups given in the session.
    pub in_session: u32,
    /// Popups given in the UTC day, those of the browser's earlier sessions included.
    pub today: u32,
    /// When a popup was last dismissed, in one of these sessions.
    pub dismissed_at: Option<Timestamp>,
    /// Whether an order was reported as the outcome of one of the session's decisions.
    pub has_converted: bool,
}

/// Why there is no popup. The first of them that applies counts, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suppression {
    /// The session has led to an order.
    Converted,
    /// The shopper is on a page of the checkout.
    Checkout,
    /// A popup was dismissed a short while ago.
    Cooldown,
    /// The session was given as many popups as it may be.
    SessionLimit,
    /// The browser was given as many popups today as it may be.
    DailyLimit,
    /// The session is held out. The last one, so that a session which is held out is one that would have been asked
    /// about.
    Holdout,
}

impl Policy {
    /// Why a session that stands so at `now` is shown no popup; `None` where one may be shown.
    #[must_use]
    pub fn judge(
        &self,
        record: &SessionRecord,
        history: &PopupHistory,
        now: Timestamp,
    ) -> Option<Suppression> {
        if history.has_converted || order_was_placed(record) {
            return Some(Suppression::Converted);
        }
        if current_page(record).is_some_and(|page| Page::of(page).kind() == PageKind::Checkout) {
            return Some(Suppression::Checkout);
        }
        let cooldown_ms = i64::from(self.cooldown_minutes) * MINUTE_MS;
        let is_cooling_down = |dismissed| now.millis_since(dismissed) < cooldown_ms;
        if history.dismissed_at.is_some_and(is_cooling_down) {
            return Some(Suppression::Cooldown);
        }
        if history.in_session >= self.popups_per_session {
            return Some(Suppression::SessionLimit);
        }
        if history.today >= self.popups_per_day {
            return Some(Suppression::DailyLimit);
        }
        self.holds_out(record).then_some(Suppression::Holdout)
    }

    /// Whether the session is among those held out. Always the same for one session of one store; a larger share
    /// holds out all whom a smaller one does.
    fn holds_out(&self, record: &SessionRecord) -> bool {
        let store = record
            .store_name
            .as_ref()
            .map_or("", |store| store.as_str());
        // No store's name holds the separator, so no two pairs make the same text.
        let digest = Sha256::new()
            .chain_update(HOLDOUT)
            .chain_update(store)
            .chain_update(b"\0")
            .chain_update(record.session.as_str())
            .finalize();
        let number = digest
            .iter()
            .take(8)
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        // Among so many numbers, that 100 does not divide their count favours nobody.
        number % 100 < u64::from(self.holdout_percent)
    }
}

impl Suppression {
    /// All of them, in the order in which they are judged.
    pub const ALL: [Self; 6] = [
        Self::Converted,
        Self::Checkout,
        Self::Cooldown,
        Self::SessionLimit,
        Self::DailyLimit,
        Self::Holdout,
    ];

    /// The name: the trigger of its advice.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Converted => "converted",
            Self::Checkout => "checkout",
            Self::Cooldown => "cooldown",
            Self::SessionLimit => "session_limit",
            Self::DailyLimit => "daily_limit",
            Self::Holdout => "holdout",
        }
    }

    /// The advice to show nothing, with the reason.
    #[must_use]
    pub fn advice(self) -> Advice {
        let reason = match self {
            Self::Converted => {
                "The shopper has placed an order in this session: nothing needs to be said any more."
            }
            Self::Checkout => "The shopper is in the checkout: nothing may come between.",
            Self::Cooldown => {
                "The shopper dismissed a popup a short while ago and is left in peace for now."
            }
            Self::SessionLimit => {
                "This session was given as many popups as the shop's policy allows for one session."
            }
            Self::DailyLimit => {
                "This shopper was given as many popups today as the shop's policy allows for one day."
            }
            Self::Holdout => {
                "This session belongs to the share that is shown no popups, so that what they bring can be measured."
            }
        };
        Advice {
            show_popup: false,
            message: String::new(),
            reason: reason.to_owned(),
            category: Category::None,
            trigger: self.as_str().to_owned(),
            confidence: 1.0,
            delay_ms: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreName;
    use crate::session::{SessionEvent, SessionId, Totals};
    use std::collections::BTreeMap;

    const POLICY: Policy = Policy {
        holdout_percent: 0,
        popups_per_session: 2,
        popups_per_day: 3,
        cooldown_minutes: 30,
    };
    const NOTHING_YET: PopupHistory = PopupHistory {
        in_session: 0,
        today: 0,
        dismissed_at: None,
        has_converted: false,
    };

    fn now() -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000)
    }

    fn session(id: &str) -> SessionRecord {
        SessionRecord {
            session: SessionId::parse(id).unwrap(),
            store_name: Some(StoreName::parse("my-store").unwrap()),
            items_in_cart: Some(3),
            cart_changed_at: None,
            time_on_page: BTreeMap::new(),
            events: BTreeMap::new(),
            totals: Totals::default(),
            truncated: false,
            updated_at: now(),
        }
    }

    /// A session with an event of this type on this page, so many minutes ago.
    fn browsing(visits: &[(&str, &str, i64)]) -> SessionRecord {
        let mut record = session("s-1");
        for (page, kind, minutes) in visits {
            let event = SessionEvent {
                kind: (*kind).into(),
                at: now().plus_millis(-minutes * MINUTE_MS),
                fields: serde_json::Map::new(),
            };
            record.events.entry((*page).into()).or_default().push(event);
        }
        record
    }

    fn judged(record: &SessionRecord, history: PopupHistory) -> Option<Suppression> {
        POLICY.judge(record, &history, now())
    }

    #[test]
    fn a_session_without_a_history_may_be_shown_a_popup() {
        assert_eq!(judged(&session("s-1"), NOTHING_YET), None);
    }

    #[test]
    fn nothing_is_shown_after_an_order_however_it_became_known() {
        let reported = PopupHistory {
            has_converted: true,
            ..NOTHING_YET
        };
        assert_eq!(
            judged(&session("s-1"), reported),
            Some(Suppression::Converted)
        );
        for ordered in [
            browsing(&[("/", "checkout_completed", 9)]),
            browsing(&[("/checkouts/cn/1/thank-you", "page_view", 9)]),
            // The cart was filled again since.
            browsing(&[("/", "Purchase", 9), ("/products/hat", "add_to_cart", 1)]),
        ] {
            assert_eq!(judged(&ordered, NOTHING_YET), Some(Suppression::Converted));
        }
        let mut told_by_time = session("s-1");
        told_by_time
            .time_on_page
            .insert("/checkouts/cn/7/thank_you".into(), 5);
        assert_eq!(
            judged(&told_by_time, NOTHING_YET),
            Some(Suppression::Converted)
        );
        let mut told_by_totals = session("s-1");
        told_by_totals
            .totals
            .by_type
            .insert("checkout_completed".into(), 1);
        assert_eq!(
            judged(&told_by_totals, NOTHING_YET),
            Some(Suppression::Converted)
        );
    }

    #[test]
    fn nothing_is_shown_on_a_page_of_the_checkout_and_again_when_it_was_left() {
        let inside = browsing(&[("/cart", "view", 5), ("/checkouts/cn/1", "view", 4)]);
        assert_eq!(judged(&inside, NOTHING_YET), Some(Suppression::Checkout));
        let left = browsing(&[("/checkouts/cn/1", "view", 4), ("/cart", "view", 3)]);
        assert_eq!(judged(&left, NOTHING_YET), None);
    }

    #[test]
    fn a_dismissal_is_followed_by_a_pause() {
        let dismissed = |ago_ms: i64| PopupHistory {
            dismissed_at: Some(now().plus_millis(-ago_ms)),
            ..NOTHING_YET
        };
        let after = |ago_ms| judged(&session("s-1"), dismissed(ago_ms));
        assert_eq!(after(0), Some(Suppression::Cooldown));
        assert_eq!(after(30 * MINUTE_MS - 1), Some(Suppression::Cooldown));
        assert_eq!(after(30 * MINUTE_MS), None);
        let off = Policy {
            cooldown_minutes: 0,
            ..POLICY
        };
        assert_eq!(off.judge(&session("s-1"), &dismissed(0), now()), None);
    }

    #[test]
    fn popups_are_limited_by_session_and_by_day() {
        let given = |in_session, today| {
            let history = PopupHistory {
                in_session,
                today,
                ..NOTHING_YET
            };
            judged(&session("s-1"), history)
        };
        assert_eq!(given(1, 2), None);
        assert_eq!(given(2, 2), Some(Suppression::SessionLimit));
        assert_eq!(given(1, 3), Some(Suppression::DailyLimit));
        let none = |policy: Policy| policy.judge(&session("s-1"), &NOTHING_YET, now());
        let (per_session, per_day) = (
            Policy {
                popups_per_session: 0,
                ..POLICY
            },
            Policy {
                popups_per_day: 0,
                ..POLICY
            },
        );
        assert_eq!(none(per_session), Some(Suppression::SessionLimit));
        assert_eq!(none(per_day), Some(Suppression::DailyLimit));
    }

    #[test]
    fn of_several_reasons_the_first_counts() {
        let everyone = Policy {
            holdout_percent: 100,
            ..POLICY
        };
        let mut history = PopupHistory {
            in_session: 9,
            today: 9,
            dismissed_at: Some(now()),
            has_converted: true,
        };
        let mut record = browsing(&[("/checkout", "view", 1)]);
        let mut found = Vec::new();
        while let Some(suppression) = everyone.judge(&record, &history, now()) {
            found.push(suppression);
            match suppression {
                Suppression::Converted => history.has_converted = false,
                Suppression::Checkout => record = session("s-1"),
                Suppression::Cooldown => history.dismissed_at = None,
                Suppression::SessionLimit => history.in_session = 0,
                Suppression::DailyLimit => history.today = 0,
                Suppression::Holdout => break,
            }
        }
        assert_eq!(found, Suppression::ALL);
    }

    fn held_out(percent: u8, id: &str) -> bool {
        let policy = Policy {
            holdout_percent: percent,
            ..POLICY
        };
        policy.judge(&session(id), &NOTHING_YET, now()) == Some(Suppression::Holdout)
    }

    #[test]
    fn the_share_that_is_held_out_is_the_percentage() {
        for percent in [0, 1, 10, 50, 90, 100] {
            let count = (0..10_000)
                .filter(|id| held_out(percent, &format!("session-{id}")))
                .count();
            // Four standard deviations of 10,000 draws are at most 200; none at all at the ends.
            let share = f64::from(percent) / 100.0;
            let allowed = 4.0 * (10_000.0 * share * (1.0 - share)).sqrt();
            let off = (count as f64 - 10_000.0 * share).abs();
            assert!(off <= allowed, "{count} of 10,000 at {percent} %");
        }
    }

    #[test]
    fn who_is_held_out_stays_so_when_the_share_grows() {
        for id in 0..500 {
            let id = format!("session-{id}");
            let sides: Vec<_> = (0..=100).map(|percent| held_out(percent, &id)).collect();
            assert!(sides.is_sorted(), "{id}");
            assert_eq!(held_out(37, &id), sides[37]);
        }
    }

    #[test]
    fn two_stores_hold_out_different_sessions() {
        let half = Policy {
            holdout_percent: 50,
            ..POLICY
        };
        let differ = (0..1_000).filter(|id| {
            let mut record = session(&format!("session-{id}"));
            let mine = half.judge(&record, &NOTHING_YET, now());
            record.store_name = Some(StoreName::parse("other-store").unwrap());
            mine != half.judge(&record, &NOTHING_YET, now())
        });
        assert!((400..600).contains(&differ.count()));
    }

    #[test]
    fn every_suppression_is_advice_that_the_contract_allows() {
        for suppression in Suppression::ALL {
            let advice = suppression.advice();
            assert!(!advice.show_popup() && advice.message().is_empty());
            assert_eq!(advice.trigger(), suppression.as_str());
            assert_eq!((advice.category(), advice.delay_ms()), (Category::None, 0));
            let again: Advice =
                serde_json::from_str(&serde_json::to_string(&advice).unwrap()).unwrap();
            assert_eq!(again, advice);
        }
    }
}
