//! EventBridge: API destinations with their retry rules, and rules that forward events.
//!
//! Sources: the EventBridge guide, "API destinations" (headers, 5 s, status codes, Retry-After) and
//! "Event retry policy".

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value as Json;

use super::Core;
use super::delivery::{Attempt, Delivery, Next, Outcome, Parcel, begin};
use super::events::{self, Source};
use super::oauth::{Grant, Token};
use super::outbox::{Order, Outbox};
use super::secrets::Change;
use super::sns::Topic;

/// How a connection authorises itself.
#[derive(Clone)]
pub enum Auth {
    /// `API_KEY`: a header of one's own.
    ApiKey {
        /// Its name.
        header: String,
        /// Its value.
        value: String,
    },
    /// `BASIC`.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// `OAUTH_CLIENT_CREDENTIALS`.
    OAuth(Grant),
}

/// How often and how fast EventBridge tries again.
#[derive(Clone, Copy, Debug)]
pub struct BusPolicy {
    /// Attempts after the first one.
    pub retries: u32,
    /// The first delay; it doubles up to `max_delay`, less up to half by chance.
    pub delay: Duration,
    /// The longest delay of its own.
    pub max_delay: Duration,
    /// How long the whole answer may take.
    pub timeout: Duration,
    /// What a second of a `Retry-After` lasts.
    pub retry_after_second: Duration,
}

impl BusPolicy {
    /// AWS's default: 185 retries, 5 s for the answer. Its delays are not documented; they end up in
    /// the minutes, as 185 of them last a day.
    pub const AWS: Self = Self {
        retries: 185,
        delay: Duration::from_secs(1),
        max_delay: Duration::from_mins(10),
        timeout: Duration::from_secs(5),
        retry_after_second: Duration::from_secs(1),
    };
}

impl Default for BusPolicy {
    /// AWS's with everything between two attempts twenty times faster, and at most half a second.
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(50),
            max_delay: Duration::from_millis(500),
            retry_after_second: Duration::from_millis(50),
            ..Self::AWS
        }
    }
}

/// Where a rule sends events.
#[derive(Clone, Debug)]
pub enum Sink {
    /// To a topic: the event is the text of the message.
    Topic(Topic),
    /// To an API destination.
    Destination(ApiDestination),
}

/// Destinations and rules.
#[derive(Debug, Default)]
pub(crate) struct Bus(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    destinations: Vec<Destination>,
    rules: Vec<(Source, Route)>,
}

/// A sink without a handle, so that the state does not hold itself.
#[derive(Clone, Debug)]
enum Route {
    Topic(String),
    Destination(usize),
}

struct Destination {
    url: String,
    auth: Auth,
    /// What OAuth has brought.
    token: Option<Token>,
    policy: BusPolicy,
    array: bool,
    outbox: Outbox<Json>,
    attempts: Vec<Attempt>,
    dead: Vec<Json>,
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Destination").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Bus {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_rule(&self, source: Source, sink: &Sink) {
        let route = match sink {
            Sink::Topic(topic) => Route::Topic(topic.arn().to_owned()),
            Sink::Destination(destination) => Route::Destination(destination.index),
        };
        self.lock().rules.push((source, route));
    }

    /// Address and credential of a destination.
    pub(crate) fn destination(&self, index: usize) -> Option<(String, Auth)> {
        let state = self.lock();
        let found = state.destinations.get(index)?;
        Some((found.url.clone(), found.auth.clone()))
    }

    /// All attempts of all destinations.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.lock().destinations.iter().flat_map(|destination| destination.attempts.clone()).collect()
    }

    /// The same, and forgets them.
    pub(crate) fn take_attempts(&self) -> Vec<Attempt> {
        let mut state = self.lock();
        let all = state.destinations.iter_mut();
        all.flat_map(|destination| std::mem::take(&mut destination.attempts)).collect()
    }

    pub(crate) fn clear_rules(&self) {
        self.lock().rules.clear();
    }
}

/// Sends the events of these changes where the rules say; each event is one, with one id, everywhere.
pub(crate) fn announce(core: &Arc<Core>, changes: &[Change]) {
    let rules = core.bus.lock().rules.clone();
    for change in changes {
        let wanted = events::source_of(change);
        let mut routes = rules.iter().filter(|(source, _)| *source == wanted).peekable();
        if routes.peek().is_none() {
            continue;
        }
        let event = events::event(change);
        for (_, route) in routes {
            match route {
                Route::Topic(arn) => {
                    if let Some(topic) = Topic::existing(Arc::clone(core), arn) {
                        topic.publish(event.to_string());
                    }
                }
                Route::Destination(index) => {
                    ApiDestination { core: Arc::clone(core), index: *index }.send(event.clone());
                }
            }
        }
    }
}

/// One API destination with its connection; clones are the same one.
#[derive(Clone, Debug)]
pub struct ApiDestination {
    core: Arc<Core>,
    index: usize,
}

