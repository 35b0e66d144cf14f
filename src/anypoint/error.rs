//! What a refused call means: its class, what the queue does about it, what a person can do.
//!
//! Guarantee: no text of the answer reaches a message. Of a body only error codes of a known form
//! and names of known fields are shown (a service may echo what was sent), of the headers only a
//! transaction id that is a UUID. The classes follow what MuleSoft's specifications list, and the
//! list is taken as open: 401, 403 and 429 stand in none of them.

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::body::Parsed;
use super::call::{Family, Purpose};
use super::transport::{Reply, Trouble};
use crate::model::{Failure, FailureCode, Retry, show_duration};
use crate::sync::ports::ApplyError;

/// After a request found its connection full for long.
const CROWDED_PAUSE: Duration = Duration::from_secs(1);

/// A call that brought no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// Why, and what to do.
    pub failure: Failure,
    /// For a write: it may have taken effect all the same.
    pub ambiguous: bool,
    /// The status, where there was an answer.
    pub status: Option<StatusCode>,
}

impl CallError {
    /// A call that was never made.
    pub(super) fn before(failure: Failure) -> Self {
        Self { failure, ambiguous: false, status: None }
    }

    /// Whether the resource does not exist.
    pub(super) fn is_not_found(&self) -> bool {
        self.status == Some(StatusCode::NOT_FOUND)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        error.failure
    }
}

impl From<CallError> for ApplyError {
    fn from(error: CallError) -> Self {
        Self { failure: error.failure, ambiguous: error.ambiguous }
    }
}

/// Where a call went, for its failures.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) connection: &'a str,
    pub(super) organization: &'a str,
    pub(super) environment: &'a str,
    pub(super) family: Family,
    pub(super) purpose: &'a Purpose,
    /// Whether the call changes something.
    pub(super) writes: bool,
}

impl Place<'_> {
    /// Environment and organization, as far as they are known.
    fn named(&self) -> String {
        match (self.organization, self.environment) {
            ("", _) => String::new(),
            (organization, "") => format!(" in organization {organization}"),
            (organization, environment) => {
                format!(" in environment {environment} of organization {organization}")
            }
        }
    }

    fn failure(&self, code: FailureCode, retry: Retry, what: &str, next_step: String) -> Failure {
        let message = format!("{} through connection {}: {what}", self.purpose.doing, self.connection);
        Failure::new(code, retry, message, next_step)
    }
}

/// The failure behind an answer other than 2xx.
pub(super) fn refused(reply: &Reply, place: Place<'_>) -> CallError {
    let status = reply.status;
    let asked = reply.wait.map_or(Retry::Backoff, Retry::CoolDown);
    let Place { connection, organization, family, purpose, .. } = place;
    let settings = &purpose.settings;
    let (code, retry, next_step) = match status.as_u16() {
        304 if place.writes => (
            // Every write differs from what was read (its receipt's stamp is new), so "nothing to
            // change" contradicts the write: the target is to be looked at before this counts.
            FailureCode::Conflict,
            Retry::Backoff,
            "none: the target is looked at again".to_owned(),
        ),
        300..=399 => (
            FailureCode::BadAnswer,
            Retry::Never,
            format!("check `host` or `base_url` of connection {connection}: an API does not redirect"),
        ),
        401 => (
            FailureCode::Unauthenticated,
            Retry::Slowly,
            format!(
                "a fresh token was refused as well: check that the connected app of connection \
                 {connection} belongs to {} on this control plane",
                if organization.is_empty() {
                    "an organization".to_owned()
                } else {
                    format!("organization {organization}")
                }
            ),
        ),
        402 => (
            FailureCode::OverQuota,
            Retry::Slowly,
            format!("raise the limit of organization {organization}, or remove what is not used"),
        ),
        403 => (
            FailureCode::Denied,
            Retry::Slowly,
            format!(
                "give the connected app of connection {connection} the scope {}{}",
                purpose.scope,
                place.named()
            ),
        ),
        404 | 410 => (FailureCode::NotFound, Retry::Slowly, format!("check {settings}")),
        408 => (FailureCode::Timeout, Retry::Backoff, "none: it is tried again".to_owned()),
        409 if complaints(reply.body.expose_bytes()).iter().any(|what| what.starts_with(EXPIRED)) => (
            FailureCode::Rejected,
            Retry::Slowly,
            "its expiration date has passed: set `expiry` of the target to a number of days or to \
             `default`, or a later date in Anypoint"
                .to_owned(),
        ),
        409 | 423 | 425 => (
            FailureCode::Conflict,
            Retry::Backoff,
            "usually none: it is tried again; if it stays, look at the resource in Anypoint".to_owned(),
        ),
        429 => (FailureCode::RateLimited, asked, slow_down(family)),
        503 if family.limits_by_503() => (FailureCode::RateLimited, asked, slow_down(family)),
        503 => (FailureCode::Unavailable, asked, "none: it is tried again".to_owned()),
        500..=599 => (FailureCode::Unavailable, Retry::Backoff, "none: it is tried again".to_owned()),
        _ => (
            FailureCode::Rejected,
            Retry::Never,
            format!("correct what the code names: the mapping of the target, or {settings}"),
        ),
    };
    let ambiguous = place.writes && (status.is_server_error() || matches!(status.as_u16(), 304 | 408));
    let what = describe(reply);
    CallError { failure: place.failure(code, retry, &what, next_step), ambiguous, status: Some(status) }
}

