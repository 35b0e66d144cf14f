//! A delivery by HTTP: its attempts one after another, and the record of each.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;
use reqwest::Client;
use reqwest::redirect::Policy;
use tokio::time::{Instant, timeout};

use super::Core;
use crate::pki::Authority;
use crate::time;

/// An attempt to deliver a message or an event.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The id of the message or event (of the first one, where several were sent together).
    pub id: String,
    /// Where it was posted.
    pub url: String,
    /// 1 for the first attempt.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// What came of it.
    pub outcome: Outcome,
    /// The headers of the answer; none where there was no answer.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer with this status.
    Status(u16),
    /// No answer: timeout, no connection, connection lost.
    NoAnswer(String),
}

impl Outcome {
    /// The status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(*status),
            Self::NoAnswer(_) => None,
        }
    }

    /// Whether the endpoint took it.
    pub fn is_success(&self) -> bool {
        self.status().is_some_and(|status| (200..300).contains(&status))
    }
}

impl Attempt {
    /// `Retry-After` in seconds; EventBridge gives a negative one a meaning.
    pub(crate) fn retry_after(&self) -> Option<i64> {
        self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
    }
}

/// What follows an attempt.
pub(crate) enum Next {
    Done,
    Again(Duration),
    GiveUp,
}

/// Something on its way, by the rules of the service that sends it.
pub(crate) trait Delivery: Send + Sync + Sized + 'static {
    fn core(&self) -> &Arc<Core>;

    /// Attempts after the first one.
    fn retries(&self) -> u32;

    /// One attempt, and what the rules say to what came of it.
    fn attempt(&self, number: u32) -> impl Future<Output = Next> + Send;

    fn give_up(&self);
}

/// Makes the first attempt; those that have to follow go on by themselves, so that a caller can begin
/// several deliveries in order.
pub(crate) async fn begin(delivery: impl Delivery) {
    match delivery.attempt(1).await {
        Next::Done => {}
        Next::GiveUp => delivery.give_up(),
        Next::Again(after) => {
            let core = Arc::clone(delivery.core());
            core.spawn(async move { go_on(&delivery, after).await });
        }
    }
}

async fn go_on(delivery: &impl Delivery, mut after: Duration) {
    for number in 2..=delivery.retries() + 1 {
        time::pause(after).await;
        match delivery.attempt(number).await {
            Next::Done => return,
            Next::Again(longer) => after = longer,
            Next::GiveUp => break,
        }
    }
    delivery.give_up();
}

/// What is sent in an attempt.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Parcel {
    /// Posts it; the whole answer must have come within `limit`.
    pub(crate) async fn post(&self, client: &Client, number: u32, limit: Duration) -> Attempt {
        let (at, started) = (time::now(), Instant::now());
        let request = client.post(&self.url).headers(self.headers.clone()).body(self.body.clone());
        let answered = timeout(limit, async {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, response.bytes().await?))
        })
        .await;
        let none = |why| (Outcome::NoAnswer(why), HeaderMap::new(), Bytes::new());
        let (outcome, headers, body) = match answered {
            Ok(Ok((status, headers, body))) => (Outcome::Status(status.as_u16()), headers, body),
            Ok(Err(error)) => none(error.to_string()),
            Err(_) => none(format!("no answer within {limit:?}")),
        };
        let (id, url, took) = (self.id.clone(), self.url.clone(), started.elapsed());
        Attempt { id, url, number, at, took, outcome, headers, body }
    }
}

impl Parcel {
    /// The record of an attempt that ended before anything was sent.
    pub(crate) fn not_sent(&self, number: u32, why: String) -> Attempt {
        let (headers, body, took) = (HeaderMap::new(), Bytes::new(), Duration::ZERO);
        let (id, url, outcome) = (self.id.clone(), self.url.clone(), Outcome::NoAnswer(why));
        Attempt { id, url, number, at: time::now(), took, outcome, headers, body }
    }
}

/// The client of SNS and EventBridge: no redirects, no proxy, and for HTTPS it trusts the sandbox's own
/// authority as the services trust the public ones.
pub(crate) fn client(authority: &Authority) -> Client {
    let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).expect("a certificate");
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .tls_certs_only([root])
        .build()
        .expect("an HTTP client")
}
