//! The call of the seed document (contract 5): a PATCH with `{"value": ...}`. It is in no source of
//! MuleSoft's, so it exists only under [`super::Rules::secret_value_endpoint`].

use axum::extract::Path;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Family, error};
use super::deployment::Author;
use super::history::ValueWrite;
use super::lost::{self, Write};
use super::visit::{Id, Visit};
use super::world::World;

const FAMILY: Family = Family::SecretValue;

pub(crate) async fn patch_one(
    visit: Visit,
    Path(Id { id }): Path<Id>,
    body: Bytes,
) -> Result<Answer, Answer> {
    if !visit.shared.lock().rules.secret_value_endpoint {
        return Err(error(FAMILY, &visit.shared.lock().rules, StatusCode::NOT_FOUND, "Not found"));
    }
    let by = visit.enter(super::groups::WRITE, FAMILY)?.1;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let write = Write::SecretValue { id, body, by };
    Ok(lost::carry_out(&visit.shared, write).await)
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
