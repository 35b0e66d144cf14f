//! Faults on request: what a server of the sandbox does instead of, before or after answering.
//!
//! A [`Rule`] says which requests, how often, and what happens. Rules are looked at in the order they
//! were added; latencies add up, and the first other action that fires is the one carried out.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::sync::watch;

/// A request as the rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path, without the query.
    pub path: &'a str,
    /// Its query, empty when it has none.
    pub query: &'a str,
    /// The `Host` header, empty when it has none.
    pub host: &'a str,
    /// What the server calls the request, e.g. the operation of an AWS call; may be empty.
    pub tag: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a [u8],
}

/// What happens to a request that a rule picks.
#[derive(Clone, Debug)]
pub enum Action {
    /// The handler runs this much later.
    Latency(Duration),
    /// This answer; the handler does not run.
    Status {
        /// The status code.
        status: StatusCode,
        /// Headers of the answer.
        headers: HeaderMap,
        /// Its body.
        body: Bytes,
    },
    /// The connection is reset; the handler does not run.
    ResetBefore,
    /// The handler runs, then the connection is reset: the effect happened, the answer is lost.
    ResetAfter,
    /// The handler runs; its answer announces the whole body, and the connection ends half way.
    TruncateBody,
    /// The handler runs when the gate is opened, even if the client has gone by then: a late write.
    Hang(Gate),
    /// The handler runs at once; the answer waits for the gate.
    HangAfter(Gate),
    /// The handler runs at once; the answer comes this much later.
    SlowAnswer(Duration),
}

impl Action {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Status { .. } => "status",
            Self::ResetBefore => "reset before",
            Self::ResetAfter => "reset after",
            Self::TruncateBody => "truncated body",
            Self::Hang(_) => "hang",
            Self::HangAfter(_) => "hang after",
            Self::SlowAnswer(_) => "slow answer",
        }
    }
}

/// Holds requests until it is opened; clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<(watch::Sender<bool>, watch::Sender<usize>)>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new((watch::Sender::new(false), watch::Sender::new(0))))
    }

    /// Lets the waiting requests, and all later ones, through.
    pub fn open(&self) {
        self.0.0.send_replace(true);
    }

    /// How many requests have arrived at the gate so far.
    pub fn arrivals(&self) -> usize {
        *self.0.1.borrow()
    }

    /// Waits until `count` requests have arrived at it.
    pub async fn arrived(&self, count: usize) {
        self.0
            .1
            .subscribe()
            .wait_for(|arrivals| *arrivals >= count)
            .await
            .expect("the gate holds the sender");
    }

    pub(crate) async fn pass(&self) {
        self.0.1.send_modify(|arrivals| *arrivals += 1);
        self.0.0.subscribe().wait_for(|open| *open).await.expect("the gate holds the sender");
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

/// Which requests, how often, and what happens to them. Without limits: every request, always.
pub struct Rule {
    action: Action,
    matchers: Vec<Matcher>,
    skip: u64,
    times: Option<u64>,
    chance: Option<(f64, fastrand::Rng)>,
}

type Matcher = Box<dyn Fn(&Seen<'_>) -> bool + Send + Sync>;

impl Rule {
    /// A rule for every request.
    pub fn new(action: Action) -> Self {
        Self { action, matchers: Vec::new(), skip: 0, times: None, chance: None }
    }

    /// A rule that lets every request pass and tells `act` of it before the handler runs: for what is to
    /// happen between two requests. `act` must not touch the rules.
    pub fn watch(act: impl Fn(&Seen<'_>) + Send + Sync + 'static) -> Self {
        Self::new(Action::Latency(Duration::ZERO)).when(move |seen| {
            act(seen);
            false
        })
    }

    /// A rule that answers `status` with an empty body.
    ///
    /// # Panics
    /// If `status` is no HTTP status code.
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("a status code");
        Self::new(Action::Status { status, headers: HeaderMap::new(), body: Bytes::new() })
    }

    /// Adds a header to the answer of a [`Rule::status`].
    ///
    /// # Panics
    /// If it is no legal header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Action::Status { headers, .. } = &mut self.action {
            let name: HeaderName = name.parse().expect("a header name");
            headers.append(name, HeaderValue::from_str(value).expect("a header value"));
        }
        self
    }

    /// Sets the body of the answer of a [`Rule::status`].
    pub fn body(mut self, text: impl Into<Bytes>) -> Self {
        if let Action::Status { body, .. } = &mut self.action {
            *body = text.into();
        }
        self
    }

    /// Only requests of this method.
    pub fn method(self, method: Method) -> Self {
        self.when(move |seen| *seen.method == method)
    }

    /// Only requests whose path contains this.
    pub fn path(self, part: impl Into<String>) -> Self {
        let part = part.into();
        self.when(move |seen| seen.path.contains(&part))
    }

    /// Only requests to this host (with its port, if the client sends one).
    pub fn host(self, host: impl Into<String>) -> Self {
        let host = host.into();
        self.when(move |seen| seen.host == host)
    }

    /// Only requests that the server calls this.
    pub fn tag(self, tag: impl Into<String>) -> Self {
        let tag = tag.into();
        self.when(move |seen| seen.tag == tag)
    }

    /// Only requests for which this holds (and all other conditions).
    pub fn when(mut self, matcher: impl Fn(&Seen<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.matchers.push(Box::new(matcher));
        self
    }

    /// Not the first `count` of the matching requests.
    pub fn skip(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// At most `count` times.
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }

    /// With this probability (0 to 1), drawn from `seed`.
    pub fn chance(mut self, probability: f64, seed: u64) -> Self {
        self.chance = Some((probability, fastrand::Rng::with_seed(seed)));
        self
    }

    fn fires(&mut self, seen: &Seen<'_>) -> bool {
        if self.times == Some(0) || !self.matchers.iter().all(|matches| matches(seen)) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if let Some((probability, rng)) = &mut self.chance
            && rng.f64() >= *probability
        {
            return false;
        }
        if let Some(left) = &mut self.times {
            *left -= 1;
        }
        true
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("action", &self.action).finish_non_exhaustive()
    }
}

/// Names a rule that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleId(u64);

/// The rules of one server (or of several that share them); clones are the same set.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next: AtomicU64,
    rules: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    id: RuleId,
    rule: Rule,
    hits: u64,
}

