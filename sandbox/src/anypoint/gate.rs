//! The limits per second that stand before the APIs (contract 1.7, 2.5, 3c).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};

use super::answer::{Answer, Family, error};
use super::limits::SlidingSecond;
use super::world::{Shared, World};

/// The Application Manager's limit, and the header that all of its answers carry.
pub(crate) async fn applications(shared: State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response =
        pass(&shared, Family::Applications, |world| &mut world.application_manager, request, next).await;
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        response.headers_mut().insert("x-anypnt-trx-id", id);
    }
    response
}

/// The Secrets Manager's limit.
pub(crate) async fn secrets(shared: State<Arc<Shared>>, request: Request, next: Next) -> Response {
    pass(&shared, Family::Secrets, |world| &mut world.secrets_manager, request, next).await
}

/// The limit of CloudHub 1.0, which always answers 503.
pub(crate) async fn cloudhub(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let fits = {
        let mut world = shared.lock();
        let now = world.now();
        world.cloudhub.take(peer(&request), now)
    };
    if fits {
        return next.run(request).await;
    }
    Answer::text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable").into_response()
}

async fn pass(
    shared: &Shared,
    family: Family,
    limit: impl Fn(&mut World) -> &mut SlidingSecond,
    request: Request,
    next: Next,
) -> Response {
    let peer = peer(&request);
    let refusal = {
        let mut world = shared.lock();
        let now = world.now();
        let limit = limit(&mut world);
        let fits = limit.take(peer, now);
        let per_second = limit.limit.unwrap_or_default();
        (!fits).then(|| over_the_limit(&world, family, per_second))
    };
    match refusal {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

fn peer(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(peer)| peer.ip())
}

fn over_the_limit(world: &World, family: Family, per_second: u32) -> Answer {
    let rules = &world.rules;
    let answer = if rules.limit_answers_503 {
        error(family, rules, StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
    } else {
        error(family, rules, StatusCode::TOO_MANY_REQUESTS, "Too Many Requests")
    };
    if !rules.limit_headers {
        return answer;
    }
    answer
        .header("x-ratelimit-limit", per_second.to_string())
        .header("x-ratelimit-remaining", "0".to_owned())
        .header("x-ratelimit-reset", (world.now().as_second() + 1).to_string())
}
