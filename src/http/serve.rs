//! Serves a router on a listener, so that no client can take the relay away from the others.
//!
//! Guarantees: a new connection brings a whole request header within [`Bounds::first_request`] or is
//! closed, an idle one is closed after [`Bounds::idle`]; there are never more than
//! [`Bounds::connections`], and when all places are taken the one that has done nothing for the longest
//! is closed for each newcomer, so that nobody waits behind those who say nothing, and answers end their
//! connection, so that no sender writes to one that is just being closed; at the end, connections without a request under way are closed, and the others as soon
//! as they are answered, or after [`Bounds::grace`].
//!
//! It is ours because hyper has one time limit for a first header and a next one alike, and because
//! neither `axum::serve` nor `hyper_util`'s graceful shutdown bounds connections or takes idle ones' places.
//!
//! Does not bound how long a request is worked on or its body read: that is the router's.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::peer::Peer;

/// A header may take about this much memory, and a body is read in pieces of about this size. Load
/// balancers allow 16 to 64 KiB of header.
const BUFFER: usize = 64 * 1024;
/// Given to a connection that was told to end after its answer.
const LAST_WORD: Duration = Duration::from_secs(1);
/// After this long without a place, another connection is closed.
const ROUND: Duration = Duration::from_millis(100);
/// After an accept that failed for lack of file handles or memory; as long as axum waits.
const PAUSE: Duration = Duration::from_secs(1);

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// From the connection to the end of its first request's header.
    pub first_request: Duration,
    /// From an answer to the end of the next request's header.
    pub idle: Duration,
    /// From the end of the serving to that of the requests that are under way then.
    pub grace: Duration,
}

impl Bounds {
    /// So many connections at once, with the usual times: 10 s for a first request, and longer idle
    /// than the 60 s of the usual load balancers, which would otherwise meet a closed connection.
    pub fn of(connections: usize, grace: Duration) -> Self {
        Self { connections, first_request: Duration::from_secs(10), idle: Duration::from_secs(75), grace }
    }
}

/// Serves `router` until `shutdown` is over and the requests under way are answered or cut off. When
/// this is dropped, so are all of its connections.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    shutdown: impl Future<Output = ()>,
) {
    let house = House {
        router,
        bounds,
        places: Arc::new(Semaphore::new(bounds.connections)),
        idle: Arc::default(),
        closing: CancellationToken::new(),
    };
    let guests = TaskTracker::new();
    let gone = CancellationToken::new();
    let _gone_when_dropped = gone.clone().drop_guard();
    let accept = async {
        loop {
            let (stream, peer) = house.accept(&listener).await;
            let place = house.place().await;
            let guest = house.clone().entertain(stream, peer, place);
            guests.spawn(gone.clone().run_until_cancelled_owned(guest));
        }
    };
    tokio::select! {
        () = shutdown => {}
        () = accept => {}
    }
    drop(listener);
    house.closing.cancel();
    guests.close();
    if timeout(bounds.grace, guests.wait()).await.is_err() {
        tracing::warn!(connections = guests.len(), "requests that never ended were cut off");
    }
}

/// What the connections of one listener share.
#[derive(Clone)]
struct House {
    router: Router,
    bounds: Bounds,
    places: Arc<Semaphore>,
    idle: Arc<Idle>,
    closing: CancellationToken,
}