impl ApiDestination {
    pub(crate) fn create(core: Arc<Core>, url: String, auth: Auth) -> Self {
        let destination = Destination {
            url,
            auth,
            token: None,
            policy: BusPolicy::default(),
            array: false,
            outbox: Outbox::default(),
            attempts: Vec::new(),
            dead: Vec::new(),
        };
        let index = {
            let mut bus = core.bus.lock();
            bus.destinations.push(destination);
            bus.destinations.len() - 1
        };
        Self { core, index }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Sends an event (or any other JSON, as an input transformer may make it).
    pub fn send(&self, event: Json) {
        for event in self.with(|destination| destination.outbox.put(event)) {
            self.deliver(vec![event]);
        }
    }

    /// Sends several events in one request, as a JSON array.
    pub fn send_together(&self, events: Vec<Json>) {
        self.core.spawn(begin(self.prepare(events.into())));
    }

    /// The connection's credentials from the next attempt on, so that retries see a new key.
    pub fn set_auth(&self, auth: Auth) {
        self.with(|destination| {
            destination.auth = auth;
            destination.token = None;
        });
    }

    /// The retry policy from the next event on.
    pub fn set_policy(&self, policy: BusPolicy) {
        self.with(|destination| destination.policy = policy);
    }

    /// Posts each event in an array of one, as the newer custom event buses do.
    pub fn set_array(&self, array: bool) {
        self.with(|destination| destination.array = array);
    }

    /// Delivers each event this often; 1 is the default.
    pub fn set_copies(&self, copies: usize) {
        self.with(|destination| destination.outbox.set_copies(copies));
    }

    /// Keeps events back until [`Self::release`].
    pub fn hold(&self) {
        self.with(|destination| destination.outbox.hold());
    }

    /// Delivers what was kept back, one after the other in this order (retries apart).
    pub fn release(&self, order: Order) {
        self.deliver(self.with(|destination| destination.outbox.release(order)));
    }

    /// All attempts, in the order in which they ended.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.with(|destination| destination.attempts.clone())
    }

    /// What was given up.
    pub fn dead_letters(&self) -> Vec<Json> {
        self.with(|destination| destination.dead.clone())
    }

    fn deliver(&self, events: Vec<Json>) {
        let handle = self.clone();
        self.core.spawn(async move {
            for event in events {
                let array = handle.with(|destination| destination.array);
                begin(handle.prepare(if array { vec![event].into() } else { event })).await;
            }
        });
    }

    fn prepare(&self, body: Json) -> Posting {
        let first = body.get(0).unwrap_or(&body);
        let id = first["id"].as_str().unwrap_or_default().to_owned();
        let policy = self.with(|destination| destination.policy);
        Posting { destination: self.clone(), id, body, policy }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Destination) -> T) -> T {
        let mut bus = self.core.bus.lock();
        act(bus.destinations.get_mut(self.index).expect("destinations are kept"))
    }
}

/// An event, or several in one request, on its way to one destination.
struct Posting {
    destination: ApiDestination,
    id: String,
    body: Json,
    policy: BusPolicy,
}

impl Delivery for Posting {
    fn core(&self) -> &Arc<Core> {
        &self.destination.core
    }

    fn retries(&self) -> u32 {
        self.policy.retries
    }

    async fn attempt(&self, number: u32) -> Next {
        let token = self.authorise().await;
        let parcel = self.destination.with(|destination| Parcel {
            id: self.id.clone(),
            url: destination.url.clone(),
            headers: headers(&destination.auth, token.as_deref().unwrap_or_default()),
            body: Bytes::from(self.body.to_string()),
        });
        let attempt = match token {
            Ok(_) => parcel.post(&self.destination.core.client, number, self.policy.timeout).await,
            Err(why) => parcel.not_sent(number, why),
        };
        let (outcome, retry_after) = (attempt.outcome.clone(), attempt.retry_after());
        if matches!(outcome, Outcome::Status(401 | 407)) {
            self.destination.with(|destination| destination.token = None);
        }
        self.destination.with(|destination| destination.attempts.push(attempt));
        match outcome {
            Outcome::Status(200..300) => Next::Done,
            Outcome::Status(401 | 407 | 409 | 429 | 500..) | Outcome::NoAnswer(_) => {
                self.delay(number, retry_after).map_or(Next::GiveUp, Next::Again)
            }
            Outcome::Status(_) => Next::GiveUp,
        }
    }

    fn give_up(&self) {
        self.destination.with(|destination| destination.dead.push(self.body.clone()));
    }
}

impl Posting {
    /// The bearer token of a connection that uses OAuth; nothing for the others.
    async fn authorise(&self) -> Result<String, String> {
        let (auth, held) =
            self.destination.with(|destination| (destination.auth.clone(), destination.token.clone()));
        let Auth::OAuth(grant) = auth else { return Ok(String::new()) };
        if let Some(token) = held.filter(Token::is_fresh) {
            return Ok(token.bearer);
        }
        let token = Token::fetch(&self.destination.core.client, &grant).await?;
        self.destination.with(|destination| destination.token = Some(token.clone()));
        Ok(token.bearer)
    }

    /// The longer of the own delay and Retry-After; none if that is negative, which means stop.
    fn delay(&self, number: u32, retry_after: Option<i64>) -> Option<Duration> {
        let doubled = self.policy.delay.saturating_mul(2_u32.saturating_pow(number - 1));
        let own = doubled.min(self.policy.max_delay).mul_f64(0.5 + fastrand::f64() / 2.0);
        let asked = u32::try_from(retry_after.unwrap_or(0)).ok()?;
        Some(own.max(self.policy.retry_after_second.saturating_mul(asked)))
    }
}

fn headers(auth: &Auth, token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: &str, value: &str| {
        let name: HeaderName = name.parse().expect("a header name");
        headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
    };
    set("user-agent", "Amazon/EventBridge/ApiDestinations");
    set("content-type", "application/json; charset=utf-8");
    set("range", "bytes=0-1048575");
    set("accept-encoding", "gzip,deflate");
    set("connection", "close");
    match auth {
        Auth::ApiKey { header, value } => set(header, value),
        Auth::Basic { user, password } => {
            set("authorization", &format!("Basic {}", BASE64.encode(format!("{user}:{password}"))));
        }
        Auth::OAuth(_) => set("authorization", &format!("Bearer {token}")),
    }
    headers
}
