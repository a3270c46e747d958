//! All functions behind the gateway, before a database that tells what is spent.

use axum::body::Body;
use axum::http::Request;
use axum::http::request::Builder;
use serde_json::Value;
use shoptrail_domain::access::{ApiKey, Scope};
use shoptrail_edge::config::Deployment;
use shoptrail_local::testing::{TestDb, TestShop};

use super::sample::USER_AGENT;
use crate::capacity::{CapacityProxy, Cost};
use crate::failure::{BenchResult, Failure};

/// Longer than a minute, in which requests of one client, key or store are counted together.
pub(super) const NEXT_MINUTE_SECONDS: i64 = 61;
/// Between two messages of a session.
pub(super) const PAUSE_SECONDS: i64 = 15;

/// A shop whose database is measured.
pub(super) struct Bench {
    pub(super) shop: TestShop,
    pub(super) proxy: CapacityProxy,
    /// With all scopes, for all stores.
    key: ApiKey,
}

impl Bench {
    pub(super) async fn start(settings: &[(&str, &str)]) -> BenchResult<Self> {
        let db = TestDb::start().await;
        let proxy = CapacityProxy::start(db.endpoint_url()).await?;
        // As on AWS, but for the holdout, in which no decision is made, and for the credential: browsers' requests are
        // counted by their clients, which is the usual way.
        let own = [("PUBLIC_INGEST", "all"), ("HOLDOUT_PERCENT", "0")];
        let settings: Vec<_> = settings.iter().chain(&own).copied().collect();
        let shop = TestShop::start_at(db, &proxy.url, Deployment::Lambda, &settings);
        let key = shop.create_key(&Scope::ALL, &["*"]).await;
        let bench = Self { shop, proxy, key };
        bench.settle(0).await;
        Ok(bench)
    }

    /// Lets time pass, and the process read again what it reads every few seconds, the switches and the key: that is
    /// none of the next request's.
    pub(super) async fn settle(&self, seconds: i64) {
        self.shop.pass_seconds(seconds);
        let request = self.with_key(Request::get("/sessions/none"));
        self.shop.send(request, &Value::Null).await;
        self.proxy.take();
    }

    pub(super) fn with_key(&self, request: Builder) -> Builder {
        request.header("x-api-key", self.key.expose())
    }

    /// A request of a browser; what it costs.
    pub(super) async fn post(
        &self,
        path: &'static str,
        body: &Value,
    ) -> BenchResult<(Cost, Value)> {
        let request = Request::post(path).header("user-agent", USER_AGENT);
        let answer = self.shop.send(request, body).await;
        check(path, 200, answer.status)?;
        Ok((self.proxy.take(), answer.json))
    }

    /// The same in a minute of its own.
    pub(super) async fn post_alone(&self, path: &'static str, body: &Value) -> BenchResult<Cost> {
        self.settle(NEXT_MINUTE_SECONDS).await;
        Ok(self.post(path, body).await?.0)
    }

    /// A request with a key; what it costs.
    pub(super) async fn with(
        &self,
        path: &'static str,
        request: Builder,
        body: &Value,
    ) -> BenchResult<Cost> {
        let answer = self.shop.send(self.with_key(request), body).await;
        check(path, 200, answer.status)?;
        Ok(self.proxy.take())
    }

    /// What is read with a key; its answer holds customers' data, for which the test's helpers would search it.
    pub(super) async fn get(&self, path: &'static str, query: &str) -> BenchResult<Cost> {
        self.settle(NEXT_MINUTE_SECONDS).await;
        let request = self.with_key(Request::get(format!("{path}{query}")));
        let request = request.body(Body::empty()).map_err(|_| Failure::Sample)?;
        let answer = self.shop.answer(request).await;
        check(path, 200, answer.status().as_u16())?;
        Ok(self.proxy.take())
    }
}

pub(super) fn check(path: &'static str, expected: u16, found: u16) -> BenchResult<()> {
    if found == expected {
        Ok(())
    } else {
        Err(Failure::Answer {
            function: path,
            expected: expected.into(),
            found: found.into(),
        })
    }
}
