//! How much was counted of whom: requests of clients, API keys and stores, and calls of the model.
//!
//! An item of `rate_limits` holds the counters of one client, key or store within one hour: the hour's own and one for
//! each of its minutes. So one conditional update checks and counts both limits, exactly, whoever else counts at the
//! same time. Windows are those of the clock, in UTC.
//!
//! A retry of the SDK whose first answer got lost counts twice. That is harmless: the limit is used up a little sooner,
//! and nothing more gets through than it allows.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use shoptrail_domain::{StoreName, Timestamp};

use crate::tables::COUNTED;
use crate::{Store, StoreError, expires_at, in_time};

/// What a failing table of limits may cost a request out of its [`Store::OPERATION_TIMEOUT`]: a new connection and a
/// repetition fit in, and three quarters are left for what the request is about.
const TIMEOUT: Duration = Duration::from_millis(600);
/// Seconds by which an item outlives its hour: clocks differ, and nobody reads it after that.
const GRACE_SECONDS: i64 = 3_600;
/// A day's budget is read on that day alone; the second day is for clocks that differ.
const BUDGET_DAYS: u32 = 2;
/// The hour's counter.
const HOUR: &str = "hour";
/// The day's counter of calls.
const CALLS: &str = "calls";
/// Stands for the store of a session that names none; no store is called so.
const NO_STORE: &str = "-";

type Item = HashMap<String, AttributeValue>;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// How many requests may pass in a minute and in an hour of the clock; 0 switches that limit off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLimits {
    /// Requests a minute.
    pub per_minute: u32,
    /// Requests an hour.
    pub per_hour: u32,
}

/// What became of a call of the model that was to be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelCall {
    /// Whether it may be made.
    pub is_reserved: bool,
    /// How much of the day's budget is used, this call included: of the store's or of that of all, whichever is nearer
    /// its end, in whole percent. 0 where no call is allowed at all.
    pub budget_used_percent: u32,
}

impl ModelCall {
    const USED_UP: Self = Self {
        is_reserved: false,
        budget_used_percent: 100,
    };
}

/// Whether requests were counted, and so may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// They were.
    Yes,
    /// A limit forbids it, and nothing was counted.
    No {
        /// When the window of that limit ends: rounded up, at least 1.
        retry_after_seconds: u32,
        /// Nothing at all passes until then, however small.
        is_exhausted: bool,
    },
}

impl WindowLimits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_off(self) -> bool {
        self.per_minute == 0 && self.per_hour == 0
    }

    /// Whether `cost` more pass where so many were counted in the minute and in the hour of `now`.
    #[must_use]
    pub fn judge(self, cost: u32, in_minute: u32, in_hour: u32, now: Timestamp) -> Counted {
        let is_over = |limit: u32, counted: u32| {
            limit > 0 && counted.checked_add(cost).is_none_or(|sum| sum > limit)
        };
        let denied = |window_ms, is_exhausted| Counted::No {
            retry_after_seconds: seconds_to_end(window_ms, now),
            is_exhausted,
        };
        // The hour first: as long as its limit forbids it, the next minute brings nothing.
        if is_over(self.per_hour, in_hour) {
            denied(HOUR_MS, in_hour >= self.per_hour)
        } else if is_over(self.per_minute, in_minute) {
            denied(MINUTE_MS, in_minute >= self.per_minute)
        } else {
            Counted::Yes
        }
    }
}

impl Store {
    /// Counts `cost` requests of `client` if both limits allow it, in one conditional update. What costs more than a
    /// limit never passes; without a limit, nothing is asked.
    ///
    /// # Errors
    ///
    /// When the database may not have counted it.
    pub async fn count_client(
        &self,
        client: &str,
        cost: u32,
        limits: WindowLimits,
        now: Timestamp,
    ) -> Result<Counted, StoreError> {
        self.count(
            "count_client",
            &format!("client#{client}"),
            cost,
            limits,
            now,
        )
        .await
    }

    /// The same for a limit per minute alone: `who` names an API key or a store, and which of them it is.
    ///
    /// # Errors
    ///
    /// When the database may not have counted it.
    pub async fn count_minute(
        &self,
        who: &str,
        cost: u32,
        per_minute: u32,
        now: Timestamp,
    ) -> Result<Counted, StoreError> {
        let limits = WindowLimits {
            per_minute,
            per_hour: 0,
        };
        self.count("count_minute", who, cost, limits, now).await
    }