/// What the rules say about one request.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) latency: Duration,
    pub(crate) action: Option<Action>,
}

impl Faults {
    /// No faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a rule behind those that are there.
    pub fn add(&self, rule: Rule) -> RuleId {
        let id = RuleId(self.0.next.fetch_add(1, Ordering::Relaxed));
        self.rules().push(Entry { id, rule, hits: 0 });
        id
    }

    /// Takes a rule away; false if it was not there. Requests that it holds stay held.
    pub fn remove(&self, id: RuleId) -> bool {
        let mut rules = self.rules();
        let before = rules.len();
        rules.retain(|entry| entry.id != id);
        rules.len() < before
    }

    /// Takes all rules away.
    pub fn clear(&self) {
        self.rules().clear();
    }

    /// How often a rule has fired; 0 for one that is gone.
    pub fn hits(&self, id: RuleId) -> u64 {
        self.rules().iter().find(|entry| entry.id == id).map_or(0, |entry| entry.hits)
    }

    pub(crate) fn decide(&self, seen: &Seen<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        for entry in self.rules().iter_mut() {
            let latency = matches!(entry.rule.action, Action::Latency(_));
            if !latency && verdict.action.is_some() {
                continue;
            }
            if entry.rule.fires(seen) {
                entry.hits += 1;
                match &entry.rule.action {
                    Action::Latency(by) => verdict.latency += *by,
                    other => verdict.action = Some(other.clone()),
                }
            }
        }
        verdict
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'a>(path: &'a str, headers: &'a HeaderMap) -> Seen<'a> {
        let method = &Method::GET;
        Seen { method, path, query: "", host: "h", tag: "Describe", headers, body: b"" }
    }

    fn fires(faults: &Faults, path: &str) -> bool {
        let headers = HeaderMap::new();
        let seen = seen(path, &headers);
        faults.decide(&seen).action.is_some()
    }

    #[test]
    fn a_rule_fires_as_often_as_it_says_and_only_where_it_matches() {
        let faults = Faults::none();
        let id = faults.add(Rule::status(503).path("/b").tag("Describe").skip(1).times(2));
        assert!(!fires(&faults, "/a"));
        let fired: Vec<bool> = (0..4).map(|_| fires(&faults, "/a/b")).collect();
        assert_eq!(fired, [false, true, true, false]);
        assert_eq!(faults.hits(id), 2);
    }

    #[test]
    fn a_rule_that_watches_is_told_of_every_request_and_changes_none() {
        let faults = Faults::none();
        let paths = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&paths);
        faults.add(Rule::watch(move |seen| told.lock().unwrap().push(seen.path.to_owned())));
        assert!(!fires(&faults, "/a") && !fires(&faults, "/b"));
        assert_eq!(*paths.lock().unwrap(), ["/a", "/b"]);
    }

    #[test]
    fn a_removed_rule_no_longer_fires() {
        let faults = Faults::none();
        let id = faults.add(Rule::new(Action::ResetBefore));
        assert!(fires(&faults, "/"));
        assert!(faults.remove(id));
        assert!(!fires(&faults, "/"));
    }

    #[test]
    fn chances_with_one_seed_repeat_themselves() {
        let draw = || {
            let faults = Faults::none();
            faults.add(Rule::new(Action::ResetAfter).chance(0.5, 7));
            (0..64).map(|_| fires(&faults, "/")).collect::<Vec<_>>()
        };
        let first = draw();
        assert_eq!(first, draw());
        assert!(first.contains(&true) && first.contains(&false));
    }

    #[test]
    fn latencies_add_up_beside_another_action() {
        let faults = Faults::none();
        faults.add(Rule::new(Action::Latency(Duration::from_secs(1))));
        faults.add(Rule::status(500));
        faults.add(Rule::new(Action::Latency(Duration::from_secs(2))));
        let headers = HeaderMap::new();
        let seen = seen("/", &headers);
        let verdict = faults.decide(&seen);
        assert_eq!(verdict.latency, Duration::from_secs(3));
        assert!(matches!(verdict.action, Some(Action::Status { .. })));
    }
}
