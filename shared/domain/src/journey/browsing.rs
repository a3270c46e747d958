//! What a session's own events say of it.

use serde_json::{Map, Value};

use super::{Happening, Moment};
use crate::Timestamp;
use crate::advice::engagement::event_type;
use crate::session::{SessionEvent, SessionRecord, is_product_view, product_id};

/// Fields of an item, which an event's own fields of these names must not take the place of.
const ITEM_FIELDS: [&str; 6] = ["at", "kind", "gapMs", "sessionId", "type", "page"];

/// What an event is to a journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Of events of one time views come first: what else happened on the page belongs to it.
    View,
    ProductView,
    Click,
    Other,
}

impl Part {
    fn of(kind: &str) -> Self {
        let kind = event_type(kind);
        match kind.as_str() {
            "view" | "page_view" | "pageview" | "page_viewed" => Self::View,
            kind if is_product_view(kind) => Self::ProductView,
            "click" => Self::Click,
            _ => Self::Other,
        }
    }
}

/// An event of a session with its page.
struct Seen {
    part: Part,
    page: String,
    event: SessionEvent,
}

impl Moment {
    /// The moments of a session's browsing, in order of time. The view of a product belongs to the view of its page,
    /// where there is one.
    #[must_use]
    pub fn of_session(record: SessionRecord) -> Vec<Self> {
        let session = record.session.to_string();
        let pages = record.events.into_iter();
        let mut seen: Vec<Seen> = pages
            .flat_map(|(page, events)| {
                events.into_iter().map(move |event| Seen {
                    part: Part::of(&event.kind),
                    page: page.clone(),
                    event,
                })
            })
            .collect();
        seen.sort_by_key(|seen| (seen.event.at, seen.part));
        let mut moments: Vec<Self> = Vec::with_capacity(seen.len());
        let mut last_view = None;
        for Seen { part, page, event } in seen {
            if part == Part::ProductView
                && let Some(view) = last_view.and_then(|view: usize| moments.get_mut(view))
                && view.shows(&page, &event)
            {
                continue;
            }
            if matches!(part, Part::View | Part::ProductView) {
                if let Some(view) = last_view.and_then(|view| moments.get_mut(view)) {
                    view.end_at(event.at);
                }
                last_view = Some(moments.len());
            }
            moments.push(Self {
                at: event.at,
                session: Some(session.clone()),
                happening: happening(part, page, event),
            });
        }
        moments
    }

    /// Makes this view one of the product of another event, if that is of the same page and names one, and this one
    /// shows none yet.
    fn shows(&mut self, of_page: &str, event: &SessionEvent) -> bool {
        let Happening::View {
            page,
            title,
            product_id: shown,
            ..
        } = &mut self.happening
        else {
            return false;
        };
        if page != of_page || shown.is_some() {
            return false;
        }
        *shown = product_id(&event.fields);
        if title.is_none() {
            *title = text(&event.fields, "title");
        }
        true
    }

    fn end_at(&mut self, at: Timestamp) {
        if let Happening::View { duration_ms, .. } = &mut self.happening {
            *duration_ms = Some(at.millis_since(self.at));
        }
    }
}

