//! What an operator may have done with a target: retry, sync, pause, resume.
//!
//! Guarantees: an action is done as a whole or not at all, also if its sender goes away in the middle; two at
//! once are done one after the other; each that was done is one line of the audit, with its reason and whose
//! token let it in, never the token. None of them writes: they say when runs may start, and runs decide.

use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::AdminState;
use super::door::Caller;
use super::status::target_now;
use crate::http::{ErrorCode, Problem, RequestId};
use crate::model::{Action, Pause, TargetName, parse_duration};
use crate::queue::{Note, Reason, Refused};
use crate::status::TargetStatus;
use crate::telemetry::audit::{Entry, Operation};

/// Longest `reason`, in characters.
const MAX_REASON: usize = 256;
/// Longest time for which a pause may be asked; longer ones are ended by a person.
const MAX_PAUSE: Duration = Duration::from_hours(30 * 24);

/// The body of an action.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    reason: String,
    r#for: Option<String>,
}

/// An action that makes sense by itself.
struct Order {
    action: Action,
    reason: String,
    lasts: Option<Duration>,
}

impl Order {
    fn read(action: Action, body: &[u8]) -> Result<Self, Problem> {
        let malformed = |detail: &'static str| Problem::new(ErrorCode::Malformed, detail);
        let wish: Wish = serde_json::from_slice(body).map_err(|error| {
            let form = match action {
                Action::Pause => {
                    "the body is {\"reason\": \"...\"}, with \"for\": \"2h\" if the pause ends by itself"
                }
                Action::Retry | Action::Sync | Action::Resume => "the body is {\"reason\": \"...\"}",
            };
            malformed(form).because(format_args!("line {}, column {}", error.line(), error.column()))
        })?;
        let length = wish.reason.chars().count();
        if !(1..=MAX_REASON).contains(&length)
            || wish.reason.chars().any(char::is_control)
            || wish.reason.trim().is_empty()
        {
            return Err(malformed(
                "reason: 1 to 256 characters without control characters, and not only spaces",
            ));
        }
        let lasts = match wish.r#for.as_deref() {
            None => None,
            Some(_) if action != Action::Pause => return Err(malformed("for: only a pause has a duration")),
            Some(text) => {
                let lasts = parse_duration(text).filter(|lasts| !lasts.is_zero() && *lasts <= MAX_PAUSE);
                Some(lasts.ok_or_else(|| malformed("for: a duration such as 30m or 2h, up to 720h"))?)
            }
        };
        Ok(Self { action, reason: wish.reason, lasts })
    }
}

/// The answer to an action.
#[derive(Debug, Serialize)]
struct Done {
    action: &'static str,
    request_id: String,
    at: Timestamp,
    /// Of a pause alone: whether it lasts over a restart of the relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    survives_restart: Option<bool>,
    target: TargetStatus,
}

/// The handler of every action.
pub(super) async fn act(
    action: Action,
    State(state): State<AdminState>,
    Path(name): Path<String>,
    Extension(id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, Problem> {
    let target = known(&state, &name)?;
    let order = Order::read(action, &body)?;
    // Not in this task, which ends when its sender goes away.
    let done = tokio::spawn(async move { carry_out(&state, target, order, &caller, &id).await });
    done.await.map_err(|error| {
        Problem::new(ErrorCode::Internal, "the relay's log has the cause under this request id")
            .because(error)
    })?
}

/// The target of that name.
pub(super) fn known(state: &AdminState, name: &str) -> Result<TargetName, Problem> {
    let target = TargetName::parse(name).ok().filter(|target| state.board.knows(target));
    target.ok_or_else(|| {
        Problem::new(ErrorCode::NotConfigured, "there is no such target; GET /status lists them all")
    })
}

async fn carry_out(
    state: &AdminState,
    target: TargetName,
    order: Order,
    caller: &Caller,
    id: &RequestId,
) -> Result<Response, Problem> {
    let _one_after_the_other = state.acting.lock().await;
    state.readiness.admit()?;
    let Order { action, reason, lasts } = order;
    let now = state.clock.timestamp();
    let paused = state.board.pause(&target, now);
    let mut until = None;
    match (action, &paused) {
        (Action::Retry | Action::Sync, Some(_)) => {
            return Err(Problem::new(ErrorCode::Conflict, "the target is paused: resume it first"));
        }
        (Action::Resume, None) => {
            return Err(Problem::new(ErrorCode::Conflict, "the target is not paused"));
        }
        (Action::Retry, None) => enqueue(state, &target, Reason::Manual, id)?,
        (Action::Sync, None) => enqueue(state, &target, Reason::Look, id)?,
        (Action::Pause, _) => {
            until = lasts.and_then(|lasts| now.checked_add(lasts).ok());
            let pause = Pause { since: now, until, reason: reason.clone() };
            keep(state, &target, Some(pause.clone())).await?;
            state.queue.pause(&target, lasts.map(|lasts| state.clock.now() + lasts)).map_err(closed)?;
            state.board.set_pause(&target, Some(pause));
        }
        (Action::Resume, Some(_)) => {
            keep(state, &target, None).await?;
            state.queue.resume(&target).map_err(closed)?;
            state.board.set_pause(&target, None);
        }
    }
    state.board.changed(&target);
    let Caller { role, key_id, address } = caller;
    let (request_id, done) = (id.as_str().to_owned(), action.as_str());
    let word = reason.as_str();
    tracing::info!(%target, action = done, reason = word, request_id, role = role.as_str(), key_id, %address, "operated");
    state.audit.record(Entry::Operated(Operation {
        action: done,
        target: target.to_string(),
        reason,
        until,
        role: role.as_str(),
        key_id: key_id.clone(),
        peer: address.to_string(),
        request_id: request_id.clone(),
    }));
    let Some(status) = target_now(state, &target) else { return Err(closed(Refused::Unknown)) };
    let survives_restart = (action == Action::Pause).then(|| state.memory.survives_restart());
    let body = Done { action: done, request_id, at: now, survives_restart, target: status };
    let status = match action {
        Action::Retry | Action::Sync => StatusCode::ACCEPTED,
        Action::Pause | Action::Resume => StatusCode::OK,
    };
    Ok((status, Json(body)).into_response())
}

fn enqueue(state: &AdminState, target: &TargetName, reason: Reason, id: &RequestId) -> Result<(), Problem> {
    let note = Note::new(reason, state.clock.timestamp()).with_request(id.as_str());
    state.queue.add(target, note).map(|_| ()).map_err(closed)
}

/// On disk before it is in force, so that a pause which was answered lasts as long as it was said to.
async fn keep(state: &AdminState, target: &TargetName, pause: Option<Pause>) -> Result<(), Problem> {
    state.memory.keep_pause(target, pause).await.map_err(|error| {
        tracing::error!(%target, %error, "the receipts file could not be written, so a pause was not changed");
        Problem::new(ErrorCode::Internal, "the receipts file could not be written; nothing was changed").because(error)
    })
}

fn closed(refused: Refused) -> Problem {
    match refused {
        Refused::Closed => Problem::new(ErrorCode::Draining, "send it again; another instance may answer"),
        Refused::Unknown => Problem::new(ErrorCode::NotConfigured, "there is no such target"),
    }
}
