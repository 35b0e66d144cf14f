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
use super::error::{CallError, Place, broken, refused};
use super::lookup::Directory;
use super::pacing::Pacers;
use super::token::{Token, Tokens};
use super::transport::{Outgoing, Reply as RawReply, Transport};
use crate::clock::Clock;
use crate::config;
use crate::credential::Credentials;
use crate::model::{ConnectionName, Failure, FailureCode, Retry};
use crate::outbound;
use crate::secret::SecretValue;

/// A run that would wait longer for its first request comes back later instead.
pub const LONGEST_QUEUE: Duration = Duration::from_millis(500);
/// Connections carry values, and buffers of an open one may hold them.
const IDLE: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The connections by name.
pub type Connections = BTreeMap<ConnectionName, Arc<Connection>>;

/// Why a connection could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a URL that can carry a path.
    #[error("connection {0}: `{1}` is not a base URL")]
    BaseUrl(ConnectionName, String),
    /// The extra root certificate could not be read.
    #[error("connection {0}: cannot read `extra_root` {1}: {2}")]
    ExtraRoot(ConnectionName, String, std::io::Error),
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
}

impl Connection {
    /// Sets it up; nothing is sent yet. `pacers` is shared by all connections of the process.
    pub fn open(
        config: &config::Connection,
        credentials: Arc<dyn Credentials>,
        pacers: &Pacers,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let name = || config.name.clone();
        let base = Url::parse(&config.base_url)
            .ok()
            .filter(|url| url.has_host() && matches!(url.scheme(), "https" | "http"))
            .ok_or_else(|| OpenError::BaseUrl(name(), config.base_url.clone()))?;
        let extra_root = config
            .extra_root
            .as_ref()
            .map(|path| {
                std::fs::read(path)
                    .map_err(|error| OpenError::ExtraRoot(name(), path.display().to_string(), error))
            })
            .transpose()?;
        let http = outbound::client(&outbound::Options {
            connect_timeout: config.timeout.min(CONNECT_TIMEOUT),
            timeout: config.timeout,
            idle: Some(IDLE),
            extra_root,
            connect: None,
            https_only: base.scheme() == "https",
        })
        .map_err(|error| OpenError::Client(name(), error))?;
        Ok(Self {
            transport: Transport::new(config, base, http, pacers, clock),
            tokens: Tokens::new(config.clone(), credentials),
            directory: Directory::new(),
            config: config.clone(),
        })
    }

    /// What it was set up from.
    pub fn config(&self) -> &config::Connection {
        &self.config
    }

    /// Whether a request would go out soon; else how long to stay away.
    pub fn ready(&self, family: Family) -> Result<(), Duration> {
        let wait = self.transport.backlog(family);
        if wait > LONGEST_QUEUE { Err(wait) } else { Ok(()) }
    }

    /// [`Connection::ready`] as a run needs it.
    pub(super) fn check_ready(&self, family: Family) -> Result<(), Failure> {
        self.ready(family).map_err(|wait| {
            Failure::new(
                FailureCode::RateLimited,
                Retry::Turn(wait),
                format!(
                    "connection {}: requests to the {} wait {} ms for their turn",
                    self.config.name,
                    family.as_str(),
                    wait.as_millis()
                ),
                "none: the target's turn comes",
            )
        })
    }

    /// The names that lists of this connection showed.
    pub(super) fn directory(&self) -> &Directory {
        &self.directory
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
