//! One request to a control plane: waits for its turn, sends, reads a bounded answer.
//!
//! Guarantees: a request counts against the limit of its host and family, and a cool-down that any
//! answer asked for holds for all of them; a connection has no more requests under way than it may; no answer is read beyond [`ANSWER_LIMIT`]; trouble is
//! told apart by whether the request may have been carried out.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{StatusCode, Url};
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::call::{Family, Path, Verb};
use super::client::Client;
use super::hints;
use super::pacing::{Pacers, SharedPacer};
use crate::clock::Clock;
use crate::config;
use crate::outbound::{self, ReadError};
use crate::secret::SecretValue;

/// Longest answer that is read: a list of several thousand deployments.
pub(super) const ANSWER_LIMIT: usize = 4 << 20;
/// Longest wait for a turn; a run that would wait longer is told to come back.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause of a family after "too many requests" without a word on how long.
const UNASKED_PAUSE: Duration = Duration::from_secs(1);

/// What came back, with any status.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// `X-ANYPNT-TRX-ID`, for MuleSoft's support.
    pub(super) transaction: Option<Uuid>,
    /// The wait that the answer asks for.
    pub(super) wait: Option<Duration>,
    /// At most [`ANSWER_LIMIT`] bytes.
    pub(super) body: SecretValue,
}

/// Why nothing came back.
pub(super) enum Trouble {
    /// Its turn is too far away.
    Paced(Duration),
    /// So many others of the connection are under way, and none of them ended in time.
    Crowded(usize),
    /// It never left.
    NotSent(String),
    /// Its path would name another resource.
    BadPath,
    /// It left, and no answer came in time.
    TimedOut,
    /// It left, and the connection or the answer broke.
    Broken(String),
    /// The answer is longer than this many bytes.
    TooLarge(usize),
}

/// A request as the transport needs it; kept for a repeat.
#[derive(Clone)]
pub(super) struct Outgoing<'a> {
    pub(super) verb: Verb,
    pub(super) path: &'a Path,
    pub(super) family: Family,
    /// Its content type, and itself.
    pub(super) body: Option<(Cow<'static, str>, Bytes)>,
}

/// The way to one control plane.
pub(super) struct Transport {
    http: Client,
    base: Url,
    organization: String,
    environment: String,
    timeout: Duration,
    pacers: BTreeMap<Family, Arc<SharedPacer>>,
    max_requests: usize,
    places: Semaphore,
    clock: Arc<dyn Clock>,
}

impl Transport {
    pub(super) fn new(
        config: &config::Connection,
        base: Url,
        http: Client,
        pacers: &Pacers,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let host =
            format!("{}:{}", base.host_str().unwrap_or_default(), base.port_or_known_default().unwrap_or(0));
        Self {
            http,
            organization: config.organization.clone(),
            environment: config.environment.clone(),
            timeout: config.timeout,
            pacers: Family::ALL.map(|family| (family, pacers.of(&host, family, &config.rates))).into(),
            max_requests: config.max_requests,
            places: Semaphore::new(config.max_requests),
            base,
            clock,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// How long a request would have to wait for its turn.
    pub(super) fn backlog(&self, family: Family) -> Duration {
        self.pacers.get(&family).map_or(Duration::ZERO, |pacer| pacer.with(|p| p.backlog(self.now())))
    }

    /// Sends once.
    pub(super) async fn exchange(
        &self,
        outgoing: Outgoing<'_>,
        bearer: Option<&SecretValue>,
    ) -> Result<Reply, Trouble> {
        let url = outgoing.path.below(&self.base).ok_or(Trouble::BadPath)?;
        let http = self.http.get().await.map_err(Trouble::NotSent)?;
        let mut request = http.request(outgoing.verb.into(), url).timeout(self.timeout);
        if let Some(token) = bearer {
            request = request.header(AUTHORIZATION, authorization(token)?);
            // A configuration names both; only somebody who still looks for them does not.
            for (name, id) in
                [("x-anypnt-org-id", &self.organization), ("x-anypnt-env-id", &self.environment)]
            {
                if !id.is_empty() {
                    request = request.header(name, id);
                }
            }
        }
        if let Some((content_type, body)) = outgoing.body {
            request = request.header(CONTENT_TYPE, &*content_type).body(body);
        }
        let request = request.build().map_err(|error| Trouble::NotSent(outbound::reason(error)))?;
        // Before the turn: a request that has had its turn goes out at once, or the rate is not the rate.
        let _place = self.place().await?;
        self.turn(outgoing.family).await?;
        let answer = http.execute(request).await.map_err(|error| self.unanswered(error))?;
        self.read(answer, outgoing.family).await
    }

    async fn read(&self, answer: reqwest::Response, family: Family) -> Result<Reply, Trouble> {
        let status = answer.status();
        let wait = hints::asked_wait(answer.headers(), self.clock.timestamp());
        let transaction = answer
            .headers()
            .get("x-anypnt-trx-id")
            .and_then(|value| Uuid::parse_str(value.to_str().ok()?).ok());
        let slow_down = status == StatusCode::TOO_MANY_REQUESTS
            || (status == StatusCode::SERVICE_UNAVAILABLE && (wait.is_some() || family.limits_by_503()));
        if slow_down && let Some(pacer) = self.pacers.get(&family) {
            let until = self.now() + wait.unwrap_or(UNASKED_PAUSE);
            pacer.with(|pacer| pacer.cool_down(until));
        }
        let shown = transaction.map(tracing::field::display);
        tracing::debug!(
            api = family.as_str(),
            status = status.as_u16(),
            transaction = shown,
            "anypoint answered"
        );
        let body = match outbound::read_bounded(answer, ANSWER_LIMIT).await {
            Ok(body) => SecretValue::new(Vec::from(body)),
            // The status of a refusal says enough.
            Err(_) if !status.is_success() => SecretValue::new(Vec::new()),
            Err(ReadError::Timeout) => return Err(Trouble::TimedOut),
            Err(ReadError::TooLarge { limit }) => return Err(Trouble::TooLarge(limit)),
            Err(ReadError::Broken(why)) => return Err(Trouble::Broken(why)),
        };
        Ok(Reply { status, transaction, wait, body })
    }

    /// Waits until the connection may have one more request under way, at most [`PATIENCE`].
    async fn place(&self) -> Result<SemaphorePermit<'_>, Trouble> {
        match tokio::time::timeout(PATIENCE, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Trouble::Crowded(self.max_requests)),
        }
    }

