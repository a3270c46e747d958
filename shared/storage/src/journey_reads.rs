//! All that is known of one session's or one customer's way through a store, in a bounded number of requests.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;
use shoptrail_domain::advice::outcome::Outcome;
use shoptrail_domain::advice::{Category, Source};
use shoptrail_domain::journey::{Happening, JourneyOf, Moment, Traveller};
use shoptrail_domain::limits::{JOURNEY_ITEMS, JOURNEY_SESSIONS};
use shoptrail_domain::session::SessionId;
use shoptrail_domain::{StoreName, Timestamp};

use crate::decisions::DECISION_ID;
use crate::image_generations::ImageGenerationRecord;
use crate::privacy::{EventTable, Item, READS, in_parallel, key_of, text};
use crate::tables::{ID, IDX_CUSTOMER_EMAIL, IDX_CUSTOMER_ID, IDX_SESSION_ID, SESSION, STORE_NAME};
use crate::{Store, StoreError, is_alive};

const OPERATION: &str = "find_moments";
/// Image generations of one session, or of one customer. Each takes some half a minute to make, and unlike the rest it has
/// to be fetched whole, with addresses of up to 16 KB.
const MOST_GENERATIONS: usize = 200;
/// Pages of one index that are read for what is left of them when other stores' entries are passed over: each is up to
/// 1 MB.
const MOST_PAGES: usize = 8;
/// Sessions that are read at the same time: the events of each may take 5 MB.
const SESSIONS_AT_ONCE: usize = 4;

/// What was found of a journey.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Moments {
    /// In no order.
    pub moments: Vec<Moment>,
    /// Whether these are all there are.
    pub is_all: bool,
}

impl Store {
    /// What happened on a journey, the newest of it: of a session its browsing and its popups, if it is bound to the
    /// store, and its cart events and image generations of the store; of a customer the same of the newest sessions that
    /// the customer's cart events and image generations name.
    ///
    /// # Errors
    ///
    /// When the database does not answer or there is more to read than the time allows; with an item that is none of
    /// ours.
    pub async fn find_moments(
        &self,
        of: &JourneyOf,
        now: Timestamp,
    ) -> Result<Moments, StoreError> {
        let reader = Arc::new(Reader {
            store: self.clone(),
            store_name: of.store.clone(),
            now,
        });
        self.in_time(OPERATION, Box::pin(reader.find(&of.traveller)))
            .await
    }
}

/// What every request of a journey needs; shared by those that are on their way at the same time.
struct Reader {
    store: Store,
    store_name: StoreName,
    now: Timestamp,
}

/// A partition of an index of the cart events or the image generations.
#[derive(Debug, Clone, Copy)]
struct Partition<'a> {
    index: &'static str,
    attribute: &'static str,
    value: &'a str,
}

/// The newest entries of a partition, and whether these are all.
struct Newest<T> {
    items: Vec<T>,
    is_all: bool,
}

/// A cart event, as far as an index holds it.
#[derive(Debug, Clone, Deserialize)]
struct CartEntry {
    id: String,
    created_at: String,
    action_type: String,
    product_id: Option<String>,
    product_title: Option<String>,
    variant_id: Option<String>,
    session_id: Option<String>,
    customer_id: Option<String>,
}

const CART_FIELDS: &[&str] = &[
    ID,
    "created_at",
    "action_type",
    "product_id",
    "product_title",
    "variant_id",
    "session_id",
    "customer_id",
];

/// A decision that gave a popup.
#[derive(Debug, Deserialize)]
struct PopupEntry {
    decision_id: String,
    created_at: String,
    source: Source,
    advice: PopupAdvice,
    #[serde(default)]
    outcomes: BTreeMap<Outcome, String>,
}

#[derive(Debug, Deserialize)]
struct PopupAdvice {
    category: Category,
    message: String,
}

impl Reader {
    async fn find(self: Arc<Self>, traveller: &Traveller) -> Result<Moments, StoreError> {
        match traveller {
            Traveller::Session(session) => self.session(session.as_str()).await,
            Traveller::Customer(id) => {
                let whose = Partition {
                    index: IDX_CUSTOMER_ID,
                    attribute: "customer_id",
                    value: id.as_str(),
                };
                self.customer(whose).await
            }
            Traveller::Email(email) => {
                let whose = Partition {
                    index: IDX_CUSTOMER_EMAIL,
                    attribute: "customer_email",
                    value: email.as_str(),
                };
                self.customer(whose).await
            }
        }
    }

