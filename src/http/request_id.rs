//! The id that ties an answer to the lines of the log.
//!
//! A caller's own `x-request-id` is kept when it is short and plain, so that nothing which a stranger
//! sends can forge a log line or fill the log; otherwise a fresh one is made. (tower-http's layer
//! keeps whatever was sent.)

use std::fmt;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header, in requests and answers.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// A request id: 1 to 128 of `[A-Za-z0-9._:/+=@-]`.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Takes an id over, if it is a plain one.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:/+=@-".contains(&b);
        ((1..=128).contains(&text.len()) && text.bytes().all(plain)).then(|| Self(text.into()))
    }

    /// A fresh one. It tells requests apart and proves nothing, so it costs no look at the system's random numbers.
    pub fn fresh() -> Self {
        Self(uuid::Uuid::from_u128(fastrand::u128(..)).simple().to_string().into())
    }

    /// The id of a request: its own, or a fresh one.
    pub fn of(headers: &HeaderMap) -> Self {
        headers
            .get(HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(Self::parse)
            .unwrap_or_else(Self::fresh)
    }

    /// The id that a request was given ([`super::envelope`]).
    pub(crate) fn given(request: &Request) -> Self {
        request.extensions().get().cloned().unwrap_or_else(|| Self::of(request.headers()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a header.
    pub(super) fn header_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HEADER, HeaderValue::from_bytes(value.as_bytes()).unwrap())])
    }

    #[test]
    fn a_plain_id_of_the_caller_is_kept() {
        let trace = "Root=1-67891233-abcdef012345678912345678";
        assert_eq!(RequestId::of(&with(trace)).as_str(), trace);
    }

    #[test]
    fn anything_else_is_replaced() {
        for odd in ["", "two words", "quote\"", "\u{e9}", &"a".repeat(129)] {
            let id = RequestId::of(&with(odd));
            assert_ne!(id.as_str(), odd);
            assert_eq!(id.as_str().len(), 32);
        }
    }
}
