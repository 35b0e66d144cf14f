//! Makes the calls of one connection: with its token, in its turn, and with a class for every failure.
//!
//! Guarantees: a call that the API answered 401 is repeated once with a fresh token and never again;
//! any other failure comes back at once with its class (retrying is the queue's work).

use std::time::Duration;

use reqwest::StatusCode;

use super::body::Body;
use super::call::{Call, Family};
use super::error::{CallError, Place, broken, refused};
use super::token::{Token, Tokens};
use super::transport::{Outgoing, Reply as RawReply, Transport};
use crate::config;
use crate::secret::SecretValue;

/// A 2xx answer.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The body, possibly empty.
    pub body: SecretValue,
}

/// One connected app at one control plane.
pub(super) struct Caller {
    config: config::Connection,
    transport: Transport,
    tokens: Tokens,
}

impl Caller {
    pub(super) fn new(config: config::Connection, transport: Transport, tokens: Tokens) -> Self {
        Self { config, transport, tokens }
    }

    pub(super) fn config(&self) -> &config::Connection {
        &self.config
    }

    /// How long a request would have to wait for its turn.
    pub(super) fn backlog(&self, family: Family) -> Duration {
        self.transport.backlog(family)
    }

    /// Has a token that is good as far as is known, or says why there is none.
    pub(super) async fn sign_in(&self) -> Result<(), CallError> {
        self.tokens.current(&self.transport).await.map(|_| ())
    }

    /// Makes a call. An answer other than 2xx is an error.
    pub(super) async fn send(&self, call: Call) -> Result<Reply, CallError> {
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