/// The failure behind a call without an answer.
pub(super) fn broken(trouble: Trouble, place: Place<'_>) -> CallError {
    let again = || "none: it is tried again".to_owned();
    let reach = || {
        let connection = place.connection;
        format!(
            "if it stays, check that the relay can reach the host of {connection}, and its `proxy` if it has one"
        )
    };
    let (failure, sent) = match trouble {
        Trouble::Paced(wait) => (
            place.failure(
                FailureCode::RateLimited,
                Retry::Line(wait),
                &format!("the request would have to wait {} for its turn", show_duration(wait)),
                slow_down(place.family),
            ),
            false,
        ),
        Trouble::Crowded(others) => (
            place.failure(
                FailureCode::RateLimited,
                Retry::Turn(CROWDED_PAUSE),
                &format!("{others} requests are under way, and none of them has ended"),
                "wait; if it stays, see why Anypoint takes so long, or raise `max_requests`".to_owned(),
            ),
            false,
        ),
        Trouble::NotSent(why) => {
            (place.failure(FailureCode::Unavailable, Retry::Backoff, &why, reach()), false)
        }
        Trouble::BadPath => (
            place.failure(
                FailureCode::Rejected,
                Retry::Never,
                "an id that is empty or consists of dots cannot be part of a path",
                format!("check {}", place.purpose.settings),
            ),
            false,
        ),
        Trouble::TimedOut => {
            (place.failure(FailureCode::Timeout, Retry::Backoff, "no answer in time", again()), true)
        }
        Trouble::Broken(why) => {
            (place.failure(FailureCode::Unavailable, Retry::Backoff, &why, reach()), true)
        }
        Trouble::TooLarge(limit) => (
            place.failure(
                FailureCode::BadAnswer,
                Retry::Backoff,
                &format!("the answer is longer than {limit} bytes"),
                format!("check `host` or `base_url` of connection {}", place.connection),
            ),
            true,
        ),
    };
    CallError { failure, ambiguous: sent && place.writes, status: None }
}

/// An answer that came and makes no sense.
pub(super) fn bad_answer(doing: &str, what: &str) -> Failure {
    Failure::new(
        FailureCode::BadAnswer,
        Retry::Backoff,
        format!("{doing}: {what}"),
        "if it stays, Anypoint's answer has changed its form: report this with the message",
    )
}

fn slow_down(family: Family) -> String {
    format!("none: requests to the {} are slowed down", family.as_str())
}

/// `HTTP 400 Bad Request (RB-1003 invalid value in field password; transaction ...)`.
fn describe(reply: &Reply) -> String {
    let mut details: Vec<String> = complaints(reply.body.expose_bytes());
    if let Some(transaction) = reply.transaction {
        details.push(format!("transaction {transaction}"));
    }
    let status = Status(reply.status);
    if details.is_empty() { status.to_string() } else { format!("{status} ({})", details.join("; ")) }
}

/// A status with the reason of the standard, never the one that was sent.
pub(super) struct Status(pub(super) StatusCode);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.0.as_u16())?;
        self.0.canonical_reason().map_or(Ok(()), |reason| write!(f, " {reason}"))
    }
}

/// The secret has expired. Seen of grants; no source says whether a write may meet it.
const EXPIRED: &str = "OE-1001";

/// At most three codes with their fields; a body of another form has none.
fn complaints(body: &[u8]) -> Vec<String> {
    let Some(parsed) = Parsed::from_slice(body) else {
        return Vec::new();
    };
    let errors = parsed.value().get("errors").and_then(Value::as_array);
    errors.into_iter().flatten().filter_map(complaint).take(3).collect()
}

fn complaint(error: &Value) -> Option<String> {
    let code = error.get("code")?.as_str().filter(|code| is_code(code))?;
    let meaning = match code {
        "RB-1001" => " body is not JSON",
        "RB-1002" => " name already in use",
        "RB-1003" => " invalid value",
        "RB-1004" => " missing or empty",
        "RB-1005" => " referenced secret not found",
        "RB-1007" => " certificate expired",
        "RB-1008" => " limit exceeded",
        EXPIRED => " secret expired",
        _ => "",
    };
    let field = error
        .get("field")
        .and_then(Value::as_str)
        .and_then(|field| FIELDS.iter().find(|known| **known == field))
        .map(|field| format!(" in field {field}"));
    Some(format!("{code}{meaning}{}", field.unwrap_or_default()))
}

