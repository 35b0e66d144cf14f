//! Many targets: endpoints of the kind `http`, each with a secret of its own, and the secrets of a fake AWS.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anypoint_sandbox::aws::{Aws, Secret};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::json;
use tokio::net::TcpListener;

use super::relay::Relay;

/// EventBridge's, and what signs the writes.
pub(super) const KEY: &str = "a key of the load, long enough";

/// The fakes.
pub(super) struct Fleet {
    pub(super) aws: Aws,
    pub(super) secrets: Vec<Secret>,
    /// Of one more target, which is in no hurry: events for it are accepted, and no run follows while they are counted.
    pub(super) heard: Secret,
    /// Requests that the endpoints were sent.
    pub(super) written: Arc<AtomicUsize>,
    endpoint: String,
}

impl Fleet {
    /// So many secrets, and an endpoint that takes whatever it is sent.
    pub(super) async fn open(targets: usize) -> anyhow::Result<Self> {
        let aws = Aws::start().await;
        let secrets = (0..targets)
            .map(|number| {
                aws.create_secret(&format!("load/{number:06}"), json!({"password": format!("p{number}")}))
            })
            .collect();
        let heard = aws.create_secret("load/heard", json!({"password": "heard"}));
        let written = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&written);
        let take = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::ready(StatusCode::NO_CONTENT)
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let router = Router::new().route("/{target}", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { aws, secrets, heard, written, endpoint })
    }

    /// How often the fake AWS was called.
    pub(super) fn calls(&self) -> u64 {
        self.aws.log().count()
    }

    /// A relay for all of them, with further settings.
    pub(super) fn start(&self, binary: &Path, settings: &str) -> anyhow::Result<Relay> {
        let mut text = format!(
            "aws: {{ region: eu-west-1, endpoint: \"{}\" }}
ingress:
  eventbridge: {{ auth: {{ api_key: {{ header: x-api-key, value: {{ env: KEY }} }} }} }}
{settings}targets:
",
            self.aws.endpoint_url()
        );
        let numbers = (0..self.secrets.len()).map(|number| (format!("{number:06}"), "0s"));
        for (name, coalesce) in numbers.chain([("heard".to_owned(), "30s")]) {
            writeln!(
                text,
                "  t{name}: {{ kind: http, url: \"{}/t{name}\", coalesce: {coalesce}, allow: [127.0.0.1], key: {{ env: KEY }}, \
                 values: {{ password: {{ secret: load/{name}, field: password }} }} }}",
                self.endpoint
            )?;
        }
        let mut environment = self.aws.environment();
        environment.push(("KEY".to_owned(), KEY.to_owned()));
        Relay::start(binary, &text, &environment)
    }
}