fn happening(part: Part, page: String, event: SessionEvent) -> Happening {
    let SessionEvent {
        kind: r#type,
        mut fields,
        ..
    } = event;
    match part {
        Part::View | Part::ProductView => Happening::View {
            page,
            title: text(&fields, "title"),
            product_id: product_id(&fields),
            duration_ms: None,
        },
        Part::Click | Part::Other => {
            fields.retain(|name, _| !ITEM_FIELDS.contains(&name.as_str()));
            if part == Part::Click {
                Happening::Click {
                    r#type,
                    page,
                    fields,
                }
            } else {
                Happening::Event {
                    r#type,
                    page,
                    fields,
                }
            }
        }
    }
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;
    use crate::session::{SessionId, SessionMessage, SessionMessageBody, SessionState};

    /// A session with these events per page, as JSON.
    fn moments(events: Value) -> Vec<Value> {
        let body = json!({ "session": "s-1", "events": events });
        let body: SessionMessageBody = crate::json::decode(body.to_string().as_bytes()).unwrap();
        let message = SessionMessage::parse(body, Timestamp::default()).unwrap();
        let mut state = SessionState::default();
        let _ = state.merge(&message, &HashSet::new(), Timestamp::default());
        let record = state.into_record(SessionId::parse("s-1").unwrap(), Vec::new());
        let moments = Moment::of_session(record).into_iter();
        let shown = moments.map(|moment| {
            assert_eq!(moment.session.as_deref(), Some("s-1"));
            let mut shown = serde_json::to_value(&moment.happening).unwrap();
            shown["at"] = json!(moment.at.as_millis() - T);
            shown
        });
        shown.collect()
    }

    const T: i64 = 1_750_000_000_000;

    #[test]
    fn a_view_lasts_until_the_next_one() {
        let found = moments(json!({
            "/": [{ "type": "page_view", "ts": T, "title": "Home", "url": "https://shop.example/" },
                  { "type": "click", "ts": T + 500, "target": "#go" }],
            "/cart": [{ "type": "view", "ts": T + 1_500 }],
            "/about": [{ "type": "Page viewed", "ts": T + 4_000 }, { "type": "scroll", "ts": T + 9_000 }],
        }));
        assert_eq!(
            found,
            [
                json!({ "at": 0, "kind": "view", "page": "/", "title": "Home", "productId": null, "durationMs": 1_500 }),
                json!({ "at": 500, "kind": "click", "type": "click", "page": "/", "target": "#go" }),
                json!({ "at": 1_500, "kind": "view", "page": "/cart", "title": null, "productId": null, "durationMs": 2_500 }),
                json!({ "at": 4_000, "kind": "view", "page": "/about", "title": null, "productId": null, "durationMs": null }),
                json!({ "at": 9_000, "kind": "event", "type": "scroll", "page": "/about" }),
            ]
        );
    }

    #[test]
    fn the_view_of_a_product_belongs_to_the_view_of_its_page() {
        let view = |at: i64, page: &str, title: Value, product: Value, duration: Value| json!({ "at": at, "kind": "view", "page": page, "title": title, "productId": product, "durationMs": duration });
        let product = |at: i64, id: i64| json!({ "type": "product_view", "ts": T + at, "productId": id, "title": "Shirt" });
        // At the same time, as the tracker sends them.
        let found = moments(
            json!({ "/products/a": [product(0, 7), { "type": "page_view", "ts": T, "title": "Linen shirt" }] }),
        );
        assert_eq!(
            found,
            [view(
                0,
                "/products/a",
                json!("Linen shirt"),
                json!("7"),
                json!(null)
            )]
        );
        // A second product on the same page, and one whose page nobody looked at before.
        let found = moments(json!({
            "/products/a": [{ "type": "page_view", "ts": T }, product(1, 7), product(1_000, 8)],
            "/products/b": [product(3_000, 9)],
        }));
        let shirt = || json!("Shirt");
        assert_eq!(
            found,
            [
                view(0, "/products/a", shirt(), json!("7"), json!(1_000)),
                view(1_000, "/products/a", shirt(), json!("8"), json!(2_000)),
                view(3_000, "/products/b", shirt(), json!("9"), json!(null)),
            ]
        );
    }

    #[test]
    fn what_an_event_says_takes_no_place_of_the_items_own() {
        let found = moments(json!({ "/": [{
            "type": "<script>", "ts": T, "kind": "cart", "page": "/elsewhere", "sessionId": "s-2", "gapMs": -1,
            "text": "<img src=x onerror=alert(1)>", "list": [1, { "type": 2 }],
        }] }));
        assert_eq!(
            found,
            [
                json!({ "at": 0, "kind": "event", "type": "<script>", "page": "/",
                     "text": "<img src=x onerror=alert(1)>", "list": [1, { "type": 2 }] })
            ]
        );
    }
}