    /// A customer's own events and those of the sessions that they name. What names another customer in such a session
    /// is not the customer's.
    async fn customer(self: Arc<Self>, whose: Partition<'_>) -> Result<Moments, StoreError> {
        let (carts, generations) =
            tokio::try_join!(self.cart_events(whose), self.generations(whose))?;
        let mut own_ids: HashSet<&str> = HashSet::new();
        own_ids.extend((whose.attribute == "customer_id").then_some(whose.value));
        own_ids.extend(
            carts
                .items
                .iter()
                .filter_map(|cart| cart.customer_id.as_deref()),
        );
        own_ids.extend(
            generations
                .items
                .iter()
                .filter_map(|one| one.customer_id.as_deref()),
        );

        let mut newest: HashMap<&str, &str> = HashMap::new();
        let named = carts
            .items
            .iter()
            .map(|cart| (cart.session_id.as_deref(), cart.created_at.as_str()))
            .chain(
                generations
                    .items
                    .iter()
                    .map(|one| (one.session_id.as_deref(), one.created_at.as_str())),
            );
        for (session, at) in named {
            if let Some(session) = session {
                let newest = newest.entry(session).or_default();
                *newest = at.max(*newest);
            }
        }
        let mut sessions: Vec<(&str, &str)> = newest.into_iter().map(|(id, at)| (at, id)).collect();
        sessions.sort_unstable_by(|a, b| b.cmp(a));
        let is_all_sessions = sessions.len() <= JOURNEY_SESSIONS;
        sessions.truncate(JOURNEY_SESSIONS);

        let reads = sessions.iter().map(|(_, session)| {
            let (reader, session) = (Arc::clone(&self), (*session).to_owned());
            async move { reader.events_of_session(&session).await }
        });
        let found = in_parallel(OPERATION, SESSIONS_AT_ONCE, reads).await?;

        let mut gathered = Gathered {
            is_all: carts.is_all && generations.is_all && is_all_sessions,
            ..Gathered::default()
        };
        // What lies in sessions that are not shown is left out, and what lies in none is shown.
        let shown: BTreeSet<&str> = sessions.iter().map(|(_, session)| *session).collect();
        let is_shown = |session: &Option<String>| {
            session
                .as_deref()
                .is_none_or(|session| shown.contains(session))
        };
        let is_own = |id: &Option<String>| id.as_deref().is_none_or(|id| own_ids.contains(id));
        for mut events in found {
            events.carts.items.retain(|cart| is_own(&cart.customer_id));
            events
                .generations
                .items
                .retain(|one| is_own(&one.customer_id));
            gathered.add(events)?;
        }
        for cart in carts.items.iter().filter(|cart| is_shown(&cart.session_id)) {
            gathered.cart(cart.clone())?;
        }
        for one in generations
            .items
            .iter()
            .filter(|one| is_shown(&one.session_id))
        {
            gathered.generation(one.clone())?;
        }
        Ok(gathered.into_moments())
    }

    async fn session(&self, session: &str) -> Result<Moments, StoreError> {
        let mut gathered = Gathered {
            is_all: true,
            ..Gathered::default()
        };
        gathered.add(self.events_of_session(session).await?)?;
        Ok(gathered.into_moments())
    }

    async fn events_of_session(&self, session: &str) -> Result<EventsOfSession, StoreError> {
        let of = Partition {
            index: IDX_SESSION_ID,
            attribute: "session_id",
            value: session,
        };
        let (browsing, popups, carts, generations) = tokio::try_join!(
            self.browsing(session),
            self.popups(session),
            self.cart_events(of),
            self.generations(of),
        )?;
        Ok(EventsOfSession {
            session: session.to_owned(),
            browsing,
            popups,
            carts,
            generations,
        })
    }

