//! Errors as RFC 9457 problems with a stable `code`.
//!
//! Guarantees: the body holds fixed texts and the request id, never the text of an inner error; that
//! text travels beside the answer as [`Problem::reason`] and ends in the log. The status follows
//! from the code alone, so one code never means two statuses.
//!
//! A [`Problem`] gets its body from [`super::envelope`], the one place that knows the request id.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::RequestId;
use crate::model::RefusalReason;

/// The media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:ident, $title:literal;)+) => {
        /// Every reason why a request is refused. A closed set, equal to the `code` enum of
        /// `openapi.yaml`; also a metric label.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ErrorCode { $($(#[$doc])* $variant,)+ }

        impl ErrorCode {
            /// Every code, in declaration order.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)+];

            /// The stable text of the code.
            pub fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $text,)+ }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> StatusCode {
                match self { $(ErrorCode::$variant => StatusCode::$status,)+ }
            }

            /// One line for people.
            pub fn title(self) -> &'static str {
                match self { $(ErrorCode::$variant => $title,)+ }
            }
        }
    };
}

error_codes! {
    /// The body or a parameter is not what the route takes.
    Malformed = "malformed", BAD_REQUEST, "The request is malformed";
    /// No valid API key, Basic credential or bearer token (EventBridge), no valid signature (trigger).
    Unauthorized = "unauthorized", UNAUTHORIZED, "The request does not prove who sent it";
    /// A validly formed trigger whose timestamp is too far from the relay's clock.
    TriggerOutsideWindow = "trigger_outside_window", UNAUTHORIZED, "The trigger's timestamp is outside the tolerance";
    /// The SNS signature, its certificate or the certificate's address was refused.
    SignatureRefused = "signature_refused", FORBIDDEN, "The SNS message does not prove that AWS sent it";
    /// A topic that the configuration does not list.
    TopicNotListed = "topic_not_listed", FORBIDDEN, "The topic is not listed";
    /// An SNS message that is too old, or from the future.
    MessageOutsideWindow = "message_outside_window", FORBIDDEN, "The SNS message is outside the time window";
    /// Raw message delivery carries no signature.
    RawDelivery = "raw_delivery", FORBIDDEN, "Raw message delivery is not accepted";
    /// No such path.
    NotFound = "not_found", NOT_FOUND, "There is nothing at this path";
    /// The hook exists but the configuration does not enable it.
    HookDisabled = "hook_disabled", NOT_FOUND, "This hook is not configured";
    /// A trigger that names a secret or target which the configuration does not have.
    NotConfigured = "not_configured", NOT_FOUND, "Nothing is configured for this";
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The method is not allowed";
    /// A reader's token, where an operator's is needed.
    Forbidden = "forbidden", FORBIDDEN, "The token does not allow this";
    /// A browser asks for the page of another site.
    CrossSite = "cross_site", FORBIDDEN, "The request comes from a page of another site";
    /// A listener without tokens was called by another name than this machine's.
    ForeignHost = "foreign_host", FORBIDDEN, "The request is not addressed to this machine";
    /// An action without `content-type: application/json`.
    NotJson = "not_json", UNSUPPORTED_MEDIA_TYPE, "The body is not declared to be JSON";
    /// An action that makes no sense as the target stands.
    Conflict = "conflict", CONFLICT, "The target's state does not allow this";
    /// A trigger whose id was seen before.
    Duplicate = "duplicate", CONFLICT, "This trigger was already accepted";
    /// The body is larger than the configured limit.
    TooLarge = "too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// Too many requests from this address did not prove who sent them.
    TooManyFailures = "too_many_failures", TOO_MANY_REQUESTS, "Too many attempts from this address failed";
    /// A bug of the relay.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The relay failed";
    /// The signing certificate could not be fetched now.
    CertificateUnavailable = "certificate_unavailable", SERVICE_UNAVAILABLE, "The signing certificate could not be fetched";
    /// The keys that a bearer token is checked with could not be fetched now.
    KeysUnavailable = "keys_unavailable", SERVICE_UNAVAILABLE, "The issuer's keys could not be fetched";
    /// The subscription could not be confirmed now.
    ConfirmationFailed = "confirmation_failed", SERVICE_UNAVAILABLE, "The subscription could not be confirmed";
    /// The relay is not up yet.
    Starting = "starting", SERVICE_UNAVAILABLE, "The relay is starting";
    /// The relay is shutting down.
    Draining = "draining", SERVICE_UNAVAILABLE, "The relay is shutting down";
    /// Too many requests at once.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The relay is overloaded";
    /// The request was not done within the time limit.
    Timeout = "timeout", SERVICE_UNAVAILABLE, "The request took too long";
    /// Asked by a readiness probe only.
    NotReady = "not_ready", SERVICE_UNAVAILABLE, "The relay is not ready";
}

