//! Who may ask the admin listener for more than whether it is well, and who may have it act: whoever shows a token
//! of that role, where the configuration has any.
//!
//! Guarantees: a token is compared in constant time, and two of each role are accepted while one replaces the
//! other; whoever fails too often has to wait; a refusal says nothing about what was shown. Tokens come in a header
//! that no browser adds by itself, so a page of a stranger can't ask in somebody's name. Where there are no
//! tokens, a browser on this machine is the way in for such a page, so there requests have to be addressed to
//! this machine (a name that was rebound to it is not), and what acts or stays open refuses pages of other sites
//! everywhere.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;

use crate::clock::Clock;
use crate::config;
use crate::credential::{CredentialError, Credentials};
use crate::http::failures::Failures;
use crate::http::keyring::{Key, KeyRing};
use crate::http::{ErrorCode, Problem, peer};
use crate::verify::shared::{AcceptedCredentials, CredentialRefusal};

/// What a client has to pass; cheap to clone.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    /// None: everybody who reaches the listener is let in.
    tokens: Option<KeyRing>,
    /// The ids of those tokens that let act.
    operators: BTreeSet<String>,
    failures: Failures,
    trusted: Vec<IpNet>,
    clock: Arc<dyn Clock>,
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Reader,
    Operator,
}

impl Role {
    /// Stable text for the audit.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Role::Reader => "reader",
            Role::Operator => "operator",
        }
    }
}

/// Who was let in, as an extension of the request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) role: Role,
    /// Where the token stands that was shown; none where none is asked for.
    pub(super) key_id: Option<String>,
    pub(super) address: IpAddr,
}

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing but a reader.
    Read,
    /// As much, and no page of another site: what is opened stays open.
    Watch,
    /// An operator, who says in JSON what is wanted, and no page of another site.
    Act,
}

impl Door {
    /// Reads the tokens.
    pub async fn open(
        admin: &config::Admin,
        limits: &config::Limits,
        reader: Arc<dyn Credentials>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CredentialError> {
        // Where two places hold the same token, it is an operator's.
        let places = admin.operators.iter().chain(&admin.tokens);
        let places: Vec<_> = places.map(|place| (place.to_string(), place.clone())).collect();
        let operators = admin.operators.iter().map(ToString::to_string).collect();
        let tokens = if places.is_empty() {
            None
        } else {
            Some(KeyRing::load(places, reader, Arc::clone(&clock), Ok).await?)
        };
        let (failures, trusted) = (Failures::new(limits.failed_attempts), limits.trusted_proxies.clone());
        Ok(Self(Arc::new(Inner { tokens, operators, failures, trusted, clock })))
    }

    async fn admit(&self, address: IpAddr, presented: Option<HeaderValue>) -> Result<Caller, Problem> {
        let Inner { tokens, operators, failures, clock, .. } = &*self.0;
        let Some(tokens) = tokens else {
            return Ok(Caller { role: Role::Operator, key_id: None, address });
        };
        failures.admit(address, clock.now()).map_err(|wait| {
            Problem::new(ErrorCode::TooManyFailures, "wait as long as Retry-After says").retry_in(wait)
        })?;
        let shown = presented.as_ref().map(HeaderValue::as_bytes);
        let checked = tokens.admit(|keys| which(keys, shown), |r| *r == CredentialRefusal::Mismatch).await;
        let key_id = checked.map_err(|refusal| {
            failures.failed(address, clock.now());
            let detail = "send `Authorization: Bearer` and a token of `admin`";
            Problem::new(ErrorCode::Unauthorized, detail)
                .because(refusal)
                .challenged("Bearer realm=\"anypoint-relay\"")
        })?;
        let role = if operators.contains(&key_id) { Role::Operator } else { Role::Reader };
        Ok(Caller { role, key_id: Some(key_id), address })
    }

    fn may(&self, caller: &Caller, need: Need) -> Result<(), Problem> {
        if need != Need::Act || caller.role == Role::Operator {
            return Ok(());
        }
        let Caller { key_id, address, .. } = caller;
        tracing::warn!(%address, key_id, "a reader's token was shown for an action");
        Err(Problem::new(ErrorCode::Forbidden, self.what_lets_act()))
    }

    fn what_lets_act(&self) -> &'static str {
        if self.0.operators.is_empty() {
            "this token may look; nobody may act until the configuration has `admin.operator_token`"
        } else {
            "this token may look; to act, send one of `admin.operator_token`"
        }
    }
}

/// The place of the key that was shown. All are compared, so that the time does not tell which one fits.
fn which(keys: &[Key], shown: Option<&[u8]>) -> Result<String, CredentialRefusal> {
    let checked = keys.iter().map(|key| (key, AcceptedCredentials::bearer([key.value()]).check(shown)));
    let checked: Vec<_> = checked.collect();
    let refusal = checked.first().and_then(|(_, check)| check.err()).unwrap_or(CredentialRefusal::Mismatch);
    let fits = checked.into_iter().find(|(_, check)| check.is_ok());
    fits.map(|(key, _)| key.id().to_owned()).ok_or(refusal)
}

/// The middleware before what is not for everybody.
pub(super) async fn pass(
    State((door, need)): State<(Door, Need)>,
    mut request: Request,
    next: Next,
) -> Response {
    let page = if need == Need::Read { Ok(()) } else { own_page(&request) };
    let form = if need == Need::Act { json(request.headers()) } else { Ok(()) };
    let address = peer::client(&request, &door.0.trusted);
    let presented = request.headers().get(AUTHORIZATION).cloned();
    let caller = async {
        page?;
        let caller = door.admit(address, presented).await?;
        door.may(&caller, need)?;
        form.map(|()| caller)
    };
    match caller.await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => refuse(problem),
    }
}

/// The middleware before everything: without tokens the listener answers only who names this machine.
pub(super) async fn at_home(State(door): State<Door>, request: Request, next: Next) -> Response {
    if door.0.tokens.is_none() && !host(&request).is_some_and(|host| is_this_machine(&host)) {
        let detail = "without a token this listener answers as localhost, 127.0.0.1 or [::1] alone: use one of these, \
                      or set `admin.token` and `admin.operator_token`";
        return refuse(Problem::new(ErrorCode::ForeignHost, detail));
    }
    next.run(request).await
}

fn refuse(problem: Problem) -> Response {
    let reason = problem.reason().unwrap_or(problem.detail());
    tracing::debug!(code = problem.code().as_str(), reason, "refused at the admin listener");
    problem.into_response()
}

/// Whom the request is addressed to: HTTP/2 says it in the target, HTTP/1.1 in a header.
fn host(request: &Request) -> Option<Authority> {
    let header = || request.headers().get(HOST)?.to_str().ok()?.parse().ok();
    request.uri().authority().cloned().or_else(header)
}

fn is_this_machine(host: &Authority) -> bool {
    let host = host.host();
    let plain = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || plain.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether the browser, if one asks, does so for a page of this listener. Other clients say nothing of pages.
fn own_page(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let of_ours = matches!(site, None | Some(b"same-origin" | b"none"));
    let origin_fits = headers.get(ORIGIN).is_none_or(|origin| {
        let named = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        named.is_some_and(|(_, named)| host(request).is_some_and(|host| host == named))
    });
    if of_ours && origin_fits {
        return Ok(());
    }
    Err(Problem::new(
        ErrorCode::CrossSite,
        "pages of other sites may not ask for this; ask from this listener's own",
    ))
}

/// A form of another site cannot say that it sends JSON without the browser asking first.
fn json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::NotJson, "send the body as `content-type: application/json`"))
}
