//! Who and what had the most events.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use utoipa::ToSchema;

use super::count::top;
use super::facts::CartFact;

/// A product, and how many cart events it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopProduct {
    #[schema(example = "8123456789")]
    pub(super) product_id: String,
    /// What the newest event of the range that has a title calls it.
    #[schema(required = true, example = "Linen shirt")]
    pub(super) product_title: Option<String>,
    #[schema(example = 40)]
    pub(super) events: usize,
    #[schema(example = json!({ "add_to_cart": 34, "buy_now": 6 }))]
    pub(super) by_action: BTreeMap<String, usize>,
}

/// A customer, and how many cart events they had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopCustomer {
    /// The id; `null` for a customer of whom the events name the address alone.
    #[schema(required = true, example = "7123456789")]
    customer_id: Option<String>,
    /// The address; for a customer with an id, that of the newest event of the range that has one.
    #[schema(required = true, example = "jane@example.com")]
    customer_email: Option<String>,
    #[schema(example = 5)]
    events: usize,
}

/// How a customer is known. An id that looks like an address is still another customer than one with that address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Customer<'a> {
    Id(&'a str),
    Email(&'a str),
}

/// A customer's events so far.
#[derive(Debug, Default)]
struct Known<'a> {
    events: usize,
    /// The address that the newest event with one names: after its time and its id.
    newest: Option<[&'a str; 3]>,
}

/// A count of customers that is under way.
#[derive(Debug, Default)]
pub(super) struct CustomerCount<'a>(HashMap<Customer<'a>, Known<'a>>);

impl<'a> CustomerCount<'a> {
    pub(super) fn add(&mut self, event: &CartFact<'a>) {
        let (id, email) = (event.identity.customer_id, event.identity.customer_email);
        let Some(customer) = id.map(Customer::Id).or(email.map(Customer::Email)) else {
            return;
        };
        let known = self.0.entry(customer).or_default();
        known.events += 1;
        let named = email.map(|email| [event.created_at, event.id, email]);
        known.newest = known.newest.max(named);
    }

    /// Different customers.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn finish(self, most: usize) -> Vec<TopCustomer> {
        let counts = self
            .0
            .iter()
            .map(|(customer, known)| (*customer, known.events));
        let customers = top(counts, most).into_iter().map(|(customer, events)| {
            let newest = self.0.get(&customer).and_then(|known| known.newest);
            TopCustomer {
                customer_id: match customer {
                    Customer::Id(id) => Some(id.to_owned()),
                    Customer::Email(_) => None,
                },
                customer_email: newest.map(|[_, _, email]| email.to_owned()),
                events,
            }
        });
        customers.collect()
    }
}