    /// Reserves one call of the model out of the budgets of the UTC day: the store's and then that of all. A budget of 0
    /// allows no call. Sessions without a store have a budget together.
    ///
    /// # Errors
    ///
    /// When the database may not have reserved it.
    pub async fn reserve_model_call(
        &self,
        store: Option<&StoreName>,
        per_store: u32,
        in_all: u32,
        now: Timestamp,
    ) -> Result<ModelCall, StoreError> {
        const OPERATION: &str = "reserve_model_call";
        if per_store == 0 || in_all == 0 {
            return Ok(ModelCall {
                is_reserved: false,
                budget_used_percent: 0,
            });
        }
        let day = now.day();
        let of_all = format!("model-calls#{day}");
        let of_store = format!("{of_all}#{}", store.map_or(NO_STORE, StoreName::as_str));
        let reserve = async {
            // The store first: one that has used up its own budget must not use up everybody's. Where all the budget
            // is gone, the store's loses a call that it could not have made any more.
            let Some(of_store) = self.reserve(OPERATION, of_store, per_store, now).await? else {
                return Ok(ModelCall::USED_UP);
            };
            let Some(of_all) = self.reserve(OPERATION, of_all, in_all, now).await? else {
                return Ok(ModelCall::USED_UP);
            };
            Ok(ModelCall {
                is_reserved: true,
                budget_used_percent: percent(of_store, per_store).max(percent(of_all, in_all)),
            })
        };
        in_limiters_time(OPERATION, Box::pin(reserve)).await
    }

    async fn count(
        &self,
        operation: &'static str,
        who: &str,
        cost: u32,
        limits: WindowLimits,
        now: Timestamp,
    ) -> Result<Counted, StoreError> {
        if cost == 0 || limits.is_off() {
            return Ok(Counted::Yes);
        }
        // What costs more than a limit is not asked about: the condition lets a counter's first entry pass.
        let alone = limits.judge(cost, 0, 0, now);
        if alone != Counted::Yes {
            return Ok(alone);
        }
        let minute = minute_attribute(now);
        let update = self.count_update(who, &minute, cost, limits, now);
        let count = async {
            let Err(counters) = send_conditional(operation, update).await? else {
                return Ok(Counted::Yes);
            };
            let counted = |attribute: &str| counters.get(attribute).map_or(0, number);
            Ok(
                match limits.judge(cost, counted(&minute), counted(HOUR), now) {
                    // The counters that failed the condition were not sent along.
                    Counted::Yes => Counted::No {
                        retry_after_seconds: seconds_to_end(MINUTE_MS, now),
                        is_exhausted: false,
                    },
                    denied => denied,
                },
            )
        };
        in_limiters_time(operation, Box::pin(count)).await
    }

    fn count_update(
        &self,
        who: &str,
        minute: &str,
        cost: u32,
        limits: WindowLimits,
        now: Timestamp,
    ) -> UpdateItemFluentBuilder {
        let hour = hour_of(now);
        let expires_at = (hour + 1) * (HOUR_MS / 1_000).cast_signed() + GRACE_SECONDS;
        let mut update = self
            .client
            .update_item()
            .table_name(&self.tables.rate_limits)
            .key(COUNTED, AttributeValue::S(format!("{who}#{hour}")))
            .expression_attribute_values(":cost", AttributeValue::N(cost.to_string()))
            .expression_attribute_values(":expires_at", AttributeValue::N(expires_at.to_string()));
        let windows = [
            ("hour", HOUR, limits.per_hour),
            ("minute", minute, limits.per_minute),
        ];
        let (mut added, mut conditions) = (Vec::new(), Vec::new());
        for (window, attribute, limit) in windows.into_iter().filter(|(.., limit)| *limit > 0) {
            added.push(format!("#{window} :cost"));
            conditions.push(format!(
                "(attribute_not_exists(#{window}) OR #{window} <= :{window}_left)"
            ));
            let left = limit.saturating_sub(cost).to_string();
            update = update
                .expression_attribute_names(format!("#{window}"), attribute)
                .expression_attribute_values(format!(":{window}_left"), AttributeValue::N(left));
        }
        update
            .update_expression(format!(
                "ADD {} SET expires_at = :expires_at",
                added.join(", ")
            ))
            .condition_expression(conditions.join(" AND "))
    }

    /// Takes one out of a budget of at least one, if one is left. Says how many were taken by then.
    async fn reserve(
        &self,
        operation: &'static str,
        counted: String,
        budget: u32,
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        let left = budget.saturating_sub(1);
        let expires_at = expires_at(now, BUDGET_DAYS).to_string();
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.rate_limits)
            .key(COUNTED, AttributeValue::S(counted))
            .update_expression("ADD #calls :one SET expires_at = :expires_at")
            .condition_expression("attribute_not_exists(#calls) OR #calls <= :left")
            .expression_attribute_names("#calls", CALLS)
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":left", AttributeValue::N(left.to_string()))
            .expression_attribute_values(":expires_at", AttributeValue::N(expires_at))
            .return_values(ReturnValue::UpdatedNew);
        let updated = send_conditional(operation, update).await?;
        Ok(updated
            .ok()
            .map(|counters| counters.get(CALLS).map_or(0, number)))
    }
}

