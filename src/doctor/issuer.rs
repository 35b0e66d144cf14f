//! Whether the keys of the issuer of EventBridge's tokens can be had, and are of use.
//!
//! By the code that fetches and reads them in a running relay. Whether its tokens are as the configuration asks
//! for shows with the first one.

use std::sync::Arc;

use super::Examination;
use super::finding::{Finding, Verdict};
use crate::config::{EventBridgeAuth, OAuth};
use crate::jwks::Jwks;
use crate::model::TokenAlgorithm;
use crate::verify::token::{KeySet, KeySetError};

pub(super) async fn check(exam: &Examination) -> Option<Finding> {
    match exam.config.ingress.eventbridge.as_ref().map(|eventbridge| &eventbridge.auth) {
        Some(EventBridgeAuth::OAuth(oauth)) => Some(keys(exam, oauth).await),
        _ => None,
    }
}

async fn keys(exam: &Examination, oauth: &OAuth) -> Finding {
    let subject = "ingress.eventbridge oauth";
    let url = &oauth.jwks_url;
    let failed = |found: String| Finding::new(Verdict::Failed, subject, found);
    let jwks = match Jwks::new(oauth, Arc::clone(&exam.edges.lookup)) {
        Ok(jwks) => jwks,
        Err(error) => {
            return failed(error.to_string())
                .mend("put the root certificate there as PEM and let the relay's user read it, or correct the setting");
        }
    };
    let file = match jwks.fetch().await {
        Ok(file) => file,
        Err(why) => {
            return failed(format!("the keys at {url} cannot be had: {why}")).mend(
                "correct `jwks_url` (its issuer names it as `jwks_uri`), open the way from the relay to that host, or \
                 name its root certificate in `extra_root`",
            );
        }
    };
    match KeySet::parse(&file) {
        Ok(keys) if keys.serves(&oauth.algorithms) => {
            Finding::ok(subject, format!("the issuer's keys can be had at {url}"))
        }
        Ok(_) => {
            let listed = TokenAlgorithm::NAMES.iter().filter(|(_, known)| oauth.algorithms.contains(known));
            let listed: Vec<&str> = listed.map(|(name, _)| *name).collect();
            failed(format!("no key at {url} is for a listed algorithm ({})", listed.join(", "))).mend(
                "add the algorithm that the issuer signs with to `ingress.eventbridge.auth.oauth.algorithms`",
            )
        }
        Err(error) => {
            let mend = match error {
                KeySetError::Form => "set `jwks_url` to the address that the issuer names as `jwks_uri`",
                KeySetError::TooMany => "let the issuer withdraw the keys that it uses no more",
                KeySetError::NoneUsable => {
                    "let the issuer sign with a key that has a `kid` and is of such a kind"
                }
            };
            failed(format!("{url} is no set of keys for the relay: {error}")).mend(mend)
        }
    }
}
