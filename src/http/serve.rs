//! Serves a router on a listener, so that no client can take the relay away from the others.
//!
//! Guarantees: a new connection brings a whole request header, after its TLS handshake if there is one,
//! within [`Bounds::first_request`] or is closed, an idle one is closed after [`Bounds::idle`]; there are
//! never more than [`Bounds::connections`], and when all places are taken the one that has done nothing for
//! the longest is closed for each newcomer, so that nobody waits behind those who say nothing, and answers
//! end their connection, so that no sender writes to one that is just being closed; at the end, connections
//! without a request under way are closed, and the others as soon as they are answered, or after
//! [`Bounds::grace`].
//!
//! It is ours because hyper has one time limit for a first header and a next one alike, and because
//! neither `axum::serve` nor `hyper_util`'s graceful shutdown bounds connections or takes idle ones' places.
//!
//! Does not bound how long a request is worked on or its body read: that is the router's.

mod activity;
mod conversation;
mod switch;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{CONNECTION, STRICT_TRANSPORT_SECURITY};
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::activity::{Activity, Busy, Idle};
use self::conversation::{Conversation, Guarded};
pub use self::switch::{Rest, Switch};
use super::peer::Peer;
use super::tls::Tls;

/// Given to a connection that was told to end after its answer.
const LAST_WORD: Duration = Duration::from_secs(1);
/// After this long without a place, another connection is closed.
const ROUND: Duration = Duration::from_millis(100);
/// After an accept that failed for lack of file handles or memory; as long as axum waits.
const PAUSE: Duration = Duration::from_secs(1);
/// For browsers, which should never come here in plain: a year, as scanners expect (RFC 6797).
const ENCRYPTED_ONLY: &str = "max-age=31536000";

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// From the connection to the end of its first request's header.
    pub first_request: Duration,
    /// From an answer to the end of the next request's header.
    pub idle: Duration,
    /// For a client to take anything more of its answer.
    pub stalled: Duration,
    /// From the end of the serving to that of the requests that are under way then.
    pub grace: Duration,
}

impl Bounds {
    /// So many connections at once, with the usual times: 10 s for a first request, and longer idle
    /// than the 60 s of the usual load balancers, which would otherwise meet a closed connection.
    /// 30 s for one that takes nothing of its answer, which load balancers never do for so long.
    pub fn of(connections: usize, grace: Duration) -> Self {
        let (first_request, stalled) = (Duration::from_secs(10), Duration::from_secs(30));
        Self { connections, first_request, idle: Duration::from_secs(75), stalled, grace }
    }
}

/// Where requests come in.
pub struct Listening {
    /// The socket.
    pub listener: TcpListener,
    /// What it shows, and asks of clients; none speaks plain HTTP.
    pub tls: Option<Arc<Tls>>,
}

