//! `ingress.eventbridge.auth.oauth`: whose tokens EventBridge may show, and where their keys are.

use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::decode::Value;
use super::ingress::distinct;
use super::scalar::{self, choice, duration, line};
use crate::model::TokenAlgorithm;

/// Whose tokens count (OAuth 2.0 client credentials, tokens as signed JWTs).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth {
    /// `iss`, to the letter.
    pub issuer: String,
    /// What `aud` is or holds.
    pub audience: String,
    /// Where the issuer publishes its keys: HTTPS, a host by name.
    pub jwks_url: Url,
    /// How tokens may be signed.
    pub algorithms: Vec<TokenAlgorithm>,
    /// How far the issuer's clock may be from ours.
    pub leeway: Duration,
    /// A scope that each token must have.
    pub scope: Option<String>,
    /// PEM file with a further root certificate for that host.
    pub extra_root: Option<PathBuf>,
}

pub(super) fn oauth(value: &Value<'_>) -> Option<OAuth> {
    let mut fields = value.fields("`oauth`")?;
    let issuer = fields.required("issuer", "the `iss` of the tokens", line("the `iss` of the tokens"));
    let audience = fields.required("audience", "the `aud` of the tokens", line("the `aud` of the tokens"));
    let jwks_url = fields.required("jwks_url", "where the issuer publishes its keys (`jwks_uri`)", jwks_url);
    let default = vec![TokenAlgorithm::Rs256, TokenAlgorithm::Es256];
    let algorithms = fields.or("algorithms", default, |value| {
        distinct(value, "a list of algorithms", choice("an algorithm", TokenAlgorithm::NAMES))
    });
    let ten_minutes = Duration::from_mins(10);
    let leeway = fields.or("leeway", Duration::from_mins(1), duration(Duration::ZERO, ten_minutes));
    let scope = fields.optional("scope", |value| {
        let scope = line("one scope")(value)?;
        if scope.contains(' ') {
            value.refuse("one scope; tokens separate several by spaces")
        } else {
            Some(scope)
        }
    });
    let extra_root = fields.optional("extra_root", scalar::path);
    fields.finish();
    Some(OAuth {
        issuer: issuer?,
        audience: audience?,
        jwks_url: jwks_url?,
        algorithms,
        leeway,
        scope,
        extra_root,
    })
}

/// A certificate is for a name; an address here is a mistake, or somebody's attempt.
fn jwks_url(value: &Value<'_>) -> Option<Url> {
    let url = scalar::url(value)?;
    match (url.scheme(), url.host()) {
        ("https", Some(Host::Domain(_))) => Some(url),
        ("https", _) => value.refuse("name the issuer's host; an address has no place here"),
        _ => value.refuse("use https: whoever can change the keys on their way can sign tokens"),
    }
}
