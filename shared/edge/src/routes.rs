//! Every route that exists, and what a caller needs for it: the one place that says so. `template.yaml`
//! leads the same routes to their functions, and a test holds the two against each other.

use std::fmt;
use std::str::FromStr;

use axum::http::Method;
use shoptrail_domain::access::Scope;
use shoptrail_domain::limits::{
    ASK_AI_BODY_BYTES, BATCH_BODY_BYTES, BODY_BYTES, INGEST_BODY_BYTES,
};

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `GET`, `POST` or `DELETE`; `HEAD` goes with `GET`.
    pub method: &'static str,
    /// The path, with `{name}` for a variable segment. What begins with `/api` also answers without it,
    /// because a Shopify app proxy forwards what follows its own prefix.
    pub path: &'static str,
    /// Who may call.
    pub access: Access,
    /// What it is switched off with.
    pub group: Group,
    /// The most that a body may hold, in bytes.
    pub body_bytes: usize,
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone; credentials are not looked at.
    Anyone,
    /// A browser in a storefront, through the tracker's own routes.
    Tracker,
    /// A storefront, or a key with the scope `write`.
    Storefront,
    /// A key with this scope.
    Key(Scope),
    /// Shopify, by its signature of the body.
    Webhook,
}

impl Access {
    /// The scope that a key needs; `None` where keys are not looked at.
    #[must_use]
    pub fn scope(self) -> Option<Scope> {
        match self {
            Self::Anyone | Self::Webhook => None,
            Self::Tracker | Self::Storefront => Some(Scope::Write),
            Self::Key(scope) => Some(scope),
        }
    }
}

/// Routes that are switched off together, at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Health and documents: never off.
    Service,
    /// Cart events and image generations.
    CartTracking,
    /// Browsing events.
    SessionIngest,
    /// Popup decisions.
    AskAi,
    /// What is read with a key.
    Read,
    /// Erasure and Shopify's compliance webhooks.
    Privacy,
}

impl Group {
    /// Those that can be switched off.
    pub const ALL: [Self; 5] = [
        Self::CartTracking,
        Self::SessionIngest,
        Self::AskAi,
        Self::Read,
        Self::Privacy,
    ];

    /// The group's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::CartTracking => "cart-tracking",
            Self::SessionIngest => "session-ingest",
            Self::AskAi => "ask-ai",
            Self::Read => "read",
            Self::Privacy => "privacy",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Group {
    type Err = NotAGroup;

    fn from_str(text: &str) -> Result<Self, NotAGroup> {
        Self::ALL
            .into_iter()
            .find(|group| group.as_str() == text)
            .ok_or(NotAGroup)
    }
}

/// A text that names no group that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a route group is cart-tracking, session-ingest, ask-ai, read or privacy")]
pub struct NotAGroup;

impl Route {
    const fn open(path: &'static str) -> Self {
        Self {
            method: "GET",
            path,
            access: Access::Anyone,
            group: Group::Service,
            body_bytes: BODY_BYTES,
        }
    }

    const fn read(path: &'static str) -> Self {
        Self {
            method: "GET",
            path,
            access: Access::Key(Scope::Read),
            group: Group::Read,
            body_bytes: BODY_BYTES,
        }
    }

    const fn erase(method: &'static str, path: &'static str) -> Self {
        Self {
            method,
            path,
            access: Access::Key(Scope::Erase),
            group: Group::Privacy,
            body_bytes: BODY_BYTES,
        }
    }

    const fn post(path: &'static str, access: Access, group: Group, body_bytes: usize) -> Self {
        Self {
            method: "POST",
            path,
            access,
            group,
            body_bytes,
        }
    }

