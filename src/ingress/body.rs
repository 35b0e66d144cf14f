//! Reading a request's body as the raw bytes that were signed.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use bytes::Bytes;

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

/// A hook that the configuration does not set up.
pub(super) fn disabled() -> Problem {
    Problem::new(ErrorCode::HookDisabled, "set it up under ingress in the configuration")
}