/// Serves what `routers` has in force until `shutdown` is over and the requests under way are answered or cut
/// off. When this is dropped, so are all of its connections.
pub async fn serve(at: Listening, routers: Switch, bounds: Bounds, shutdown: impl Future<Output = ()>) {
    let Listening { listener, tls } = at;
    let house = Arc::new(House {
        routers,
        tls,
        bounds,
        places: Arc::new(Semaphore::new(bounds.connections)),
        idle: Arc::default(),
        closing: CancellationToken::new(),
    });
    let guests = TaskTracker::new();
    let gone = CancellationToken::new();
    let _gone_when_dropped = gone.clone().drop_guard();
    let accept = async {
        loop {
            let (stream, peer) = house.accept(&listener).await;
            let place = house.place().await;
            let guest = Arc::clone(&house).entertain(stream, peer, place);
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
struct House {
    routers: Switch,
    tls: Option<Arc<Tls>>,
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
    async fn entertain(self: Arc<Self>, stream: TcpStream, peer: Peer, _place: Option<OwnedSemaphorePermit>) {
        // Answers are small and final: waiting for more to send would only delay them.
        stream.set_nodelay(true).ok();
        let activity = Arc::new(Activity::new(&self.idle));
        let Some(mut connection) = self.begin(stream, peer, &activity).await else { return };
        let mut closing = false;
        // Looked at when it is over, and not set anew with each answer: one that asks again and again costs no timer.
        let timer = sleep_until(self.next_look(&activity, closing));
        tokio::pin!(timer);
        loop {
            let event = tokio::select! {
                // What has come is read first: who has just asked is not closed.
                biased;
                // Its error is the client's: a broken header, a lost connection.
                _ = connection.as_mut() => Event::Ended,
                () = activity.over.notified() => Event::Over,
                () = activity.unwanted.notified() => Event::Unwanted,
                () = self.closing.cancelled(), if !closing => Event::Closing,
                () = timer.as_mut() => Event::Look,
            };
            match event {
                Event::Ended => return,
                Event::Unwanted if activity.is_dismissed() => return,
                // A request came in the last moment: the next in the line goes instead.
                Event::Unwanted => drop(self.idle.close_oldest()),
                // HTTP/2 has no header that says so. Closes at once between two requests; else after the answer.
                Event::Over | Event::Closing => {
                    closing = true;
                    connection.as_mut().farewell();
                    timer.as_mut().reset(self.next_look(&activity, closing));
                }
                Event::Look => {
                    let limit = self.limit(&activity, closing);
                    if activity.idle_since().is_some_and(|since| since.elapsed() >= limit) {
                        return;
                    }
                    timer.as_mut().reset(self.next_look(&activity, closing));
                }
            }
        }
    }

    /// How long the connection may do nothing.
    fn limit(&self, activity: &Activity, closing: bool) -> Duration {
        match (closing, activity.requests()) {
            (true, _) => LAST_WORD,
            (false, 0) => self.bounds.first_request,
            (false, _) => self.bounds.idle,
        }
    }

    /// When the connection may have done nothing for too long: not later, whatever it does until then.
    fn next_look(&self, activity: &Activity, closing: bool) -> Instant {
        activity.idle_since().unwrap_or_else(Instant::now)
            + self.limit(activity, closing).min(self.bounds.idle)
    }

    /// Up to where HTTP is spoken; none if the client does not get there in time or its place is needed.
    async fn begin(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: Peer,
        activity: &Arc<Activity>,
    ) -> Option<Pin<Box<dyn Conversation>>> {
        let stream = conversation::timed(stream, self.bounds.stalled);
        let (house, busy) = (Arc::clone(self), Arc::clone(activity));
        let service = service_fn(move |request| {
            let answer = Arc::clone(&house).answer(request, peer, Activity::begin(&busy));
            async { Ok::<_, Infallible>(answer.await) }
        });
        let Some(tls) = &self.tls else { return Some(conversation::plain(stream, service)) };
        tokio::select! {
            biased;
            shaken = timeout(self.bounds.first_request, tls.acceptor().accept(stream)) => match shaken.ok()? {
                Ok(stream) => Some(conversation::encrypted(stream, service)),
                Err(error) => {
                    tracing::debug!(%error, client = %peer.0.ip(), "a TLS handshake failed");
                    None
                }
            },
            () = activity.unwanted.notified() => None,
            () = self.closing.cancelled() => None,
        }
    }

    async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        peer: Peer,
        busy: Busy,
    ) -> Response<Guarded> {
        request.extensions_mut().insert(peer);
        let mut answer = self.routers.answer(request.map(Body::new)).await;
        if self.tls.is_some() {
            answer.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(ENCRYPTED_ONLY));
        }
        if self.places.available_permits() == 0 {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            busy.is_the_last();
        }
        conversation::guarded(answer, busy)
    }
}

enum Event {
    Ended,
    Over,
    Unwanted,
    Closing,
    Look,
}

#[cfg(test)]
mod tests;
