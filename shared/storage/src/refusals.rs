//! What was not stored: one item per store and day, with a counter for each reason.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use shoptrail_domain::Timestamp;
use shoptrail_domain::refusal::Refusal;

use crate::tables::{DAY, STORE_NAME};
use crate::{Store, StoreError, expires_at, is_alive};

/// One day of refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalDay {
    /// `YYYY-MM-DD`, UTC.
    pub day: String,
    /// How many, by reason; those that did not occur are absent.
    pub reasons: BTreeMap<Refusal, u64>,
}

impl Store {
    /// Adds up what was not stored of one store on the day of `now`. `store` is a store's name, or another word for
    /// what belongs to none.
    ///
    /// # Errors
    ///
    /// When the database may not have counted it.
    pub async fn add_refusals(
        &self,
        store: &str,
        counts: &BTreeMap<Refusal, u64>,
        now: Timestamp,
        retention_days: u32,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "add_refusals";
        let mut update = self
            .client
            .update_item()
            .table_name(&self.tables.refusals)
            .key(STORE_NAME, AttributeValue::S(store.to_owned()))
            .key(DAY, AttributeValue::S(now.day()))
            .expression_attribute_values(
                ":expires_at",
                AttributeValue::N(expires_at(now, retention_days).to_string()),
            );
        let mut added = Vec::with_capacity(counts.len());
        for (reason, count) in counts {
            added.push(format!("{reason} :{reason}"));
            update = update.expression_attribute_values(
                format!(":{reason}"),
                AttributeValue::N(count.to_string()),
            );
        }
        let update = update.update_expression(format!(
            "ADD {} SET expires_at = :expires_at",
            added.join(", ")
        ));
        let add = async {
            let add = update.send().await;
            add.map(|_| ())
                .map_err(|error| StoreError::new(OPERATION, error))
        };
        self.in_time(OPERATION, Box::pin(add)).await
    }

    /// What was not stored of one store, by day, from `first` to `last` (`YYYY-MM-DD`, both included). At most the
    /// days of a few years, so one query, or two.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn list_refusals(
        &self,
        store: &str,
        first: &str,
        last: &str,
        now: Timestamp,
    ) -> Result<Vec<RefusalDay>, StoreError> {
        const OPERATION: &str = "list_refusals";
        let mut pages = self
            .client
            .query()
            .table_name(&self.tables.refusals)
            .key_condition_expression("#store = :store AND #day BETWEEN :first AND :last")
            .expression_attribute_names("#store", STORE_NAME)
            .expression_attribute_names("#day", DAY)
            .expression_attribute_values(":store", AttributeValue::S(store.to_owned()))
            .expression_attribute_values(":first", AttributeValue::S(first.to_owned()))
            .expression_attribute_values(":last", AttributeValue::S(last.to_owned()))
            .into_paginator()
            .items()
            .send();
        let list = async {
            let mut days = Vec::new();
            while let Some(item) = pages.next().await {
                let item = item.map_err(|error| StoreError::new(OPERATION, error))?;
                let number = |name: &str| item.get(name)?.as_n().ok()?.parse::<u64>().ok();
                let lives = number("expires_at").is_none_or(|at| is_alive(at.cast_signed(), now));
                let (true, Some(Ok(day))) = (lives, item.get(DAY).map(AttributeValue::as_s)) else {
                    continue;
                };
                let reasons = Refusal::ALL
                    .into_iter()
                    .filter_map(|reason| Some((reason, number(reason.as_str())?)))
                    .collect();
                days.push(RefusalDay {
                    day: day.clone(),
                    reasons,
                });
            }
            Ok(days)
        };
        self.in_time(OPERATION, Box::pin(list)).await
    }
}
