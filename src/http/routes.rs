//! The one table of routes. Both routers are built from it and the tests hold `openapi.yaml` to it,
//! so a route can neither be served undocumented nor be documented unserved.

use axum::Router;
use axum::routing::MethodRouter;

/// Which of the two listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Listener {
    /// Public: what AWS and people's scripts reach.
    Hooks,
    /// Private: probes, metrics, status.
    Admin,
}

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// An SNS message.
    Sns,
    /// An EventBridge event.
    EventBridge,
    /// A signed manual trigger.
    Trigger,
    /// Liveness.
    Health,
    /// Readiness.
    Ready,
    /// Prometheus text.
    Metrics,
    /// Status JSON.
    Status,
}

/// One route on one listener.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Method, upper case.
    pub method: &'static str,
    /// Path, without parameters.
    pub path: &'static str,
    /// Where it is served.
    pub listener: Listener,
    /// What answers it.
    pub endpoint: Endpoint,
}

const fn route(listener: Listener, method: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route { method, path, listener, endpoint }
}

/// Every route of the relay.
pub const ROUTES: &[Route] = &[
    route(Listener::Hooks, "POST", "/hooks/sns", Endpoint::Sns),
    route(Listener::Hooks, "POST", "/hooks/eventbridge", Endpoint::EventBridge),
    route(Listener::Hooks, "POST", "/hooks/trigger", Endpoint::Trigger),
    route(Listener::Hooks, "GET", "/healthz", Endpoint::Health),
    route(Listener::Hooks, "GET", "/readyz", Endpoint::Ready),
    route(Listener::Admin, "GET", "/healthz", Endpoint::Health),
    route(Listener::Admin, "GET", "/readyz", Endpoint::Ready),
    route(Listener::Admin, "GET", "/metrics", Endpoint::Metrics),
    route(Listener::Admin, "GET", "/status", Endpoint::Status),
];

/// The routes of one listener, each answered by what `answer` gives for its endpoint.
pub fn router<S>(listener: Listener, answer: impl Fn(Endpoint) -> Option<MethodRouter<S>>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    ROUTES
        .iter()
        .filter(|route| route.listener == listener)
        .filter_map(|route| Some((route.path, answer(route.endpoint)?)))
        .fold(Router::new(), |router, (path, handler)| router.route(path, handler))
}
