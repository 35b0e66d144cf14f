//! One `connections:` entry at work: token, rate limit and HTTP client behind one [`Connection::send`].
//!
//! Guarantees: a call that the API answered 401 is repeated once with a fresh token and never again;
//! any other failure comes back at once with its class (retrying is the queue's work).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{StatusCode, Url};

use super::body::Body;
use super::call::{Call, Family};
use super::client::Client;
use super::error::{CallError, Place, broken, refused};
use super::lookup::{Directory, Named};
use super::pacing::Pacers;
use super::token::{Token, Tokens};
use super::transport::{Outgoing, Reply as RawReply, Transport};
use super::writers::Writers;
use crate::clock::Clock;
use crate::config;
use crate::credential::Credentials;
use crate::model::{ConnectionName, Failure, FailureCode, Retry, show_duration};
use crate::outbound;
use crate::secret::SecretValue;

/// A run that would wait longer for its first request comes back later instead.
pub const LONGEST_QUEUE: Duration = Duration::from_millis(500);

/// The connections by name.
pub type Connections = BTreeMap<ConnectionName, Arc<Connection>>;

/// Why a connection could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a URL that can carry a path.
    #[error("connection {0}: `{1}` is not a base URL")]
    BaseUrl(ConnectionName, String),
    /// A certificate or key could not be read.
    #[error("connection {connection}: cannot read `{setting}` {path}: {error}")]
    File {
        /// The connection.
        connection: ConnectionName,
        /// Which of its settings names the file.
        setting: &'static str,
        /// The file.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// The HTTP client could not be built.
    #[error("connection {0}: {1}")]
    Client(ConnectionName, outbound::BuildError),
}

/// A 2xx answer.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The body, possibly empty.
    pub body: SecretValue,
}

/// One control plane, connected app, organization and environment.
pub struct Connection {
    config: config::Connection,
    transport: Transport,
    tokens: Tokens,
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
    ) -> Result<Self, OpenError> {
        let base = Url::parse(&config.base_url)
            .ok()
            .filter(|url| url.has_host() && matches!(url.scheme(), "https" | "http"))
            .ok_or_else(|| OpenError::BaseUrl(config.name.clone(), config.base_url.clone()))?;
        let http = Client::open(config, &credentials, base.scheme() == "https")?;
        Ok(Self {
            transport: Transport::new(config, base, http, pacers, clock),
            tokens: Tokens::new(config.clone(), credentials),
            directory: Directory::new(),
            writers: writers.clone(),
            config: config.clone(),
        })
    }

    /// What it was set up from.
    pub fn config(&self) -> &config::Connection {
        &self.config
    }

    /// Whether a request would go out soon; else how long to stay away: until the queue of requests is
    /// half empty, so that no place goes unused while a run that comes back reads AWS.
    pub fn ready(&self, family: Family) -> Result<(), Duration> {
        let wait = self.transport.backlog(family);
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
                    self.config.name,
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
        self.writers.claim(&self.config, named, id)
    }

    /// Makes a call. An answer other than 2xx is an error.
    pub async fn send(&self, call: Call) -> Result<Reply, CallError> {
        let Call { verb, path, family, body, purpose } = call;
        let place = Place {
            connection: self.config.name.as_str(),
            organization: &self.config.organization,
            environment: &self.config.environment,
            family,
            purpose: &purpose,
            writes: verb.writes(),
        };
        let outgoing = Outgoing { verb, path: &path, family, body: body.map(Body::into_shared) };
        let token = self.tokens.current(&self.transport).await?;
        let mut reply = self.once(outgoing.clone(), &token, place).await?;
        if reply.status == StatusCode::UNAUTHORIZED {
            let fresh = self.tokens.instead_of(&token, &self.transport).await?;
            reply = self.once(outgoing, &fresh, place).await?;
        }
        if reply.status.is_success() {
            Ok(Reply { status: reply.status, body: reply.body })
        } else {
            Err(refused(&reply, place))
        }
    }

    async fn once(
        &self,
        outgoing: Outgoing<'_>,
        token: &Token,
        place: Place<'_>,
    ) -> Result<RawReply, CallError> {
        self.transport.exchange(outgoing, Some(&token.bearer)).await.map_err(|trouble| broken(trouble, place))
    }
}
