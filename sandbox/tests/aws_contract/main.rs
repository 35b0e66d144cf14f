//! Holds the fake AWS to what AWS documents, through the AWS SDK and through plain HTTP.
//!
//! A fake that nobody checks against the real contract proves nothing about its users. The relay has no
//! part in this.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod eventbridge;
mod secrets;
mod sns;
mod sts;
mod vectors;

use std::time::Duration;

use anypoint_sandbox::aws::{Aws, REGION};
use anypoint_sandbox::faults::Faults;
use anypoint_sandbox::server::{Recorded, Server};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use axum::Router;
use serde_json::Value as Json;

const LIMIT: Duration = Duration::from_secs(20);

async fn sdk(aws: &Aws) -> SdkConfig {
    let environment = aws.environment();
    let read = |name: &str| environment.iter().find(|(key, _)| key == name).unwrap().1.clone();
    let credentials = aws_sdk_secretsmanager::config::Credentials::new(
        read("AWS_ACCESS_KEY_ID"),
        read("AWS_SECRET_ACCESS_KEY"),
        None,
        None,
        "test",
    );
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(read("AWS_ENDPOINT_URL"))
        .credentials_provider(credentials)
        .load()
        .await
}

/// An endpoint that answers 200 to all, unless its faults say otherwise.
async fn endpoint() -> Server {
    Server::start(Router::new().fallback(async || "ok"), Faults::none()).await
}

/// The requests that an endpoint got, once there are `count`.
async fn arrived(endpoint: &Server, count: usize) -> Vec<Recorded> {
    endpoint.log().wait_for("requests at the endpoint", LIMIT, count, |_| true).await
}

fn header<'a>(request: &'a Recorded, name: &str) -> &'a str {
    request.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

fn json(request: &Recorded) -> Json {
    serde_json::from_slice(&request.body).unwrap()
}
