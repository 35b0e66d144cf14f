//! Access Management beside tokens (contract 2.4): who a connected app is, and the environments of its
//! organization.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Family, error};
use super::visit::admit;
use super::world::{Place, Shared};

/// The scope that shows environments.
const VIEW: &str = "view:environment";

pub(crate) async fn me(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Answer, Answer> {
    let world = shared.lock();
    admit(&world, &headers, &world.first_place(), "", Family::Applications)?;
    let client = json!({ "client_id": world.accounts.client_id, "org_id": world.organization });
    Ok(Answer::json(StatusCode::OK, json!({ "client": client })))
}

pub(crate) async fn environments(
    State(shared): State<Arc<Shared>>,
    Path(organization): Path<String>,
    headers: HeaderMap,
) -> Result<Answer, Answer> {
    let world = shared.lock();
    admit(&world, &headers, &world.first_place(), VIEW, Family::Applications)?;
    let first = world.first_place();
    let all = std::iter::once(&first).chain(&world.further).enumerate();
    let shown = |(number, place): (usize, &Place)| {
        let name = if number == 0 { "Production".to_owned() } else { format!("Test {number}") };
        (place.organization == organization)
            .then(|| json!({ "id": place.environment, "name": name, "organizationId": organization }))
    };
    let data: Vec<Value> = all.filter_map(shown).collect();
    if data.is_empty() {
        let rules = &world.rules;
        return Err(error(Family::Applications, rules, StatusCode::NOT_FOUND, "Organization not found"));
    }
    Ok(Answer::json(StatusCode::OK, json!({ "data": data, "total": data.len() })))
}
