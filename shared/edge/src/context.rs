//! What is known of a request before its body is read.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use lambda_http::request::RequestContext as GatewayContext;
use shoptrail_domain::StoreName;
use uuid::Uuid;

/// What the gateway in front tells: API Gateway in its event, the local gateway in a request extension.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The address of the connection, as the gateway itself saw it.
    pub source_ip: Option<IpAddr>,
    /// The gateway's id of the request.
    pub request_id: Option<String>,
}

impl Caller {
    pub(crate) fn of(request: &Request) -> Self {
        match request.extensions().get::<GatewayContext>() {
            Some(GatewayContext::ApiGatewayV2(context)) => Self {
                source_ip: context
                    .http
                    .source_ip
                    .as_deref()
                    .and_then(|address| address.parse().ok()),
                request_id: context.request_id.clone(),
            },
            _ => request
                .extensions()
                .get::<Self>()
                .cloned()
                .unwrap_or_default(),
        }
    }
}

/// One request, for handlers and for its log line.
#[derive(Debug, Clone)]
pub struct RequestContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    request_id: String,
    source_ip: Option<IpAddr>,
    store: OnceLock<String>,
    outcome: OnceLock<&'static str>,
}

impl RequestContext {
    pub(crate) fn new(caller: Caller) -> Self {
        Self(Arc::new(Inner {
            request_id: caller
                .request_id
                .unwrap_or_else(|| Uuid::new_v4().to_string()),
            source_ip: caller.source_ip,
            store: OnceLock::new(),
            outcome: OnceLock::new(),
        }))
    }

    /// The request's id: in the answer's header, in its error and in the log.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// The address of the connection, as the gateway saw it.
    #[must_use]
    pub fn source_ip(&self) -> Option<IpAddr> {
        self.0.source_ip
    }

    /// Notes for the log which store the request was about.
    pub fn note_store(&self, store: Option<&StoreName>) {
        if let Some(store) = store {
            let _ = self.0.store.set(store.to_string());
        }
    }

    /// Notes for the log what became of the request, such as `stored` or `duplicate`.
    pub fn note_outcome(&self, outcome: &'static str) {
        let _ = self.0.outcome.set(outcome);
    }

    pub(crate) fn store(&self) -> Option<&str> {
        self.0.store.get().map(String::as_str)
    }

    pub(crate) fn outcome(&self) -> Option<&'static str> {
        self.0.outcome.get().copied()
    }
}