    async fn turn(&self, family: Family) -> Result<(), Trouble> {
        match self.pacers.get(&family) {
            Some(pacer) => turn(pacer, &*self.clock).await,
            None => Ok(()),
        }
    }

    fn unanswered(&self, error: reqwest::Error) -> Trouble {
        // A connect error is told first: it may be a timeout too, but nothing was sent.
        if error.is_connect() || error.is_builder() {
            self.http.could_not_connect();
            Trouble::NotSent(outbound::reason(error))
        } else if error.is_timeout() {
            Trouble::TimedOut
        } else {
            Trouble::Broken(outbound::reason(error))
        }
    }
}

/// Waits for a place in the schedule, at most [`PATIENCE`].
async fn turn(pacer: &SharedPacer, clock: &dyn Clock) -> Result<(), Trouble> {
    let now = clock.now();
    let slot = pacer.reserve_within(now, PATIENCE).map_err(Trouble::Paced)?;
    // The wait is the rate limit itself, bounded by PATIENCE; it is not a retry.
    let mut wait = slot.saturating_duration_since(now);
    loop {
        // Tokio's timers count whole milliseconds: even a sleep of no length takes one or two.
        if !wait.is_zero() {
            tokio::time::sleep_until(tokio::time::Instant::now() + wait).await;
        }
        let now = clock.now();
        // Another answer may have asked for a pause meanwhile.
        if let Some(left) = pacer.with(|pacer| pacer.cooling(now)) {
            return Err(Trouble::Paced(left));
        }
        match pacer.with(|pacer| pacer.leave(now)) {
            Ok(()) => return Ok(()),
            Err(again) => wait = again.saturating_duration_since(now),
        }
    }
}

fn authorization(token: &SecretValue) -> Result<HeaderValue, Trouble> {
    let bytes = [b"Bearer ", token.expose_bytes()].concat();
    let mut value = HeaderValue::from_maybe_shared(Bytes::from(bytes))
        .map_err(|_| Trouble::NotSent("the token has characters that no header may have".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use jiff::Timestamp;

    use super::*;
    use crate::clock::TestClock;

    #[tokio::test]
    async fn a_request_whose_turn_is_now_waits_for_no_timer() {
        let clock = TestClock::at(Timestamp::UNIX_EPOCH);
        let rates = config::Rates::default();
        let pacer = Pacers::default().of("anypoint.mulesoft.com:443", Family::ApplicationManager, &rates);
        let leaves_at_once = |_| turn(&pacer, &clock).now_or_never().is_some_and(|turn| turn.is_ok());
        assert_eq!(
            [0; 4].map(leaves_at_once),
            [true, true, true, false],
            "three at once, the next one waits"
        );
    }
}
