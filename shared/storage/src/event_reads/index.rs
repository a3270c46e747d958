//! What each index of the tables of events holds.

use crate::privacy::EventTable;
use crate::tables::{
    IDX_CREATED_AT, IDX_CUSTOMER_EMAIL, IDX_CUSTOMER_ID, IDX_IMAGE_KEY, IDX_PRODUCT_ID,
    IDX_SESSION_ID, IDX_STORE_CREATED, IDX_STORE_NAME,
};

/// A table of events, as reading knows it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) table: EventTable,
    /// The indexes by what they are found by, that with the fewest entries first: a session is smaller than a customer,
    /// who has done less than a product was looked at, and a store has many of each.
    pub(super) preferred: &'static [&'static Index],
    /// All stores by day.
    pub(super) by_day: &'static Index,
    /// A store's summaries, where they say enough.
    pub(super) store_summaries: Option<&'static Index>,
}

/// An index of such a table. A test holds these against `template.yaml`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) name: &'static str,
    pub(super) partition: &'static str,
    pub(super) sort: &'static str,
    pub(super) projection: Projection,
}

/// The attributes that an index holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Projection {
    All,
    /// The table's and the index's keys, and these.
    Include(&'static [&'static str]),
}

impl Index {
    /// Whether an entry has this attribute, if its event has it.
    pub(super) fn holds(&self, attribute: &str) -> bool {
        match self.projection {
            Projection::All => true,
            Projection::Include(attributes) => {
                attributes.contains(&attribute)
                    || [self.partition, self.sort, "id"].contains(&attribute)
            }
        }
    }

    /// Whether an entry is its whole event.
    pub(super) fn is_whole(&self) -> bool {
        self.projection == Projection::All
    }

    /// Whether an entry has nothing but these attributes.
    pub(super) fn holds_only(&self, fields: &[&str]) -> bool {
        match self.projection {
            Projection::All => false,
            Projection::Include(attributes) => {
                let keys = [self.partition, self.sort, "id"];
                let mut held = attributes.iter().chain(&keys);
                held.all(|attribute| fields.contains(attribute))
            }
        }
    }

    /// Whether its partitions are days' shards.
    pub(super) fn is_by_day(&self) -> bool {
        self.partition == "created_bucket"
    }
}

/// `cart_tracking_events`.
pub(super) static CART_EVENTS: Source = Source {
    table: EventTable::CartEvents,
    preferred: &[
        &SESSION_ID,
        &CUSTOMER_EMAIL,
        &CUSTOMER_ID,
        &PRODUCT_ID,
        &STORE_CREATED,
    ],
    by_day: &CREATED_AT,
    store_summaries: Some(&STORE_NAME),
};

/// `image_generations`.
pub(super) static IMAGE_GENERATIONS: Source = Source {
    table: EventTable::ImageGenerations,
    preferred: &[
        &GENERATION_CUSTOMER_EMAIL,
        &GENERATION_CUSTOMER_ID,
        &STORE_CREATED,
    ],
    by_day: &GENERATION_CREATED_AT,
    store_summaries: None,
};

/// Of both tables.
pub(super) static STORE_CREATED: Index = Index {
    name: IDX_STORE_CREATED,
    partition: "store_name",
    sort: "created_at",
    projection: Projection::All,
};

pub(super) static STORE_NAME: Index = Index {
    name: IDX_STORE_NAME,
    partition: "store_name",
    sort: "id",
    projection: Projection::Include(&[
        "action_type",
        "product_id",
        "product_title",
        "customer_id",
        "customer_email",
        "session_id",
        "image_key",
        "created_at",
        "expires_at",
    ]),
};

static CREATED_AT: Index = Index {
    name: IDX_CREATED_AT,
    partition: "created_bucket",
    sort: "created_at",
    projection: Projection::Include(&["store_name", "expires_at"]),
};

/// What the indexes of a person's or a session's events hold for a journey, each but its own partition key.
const OF_A_PERSON: &[&str] = &[
    "store_name",
    "action_type",
    "product_id",
    "product_title",
    "variant_id",
    "product_url",
    "session_id",
    "customer_id",
    "image_key",
    "expires_at",
];

