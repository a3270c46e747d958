//! What is known of a request before its body is read.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::extract::Request;
use lambda_http::request::RequestContext as GatewayContext;
use shoptrail_domain::StoreName;
use shoptrail_domain::refusal::Refusal;
use uuid::Uuid;

use crate::metrics::Noted;
use crate::routes::Group;
use crate::trust::Principal;

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
    trace_id: Option<String>,
    source_ip: Option<IpAddr>,
    group: Group,
    sender: OnceLock<Sender>,
    is_authorized: OnceLock<()>,
    store: OnceLock<String>,
    outcome: OnceLock<&'static str>,
    refusals: Mutex<Vec<(Refusal, u64)>>,
    noted: Mutex<Noted>,
}

/// Who sent the request.
#[derive(Debug)]
struct Sender {
    principal: Principal,
    limited_address: Option<IpAddr>,
}

impl RequestContext {
    pub(crate) fn new(caller: Caller, trace_id: Option<&str>, group: Group) -> Self {
        Self(Arc::new(Inner {
            request_id: caller
                .request_id
                .unwrap_or_else(|| Uuid::new_v4().to_string()),
            trace_id: trace_id.map(str::to_owned),
            source_ip: caller.source_ip,
            group,
            sender: OnceLock::new(),
            is_authorized: OnceLock::new(),
            store: OnceLock::new(),
            outcome: OnceLock::new(),
            refusals: Mutex::default(),
            noted: Mutex::default(),
        }))
    }

    /// Keeps on whose behalf the request comes, and for which address it is counted.
    pub(crate) fn note_sender(&self, principal: Principal, limited_address: Option<IpAddr>) {
        let _ = self.0.sender.set(Sender {
            principal,
            limited_address,
        });
    }

    /// On whose behalf the request comes.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        self.0
            .sender
            .get()
            .map_or(&Principal::Public, |sender| &sender.principal)
    }

    pub(crate) fn limited_address(&self) -> Option<IpAddr> {
        self.0.sender.get()?.limited_address
    }

    pub(crate) fn group(&self) -> Group {
        self.0.group
    }

    pub(crate) fn note_authorized(&self) {
        let _ = self.0.is_authorized.set(());
    }

    /// Whether the handler asked which stores the credential covers.
    pub(crate) fn is_authorized(&self) -> bool {
        self.0.is_authorized.get().is_some()
    }

    /// Notes what of the request was not stored, for the merchant to see.
    pub fn note_refusal(&self, reason: Refusal, count: u64) {
        let mut refusals = self
            .0
            .refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        refusals.push((reason, count));
    }

    pub(crate) fn take_refusals(&self) -> Vec<(Refusal, u64)> {
        std::mem::take(
            &mut self
                .0
                .refusals
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// What was noted for the metrics.
    pub(crate) fn noted(&self) -> MutexGuard<'_, Noted> {
        // Nothing is left half done under this lock.
        self.0.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of the request's trace: in the log and the metrics.
    pub(crate) fn trace_id(&self) -> Option<&str> {
        self.0.trace_id.as_deref()
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