/// Makes an update; where its condition does not hold, the item as it is.
async fn send_conditional(
    operation: &'static str,
    update: UpdateItemFluentBuilder,
) -> Result<Result<Item, Item>, StoreError> {
    let update = update
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    let error = match update {
        Ok(updated) => return Ok(Ok(updated.attributes.unwrap_or_default())),
        Err(error) => error,
    };
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(found)) => {
            Ok(Err(found.item.clone().unwrap_or_default()))
        }
        _ => Err(StoreError::new(operation, error)),
    }
}

/// Ends `operation` when the limiter's time is over, or that of the request's work on the database. Boxed as in
/// [`Store::in_time`].
async fn in_limiters_time<T>(
    name: &'static str,
    operation: Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + '_>>,
) -> Result<T, StoreError> {
    in_time(name, TIMEOUT, operation).await
}

/// A counter's value; one that cannot be read lets nothing pass.
/// How much of a budget is used, in whole percent, rounded down.
fn percent(used: u32, budget: u32) -> u32 {
    u32::try_from(u64::from(used) * 100 / u64::from(budget.max(1))).unwrap_or(u32::MAX)
}

fn number(value: &AttributeValue) -> u32 {
    let text = value.as_n().map(String::as_str).unwrap_or_default();
    text.parse().unwrap_or(u32::MAX)
}

/// The hour's number since 1970.
fn hour_of(now: Timestamp) -> i64 {
    now.as_millis() / HOUR_MS.cast_signed()
}

/// The counter of the minute: `m00` to `m59`.
fn minute_attribute(now: Timestamp) -> String {
    let minute = now.as_millis() / MINUTE_MS.cast_signed() % 60;
    format!("m{minute:02}")
}

/// Seconds until the window of `now` ends, rounded up; at least 1, because the window has not ended.
fn seconds_to_end(window_ms: u64, now: Timestamp) -> u32 {
    let gone = now.as_millis().unsigned_abs() % window_ms;
    u32::try_from((window_ms - gone).div_ceil(1_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: WindowLimits = WindowLimits {
        per_minute: 100,
        per_hour: 1_000,
    };

    /// So many ms into an hour.
    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_750_000_000_000 / 3_600_000 * 3_600_000 + ms)
    }

    fn no(retry_after_seconds: u32, is_exhausted: bool) -> Counted {
        Counted::No {
            retry_after_seconds,
            is_exhausted,
        }
    }

    #[test]
    fn what_fits_into_both_windows_passes() {
        assert_eq!(LIMITS.judge(1, 99, 999, at(0)), Counted::Yes);
        assert_eq!(LIMITS.judge(100, 0, 900, at(0)), Counted::Yes);
        assert_eq!(LIMITS.judge(1, 100, 100, at(0)), no(60, true));
        assert_eq!(LIMITS.judge(2, 99, 99, at(0)), no(60, false));
        assert_eq!(LIMITS.judge(1, 0, 1_000, at(0)), no(3_600, true));
        assert_eq!(LIMITS.judge(2, 100, 999, at(0)), no(3_600, false));
        assert_eq!(LIMITS.judge(101, 0, 0, at(0)), no(60, false));
        assert_eq!(LIMITS.judge(1_001, 0, 0, at(0)), no(3_600, false));
        assert_eq!(LIMITS.judge(u32::MAX, 1, 1, at(0)), no(3_600, false));
    }

    #[test]
    fn a_limit_of_0_is_off() {
        let off = WindowLimits {
            per_minute: 0,
            per_hour: 0,
        };
        assert_eq!(off.judge(u32::MAX, u32::MAX, u32::MAX, at(0)), Counted::Yes);
        let per_hour = WindowLimits {
            per_minute: 0,
            ..LIMITS
        };
        assert_eq!(per_hour.judge(500, 500, 500, at(0)), Counted::Yes);
        let per_minute = WindowLimits {
            per_hour: 0,
            ..LIMITS
        };
        assert_eq!(per_minute.judge(1, 100, 5_000, at(0)), no(60, true));
    }

    #[test]
    fn the_wait_lasts_to_the_windows_end_and_no_longer_than_the_second() {
        for (ms, seconds) in [(0, 60), (1, 60), (1_000, 59), (59_000, 1), (59_999, 1)] {
            assert_eq!(seconds_to_end(MINUTE_MS, at(ms)), seconds, "{ms}");
            assert_eq!(seconds_to_end(HOUR_MS, at(ms)), seconds + 59 * 60, "{ms}");
        }
    }

    #[test]
    fn each_minute_of_the_hour_has_its_counter() {
        assert_eq!(minute_attribute(at(59_999)), "m00");
        assert_eq!(minute_attribute(at(60_000)), "m01");
        assert_eq!(minute_attribute(at(3_599_999)), "m59");
        assert_eq!(hour_of(at(3_599_999)), hour_of(at(0)));
        assert_eq!(hour_of(at(3_600_000)), hour_of(at(0)) + 1);
    }
}
