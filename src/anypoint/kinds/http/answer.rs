//! What a receiver's answer means.
//!
//! Guarantee: nothing of an answer reaches a message but its status; its body is read only where
//! `expect` asks for a part of it, and no more than [`LONGEST_ANSWER`].

use std::time::Duration;

use reqwest::StatusCode;

use crate::anypoint::body::Parsed;
use crate::anypoint::error::Status;
use crate::config::Expect;
use crate::model::{FailureCode, Retry};
use crate::outbound::{self, ReadError};
use crate::secret::SecretValue;

/// Longest body in which a part is looked for.
const LONGEST_ANSWER: usize = 64 * 1024;

const AGAIN: &str = "none: it is tried again";
const CHECK: &str = "none: it is tried again; if it stays, look at the receiver, or correct `expect`";

/// Why an answer does not mean that the write is in force.
pub(super) struct Unmet {
    pub(super) code: FailureCode,
    pub(super) retry: Retry,
    pub(super) what: String,
    pub(super) next_step: &'static str,
    /// Whether the write may have taken effect all the same.
    pub(super) ambiguous: bool,
}

/// Whether this status is one that was expected, a 2xx if nothing was said. `asked` is the wait that the
/// answer asks for.
pub(super) fn status(
    status: StatusCode,
    asked: Option<Duration>,
    expect: Option<&Expect>,
) -> Result<(), Unmet> {
    let met = match expect {
        Some(expect) => expect.status.iter().any(|expected| expected.is(status.as_u16())),
        None => status.is_success(),
    };
    if met {
        return Ok(());
    }
    let mut unmet = refused(status, asked);
    if let Some(expect) = expect {
        let expected: Vec<String> = expect.status.iter().map(ToString::to_string).collect();
        unmet.what = format!("{}, expected {}", unmet.what, expected.join(" or "));
        // A receiver that is not ready yet may say anything; one that is gone for good (410) says so.
        if matches!(unmet.retry, Retry::Never | Retry::Slowly) && status != StatusCode::GONE {
            unmet.retry = Retry::Backoff;
        }
    }
    Err(unmet)
}

fn refused(status: StatusCode, asked: Option<Duration>) -> Unmet {
    let asked = asked.map_or(Retry::Backoff, Retry::CoolDown);
    let (code, retry, next_step) = match status.as_u16() {
        200..=299 => (FailureCode::BadAnswer, Retry::Backoff, CHECK),
        300..=399 => (
            FailureCode::Rejected,
            Retry::Never,
            "set `url` to the final address: redirects are not followed",
        ),
        401 | 403 => (
            FailureCode::Denied,
            Retry::Slowly,
            "check that the receiver verifies with the same key and that the clocks agree",
        ),
        404 => (FailureCode::NotFound, Retry::Slowly, "check `url`, and that the receiver runs"),
        408 => (FailureCode::Timeout, Retry::Backoff, AGAIN),
        409 | 423 | 425 => (FailureCode::Conflict, Retry::Backoff, AGAIN),
        // Standard Webhooks: the receiver wants no more messages.
        410 => (
            FailureCode::Rejected,
            Retry::Never,
            "the receiver is gone for good: correct or remove the target",
        ),
        429 => (FailureCode::RateLimited, asked, AGAIN),
        503 => (FailureCode::Unavailable, asked, AGAIN),
        500..=599 => (FailureCode::Unavailable, Retry::Backoff, AGAIN),
        _ => (FailureCode::Rejected, Retry::Never, "look at the receiver's log: it refuses the request"),
    };
    let ambiguous = status.is_success() || status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT;
    Unmet { code, retry, what: Status(status).to_string(), next_step, ambiguous }
}

/// Whether the body says what was expected of it.
pub(super) async fn body(answer: reqwest::Response, expect: &Expect) -> Result<(), Unmet> {
    if expect.json.is_empty() {
        return Ok(());
    }
    let unmet = |code, what: String, next_step| {
        Err(Unmet { code, retry: Retry::Backoff, what, next_step, ambiguous: true })
    };
    let body = match outbound::read_bounded(answer, LONGEST_ANSWER).await {
        Ok(body) => SecretValue::new(Vec::from(body)),
        Err(ReadError::Timeout) => {
            return unmet(FailureCode::Timeout, "the answer did not end in time".to_owned(), AGAIN);
        }
        Err(error @ ReadError::TooLarge { .. }) => {
            return unmet(FailureCode::BadAnswer, error.to_string(), CHECK);
        }
        Err(error @ ReadError::Broken(_)) => {
            return unmet(FailureCode::Unavailable, error.to_string(), AGAIN);
        }
    };
    let Some(parsed) = Parsed::from_slice(body.expose_bytes()) else {
        return unmet(FailureCode::BadAnswer, "the answer is not JSON, as `expect` asks".to_owned(), CHECK);
    };
    for (pointer, expected) in &expect.json {
        match parsed.value().pointer(pointer) {
            Some(found) if found == expected => {}
            Some(_) => {
                let what = format!("{pointer} of the answer is not what `expect` says");
                return unmet(FailureCode::BadAnswer, what, CHECK);
            }
            None => {
                return unmet(FailureCode::BadAnswer, format!("the answer has no {pointer}"), CHECK);
            }
        }
    }
    Ok(())
}
