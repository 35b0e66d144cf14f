//! `headers`: names with a text, a part of a secret, or a credential of the relay's own.

use std::collections::BTreeMap;

use http::HeaderName;

use super::super::super::decode::Value;
use super::super::super::source::{credential, value_source};
use super::super::super::{HeaderSource, header_flaw};
use crate::model::ValueSource;

/// Set by the relay, or part of how a connection works; beside these all `webhook-...`.
const OWN: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
/// What usually holds a credential.
const CREDENTIALS: [&str; 6] =
    ["api-key", "authorization", "client_secret", "cookie", "x-api-key", "x-auth-token"];

pub(super) fn headers(value: &Value<'_>) -> Option<Vec<(HeaderName, HeaderSource)>> {
    // By name, so that another order in the file is no other request.
    let mut headers = BTreeMap::new();
    let mut complete = true;
    for (key, value) in value.entries("a mapping of header names to values")? {
        match name(key, &value).and_then(|name| Some((source(&name, &value)?, name))) {
            Some((_, name)) if headers.contains_key(name.as_str()) => {
                value.refuse::<()>("given twice, in other letters; keep one of them");
                complete = false;
            }
            Some((source, name)) => {
                headers.insert(name.as_str().to_owned(), (name, source));
            }
            None => complete = false,
        }
    }
    complete.then(|| headers.into_values().collect())
}

fn name(key: &str, value: &Value<'_>) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_bytes(key.as_bytes()) else {
        return value.refuse("not the name of a header, such as x-api-key");
    };
    if OWN.contains(&name.as_str()) || name.as_str().starts_with("webhook-") {
        return value.refuse("the relay sets this header itself, or has no use for it; leave it out");
    }
    Some(name)
}

fn source(name: &HeaderName, value: &Value<'_>) -> Option<HeaderSource> {
    if value.has_any(&["env", "file", "aws_secret"]) {
        return credential(value).map(HeaderSource::Credential);
    }
    let source = value_source(value)?;
    if let ValueSource::Literal(text) = &source {
        if let Some(flaw) = header_flaw(text.as_bytes()) {
            return value.refuse(format!("its value {flaw}, which no header can carry"));
        }
        if CREDENTIALS.contains(&name.as_str()) {
            value.warn(
                "a header whose value is in this file; if it is a credential, give a reference such as { env: NAME }",
            );
        }
    }
    Some(HeaderSource::Value(source))
}
