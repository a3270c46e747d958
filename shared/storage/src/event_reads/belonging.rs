//! Which cart events came of an image generation: those of its picture, and those without a picture that the same
//! shopper did with the same product afterwards.

use std::collections::BTreeMap;

use shoptrail_domain::Timestamp;
use shoptrail_domain::event_filter::Direction;

use super::index::{CART_EVENTS, CUSTOMER_EMAIL, CUSTOMER_ID, IMAGE_KEY, Index, SESSION_ID};
use super::merge::READS_AT_ONCE;
use super::plan::{Plan, Range};
use super::stream::{Entry, Stream};
use crate::image_generations::ImageGenerationRecord;
use crate::privacy::{in_parallel, text};
use crate::{Store, StoreError};

/// Entries of an index that are looked at for one picture, and for one shopper: what one request gives. A shopper puts a
/// few things into the cart after trying them on; one of so many events is a script.
const ENTRIES: usize = 1_000;
/// What comes before and after every time that is written in ISO 8601.
const EARLIEST: &str = "0";
const LATEST: &str = "9";
/// What has to be known of an event.
const FIELDS: [&str; 6] = [
    "id",
    "created_at",
    "store_name",
    "action_type",
    "product_id",
    "image_key",
];

/// The cart events that came of one image generation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GenerationEvents {
    /// In order of time, the oldest first.
    pub events: Vec<GenerationEvent>,
    /// Whether there may be more of them: whether there was more to look at than is looked at.
    pub is_truncated: bool,
}

/// A cart event that came of an image generation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GenerationEvent {
    /// When it was stored: ISO 8601, UTC.
    pub created_at: String,
    /// Its id.
    pub id: String,
    /// What the shopper did.
    pub action_type: String,
}

/// A partition of an index of the cart events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Partition<'a> {
    by: By,
    value: &'a str,
}

/// What an event is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Image,
    Session,
    CustomerId,
    CustomerEmail,
}

/// An event that may have come of a generation: an entry of an index, in a tenth of its room, since there may be many.
struct Candidate {
    event: GenerationEvent,
    store_name: Option<String>,
    product_id: Option<String>,
    names_picture: bool,
}

/// What is looked for in a partition.
struct Lookup {
    /// When to begin.
    from: String,
    /// The places of the generations.
    generations: Vec<usize>,
}

impl By {
    fn index(self) -> &'static Index {
        match self {
            Self::Image => &IMAGE_KEY,
            Self::Session => &SESSION_ID,
            Self::CustomerId => &CUSTOMER_ID,
            Self::CustomerEmail => &CUSTOMER_EMAIL,
        }
    }
}

impl Store {
    /// The cart events that came of each of these generations, in their order. An event came of a generation of its
    /// store when it names the generation's picture; or, where it names no picture, when it is of the same session (of
    /// a generation without one: of the same customer id, or else of the same address) and about the same product, and
    /// was not stored before the generation.
    ///
    /// Each picture and each shopper costs one request, which looks at 1,000 events: of a shopper, from the earliest of
    /// the generations on.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn list_events_of_generations(
        &self,
        generations: &[ImageGenerationRecord],
        now: Timestamp,
    ) -> Result<Vec<GenerationEvents>, StoreError> {
        const OPERATION: &str = "list_events_of_generations";
        let lookups = lookups(generations);
        let reads = lookups.iter().enumerate().map(|(number, (at, lookup))| {
            let reader = self.reader(OPERATION, plan(at.by.index()), None, now);
            let range = Range {
                partition: at.value.to_owned(),
                between: [lookup.from.clone(), LATEST.to_owned()],
            };
            async move {
                let mut stream = Stream::new(range, Direction::Ascending, Some(ENTRIES));
                reader.read_page(&mut stream).await?;
                let is_truncated = !stream.is_at_end();
                let events = stream.into_entries().map(Candidate::from);
                Ok((number, events.collect::<Vec<_>>(), is_truncated))
            }
        });
        let reads: Vec<_> = reads.collect();
        let reads = in_parallel(OPERATION, READS_AT_ONCE, reads.into_iter());
        let read = self.in_time(OPERATION, Box::pin(reads)).await?;
        let lookups: Vec<_> = lookups.iter().collect();
        let mut found = vec![GenerationEvents::default(); generations.len()];
        for (number, candidates, is_truncated) in read {
            let Some((at, lookup)) = lookups.get(number) else {
                continue;
            };
            for &place in &lookup.generations {
                let (Some(generation), Some(found)) =
                    (generations.get(place), found.get_mut(place))
                else {
                    continue;
                };
                let came = candidates
                    .iter()
                    .filter(|one| one.came_of(generation, at.by));
                found.events.extend(came.map(|one| one.event.clone()));
                found.is_truncated |= is_truncated;
            }
        }
        for found in &mut found {
            found.events.sort_unstable();
            // An entry that is replaced while its partition is read may be met twice.
            found.events.dedup();
        }
        Ok(found)
    }
}

impl From<Entry> for Candidate {
    fn from(entry: Entry) -> Self {
        let text = |attribute| text(&entry.item, attribute).map(str::to_owned);
        Self {
            store_name: text("store_name"),
            product_id: text("product_id"),
            names_picture: entry.item.contains_key("image_key"),
            event: GenerationEvent {
                action_type: text("action_type").unwrap_or_default(),
                created_at: entry.at.created_at,
                id: entry.at.id,
            },
        }
    }
}

impl Candidate {
    /// Whether the event, which was found by this, came of the generation.
    fn came_of(&self, generation: &ImageGenerationRecord, by: By) -> bool {
        self.store_name.as_deref() == Some(generation.store_name.as_str())
            && (by == By::Image
                || !self.names_picture
                    && self.product_id == generation.product_id
                    && self.event.created_at >= generation.created_at)
    }
}

/// What every entry is read with; which of them are meant is judged here.
fn plan(index: &'static Index) -> Plan {
    let fields = FIELDS.into_iter().filter(|field| index.holds(field));
    Plan {
        source: &CART_EVENTS,
        index,
        groups: Vec::new(),
        conditions: Vec::new(),
        needs_records: false,
        fields: fields.collect(),
    }
}

/// Where to look, each partition once: generations on one page are often one shopper's.
fn lookups(generations: &[ImageGenerationRecord]) -> BTreeMap<Partition<'_>, Lookup> {
    let mut lookups = BTreeMap::new();
    let mut look = |by, value, from: &str, place| {
        let lookup = lookups
            .entry(Partition { by, value })
            .or_insert_with(|| Lookup {
                from: from.to_owned(),
                generations: Vec::new(),
            });
        if from < lookup.from.as_str() {
            from.clone_into(&mut lookup.from);
        }
        lookup.generations.push(place);
    };
    for (place, generation) in generations.iter().enumerate() {
        if let Some(key) = &generation.image_key {
            look(By::Image, key.as_str(), EARLIEST, place);
        }
        if let Some((by, value)) = shopper(generation)
            && generation.product_id.is_some()
        {
            look(by, value, &generation.created_at, place);
        }
    }
    lookups
}

/// Whose the generation is.
fn shopper(generation: &ImageGenerationRecord) -> Option<(By, &str)> {
    let named = [
        (By::Session, &generation.session_id),
        (By::CustomerId, &generation.customer_id),
        (By::CustomerEmail, &generation.customer_email),
    ];
    let mut named = named.into_iter();
    named.find_map(|(by, value)| Some((by, value.as_deref()?)))
}
