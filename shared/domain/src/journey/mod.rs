//! Journeys: what a session or a customer did in a store, one thing after the other.
//!
//! Browsing has the time of the browser's clock, all else that of the server's: where a browser's clock is wrong, its
//! events stand where that clock says.

mod browsing;
mod query;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::Timestamp;
use crate::advice::outcome::Outcome;
use crate::advice::{Category, Source};
use crate::image_generation::GenerationStatus;
use crate::limits::{JOURNEY_BYTES, JOURNEY_ITEMS};

pub use query::{JourneyOf, JourneyQuery, Traveller};

/// Something that happened at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// The session that it belongs to, if any.
    pub session: Option<String>,
    /// What happened.
    pub happening: Happening,
}

/// What happened. The order is that of what happened at the same time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Happening {
    /// A page was looked at.
    #[serde(rename_all = "camelCase")]
    View {
        /// The page's name.
        page: String,
        /// The page's title.
        #[schema(required = true)]
        title: Option<String>,
        /// The product that the page shows.
        #[schema(required = true)]
        product_id: Option<String>,
        /// Milliseconds until the session's next view; `null` for its last.
        #[schema(required = true)]
        duration_ms: Option<i64>,
    },
    /// Something was clicked.
    Click {
        /// The event's type.
        r#type: String,
        /// The page's name.
        page: String,
        /// What else the event says, but for what has the name of a field of the item.
        #[serde(flatten)]
        #[schema(value_type = std::collections::HashMap<String, Value>)]
        fields: Map<String, Value>,
    },
    /// Anything else that a tracker recorded.
    Event {
        /// The event's type.
        r#type: String,
        /// The page's name.
        page: String,
        /// What else the event says, but for what has the name of a field of the item.
        #[serde(flatten)]
        #[schema(value_type = std::collections::HashMap<String, Value>)]
        fields: Map<String, Value>,
    },
    /// A try-on image was asked for.
    #[serde(rename_all = "camelCase")]
    Generation {
        /// Its id.
        id: String,
        /// How far it came.
        status: GenerationStatus,
        /// The product.
        #[schema(required = true)]
        product_id: Option<String>,
        /// The picture.
        #[schema(required = true)]
        generated_image_url: Option<String>,
    },
    /// A cart event.
    #[serde(rename_all = "camelCase")]
    Cart {
        /// Its id.
        id: String,
        /// What the shopper did.
        action_type: String,
        /// The product.
        #[schema(required = true)]
        product_id: Option<String>,
        /// Its title.
        #[schema(required = true)]
        product_title: Option<String>,
        /// The variant.
        #[schema(required = true)]
        variant_id: Option<String>,
    },
    /// A popup was given to the session.
    #[serde(rename_all = "camelCase")]
    Popup {
        /// The decision's id.
        decision_id: String,
        /// Who decided.
        source: Source,
        /// What kind of popup it is.
        category: Category,
        /// What it says.
        message: String,
        /// What became of it, and when: ISO 8601, UTC.
        #[schema(value_type = BTreeMap<String, String>)]
        outcomes: BTreeMap<Outcome, String>,
    },
}

impl Happening {
    /// The order of what happened at the same time.
    fn rank(&self) -> u8 {
        match self {
            Self::View { .. } => 0,
            Self::Click { .. } => 1,
            Self::Event { .. } => 2,
            Self::Generation { .. } => 3,
            Self::Cart { .. } => 4,
            Self::Popup { .. } => 5,
        }
    }
}

/// A moment among the others.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JourneyItem {
    /// When: ISO 8601, UTC.
    #[serde(serialize_with = "iso")]
    #[schema(value_type = String, example = "2026-11-21T12:00:00.000Z")]
    pub at: Timestamp,
    /// Milliseconds since the item before; 0 for the first.
    pub gap_ms: i64,
    /// The session that it belongs to, if any.
    #[schema(required = true)]
    pub session_id: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub happening: Happening,
}

/// What was done, in order of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Journey {
    /// The items, the oldest first.
    pub items: Vec<JourneyItem>,
    /// The sessions that the items belong to, in the order of their first items.
    pub sessions: Vec<String>,
    /// Whether there is more than is shown.
    pub truncated: bool,
}

impl Journey {
    /// Puts moments into order. Of too many the newest stay. `truncated` says whether the moments are all that there
    /// are.
    #[must_use]
    pub fn assemble(mut moments: Vec<Moment>, truncated: bool) -> Self {
        moments.sort_by_key(|moment| (moment.at, moment.happening.rank()));
        let kept = kept(&moments);
        let mut journey = Self {
            truncated: truncated || kept < moments.len(),
            ..Self::default()
        };
        let mut before = None;
        for moment in moments.drain(moments.len() - kept..) {
            let Moment {
                at,
                session,
                happening,
            } = moment;
            if let Some(session) = &session
                && !journey.sessions.contains(session)
            {
                journey.sessions.push(session.clone());
            }
            journey.items.push(JourneyItem {
                at,
                gap_ms: before.map_or(0, |before| at.millis_since(before)),
                session_id: session,
                happening,
            });
            before = Some(at);
        }
        journey
    }

    /// When it began; `None` without items.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        self.items.first().map(|item| item.at)
    }

    /// When the last item happened.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.items.last().map(|item| item.at)
    }

    /// Milliseconds from the first item to the last.
    #[must_use]
    pub fn duration_ms(&self) -> i64 {
        let ends = self.started_at().zip(self.ended_at());
        ends.map_or(0, |(start, end)| end.millis_since(start))
    }
}

