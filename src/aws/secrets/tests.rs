//! Against a server that answers as AWS does, or does not.

mod failures;
mod identity;
mod reads;

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use axum::response::Response;
use serde_json::{Value, json};

use super::*;
use crate::aws::testing::{credentials, settings};
use crate::config;
use crate::model::Selector;
use crate::outbound::testing::{Seen, Server, nobody, reply};

const ID: &str = "prod/orders/db";
const VERSION: &str = "0f3a1b2c-4d5e-4f60-8a7b-9c0d1e2f3a4b";
const FORMER: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

fn secret() -> SecretRef {
    SecretRef::new(ID, None, None).unwrap()
}

fn manager(endpoint: &str) -> SecretsManager {
    SecretsManager::new(Arc::new(Access::with_credentials(settings(endpoint), credentials())))
}

fn answer(body: &Value) -> Response {
    let mut response = reply(200, body.to_string());
    response.headers_mut().insert("content-type", "application/x-amz-json-1.1".parse().unwrap());
    response
}

fn value(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

async fn serving(body: Value) -> (Server, SecretsManager) {
    let server = Server::http(move |_| {
        let response = answer(&body);
        async { response }
    })
    .await;
    let manager = manager(&server.url());
    (server, manager)
}
