//! One `connections:` entry at work: what all of its targets share, and the calls behind one
//! [`Connection::send`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use super::call::{Call, Family};
use super::caller::{Caller, Reply};
use super::client::{Client, ClientError};
use super::error::CallError;
use super::lookup::{Directory, Named};
use super::pacing::Pacers;
use super::token::Tokens;
use super::transport::Transport;
use super::writers::Writers;
use crate::clock::Clock;
use crate::config;
use crate::credential::Credentials;
use crate::model::{ConnectionName, Failure, FailureCode, Retry, show_duration};
use crate::outbound::{self, Lookup};

/// A run that would wait longer for its first request comes back later instead.
pub const LONGEST_QUEUE: Duration = Duration::from_millis(500);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The connections by name.
pub type Connections = BTreeMap<ConnectionName, Arc<Connection>>;

/// Why a connection could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a URL that can carry a path.
    #[error("connection {0}: `{1}` is not a base URL")]
    BaseUrl(ConnectionName, String),
    /// The HTTP client could not be built.
    #[error("connection {0}: {1}")]
    Client(ConnectionName, ClientError),
}

/// One control plane, connected app, organization and environment.
pub struct Connection {
    caller: Arc<Caller>,
    directory: Directory,
    writers: Writers,
}

impl Connection {
    /// Sets it up; nothing is sent yet. `pacers` and `writers` are shared by all connections of the
    /// process.
    pub fn open(
        config: &config::Connection,
        credentials: Arc<dyn Credentials>,
        pacers: &Pacers,
        writers: &Writers,
        clock: Arc<dyn Clock>,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, OpenError> {
        let base = Url::parse(&config.base_url)
            .ok()
            .filter(|url| url.has_host() && matches!(url.scheme(), "https" | "http"))
            .ok_or_else(|| OpenError::BaseUrl(config.name.clone(), config.base_url.clone()))?;
        let limits = outbound::Options::within(config.timeout.min(CONNECT_TIMEOUT), config.timeout);
        let https_only = base.scheme() == "https";
        let options = outbound::Options { idle: Some(outbound::VALUE_IDLE), https_only, lookup, ..limits };
        let http = Client::open(&config.channel, options, &credentials)
            .map_err(|error| OpenError::Client(config.name.clone(), error))?;
        let transport = Transport::new(config, base, http, pacers, clock);
        let tokens = Tokens::new(config.clone(), credentials);
        let caller = Arc::new(Caller::new(config.clone(), transport, tokens));
        let directory = Directory::new(Arc::clone(&caller));
        Ok(Self { caller, directory, writers: writers.clone() })
    }

    /// What it was set up from.
    pub fn config(&self) -> &config::Connection {
        self.caller.config()
    }

    /// Has a token, or says why there is none. Asks for nothing else.
    pub async fn sign_in(&self) -> Result<(), CallError> {
        self.caller.sign_in().await
    }

    /// Whether a request would go out soon; else how long to stay away: until the queue of requests is
    /// half empty, so that no place goes unused while a run that comes back reads AWS.
    pub fn ready(&self, family: Family) -> Result<(), Duration> {
        let wait = self.caller.backlog(family);
        if wait > LONGEST_QUEUE { Err(wait.saturating_sub(LONGEST_QUEUE / 2)) } else { Ok(()) }
    }

    /// [`Connection::ready`] as a run needs it.
    pub(super) fn check_ready(&self, family: Family) -> Result<(), Failure> {
        self.ready(family).map_err(|wait| {
            Failure::new(
                FailureCode::RateLimited,
                Retry::Line(wait),
                format!(
                    "connection {}: requests to the {} wait {} for their turn",
                    self.config().name,
                    family.as_str(),
                    show_duration(wait)
                ),
                "none: the target's turn comes",
            )
        })
    }

    /// The names that lists of this connection showed.
    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Refuses a thing that another target writes.
    pub(super) fn sole_writer(&self, named: &Named, id: &str) -> Result<(), Failure> {
        self.writers.claim(self.config(), named, id)
    }

    /// Makes a call. An answer other than 2xx is an error.
    pub async fn send(&self, call: Call) -> Result<Reply, CallError> {
        self.caller.send(call).await
    }
}