    /// What the tracker says of a session that is bound to the store.
    async fn browsing(&self, session: &str) -> Result<Newest<Moment>, StoreError> {
        let nothing = Newest {
            items: Vec::new(),
            is_all: true,
        };
        // Other widgets' names are no names of the tracker's.
        let Some(id) = SessionId::parse(session)
            .ok()
            .filter(|id| id.as_str() == session)
        else {
            return Ok(nothing);
        };
        // One more than are shown.
        let find = self
            .store
            .find_recent_session(&id, JOURNEY_ITEMS + 1, self.now);
        let Some(found) = find.await? else {
            return Ok(nothing);
        };
        if found.record.store_name.as_ref() != Some(&self.store_name) {
            return Ok(nothing);
        }
        let is_all = !found.record.truncated;
        let mut items = Moment::of_session(found.record);
        // In order of time.
        items.drain(..items.len().saturating_sub(JOURNEY_ITEMS + 1));
        Ok(Newest { items, is_all })
    }

    /// The popups that a session was given in the store: those among the newest megabyte of its decisions.
    async fn popups(&self, session: &str) -> Result<Newest<PopupEntry>, StoreError> {
        let page = self
            .store
            .client
            .query()
            .table_name(&self.store.tables.decisions)
            .key_condition_expression("#session = :session")
            .filter_expression("#advice.#show = :true AND #store = :store AND #expires > :now")
            .projection_expression(
                "#decision, created_at, #source, #advice.category, #advice.message, outcomes",
            )
            .expression_attribute_names("#session", SESSION)
            .expression_attribute_names("#decision", DECISION_ID)
            .expression_attribute_names("#source", "source")
            .expression_attribute_names("#advice", "advice")
            .expression_attribute_names("#show", "show_popup")
            .expression_attribute_names("#store", STORE_NAME)
            .expression_attribute_names("#expires", "expires_at")
            .expression_attribute_values(":session", AttributeValue::S(session.to_owned()))
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":store", AttributeValue::S(self.store_name.to_string()))
            .expression_attribute_values(":now", AttributeValue::N(self.now.as_secs().to_string()))
            .scan_index_forward(false)
            .send()
            .await
            .map_err(|error| StoreError::new(OPERATION, error))?;
        Ok(Newest {
            items: from_items(page.items.unwrap_or_default())?,
            is_all: page.last_evaluated_key.is_none(),
        })
    }

    async fn cart_events(&self, of: Partition<'_>) -> Result<Newest<CartEntry>, StoreError> {
        let table = &self.store.tables.cart_events;
        // One more than are shown.
        let found = self
            .newest(table, of, CART_FIELDS, JOURNEY_ITEMS + 1)
            .await?;
        Ok(Newest {
            items: from_items(found.items)?,
            is_all: found.is_all,
        })
    }

    async fn generations(
        &self,
        of: Partition<'_>,
    ) -> Result<Newest<ImageGenerationRecord>, StoreError> {
        let table = self.store.event_table(EventTable::ImageGenerations);
        let found = self.newest(table, of, &[ID], MOST_GENERATIONS).await?;
        let ids: Vec<&str> = found
            .items
            .iter()
            .filter_map(|item| text(item, ID))
            .collect();
        let mut records: Vec<ImageGenerationRecord> = Vec::with_capacity(ids.len());
        for ids in ids.chunks(READS) {
            let keys = ids.iter().map(|id| key_of(ID, id)).collect();
            let items = self.store.batch_read(OPERATION, table, keys).await?;
            records.extend(from_items::<ImageGenerationRecord>(items)?);
        }
        // An index lags behind its table.
        records.retain(|record| {
            record.store_name == self.store_name.as_str() && is_alive(record.expires_at, self.now)
        });
        Ok(Newest {
            items: records,
            is_all: found.is_all,
        })
    }

    /// The store's newest entries of a partition, at most `most`.
    async fn newest(
        &self,
        table: &str,
        of: Partition<'_>,
        fields: &[&str],
        most: usize,
    ) -> Result<Newest<Item>, StoreError> {
        let names: Vec<_> = (0..fields.len())
            .map(|field| format!("#f{field}"))
            .collect();
        let mut items = Vec::new();
        let mut from = None;
        for _ in 0..MOST_PAGES {
            let mut query = self
                .store
                .client
                .query()
                .table_name(table)
                .index_name(of.index)
                .key_condition_expression("#whose = :whose")
                .filter_expression("#store = :store AND #expires > :now")
                .projection_expression(names.join(", "))
                .expression_attribute_names("#whose", of.attribute)
                .expression_attribute_names("#store", STORE_NAME)
                .expression_attribute_names("#expires", "expires_at")
                .expression_attribute_values(":whose", AttributeValue::S(of.value.to_owned()))
                .expression_attribute_values(
                    ":store",
                    AttributeValue::S(self.store_name.to_string()),
                )
                .expression_attribute_values(
                    ":now",
                    AttributeValue::N(self.now.as_secs().to_string()),
                )
                .scan_index_forward(false)
                // One more tells whether there are more.
                .set_limit(i32::try_from(most + 1).ok())
                .set_exclusive_start_key(from);
            for (name, field) in names.iter().zip(fields) {
                query = query.expression_attribute_names(name, *field);
            }
            let page = query
                .send()
                .await
                .map_err(|error| StoreError::new(OPERATION, error))?;
            items.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key;
            if from.is_none() || items.len() > most {
                break;
            }
        }
        let is_all = from.is_none() && items.len() <= most;
        items.truncate(most);
        Ok(Newest { items, is_all })
    }
}

