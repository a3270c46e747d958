//! What each index of the cart events holds.

use crate::tables::{
    IDX_CREATED_AT, IDX_CUSTOMER_EMAIL, IDX_CUSTOMER_ID, IDX_PRODUCT_ID, IDX_SESSION_ID,
    IDX_STORE_CREATED, IDX_STORE_NAME,
};

/// An index of `cart_tracking_events`. A test holds these against `template.yaml`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventIndex {
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

impl EventIndex {
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
}

pub(super) static STORE_CREATED: EventIndex = EventIndex {
    name: IDX_STORE_CREATED,
    partition: "store_name",
    sort: "created_at",
    projection: Projection::All,
};

pub(super) static STORE_NAME: EventIndex = EventIndex {
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
        "created_at",
        "expires_at",
    ]),
};

pub(super) static CREATED_AT: EventIndex = EventIndex {
    name: IDX_CREATED_AT,
    partition: "created_bucket",
    sort: "created_at",
    projection: Projection::Include(&["store_name", "expires_at"]),
};

pub(super) static CUSTOMER_EMAIL: EventIndex = EventIndex {
    name: IDX_CUSTOMER_EMAIL,
    partition: "customer_email",
    sort: "created_at",
    projection: Projection::Include(&[
        "store_name",
        "action_type",
        "product_id",
        "product_title",
        "variant_id",
        "product_url",
        "session_id",
        "customer_id",
        "expires_at",
    ]),
};

pub(super) static PRODUCT_ID: EventIndex = EventIndex {
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

pub(super) static SESSION_ID: EventIndex = EventIndex {
    name: IDX_SESSION_ID,
    partition: "session_id",
    sort: "created_at",
    projection: Projection::Include(&[
        "store_name",
        "action_type",
        "product_id",
        "product_title",
        "variant_id",
        "product_url",
        "customer_id",
        "expires_at",
    ]),
};

pub(super) static CUSTOMER_ID: EventIndex = EventIndex {
    name: IDX_CUSTOMER_ID,
    partition: "customer_id",
    sort: "created_at",
    projection: Projection::Include(&[
        "store_name",
        "action_type",
        "product_id",
        "product_title",
        "variant_id",
        "product_url",
        "session_id",
        "expires_at",
    ]),
};

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use shoptrail_local::template::{self, Template};

    use super::*;

    #[test]
    fn the_indexes_hold_what_the_template_gives_them() {
        let template = Template::parse(template::EMBEDDED, &BTreeMap::new()).unwrap();
        let is_events = |table: &&template::Table| table.name == "cart_tracking_events";
        let table = template.tables.iter().find(is_events).unwrap();
        let ours = [
            &STORE_CREATED,
            &STORE_NAME,
            &CREATED_AT,
            &CUSTOMER_EMAIL,
            &PRODUCT_ID,
            &SESSION_ID,
            &CUSTOMER_ID,
        ];
        assert_eq!(table.indexes.len(), ours.len());
        for index in &table.indexes {
            let ours = ours.iter().find(|ours| ours.name == index.name).unwrap();
            assert_eq!(ours.partition, index.key.partition, "{}", index.name);
            assert_eq!(Some(ours.sort), index.key.sort.as_deref(), "{}", index.name);
            match (&ours.projection, &index.projection) {
                (Projection::All, template::Projection::All) => {}
                (Projection::Include(ours), template::Projection::Include(theirs)) => {
                    let ours: BTreeSet<_> = ours.iter().map(|name| (*name).to_owned()).collect();
                    let theirs: BTreeSet<_> = theirs.iter().cloned().collect();
                    assert_eq!(ours, theirs, "{}", index.name);
                }
                (ours, theirs) => panic!("{}: {ours:?}, {theirs:?}", index.name),
            }
        }
    }
}