/// `RB-1003`: two letters and four digits.
fn is_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 7
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2] == b'-'
        && bytes[3..].iter().all(u8::is_ascii_digit)
}

/// Fields that the relay sends.
const FIELDS: &[&str] = &[
    "name",
    "type",
    "expirationDate",
    "username",
    "password",
    "key",
    "accessKeyId",
    "secretAccessKey",
    "content",
    "certificate",
    "keyPassphrase",
    "capath",
    "caPathCertificate",
    "keyStore",
    "keystore",
    "trustStore",
    "truststore",
    "storePassphrase",
    "alias",
    "algorithm",
    "certStore",
    "value",
    "properties",
    "secureProperties",
    "applicationName",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;

    fn purpose() -> Purpose {
        Purpose {
            doing: "writing shared secret orders-db".to_owned(),
            scope: "Manage Secrets (manage:secrets)",
            settings: "`name` of target orders".to_owned(),
        }
    }

    fn answer(status: u16, family: Family, wait: Option<u64>, body: &str) -> CallError {
        let reply = Reply {
            status: StatusCode::from_u16(status).unwrap(),
            transaction: None,
            wait: wait.map(Duration::from_secs),
            body: SecretValue::new(body.into()),
        };
        let place = Place {
            connection: "prod",
            organization: "org",
            environment: "env",
            family,
            purpose: &purpose(),
            writes: true,
        };
        refused(&reply, place)
    }

    #[test]
    fn every_status_has_its_class() {
        use FailureCode as F;
        let table = [
            (400, F::Rejected, Retry::Never, false),
            (401, F::Unauthenticated, Retry::Slowly, false),
            (402, F::OverQuota, Retry::Slowly, false),
            (403, F::Denied, Retry::Slowly, false),
            (404, F::NotFound, Retry::Slowly, false),
            (405, F::Rejected, Retry::Never, false),
            (408, F::Timeout, Retry::Backoff, true),
            (409, F::Conflict, Retry::Backoff, false),
            (415, F::Rejected, Retry::Never, false),
            (429, F::RateLimited, Retry::Backoff, false),
            (500, F::Unavailable, Retry::Backoff, true),
            (502, F::Unavailable, Retry::Backoff, true),
            (503, F::Unavailable, Retry::Backoff, true),
            (304, F::Conflict, Retry::Backoff, true),
            (302, F::BadAnswer, Retry::Never, false),
        ];
        for (status, code, retry, ambiguous) in table {
            let error = answer(status, Family::SecretsManager, None, "");
            let seen = (error.failure.code, error.failure.retry, error.ambiguous);
            assert_eq!(seen, (code, retry, ambiguous), "{status}");
        }
    }

    #[test]
    fn a_503_of_the_accounts_api_and_of_cloudhub_is_a_rate_limit() {
        for family in [Family::Accounts, Family::CloudHub] {
            let error = answer(503, family, Some(9), "");
            assert_eq!(error.failure.code, FailureCode::RateLimited);
            assert_eq!(error.failure.retry, Retry::CoolDown(Duration::from_secs(9)));
            assert!(error.ambiguous, "a gateway may answer so, too");
        }
    }

    #[test]
    fn a_message_names_code_and_field_and_nothing_else_of_the_body() {
        let body = r#"{"message":"S3CR3T","errors":[
            {"code":"RB-1003","field":"password","message":"S3CR3T"},
            {"code":"S3CR3T","field":"password"}, {"code":"RB-1004","field":"S3CR3T"}, 7]}"#;
        let error = answer(400, Family::SecretsManager, None, body);
        assert_eq!(
            error.failure.message,
            "writing shared secret orders-db through connection prod: HTTP 400 Bad Request \
             (RB-1003 invalid value in field password; RB-1004 missing or empty)"
        );
    }

    #[test]
    fn bodies_of_any_form_are_taken() {
        for body in
            ["", "<html>", "[]", r#"{"errors":{}}"#, r#"{"errors":[{"code":5}]}"#, r#"{"errors":null}"#]
        {
            let error = answer(400, Family::SecretsManager, None, body);
            assert!(error.failure.message.ends_with("HTTP 400 Bad Request"), "{}", error.failure.message);
        }
    }

    #[test]
    fn a_denial_names_the_scope_and_where_it_is_missing() {
        let error = answer(403, Family::SecretsManager, None, "");
        assert_eq!(
            error.failure.next_step,
            "give the connected app of connection prod the scope Manage Secrets (manage:secrets) in \
             environment env of organization org"
        );
    }
}
