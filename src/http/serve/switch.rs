//! The router that is in force, which another can take the place of.

use std::sync::{Arc, PoisonError, RwLock};

use axum::body::Body;
use axum::response::Response;
use http::Request;
use tokio_util::task::TaskTracker;

use crate::http::envelope::Sealed;

/// The router that answers the next request; cheap to clone.
#[derive(Clone)]
pub struct Switch(Arc<RwLock<Held>>);

#[derive(Clone)]
struct Held {
    router: Sealed,
    under_way: TaskTracker,
}

impl Held {
    fn new(router: Sealed) -> Self {
        Self { router, under_way: TaskTracker::new() }
    }
}

/// The requests that the last router still answers.
#[must_use = "what they need is to be kept until they are over"]
pub struct Rest(TaskTracker);

impl Switch {
    /// With this router until another is put.
    pub fn new(router: Sealed) -> Self {
        Self(Arc::new(RwLock::new(Held::new(router))))
    }

    /// From now on requests are answered by `router`; those under way stay with the last one.
    pub fn put(&self, router: Sealed) -> Rest {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let last = std::mem::replace(&mut *held, Held::new(router));
        last.under_way.close();
        Rest(last.under_way)
    }

    pub(super) async fn answer(&self, request: Request<Body>) -> Response {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        held.under_way.track_future(held.router.answer(request)).await
    }
}

impl Rest {
    /// Returns when the last of them has its answer.
    pub async fn over(&self) {
        self.0.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::routing::get;
    use tokio::sync::Notify;

    use super::*;

    async fn ask(switch: &Switch) -> String {
        let answer = switch.answer(Request::new(Body::empty())).await;
        String::from_utf8(axum::body::to_bytes(answer.into_body(), 100).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_request_is_answered_by_the_next_router_and_one_under_way_by_its_own() {
        let (arrived, let_go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (arrived, let_go) = (Arc::clone(&arrived), Arc::clone(&let_go));
            async move || {
                arrived.notify_one();
                let_go.notified().await;
                "first"
            }
        };
        let sealed = |router| Sealed::new(router, |_, _| {});
        let switch = Switch::new(sealed(Router::new().route("/", get(slow))));
        let under_way = tokio::spawn({
            let switch = switch.clone();
            async move { ask(&switch).await }
        });
        arrived.notified().await;
        let rest = switch.put(sealed(Router::new().route("/", get(async || "second"))));
        assert_eq!(ask(&switch).await, "second");
        let waited = tokio::time::timeout(Duration::from_secs(1), rest.over()).await;
        assert!(waited.is_err(), "one is under way");
        let_go.notify_one();
        rest.over().await;
        assert_eq!(under_way.await.unwrap(), "first");
    }
}
