//! Reading a request's body as the raw bytes that were signed.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::config::Limits;
use crate::http::{ErrorCode, Problem};

/// The whole body; the limit is the router's.
pub(super) async fn read(request: Request<Body>) -> Result<Bytes, Problem> {
    Bytes::from_request(request, &()).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Problem::new(ErrorCode::TooLarge, "the limit is set by the relay's configuration")
        } else {
            Problem::new(ErrorCode::Malformed, "the body could not be read to its end").because(rejection)
        }
    })
}

/// Reads and forgets what is still to come, within the limits of a request. A sender who is answered
/// while it sends, and then finds the connection closed, may never read the answer.
pub(super) async fn spill(request: Request<Body>, limits: &Limits) {
    let mut body = request.into_body().into_data_stream();
    let mut left = limits.body_bytes;
    let spilling = async {
        while let Some(Ok(piece)) = body.next().await {
            let Some(rest) = left.checked_sub(piece.len()) else { return };
            left = rest;
        }
    };
    // However far it came, the answer follows.
    timeout(limits.request_timeout, spilling).await.ok();
}

/// A hook that the configuration does not set up.
pub(super) fn disabled() -> Problem {
    Problem::new(ErrorCode::HookDisabled, "set it up under ingress in the configuration")
}
