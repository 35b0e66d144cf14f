//! The one table of routes. Both routers are built from it and the tests hold `openapi.yaml` to it,
//! so a route can neither be served undocumented nor be documented unserved.

use axum::Router;
use axum::routing::MethodRouter;

/// Which of the two listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Listener {
    /// Public: what AWS and people's scripts reach.
    Hooks,
    /// Private: probes, metrics, status, actions.
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
    /// One target.
    Target,
    /// The page for people.
    Dashboard,
    /// Its style.
    DashboardStyle,
    /// Its script.
    DashboardScript,
    /// What changes, as it changes.
    Events,
    /// An action: a pass that may repeat what was given up.
    Retry,
    /// An action: a look.
    SyncNow,
    /// An action: no runs.
    Pause,
    /// An action: runs again.
    Resume,
}

/// One route on one listener.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Method, upper case.
    pub method: &'static str,
    /// Path; a segment in braces stands for any one segment.
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
    route(Listener::Admin, "GET", "/targets/{target}", Endpoint::Target),
    route(Listener::Admin, "POST", "/targets/{target}/retry", Endpoint::Retry),
    route(Listener::Admin, "POST", "/targets/{target}/sync", Endpoint::SyncNow),
    route(Listener::Admin, "POST", "/targets/{target}/pause", Endpoint::Pause),
    route(Listener::Admin, "POST", "/targets/{target}/resume", Endpoint::Resume),
    route(Listener::Admin, "GET", "/events", Endpoint::Events),
    route(Listener::Admin, "GET", "/", Endpoint::Dashboard),
    route(Listener::Admin, "GET", "/dashboard.css", Endpoint::DashboardStyle),
    route(Listener::Admin, "GET", "/dashboard.js", Endpoint::DashboardScript),
];

/// The path in the table that a request's path is one of.
pub fn path_of(path: &str) -> Option<&'static str> {
    let paths = || ROUTES.iter().map(|route| route.path);
    paths().find(|known| path == *known).or_else(|| paths().find(|known| is_one_of(path, known)))
}

fn is_one_of(path: &str, known: &str) -> bool {
    let (mut segments, mut expected) = (path.split('/'), known.split('/'));
    loop {
        match (segments.next(), expected.next()) {
            (None, None) => return true,
            (Some(segment), Some(known)) if known.starts_with('{') && !segment.is_empty() => {}
            (Some(segment), Some(known)) if segment == known => {}
            _ => return false,
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_by_the_table_and_never_by_what_was_sent() {
        for (path, known) in [
            ("/status", Some("/status")),
            ("/targets/orders-api", Some("/targets/{target}")),
            ("/targets/orders-api/pause", Some("/targets/{target}/pause")),
            ("/targets/", None),
            ("/targets//pause", None),
            ("/targets/a/b/pause", None),
            ("/targets/orders-api/", None),
            ("/status/", None),
            ("", None),
        ] {
            assert_eq!(path_of(path), known, "{path}");
        }
    }
}
