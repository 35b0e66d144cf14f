//! The call of the seed document (contract 5): a PATCH with `{"value": ...}`. It is in no source of
//! MuleSoft's, so it exists only under [`super::Rules::secret_value_endpoint`].

use std::sync::Arc;

use axum::extract::{Path, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Family, error};
use super::deployment::Author;
use super::history::ValueWrite;
use super::lost::{self, Write};
use super::token::admit;
use super::world::{Shared, World};

const FAMILY: Family = Family::SecretValue;

pub(crate) async fn patch_one(
    State(shared): State<Arc<Shared>>,
    Path((org, env, id)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, Answer> {
    let write = {
        let world = shared.lock();
        if !world.rules.secret_value_endpoint {
            return Err(error(FAMILY, &world.rules, StatusCode::NOT_FOUND, "Not found"));
        }
        let by = admit(&world, &headers, (&org, &env), super::groups::WRITE, FAMILY)?;
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Write::SecretValue { id, body, by }
    };
    Ok(lost::carry_out(&shared, write).await)
}

pub(crate) fn patch(world: &mut World, id: &str, body: &Value, by: &Author) -> Answer {
    let at = world.now();
    let Some(value) = body["value"].as_str().map(str::to_owned) else {
        return error(FAMILY, &world.rules, StatusCode::BAD_REQUEST, "value is missing");
    };
    let Some(writes) = world.values.get_mut(id) else {
        return error(FAMILY, &world.rules, StatusCode::NOT_FOUND, "Secret not found");
    };
    writes.push(ValueWrite { at, by: by.client.clone(), value });
    Answer::json(StatusCode::OK, json!({ "message": "Secret updated" }))
}
