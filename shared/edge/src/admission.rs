//! What is asked of every request once its body is understood: whether its credential covers the store, and whether
//! its sender has not sent too much. The one place for both.

use std::collections::BTreeMap;

use shoptrail_domain::StoreName;
use shoptrail_domain::access::Stores;

use crate::limiter::{OnFailure, Requests};
use crate::routes::Group;
use crate::trust::Principal;
use crate::{ApiError, App, RequestContext};

const OTHER_STORE: ApiError = ApiError::Forbidden("This credential is for other stores");

impl RequestContext {
    /// Lets a request pass that writes `cost` things for `store`, or for none that it names: the credential must cover
    /// the store, and the sender must keep the limits.
    ///
    /// # Errors
    ///
    /// [`ApiError::Forbidden`], [`ApiError::RateLimited`], or the database's where it cannot be asked and the route
    /// does not go on without.
    pub async fn admit(
        &self,
        app: &App,
        store: Option<&StoreName>,
        cost: u32,
    ) -> Result<(), ApiError> {
        self.note_store(store);
        self.authorize_writing(store)?;
        self.limit(app, store, cost).await
    }

    /// Whether the request may write into what is bound to `store`. What is bound to none is open to all who may
    /// write: a tracker need not name its store.
    ///
    /// # Errors
    ///
    /// [`ApiError::Forbidden`].
    pub fn authorize_writing(&self, store: Option<&StoreName>) -> Result<(), ApiError> {
        self.note_authorized();
        match store {
            Some(store) if !self.principal().stores().contain(store) => Err(OTHER_STORE),
            _ => Ok(()),
        }
    }

    /// Whether the request may read what is bound to `store`. What is bound to none is for keys of all stores.
    ///
    /// # Errors
    ///
    /// [`ApiError::Forbidden`].
    pub fn authorize_reading(&self, store: Option<&StoreName>) -> Result<(), ApiError> {
        match store {
            None if *self.principal().stores() != Stores::All => {
                self.note_authorized();
                Err(OTHER_STORE)
            }
            store => self.authorize_writing(store),
        }
    }

    /// Lets a batch pass that writes `costs` things for each of several stores: the credential must cover all of them,
    /// and the sender must keep the limits with all of it. Nothing passes in part.
    ///
    /// # Errors
    ///
    /// As [`Self::admit`].
    pub async fn admit_batch(
        &self,
        app: &App,
        costs: &BTreeMap<&StoreName, u32>,
    ) -> Result<(), ApiError> {
        for store in costs.keys() {
            self.authorize_writing(Some(store))?;
        }
        let total = costs
            .values()
            .fold(0, |sum: u32, cost| sum.saturating_add(*cost));
        self.limit_sender(app, total).await?;
        for (store, cost) in costs {
            self.limit_store(app, store, *cost).await?;
        }
        Ok(())
    }

    /// Counts the request against the limits of its sender and of the store.
    ///
    /// # Errors
    ///
    /// [`ApiError::RateLimited`], or the database's where it cannot be asked and the route does not go on without.
    pub async fn limit(
        &self,
        app: &App,
        store: Option<&StoreName>,
        cost: u32,
    ) -> Result<(), ApiError> {
        self.limit_sender(app, cost).await?;
        match store {
            Some(store) => self.limit_store(app, store, cost).await,
            None => Ok(()),
        }
    }

    async fn limit_sender(&self, app: &App, cost: u32) -> Result<(), ApiError> {
        let (limits, requests) = (app.config.limits, self.requests(app, cost));
        match self.principal() {
            Principal::Shopify | Principal::Key { id: None, .. } => Ok(()),
            Principal::Key { id: Some(id), .. } => {
                app.limiter
                    .count_key(&app.store, id, limits.key_per_minute, requests)
                    .await
            }
            Principal::Public | Principal::AppProxy(_) => {
                let address = self.limited_address();
                app.limiter
                    .count_client(&app.store, address, limits.client, requests)
                    .await
            }
        }
    }

    /// Not for those whom no limit holds at all.
    async fn limit_store(&self, app: &App, store: &StoreName, cost: u32) -> Result<(), ApiError> {
        let is_limited = !matches!(
            self.principal(),
            Principal::Shopify | Principal::Key { id: None, .. }
        );
        if !is_limited || !matches!(self.group(), Group::CartTracking | Group::SessionIngest) {
            return Ok(());
        }
        let limits = app.config.limits;
        app.limiter
            .count_store(
                &app.store,
                store,
                limits.store_per_minute,
                self.requests(app, cost),
            )
            .await
    }

    fn requests(&self, app: &App, count: u32) -> Requests {
        Requests {
            count,
            on_failure: match self.group() {
                // What shoppers do goes on being recorded.
                Group::CartTracking | Group::SessionIngest => OnFailure::GoOn,
                Group::AskAi | Group::Read | Group::Privacy | Group::Service => OnFailure::Refuse,
            },
            now: app.clock.now(),
        }
    }
}