pub(super) static CUSTOMER_EMAIL: Index = Index {
    name: IDX_CUSTOMER_EMAIL,
    partition: "customer_email",
    sort: "created_at",
    projection: Projection::Include(OF_A_PERSON),
};

static PRODUCT_ID: Index = Index {
    name: IDX_PRODUCT_ID,
    partition: "product_id",
    sort: "created_at",
    projection: Projection::Include(&[
        "store_name",
        "action_type",
        "product_title",
        "customer_id",
        "customer_email",
        "session_id",
        "expires_at",
    ]),
};

pub(super) static SESSION_ID: Index = Index {
    name: IDX_SESSION_ID,
    partition: "session_id",
    sort: "created_at",
    projection: Projection::Include(OF_A_PERSON),
};

pub(super) static CUSTOMER_ID: Index = Index {
    name: IDX_CUSTOMER_ID,
    partition: "customer_id",
    sort: "created_at",
    projection: Projection::Include(OF_A_PERSON),
};

pub(super) static IMAGE_KEY: Index = Index {
    name: IDX_IMAGE_KEY,
    partition: "image_key",
    sort: "created_at",
    projection: Projection::Include(&["store_name", "action_type", "expires_at"]),
};

static GENERATION_CREATED_AT: Index = Index {
    name: IDX_CREATED_AT,
    partition: "created_bucket",
    sort: "created_at",
    projection: Projection::Include(&[
        "store_name",
        "status",
        "product_id",
        "variant_id",
        "customer_id",
        "customer_email",
        "session_id",
        "image_key",
        "expires_at",
    ]),
};

static GENERATION_CUSTOMER_EMAIL: Index = Index {
    name: IDX_CUSTOMER_EMAIL,
    partition: "customer_email",
    sort: "created_at",
    projection: Projection::Include(&["store_name", "session_id", "expires_at"]),
};

static GENERATION_CUSTOMER_ID: Index = Index {
    name: IDX_CUSTOMER_ID,
    partition: "customer_id",
    sort: "created_at",
    projection: Projection::Include(&["store_name", "session_id", "expires_at"]),
};

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use shoptrail_local::template::{self, Template};

    use super::*;

    /// Holds these indexes of a table, and those that are used for nothing but erasure, against the template's.
    fn assert_declared(table: &str, ours: &[&Index], others: &[&str]) {
        let template = Template::parse(template::EMBEDDED, &BTreeMap::new()).unwrap();
        let mut tables = template.tables.iter();
        let table = tables.find(|one| one.name == table).unwrap();
        assert_eq!(table.indexes.len(), ours.len() + others.len());
        for index in &table.indexes {
            if others.contains(&index.name.as_str()) {
                continue;
            }
            let ours = ours.iter().find(|ours| ours.name == index.name).unwrap();
            assert_eq!(ours.partition, index.key.partition, "{}", index.name);
            assert_eq!(Some(ours.sort), index.key.sort.as_deref(), "{}", index.name);
            match (&ours.projection, &index.projection) {
                (Projection::All, template::Projection::All) => {}
                (Projection::Include(ours), template::Projection::Include(theirs)) => {
                    let ours = ours.iter().filter(|name| **name != index.key.partition);
                    let ours: BTreeSet<_> = ours.map(|name| (*name).to_owned()).collect();
                    let theirs: BTreeSet<_> = theirs.iter().cloned().collect();
                    assert_eq!(ours, theirs, "{}", index.name);
                }
                (ours, theirs) => panic!("{}: {ours:?}, {theirs:?}", index.name),
            }
        }
    }

    #[test]
    fn the_indexes_hold_what_the_template_gives_them() {
        let cart_events = [
            &STORE_CREATED,
            &STORE_NAME,
            &CREATED_AT,
            &CUSTOMER_EMAIL,
            &PRODUCT_ID,
            &SESSION_ID,
            &CUSTOMER_ID,
            &IMAGE_KEY,
        ];
        assert_declared("cart_tracking_events", &cart_events, &[]);
        let generations = [
            &STORE_CREATED,
            &GENERATION_CREATED_AT,
            &GENERATION_CUSTOMER_EMAIL,
            &GENERATION_CUSTOMER_ID,
        ];
        assert_declared("image_generations", &generations, &[IDX_SESSION_ID]);
    }
}
