//! Ways for people to make things happen in the sandbox: small requests on a port of their own.

use std::sync::Arc;

use anypoint_sandbox::faults::Rule;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::backend::{Backend, SECRET};
use crate::screen::{Screen, Tone};
use crate::watch::short;

/// The requests, ready to be served.
pub(crate) struct Control {
    listener: TcpListener,
    backend: Arc<Backend>,
}

impl Control {
    /// Takes a free port.
    pub(crate) async fn bind(backend: Arc<Backend>) -> anyhow::Result<Self> {
        Ok(Self { listener: TcpListener::bind("127.0.0.1:0").await?, backend })
    }

    /// Says what may be asked for.
    pub(crate) fn print(&self, screen: Screen) -> anyhow::Result<()> {
        let control = format!("http://{}", self.listener.local_addr()?);
        screen.line(Tone::Faint, "  make things happen in the sandbox:");
        for (way, what) in [
            ("-X POST", "rotate", "another password, told through EventBridge"),
            ("-X POST", "rollback", "AWSCURRENT back to the version before"),
            ("-X POST", "redeploy", "a pipeline redeploys with the old password, untold"),
            ("-X POST", "outage", "Anypoint answers the next 4 writes with 503"),
            ("-s     ", "replicas", "what each replica runs with"),
        ]
        .map(|(way, path, what)| (format!("curl {way} {control}/{path}"), what))
        {
            screen.line(Tone::Plain, &format!("  {way:<46}  # {what}"));
        }
        Ok(())
    }

    /// Answers until it is dropped.
    pub(crate) async fn serve(self) -> std::io::Result<()> {
        let router = Router::new()
            .route("/rotate", post(rotate))
            .route("/rollback", post(rollback))
            .route("/redeploy", post(redeploy))
            .route("/outage", post(outage))
            .route("/replicas", get(replicas))
            .with_state(self.backend);
        axum::serve(self.listener, router).await
    }
}

async fn rotate(State(backend): State<Arc<Backend>>) -> String {
    backend.rotate();
    current(&backend)
}

async fn rollback(State(backend): State<Arc<Backend>>) -> String {
    backend.secret.rollback();
    current(&backend)
}

async fn redeploy(State(backend): State<Arc<Backend>>) -> String {
    backend.redeploy_with_the_old_password();
    current(&backend)
}

async fn outage(State(backend): State<Arc<Backend>>) -> String {
    backend.anypoint.faults().add(Rule::status(503).tag("deployments.patch").times(4));
    current(&backend)
}

/// Names and versions; the passwords stay where they are.
async fn replicas(State(backend): State<Arc<Backend>>) -> String {
    let replicas = backend.app.running().into_iter().map(|replica| {
        json!({
            "user": replica.secure.get("db.user"),
            "current": backend.is_current(&replica.secure),
            "deployment_version": short(&replica.version),
            "since": replica.since,
        })
    });
    line(&replicas.collect())
}

fn current(backend: &Backend) -> String {
    let user = backend.secret.current_value().field("username");
    line(&json!({"secret": SECRET, "version": short(&backend.secret.current_version()), "user": user}))
}

fn line(answer: &Value) -> String {
    format!("{answer}\n")
}