impl House {
    async fn accept(&self, listener: &TcpListener) -> (TcpStream, Peer) {
        use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return (stream, Peer(peer)),
                // It was over before it began; the next one is not affected.
                Err(error)
                    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections; idle ones are closed, and it is tried again");
                    while self.idle.close_oldest() {}
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "no notice comes when there are handles again"
                    )]
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// A place for one more, if need be at the cost of the one who has done nothing for the longest.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                return Some(place);
            }
            self.idle.close_oldest();
            let freed = Arc::clone(&self.places).acquire_owned();
            if let Ok(place) = timeout(ROUND, freed).await {
                // The semaphore is never closed.
                return place.ok();
            }
        }
    }

    /// Serves one connection until it ends or overstays.
    async fn entertain(self, stream: TcpStream, peer: Peer, _place: Option<OwnedSemaphorePermit>) {
        // Answers are small and final: waiting for more to send would only delay them.
        stream.set_nodelay(true).ok();
        let activity = Activity::new(&self.idle);
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let busy = activity.begin();
            let answer = self.router.clone().oneshot(request.map(Body::new));
            let places = &self.places;
            async move {
                let mut answer = answer.await;
                if let Ok(answer) = &mut answer
                    && places.available_permits() == 0
                {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                drop(busy);
                answer as Result<_, Infallible>
            }
        });
        let connection =
            http1::Builder::new().max_buf_size(BUFFER).serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut closing = false;
        loop {
            let limit = match (closing, activity.requests()) {
                (true, _) => LAST_WORD,
                (false, 0) => self.bounds.first_request,
                (false, _) => self.bounds.idle,
            };
            let until = activity.idle_since().unwrap_or_else(Instant::now) + limit;
            let event = timeout_at(until, async {
                tokio::select! {
                    // What has come is read first: who has just asked is not closed.
                    biased;
                    // Its error is the client's: a broken header, a lost connection.
                    _ = connection.as_mut() => Event::Ended,
                    () = activity.answered.notified() => Event::Answered,
                    () = activity.unwanted.notified() => Event::Unwanted,
                    () = self.closing.cancelled(), if !closing => Event::Closing,
                }
            });
            let over = |limit: Duration| activity.idle_since().is_some_and(|since| since.elapsed() >= limit);
            match event.await {
                Ok(Event::Ended) => return,
                Ok(Event::Unwanted) if activity.is_dismissed() => return,
                Err(_) if over(limit) => return,
                // A request came in the last moment: the next in the line goes instead.
                Ok(Event::Unwanted) => drop(self.idle.close_oldest()),
                // Busy: counted anew.
                Ok(Event::Answered) | Err(_) => {}
                // Closes at once between two requests; else after the answer.
                Ok(Event::Closing) => {
                    closing = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

enum Event {
    Ended,
    Answered,
    Unwanted,
    Closing,
}

/// The connections that do nothing, in the order in which they began to.
#[derive(Default)]
struct Idle(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    next: u64,
    waiting: BTreeMap<u64, Arc<Notify>>,
}

impl Idle {
    /// Lines up behind all others; gives the place in the line.
    fn join(&self, unwanted: &Arc<Notify>) -> u64 {
        let mut queue = self.queue();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, Arc::clone(unwanted));
        number
    }

    fn leave(&self, number: u64) {
        self.queue().waiting.remove(&number);
    }

    fn holds(&self, number: u64) -> bool {
        self.queue().waiting.contains_key(&number)
    }

    /// Tells the first in the line to close; false if there is none.
    fn close_oldest(&self) -> bool {
        let oldest = self.queue().waiting.pop_first();
        // Kept for it, should it be at something else just now.
        oldest.inspect(|(_, unwanted)| unwanted.notify_one()).is_some()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a request of the connection is being worked on, and since when not. Bytes of a header do
/// not count: a client that sends one now and then does nothing.
struct Activity<'a> {
    idle: &'a Idle,
    state: Mutex<State>,
    /// A request was answered.
    answered: Notify,
    /// Its place is needed.
    unwanted: Arc<Notify>,
}

struct State {
    idle_since: Option<Instant>,
    /// Its place among those that do nothing.
    number: u64,
    requests: u64,
}

impl<'a> Activity<'a> {
    fn new(idle: &'a Idle) -> Self {
        let unwanted = Arc::default();
        let state = State { idle_since: Some(Instant::now()), number: idle.join(&unwanted), requests: 0 };
        Self { idle, state: Mutex::new(state), answered: Notify::new(), unwanted }
    }

    /// A request is being worked on until the guard is dropped.
    fn begin(&self) -> Busy<'_> {
        let mut state = self.state();
        self.idle.leave(state.number);
        state.idle_since = None;
        state.requests += 1;
        Busy(self)
    }

    fn idle_since(&self) -> Option<Instant> {
        self.state().idle_since
    }

    /// Whether it was told to close, and has done nothing since.
    fn is_dismissed(&self) -> bool {
        let state = self.state();
        state.idle_since.is_some() && !self.idle.holds(state.number)
    }

    fn requests(&self) -> u64 {
        self.state().requests
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Activity<'_> {
    fn drop(&mut self) {
        let number = self.state().number;
        self.idle.leave(number);
    }
}

struct Busy<'a>(&'a Activity<'a>);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let activity = self.0;
        let mut state = activity.state();
        state.idle_since = Some(Instant::now());
        state.number = activity.idle.join(&activity.unwanted);
        activity.answered.notify_one();
    }
}

#[cfg(test)]
mod tests;
