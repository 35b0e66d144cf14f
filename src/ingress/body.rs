//! Reading a request's body as the raw bytes that were signed.

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::places::Place;
use crate::config::Limits;
use crate::http::{ErrorCode, Problem};

/// The whole body, of at most `limit` bytes. It takes no more than twice as much memory, in however
/// many pieces it comes: each piece by itself would hold the buffer that it was read into.
pub(super) async fn read(body: Body, limit: usize, place: &Place) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(ErrorCode::TooLarge, "the limit is set by the relay's configuration");
    if usize::try_from(body.size_hint().lower()).map_or(true, |announced| announced > limit) {
        return Err(too_large());
    }
    let (mut pieces, mut whole) = (body.into_data_stream(), Vec::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| {
            Problem::new(ErrorCode::Malformed, "the body could not be read to its end").because(error)
        })?;
        if piece.len() > limit - whole.len() {
            return Err(too_large());
        }
        whole.extend_from_slice(&piece);
        place.holds(whole.capacity())?;
    }
    Ok(whole.into())
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