    /// Whether its errors carry `"ok": false`.
    #[must_use]
    pub fn is_tracker(&self) -> bool {
        self.access == Access::Tracker || self.path.starts_with("/sessions/")
    }
}

/// Where the tracker's script is, whatever other path it has as well.
pub const TRACKER: &str = "/tracker.js";

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::post(
        "/api/cart-tracking/track",
        Access::Storefront,
        Group::CartTracking,
        BODY_BYTES,
    ),
    Route::post(
        "/api/cart-tracking/batch",
        Access::Storefront,
        Group::CartTracking,
        BATCH_BODY_BYTES,
    ),
    Route::post(
        "/api/image-generations/track",
        Access::Storefront,
        Group::CartTracking,
        BODY_BYTES,
    ),
    Route::read("/api/cart-tracking/events"),
    Route::read("/api/cart-tracking/all"),
    Route::read("/api/cart-tracking/customer/{customerId}/store/{storeName}"),
    Route::read("/api/cart-tracking/analytics"),
    Route::read("/api/cart-tracking/journey"),
    Route::read("/api/cart-tracking/export"),
    Route::read("/api/cart-tracking/refusals"),
    Route::read("/api/image-generations/all"),
    Route::post(
        "/ingest",
        Access::Tracker,
        Group::SessionIngest,
        INGEST_BODY_BYTES,
    ),
    Route::post(
        "/events",
        Access::Tracker,
        Group::SessionIngest,
        INGEST_BODY_BYTES,
    ),
    Route::read("/sessions/{session}"),
    Route::post("/askai", Access::Tracker, Group::AskAi, ASK_AI_BODY_BYTES),
    Route::post(
        "/askai/outcome",
        Access::Tracker,
        Group::AskAi,
        ASK_AI_BODY_BYTES,
    ),
    Route::erase("DELETE", "/api/privacy/customers"),
    Route::erase("GET", "/api/privacy/customers/{receiptId}"),
    Route::read("/api/privacy/requests"),
    Route::read("/api/privacy/requests/{requestId}"),
    Route::post(
        "/webhooks/shopify",
        Access::Webhook,
        Group::Privacy,
        BODY_BYTES,
    ),
    Route::open("/health"),
    Route::open("/healthz"),
    Route::open("/openapi.json"),
    Route::open("/docs"),
    Route::open("/docs/{file}"),
    Route::open("/dashboard"),
    Route::open("/dashboard/{file}"),
    Route::open(TRACKER),
];

/// What a method and a path lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// This route.
    Found(&'static Route),
    /// The path has other methods.
    OtherMethod {
        /// They, comma separated.
        allow: String,
        /// The first route of the path.
        route: &'static Route,
    },
    /// No route has this path.
    NotFound,
}

/// Finds the route of a request.
#[must_use]
pub fn find(method: &Method, path: &str) -> Match {
    let wanted = if method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let mut others = ROUTES
        .iter()
        .filter(|route| covers(route.path, path))
        .peekable();
    let Some(first) = others.peek().copied() else {
        return Match::NotFound;
    };
    let mut methods = Vec::new();
    for route in others {
        if route.method == wanted {
            return Match::Found(route);
        }
        methods.push(route.method);
        if route.method == "GET" {
            methods.push("HEAD");
        }
    }
    Match::OtherMethod {
        allow: methods.join(", "),
        route: first,
    }
}

fn covers(pattern: &str, path: &str) -> bool {
    is_like(pattern, path)
        || pattern
            .strip_prefix("/api")
            .is_some_and(|pattern| is_like(pattern, path))
}

fn is_like(pattern: &str, path: &str) -> bool {
    // Most patterns are paths as they stand, and every request is held against all of them.
    if !pattern.contains('{') {
        return pattern == path;
    }
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given))
                if wanted == given || (wanted.starts_with('{') && !given.is_empty()) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_route_with_and_without_api() {
        let path = |method: Method, path: &str| match find(&method, path) {
            Match::Found(route) => route.path,
            Match::OtherMethod { .. } => "405",
            Match::NotFound => "404",
        };
        assert_eq!(
            path(Method::POST, "/api/cart-tracking/track"),
            "/api/cart-tracking/track"
        );
        assert_eq!(
            path(Method::POST, "/cart-tracking/track"),
            "/api/cart-tracking/track"
        );
        assert_eq!(path(Method::HEAD, "/healthz"), "/healthz");
        assert_eq!(path(Method::GET, "/sessions/s-1"), "/sessions/{session}");
        assert_eq!(path(Method::GET, "/sessions/"), "404");
        assert_eq!(path(Method::GET, "/sessions/a/b"), "404");
        assert_eq!(path(Method::GET, "/"), "404");
        assert_eq!(path(Method::GET, "/ingest"), "405");
        assert!(
            matches!(find(&Method::DELETE, "/healthz"), Match::OtherMethod { allow, .. } if allow == "GET, HEAD")
        );
    }
}
