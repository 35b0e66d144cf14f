//! `GET /events`: what changes, as it changes, for those who watch (server-sent events).
//!
//! Guarantees: each event is the newest state, of the same form as in the status, free of values; a client takes
//! the memory of one event however slowly it reads, because it is told the state at the moment of sending and
//! not a copy of every step; if notifications passed it by it is told `resync`. At most [`WATCHERS`] clients; none
//! is told of changes more than ten times a second; all are let go when the last run of a drain is over.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::AdminState;
use super::status::TargetPage;
use crate::http::{ErrorCode, Problem};
use crate::status::{News, Place};

/// Clients that may watch at once: a quarter of the listener's connections.
pub(super) const WATCHERS: usize = 16;
/// Between two looks at what is new.
const PACE: Duration = Duration::from_millis(100);
/// Without news, a comment says that the relay is still there; pauses that are over are noticed as often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client should wait before it comes again.
const COME_AGAIN: Duration = Duration::from_secs(2);

/// The first event: now the client may fetch the status, and misses nothing.
#[derive(Serialize)]
struct Hello {
    version: &'static str,
    at: Timestamp,
    keep_alive_seconds: u64,
}

#[derive(Serialize)]
struct Resync {
    at: Timestamp,
}

/// The handler.
pub(super) async fn watch(State(state): State<AdminState>) -> Result<Response, Problem> {
    let place = Arc::clone(&state.watchers).try_acquire_owned().map_err(|_| {
        Problem::new(ErrorCode::Overloaded, "as many watch as may; close one, or ask for the status instead")
    })?;
    let watcher = Watcher {
        news: state.board.news(),
        state,
        seen: None,
        pace: ticking(PACE),
        look: ticking(KEEP_ALIVE),
        _place: place,
    };
    let events = futures_util::stream::unfold(watcher, Watcher::next);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("still here")).into_response())
}

fn ticking(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

struct Watcher {
    state: AdminState,
    news: watch::Receiver<Place>,
    /// The last piece of news that it was told; none before its greeting.
    seen: Option<Place>,
    pace: Interval,
    look: Interval,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        let event = self.event().await?;
        Some((Ok(event), self))
    }

    /// The next event; none once the relay ends.
    async fn event(&mut self) -> Option<Event> {
        let Some(mut seen) = self.seen else {
            self.seen = Some(*self.news.borrow_and_update());
            let at = self.state.clock.timestamp();
            let keep_alive_seconds = KEEP_ALIVE.as_secs();
            let hello = Hello { version: env!("CARGO_PKG_VERSION"), at, keep_alive_seconds };
            return Some(event("hello", &hello).retry(COME_AGAIN));
        };
        loop {
            if let Some((place, news)) = self.state.board.news_after(seen) {
                seen = if news == News::Missed { *self.news.borrow_and_update() } else { place };
                self.seen = Some(seen);
                if let Some(event) = self.tell(&news) {
                    return Some(event);
                }
                continue;
            }
            tokio::select! {
                biased;
                () = self.state.queue.over() => return None,
                changed = self.news.changed() => {
                    changed.ok()?;
                    self.pace.tick().await;
                }
                _ = self.look.tick() => self.state.board.end_pauses(self.state.clock.timestamp()),
            }
        }
    }

    fn tell(&self, news: &News) -> Option<Event> {
        Some(match news {
            News::Target(target) => event("target", &TargetPage::of(&self.state, target)?),
            News::Notice(notice) => event("notification", notice),
            News::Missed => event("resync", &Resync { at: self.state.clock.timestamp() }),
        })
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    // Texts, numbers and times always have a JSON form, on one line.
    Event::default().event(name).data(serde_json::to_string(data).unwrap_or_default())
}