/// What was found of one session.
struct EventsOfSession {
    session: String,
    browsing: Newest<Moment>,
    popups: Newest<PopupEntry>,
    carts: Newest<CartEntry>,
    generations: Newest<ImageGenerationRecord>,
}

/// Moments, each once.
#[derive(Default)]
struct Gathered {
    moments: Vec<Moment>,
    /// The ids of the events and generations among them.
    ids: HashSet<String>,
    is_all: bool,
}

impl Gathered {
    fn add(&mut self, found: EventsOfSession) -> Result<(), StoreError> {
        let EventsOfSession {
            session,
            browsing,
            popups,
            carts,
            generations,
        } = found;
        self.is_all &= browsing.is_all && popups.is_all && carts.is_all && generations.is_all;
        self.moments.extend(browsing.items);
        for popup in popups.items {
            self.moments.push(Moment {
                at: time(&popup.created_at)?,
                session: Some(session.clone()),
                happening: Happening::Popup {
                    decision_id: popup.decision_id,
                    source: popup.source,
                    category: popup.advice.category,
                    message: popup.advice.message,
                    outcomes: popup.outcomes,
                },
            });
        }
        for cart in carts.items {
            self.cart(cart)?;
        }
        for generation in generations.items {
            self.generation(generation)?;
        }
        Ok(())
    }

    fn cart(&mut self, cart: CartEntry) -> Result<(), StoreError> {
        if self.ids.insert(cart.id.clone()) {
            self.moments.push(Moment {
                at: time(&cart.created_at)?,
                session: cart.session_id,
                happening: Happening::Cart {
                    id: cart.id,
                    action_type: cart.action_type,
                    product_id: cart.product_id,
                    product_title: cart.product_title,
                    variant_id: cart.variant_id,
                },
            });
        }
        Ok(())
    }

    fn generation(&mut self, record: ImageGenerationRecord) -> Result<(), StoreError> {
        if self.ids.insert(record.id.clone()) {
            self.moments.push(Moment {
                at: time(&record.created_at)?,
                session: record.session_id,
                happening: Happening::Generation {
                    id: record.id,
                    status: record.status,
                    product_id: record.product_id,
                    generated_image_url: record.generated_image_url,
                },
            });
        }
        Ok(())
    }

    fn into_moments(self) -> Moments {
        Moments {
            moments: self.moments,
            is_all: self.is_all,
        }
    }
}

fn time(iso: &str) -> Result<Timestamp, StoreError> {
    Timestamp::parse_iso(iso).map_err(|reason| StoreError::unreadable(OPERATION, reason))
}

fn from_items<T: for<'de> Deserialize<'de>>(items: Vec<Item>) -> Result<Vec<T>, StoreError> {
    let records = items.into_iter().map(serde_dynamo::from_item);
    records
        .collect::<Result<_, _>>()
        .map_err(|error| StoreError::unreadable(OPERATION, error))
}
