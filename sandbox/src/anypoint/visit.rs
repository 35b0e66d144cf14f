//! Who may do what (contract 2): the part that every call but a login begins with.

use std::sync::{Arc, MutexGuard};

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::answer::{Answer, Family, error};
use super::deployment::Author;
use super::world::{Place, Shared, World};

/// A call to a place, not admitted yet.
pub(crate) struct Visit {
    pub(crate) shared: Arc<Shared>,
    pub(crate) headers: HeaderMap,
    pub(crate) place: Place,
}

/// What a path names below its place.
#[derive(Deserialize)]
pub(crate) struct Id {
    pub(crate) id: String,
}

impl FromRequestParts<Arc<Shared>> for Visit {
    type Rejection = PathRejection;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, PathRejection> {
        let Path(place) = Path::from_request_parts(parts, shared).await?;
        Ok(Self { shared: Arc::clone(shared), headers: parts.headers.clone(), place })
    }
}

impl Visit {
    /// The world, for a caller who has this scope, and the caller.
    pub(crate) fn enter(
        &self,
        scope: &str,
        family: Family,
    ) -> Result<(MutexGuard<'_, World>, Author), Answer> {
        let world = self.shared.lock();
        let by = admit(&world, &self.headers, &self.place, scope, family)?;
        Ok((world, by))
    }
}

/// Token, place and scope, in this order unless the rules turn the first two around.
pub(crate) fn admit(
    world: &World,
    headers: &HeaderMap,
    place: &Place,
    scope: &str,
    family: Family,
) -> Result<Author, Answer> {
    let rules = &world.rules;
    let author = bearer(headers)
        .and_then(|token| world.accounts.owner(token, world.now()))
        .ok_or_else(|| error(family, rules, StatusCode::UNAUTHORIZED, "Invalid bearer token"));
    let further = matches!(family, Family::Applications) && world.further.contains(place);
    let exists = (further || *place == world.first_place())
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
    let place = Place {
        organization: text("x-anypnt-org-id").unwrap_or(&world.organization).to_owned(),
        environment: text("x-anypnt-env-id").unwrap_or_default().to_owned(),
    };
    admit(world, headers, &place, scope, Family::Applications)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
