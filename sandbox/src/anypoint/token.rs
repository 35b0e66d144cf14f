//! `POST /accounts/api/v2/oauth2/token`, and who may do what (contract 2).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri, header};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Family, error};
use super::deployment::Author;
use super::world::{Shared, World};

/// The lifetime in GEN's example.
const LIFETIME: SignedDuration = SignedDuration::from_secs(3600);

/// One connected app and its live tokens.
#[derive(Debug)]
pub(crate) struct Accounts {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) lifetime: SignedDuration,
    pub(crate) minted: u64,
    tokens: BTreeMap<String, Timestamp>,
}

impl Accounts {
    pub(crate) fn new() -> Self {
        Self {
            client_id: uuid::Uuid::new_v4().simple().to_string(),
            client_secret: uuid::Uuid::new_v4().simple().to_string(),
            lifetime: LIFETIME,
            minted: 0,
            tokens: BTreeMap::new(),
        }
    }

    /// Makes every live token useless.
    pub(crate) fn revoke_all(&mut self) {
        self.tokens.clear();
    }

    pub(crate) fn live(&self, now: Timestamp) -> usize {
        self.tokens.values().filter(|expires| **expires > now).count()
    }

    fn mint(&mut self, now: Timestamp) -> String {
        self.tokens.retain(|_, expires| *expires > now);
        let token = uuid::Uuid::new_v4().to_string();
        self.tokens.insert(token.clone(), now + self.lifetime);
        self.minted += 1;
        token
    }

    fn owner(&self, token: &str, now: Timestamp) -> Option<Author> {
        let expires = self.tokens.get(token)?;
        (*expires > now).then(|| Author { client: self.client_id.clone(), token: token.to_owned() })
    }
}

#[derive(Deserialize)]
struct Request {
    client_id: String,
    client_secret: String,
    grant_type: String,
}

impl Request {
    /// Reads the JSON of the official clients, or the form of the docs' example.
    fn parse(headers: &HeaderMap, body: &Bytes) -> Option<Self> {
        if content_type(headers).starts_with("application/x-www-form-urlencoded") {
            let text = std::str::from_utf8(body).ok()?;
            let uri: Uri = format!("/?{text}").parse().ok()?;
            return Query::try_from_uri(&uri).ok().map(|Query(request)| request);
        }
        serde_json::from_slice(body).ok()
    }
}

pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

pub(crate) async fn mint(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Answer {
    let mut world = shared.lock();
    let now = world.now();
    if !world.logins.take(now) {
        return over_the_login_limit(&world);
    }
    let Some(request) = Request::parse(&headers, &body) else {
        return oauth_error(StatusCode::BAD_REQUEST, "invalid_request");
    };
    if request.grant_type != "client_credentials" {
        return oauth_error(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    let accounts = &mut world.accounts;
    if request.client_id != accounts.client_id || request.client_secret != accounts.client_secret {
        return oauth_error(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let token = accounts.mint(now);
    let mut answer = json!({ "access_token": token, "token_type": "bearer" });
    if !world.rules.expires_in_absent {
        answer["expires_in"] = world.accounts.lifetime.as_secs().into();
    }
    Answer::json(StatusCode::OK, answer)
}

fn oauth_error(status: StatusCode, code: &str) -> Answer {
    Answer::json(status, json!({ "error": code }))
}

fn over_the_login_limit(world: &World) -> Answer {
    if !world.rules.login_limit_answers_429 {
        return Answer::text(StatusCode::SERVICE_UNAVAILABLE, "Back-end server is at capacity");
    }
    Answer::text(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests")
        .header("x-ratelimit-limit", world.logins.limit.unwrap_or_default().to_string())
        .header("x-ratelimit-remaining", "0".to_owned())
        .header("x-ratelimit-reset", world.logins.reset().to_string())
}

/// The organization and environment of a path.
#[derive(Deserialize)]
pub(crate) struct Place {
    pub(crate) org: String,
    pub(crate) env: String,
}

impl Place {
    pub(crate) fn pair(&self) -> (&str, &str) {
        (&self.org, &self.env)
    }
}

/// Token, place and scope, in this order unless the rules turn the first two around.
pub(crate) fn admit(
    world: &World,
    headers: &HeaderMap,
    place: (&str, &str),
    scope: &str,
    family: Family,
) -> Result<Author, Answer> {
    let rules = &world.rules;
    let author = bearer(headers)
        .and_then(|token| world.accounts.owner(token, world.now()))
        .ok_or_else(|| error(family, rules, StatusCode::UNAUTHORIZED, "Invalid bearer token"));
    let exists = place == (world.organization.as_str(), world.environment.as_str());
    let exists = exists
        .then_some(())
        .ok_or_else(|| error(family, rules, StatusCode::NOT_FOUND, "Organization or environment not found"));
    let author = if rules.not_found_before_unauthorized {
        exists?;
        author?
    } else {
        let author = author?;
        exists?;
        author
    };
    if world.denied.contains(scope) {
        let message = format!("Not authorized: {scope} is missing");
        return Err(error(family, rules, StatusCode::FORBIDDEN, &message));
    }
    Ok(author)
}

/// The same for APIs that name the place in headers. CloudHub needs the environment alone.
pub(crate) fn admit_by_headers(world: &World, headers: &HeaderMap, scope: &str) -> Result<Author, Answer> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let organization = text("x-anypnt-org-id").unwrap_or(&world.organization);
    let environment = text("x-anypnt-env-id").unwrap_or_default();
    admit(world, headers, (organization, environment), scope, Family::Applications)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