impl ErrorCode {
    /// Seconds after which trying again makes sense. EventBridge takes the longer of this and its own
    /// delay.
    pub fn retry_after(self) -> Option<u16> {
        match self {
            ErrorCode::Overloaded => Some(1),
            ErrorCode::Starting
            | ErrorCode::Timeout
            | ErrorCode::CertificateUnavailable
            | ErrorCode::KeysUnavailable => Some(5),
            // At most; the problem says how long it really is.
            ErrorCode::TooManyFailures => Some(120),
            ErrorCode::Draining | ErrorCode::ConfirmationFailed => Some(10),
            ErrorCode::Malformed
            | ErrorCode::Unauthorized
            | ErrorCode::TriggerOutsideWindow
            | ErrorCode::SignatureRefused
            | ErrorCode::TopicNotListed
            | ErrorCode::MessageOutsideWindow
            | ErrorCode::RawDelivery
            | ErrorCode::NotFound
            | ErrorCode::HookDisabled
            | ErrorCode::NotConfigured
            | ErrorCode::MethodNotAllowed
            | ErrorCode::Forbidden
            | ErrorCode::CrossSite
            | ErrorCode::ForeignHost
            | ErrorCode::NotJson
            | ErrorCode::Conflict
            | ErrorCode::Duplicate
            | ErrorCode::TooLarge
            | ErrorCode::Internal
            | ErrorCode::NotReady => None,
        }
    }
}

/// A refusal on its way out.
#[derive(Clone, Debug)]
pub struct Problem {
    code: ErrorCode,
    detail: Cow<'static, str>,
    reason: Option<String>,
    challenge: Option<&'static str>,
    refused: Option<RefusalReason>,
    retry_after: Option<u64>,
}

impl Problem {
    /// A refusal; `detail` is shown to the sender.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), reason: None, challenge: None, refused: None, retry_after: None }
    }

    /// Adds what the log is told and the sender is not.
    pub fn because(mut self, reason: impl std::fmt::Display) -> Self {
        self.reason = Some(reason.to_string());
        self
    }

    /// Adds the `WWW-Authenticate` that RFC 9110 asks of every 401.
    pub fn challenged(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// The sender is not believed, for this reason: counted, and where senders have addresses of their own
    /// held against its address.
    pub fn refused(mut self, reason: RefusalReason) -> Self {
        self.refused = Some(reason);
        self
    }

    /// Says when to try again, in place of what the code says.
    pub fn retry_in(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        self
    }

    /// Its code.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// What the sender is told.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Why the sender is not believed, if that is what is wrong.
    pub fn refusal(&self) -> Option<RefusalReason> {
        self.refused
    }

    /// What only the log is told.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The problem in an error response: the one that a handler made, or the one that its status
    /// stands for where a layer answered by itself. `None` for anything that is no error, and for an
    /// error that carries a JSON body of its own.
    pub fn of(response: &Response) -> Option<Cow<'_, Problem>> {
        if let Some(problem) = response.extensions().get::<Problem>() {
            return Some(Cow::Borrowed(problem));
        }
        let status = response.status();
        let json =
            response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
        if json || !(status.is_client_error() || status.is_server_error()) {
            return None;
        }
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => (ErrorCode::NotFound, "see openapi.yaml for the paths"),
            StatusCode::METHOD_NOT_ALLOWED => {
                (ErrorCode::MethodNotAllowed, "the Allow header names the methods")
            }
            StatusCode::PAYLOAD_TOO_LARGE => {
                (ErrorCode::TooLarge, "the limit is set by the relay's configuration")
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                (ErrorCode::Timeout, "nothing was lost that the sender sends again")
            }
            _ if status.is_client_error() => (ErrorCode::Malformed, "the request could not be read"),
            _ => (ErrorCode::Internal, "the relay's log has the cause under this request id"),
        };
        Some(Cow::Owned(Problem::new(code, detail)))
    }

    /// Adds what the code and the challenge say in headers.
    pub(super) fn add_headers(&self, headers: &mut HeaderMap) {
        if let Some(seconds) = self.retry_after.or(self.code.retry_after().map(u64::from)) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    }

    /// The body with the request id in it.
    pub fn body(&self, request_id: &RequestId) -> ProblemBody {
        ProblemBody {
            kind: format!("urn:anypoint-relay:problem:{}", self.code.as_str()),
            title: self.code.title().to_owned(),
            status: self.code.status().as_u16(),
            detail: self.detail.to_string(),
            code: self.code.as_str().to_owned(),
            request_id: request_id.as_str().to_owned(),
        }
    }
}

impl IntoResponse for Problem {
    /// The status, and the problem itself as an extension; [`super::envelope`] writes headers and body.
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The body of a problem as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProblemBody {
    /// A URI that names the kind of problem; it ends in the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// The stable code: one of [`ErrorCode::ALL`].
    pub code: String,
    /// The id under which the relay's log speaks of the request.
    pub request_id: String,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_every_one_is_an_error() {
        let texts: BTreeSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
        }
    }

    #[test]
    fn the_reason_is_not_in_the_body() {
        let problem = Problem::new(ErrorCode::Malformed, "not JSON").because("canary");
        let body = serde_json::to_string(&problem.body(&RequestId::fresh())).unwrap();
        assert!(!body.contains("canary"), "{body}");
        assert_eq!(problem.reason(), Some("canary"));
    }

    #[test]
    fn a_json_answer_with_an_error_status_is_left_alone() {
        let answer = (StatusCode::BAD_GATEWAY, axum::Json(serde_json::json!({}))).into_response();
        assert!(Problem::of(&answer).is_none());
        assert_eq!(
            Problem::of(&StatusCode::BAD_GATEWAY.into_response()).unwrap().code(),
            ErrorCode::Internal
        );
    }
}
