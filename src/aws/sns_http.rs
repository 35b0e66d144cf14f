//! Plain HTTPS to the hosts of SNS: for the certificates it signs with, and for confirmations by URL.
//!
//! The caller guarantees that the URL's host is one of SNS (`crate::verify` parses it). Here: TLS
//! always, no redirects, five seconds in all, bounded bodies, and no connection kept.
//!
//! In tests and with emulators a connect override sends every such host to one address, so that the
//! rules for URLs and certificates stay in force there.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::config::SnsEmulator;
use crate::model::show_duration;
use crate::outbound::{self, Lookup};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Well below the 15 s that SNS waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why no client could be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The extra root cannot be read.
    #[error("cannot read the extra root {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The client cannot be built.
    #[error(transparent)]
    Build(#[from] outbound::BuildError),
}

/// Why a GET brought no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum GetError {
    #[error("no answer within {}", show_duration(TIMEOUT))]
    Timeout,
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    #[error("{0}")]
    Failed(String),
}

/// A client for SNS hosts.
#[derive(Clone)]
pub struct SnsHttp {
    options: outbound::Options,
    connect: Option<SocketAddr>,
    client: reqwest::Client,
    /// With a connect override, which is for one host: a client for each. There are as many hosts of
    /// SNS as regions of configured topics.
    overridden: Arc<Mutex<HashMap<String, reqwest::Client>>>,
}

impl SnsHttp {
    /// Reads the extra root, if one is set.
    pub fn new(emulator: &SnsEmulator, lookup: Arc<dyn Lookup>) -> Result<Self, SetupError> {
        let extra_root = match &emulator.extra_root {
            Some(path) => {
                Some(std::fs::read(path).map_err(|error| SetupError::Read { path: path.clone(), error })?)
            }
            None => None,
        };
        let limits = outbound::Options::within(CONNECT_TIMEOUT, TIMEOUT);
        let options = outbound::Options { extra_root, https_only: true, lookup, ..limits };
        let client = outbound::client(&options)?;
        Ok(Self { options, connect: emulator.connect, client, overridden: Arc::default() })
    }

    /// Fetches `url`: status and at most `limit` bytes of body.
    pub(super) async fn get(&self, url: &str, limit: usize) -> Result<(StatusCode, Bytes), GetError> {
        let failed = |error: reqwest::Error| {
            if error.is_timeout() { GetError::Timeout } else { GetError::Failed(outbound::reason(error)) }
        };
        let response = self.client_for(url)?.get(url).send().await.map_err(failed)?;
        let status = response.status();
        match outbound::read_bounded(response, limit).await {
            Ok(body) => Ok((status, body)),
            Err(outbound::ReadError::Timeout) => Err(GetError::Timeout),
            Err(outbound::ReadError::TooLarge { limit }) => Err(GetError::TooLarge(limit)),
            Err(outbound::ReadError::Broken(reason)) => Err(GetError::Failed(reason)),
        }
    }

    fn client_for(&self, url: &str) -> Result<reqwest::Client, GetError> {
        let Some(address) = self.connect else { return Ok(self.client.clone()) };
        let invalid = || GetError::Failed("not a URL with a host".to_owned());
        let url = reqwest::Url::parse(url).map_err(|_| invalid())?;
        let host = url.host_str().ok_or_else(invalid)?.to_owned();
        let mut overridden = self.overridden.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = overridden.get(&host) {
            return Ok(client.clone());
        }
        let options = outbound::Options { connect: Some((host.clone(), address)), ..self.options.clone() };
        let client = outbound::client(&options).map_err(|error| GetError::Failed(error.to_string()))?;
        overridden.insert(host, client.clone());
        Ok(client)
    }
}