/// How many of the newest moments one answer has room for.
fn kept(moments: &[Moment]) -> usize {
    let mut bytes = 0;
    let newest = moments.iter().rev().take(JOURNEY_ITEMS);
    let fits = newest.take_while(|moment| {
        // What cannot be written takes no room.
        bytes += serde_json::to_vec(&moment.happening).map_or(0, |json| json.len());
        bytes <= JOURNEY_BYTES
    });
    fits.count()
}

fn iso<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_iso())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(at: i64, kind: &str) -> Moment {
        Moment {
            at: Timestamp::from_millis(at),
            session: Some("s-1".into()),
            happening: Happening::Event {
                r#type: kind.into(),
                page: "/".into(),
                fields: Map::new(),
            },
        }
    }

    fn cart(at: i64, session: Option<&str>) -> Moment {
        Moment {
            session: session.map(Into::into),
            happening: Happening::Cart {
                id: "cart-event-1".into(),
                action_type: "add_to_cart".into(),
                product_id: Some("7".into()),
                product_title: None,
                variant_id: None,
            },
            ..event(at, "")
        }
    }

    fn types(journey: &Journey) -> Vec<&str> {
        let items = journey.items.iter();
        let types = items.map(|item| match &item.happening {
            Happening::Event { r#type, .. } => r#type.as_str(),
            _ => "-",
        });
        types.collect()
    }

    #[test]
    fn moments_stand_in_order_of_time_with_the_gaps_between_them() {
        let moments = vec![
            cart(5_000, None),
            event(2_000, "b"),
            cart(2_000, Some("s-2")),
            event(2_000, "c"),
            event(1_000, "a"),
        ];
        let journey = Journey::assemble(moments, false);
        assert_eq!(types(&journey), ["a", "b", "c", "-", "-"]);
        let gaps: Vec<_> = journey.items.iter().map(|item| item.gap_ms).collect();
        assert_eq!(gaps, [0, 1_000, 0, 0, 3_000]);
        assert_eq!(journey.sessions, ["s-1", "s-2"]);
        assert_eq!(journey.duration_ms(), 4_000);
        assert!(!journey.truncated);
    }

    #[test]
    fn a_journey_of_nothing_has_no_times() {
        let journey = Journey::assemble(Vec::new(), false);
        assert_eq!(journey, Journey::default());
        assert_eq!((journey.started_at(), journey.duration_ms()), (None, 0));
    }

    #[test]
    fn of_too_many_moments_the_newest_stay() {
        let moments = |count: usize| (0..count).map(|number| event(number as i64, "e")).collect();
        let most = Journey::assemble(moments(JOURNEY_ITEMS), false);
        assert_eq!((most.items.len(), most.truncated), (JOURNEY_ITEMS, false));
        let journey = Journey::assemble(moments(JOURNEY_ITEMS + 1), false);
        assert_eq!(
            (journey.items.len(), journey.truncated),
            (JOURNEY_ITEMS, true)
        );
        assert_eq!(journey.started_at(), Some(Timestamp::from_millis(1)));
        assert_eq!(journey.items[0].gap_ms, 0, "the first one that is shown");
        assert!(Journey::assemble(moments(1), true).truncated);
    }

    #[test]
    fn a_journey_never_outgrows_an_answer() {
        let large = "x".repeat(JOURNEY_BYTES / 10);
        let moments = (0..20).map(|number| event(number, &large)).collect();
        let journey = Journey::assemble(moments, false);
        assert!(journey.truncated);
        let bytes = serde_json::to_vec(&journey.items).unwrap().len();
        assert!(
            bytes <= JOURNEY_BYTES + 10_000 && bytes > JOURNEY_BYTES / 2,
            "{bytes}"
        );
        assert_eq!(journey.ended_at(), Some(Timestamp::from_millis(19)));
    }

    #[test]
    fn the_schema_has_the_fields_that_items_are_written_with() {
        let schema = serde_json::to_value(<Happening as utoipa::PartialSchema>::schema()).unwrap();
        let page = || "/".to_owned();
        let id = || "1".to_owned();
        let fields = Map::new;
        let all = [
            Happening::View {
                page: page(),
                title: None,
                product_id: None,
                duration_ms: None,
            },
            Happening::Click {
                r#type: id(),
                page: page(),
                fields: fields(),
            },
            Happening::Event {
                r#type: id(),
                page: page(),
                fields: fields(),
            },
            Happening::Generation {
                id: id(),
                status: GenerationStatus::Completed,
                product_id: None,
                generated_image_url: None,
            },
            cart(0, None).happening,
            Happening::Popup {
                decision_id: id(),
                source: Source::Rules,
                category: Category::Info,
                message: id(),
                outcomes: BTreeMap::new(),
            },
        ];
        let kinds = schema["oneOf"].as_array().unwrap();
        assert_eq!(kinds.len(), all.len());
        for (kind, one) in kinds.iter().zip(all) {
            let written = serde_json::to_value(one).unwrap();
            assert_eq!(kind["properties"]["kind"]["enum"], json!([written["kind"]]));
            let names: Vec<_> = written.as_object().unwrap().keys().collect();
            let described: Vec<_> = kind["properties"].as_object().unwrap().keys().collect();
            assert_eq!(names, described);
        }
    }

    #[test]
    fn an_item_is_one_flat_object() {
        let journey = Journey::assemble(vec![cart(1_704_067_200_000, Some("s-1"))], false);
        assert_eq!(
            serde_json::to_value(&journey.items[0]).unwrap(),
            json!({ "at": "2024-01-01T00:00:00.000Z", "kind": "cart", "gapMs": 0, "sessionId": "s-1", "id": "cart-event-1",
                    "actionType": "add_to_cart", "productId": "7", "productTitle": null, "variantId": null })
        );
    }
}
