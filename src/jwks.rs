//! The file in which an issuer of bearer tokens publishes its keys (JWKS), over HTTPS.
//!
//! Guarantees: the host is the configured one, wherever the operator has it, and no redirect is followed;
//! three seconds in all, at most [`MAX_BYTES`], and no connection kept.
//!
//! Does not guarantee that what it brings is a set of keys, nor that it is asked seldom: both are the
//! ingress's matter.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use reqwest::Url;

use crate::config::OAuth;
use crate::model::show_duration;
use crate::outbound::{self, Lookup};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Below the 4 s that a hook may take, which are below the 5 s that EventBridge waits.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Ten keys with their certificates have some 20 KiB.
const MAX_BYTES: usize = 256 * 1024;

/// Why no client could be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The extra root cannot be read.
    #[error("ingress.eventbridge.auth.oauth.extra_root: cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The client cannot be built.
    #[error("ingress.eventbridge.auth.oauth: {0}")]
    Build(#[from] outbound::BuildError),
}

/// Fetches the keys of one issuer.
pub struct Jwks {
    client: reqwest::Client,
    url: Url,
}

impl Jwks {
    /// Reads the extra root, if one is set.
    pub fn new(config: &OAuth, lookup: Arc<dyn Lookup>) -> Result<Self, SetupError> {
        let extra_root = match &config.extra_root {
            Some(path) => {
                Some(std::fs::read(path).map_err(|error| SetupError::Read { path: path.clone(), error })?)
            }
            None => None,
        };
        let limits = outbound::Options::within(CONNECT_TIMEOUT, TIMEOUT);
        let options = outbound::Options { extra_root, https_only: true, lookup, ..limits };
        Ok(Self { client: outbound::client(&options)?, url: config.jwks_url.clone() })
    }

    /// The file as it is now, or in a few words why not.
    pub async fn fetch(&self) -> Result<Bytes, String> {
        let request = self.client.get(self.url.clone()).header(ACCEPT, "application/json");
        let response = request.send().await.map_err(|error| {
            if error.is_timeout() {
                format!("no answer within {}", show_duration(TIMEOUT))
            } else {
                outbound::reason(error)
            }
        })?;
        match response.status().as_u16() {
            200 => outbound::read_bounded(response, MAX_BYTES).await.map_err(|error| error.to_string()),
            status @ 300..400 => {
                Err(format!("HTTP {status}; redirects are not followed, so give the last URL"))
            }
            status => Err(format!("HTTP {status}; check that jwks_url is the issuer's `jwks_uri`")),
        }
    }
}

#[cfg(test)]
mod tests;
