//! What is known of the sender of an event beside its body.

use std::net::IpAddr;

use crate::StoreName;
use crate::identifier::ExternalId;

/// What the request around an event tells of its sender.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sender<'a> {
    /// The header `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// The header `Idempotency-Key`, where the body has no `eventId`.
    pub idempotency_key: Option<&'a str>,
    /// The shopper's address.
    pub ip_address: Option<IpAddr>,
    /// What Shopify's signature vouches for, where the request has one.
    pub signed: Option<Signed<'a>>,
}

/// The parts of a request that Shopify has signed: a body cannot say otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The store; the event's where the body names none.
    pub store_name: &'a StoreName,
    /// The customer who is logged in; nobody else is taken for the customer.
    pub customer_id: Option<&'a ExternalId>,
}
