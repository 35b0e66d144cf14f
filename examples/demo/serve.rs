//! `--serve`: everything stays up, with a few ways to make things happen, until Ctrl-C.

use std::sync::Arc;

use anypoint_sandbox::aws::Sink;
use anypoint_sandbox::faults::Rule;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::acts::{destination, tell_only};
use crate::screen::{Screen, Tone};
use crate::stage::{SECRET, Stage};
use crate::telling::Channel;
use crate::watch::{Watch, short};

/// Keeps everything up and shows what happens.
pub(crate) async fn serve(stage: Arc<Stage>, screen: Screen) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let control = format!("http://{}", listener.local_addr()?);
    let router = Router::new()
        .route("/rotate", post(rotate))
        .route("/rollback", post(rollback))
        .route("/redeploy", post(redeploy))
        .route("/outage", post(outage))
        .route("/replicas", get(replicas))
        .with_state(Arc::clone(&stage));

    let destination = destination(&stage);
    tell_only(&stage, &Sink::Destination(destination.clone()));
    print_hints(&stage, screen, &control);
    let mut watch = Watch::new(&stage, screen, vec![Channel::EventBridge(destination)]);
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        () = watch.forever() => anyhow::bail!("the relay ended"),
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    Ok(())
}

fn print_hints(stage: &Stage, screen: Screen, control: &str) {
    let (hooks, admin, key) = (&stage.hooks, &stage.admin, stage.trigger_key_file());
    screen.chapter("Serving", "until Ctrl-C; what happens is shown below");
    screen.pair("hooks", Tone::Plain, &format!("{hooks}/hooks/eventbridge, /hooks/sns, /hooks/trigger"));
    screen.pair("status", Tone::Plain, &format!("curl -s {admin}/status"));
    screen.pair("metrics", Tone::Plain, &format!("curl -s {admin}/metrics"));
    screen.gap();
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
    screen.gap();
    screen.line(Tone::Faint, "  the signed trigger, with openssl and curl:");
    for line in format!(
        r#"TRIGGER_KEY="$(cat {key})"; RELAY_URL={hooks}
body='{{"secret":"{SECRET}","reason":"by hand"}}'; id="msg_$(openssl rand -hex 12)"; now="$(date +%s)"
signature="$(printf '%s' "$id.$now.$body" | openssl dgst -sha256 -hmac "$TRIGGER_KEY" -binary | openssl base64 -A)"
curl -s "$RELAY_URL/hooks/trigger?wait=30s" -H "webhook-id: $id" -H "webhook-timestamp: $now" \
  -H "webhook-signature: v1,$signature" -H 'content-type: application/json' --data "$body""#
    )
    .lines()
    {
        screen.line(Tone::Plain, &format!("  {line}"));
    }
    screen.gap();
}

async fn rotate(State(stage): State<Arc<Stage>>) -> String {
    stage.rotate();
    current(&stage)
}

async fn rollback(State(stage): State<Arc<Stage>>) -> String {
    stage.secret.rollback();
    current(&stage)
}

async fn redeploy(State(stage): State<Arc<Stage>>) -> String {
    stage.redeploy_with_the_old_password();
    current(&stage)
}

async fn outage(State(stage): State<Arc<Stage>>) -> String {
    stage.anypoint.faults().add(Rule::status(503).tag("deployments.patch").times(4));
    current(&stage)
}

/// Names and versions; the passwords stay where they are.
async fn replicas(State(stage): State<Arc<Stage>>) -> String {
    let replicas = stage.app.running().into_iter().map(|replica| {
        json!({
            "user": replica.secure.get("db.user"),
            "current": stage.is_current(&replica.secure),
            "deployment_version": short(&replica.version),
            "since": replica.since,
        })
    });
    line(&replicas.collect())
}

fn current(stage: &Stage) -> String {
    let user = stage.secret.current_value().field("username");
    line(&json!({"secret": SECRET, "version": short(&stage.secret.current_version()), "user": user}))
}

fn line(answer: &Value) -> String {
    format!("{answer}\n")
}
