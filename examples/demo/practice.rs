//! `--sandbox`: the two sides alone, for a relay of the reader's own between them: `init`, `check --online`, `plan`,
//! `serve` and all that the README tells can be tried with them before there is an account.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use anypoint_sandbox::aws::{Auth, Sink};

use crate::backend::{APPLICATION, Backend, SECRET, fresh_password};
use crate::control::Control;
use crate::screen::{Screen, Tone};

/// Where a relay listens that was started with what `init` writes.
const RELAY: &str = "http://127.0.0.1:8080";

/// Keeps the sandbox up until Ctrl-C, and writes what a shell needs for it to `variables`.
pub(crate) async fn practice(variables: &Path, screen: Screen) -> anyhow::Result<()> {
    let backend = Arc::new(Backend::start(fresh_password()).await);
    let (eventbridge, trigger) = (fresh_password(), fresh_password());
    let auth = Auth::ApiKey { header: "x-api-key".to_owned(), value: eventbridge.clone() };
    let destination = backend.aws.api_destination(format!("{RELAY}/hooks/eventbridge"), auth);
    backend.aws.emit_on_rotation(&Sink::Destination(destination));
    let anypoint = &backend.anypoint;
    // The binary is beside this program's own folder.
    let this = std::env::current_exe()?;
    let built = this.parent().and_then(Path::parent).context("this program is in no folder of cargo's")?;
    let lines = [
        ("PATH", format!("{}:'\"$PATH\"'", built.display())),
        ("AWS_ENDPOINT_URL", backend.aws.endpoint_url()),
        ("AWS_REGION", "eu-west-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIASANDBOX".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "sandbox".to_owned()),
        ("ANYPOINT_URL", anypoint.base_url()),
        ("ANYPOINT_CLIENT_ID", anypoint.client_id()),
        ("ANYPOINT_CLIENT_SECRET", anypoint.client_secret()),
        ("EVENTBRIDGE_KEY", eventbridge),
        ("TRIGGER_KEY", trigger),
    ]
    .map(|(name, value)| format!("export {name}='{value}'\n"));
    std::fs::write(variables, lines.concat())
        .with_context(|| format!("cannot write {}", variables.display()))?;

    let control = Control::bind(Arc::clone(&backend)).await?;
    screen.line(Tone::Heading, "A sandbox for a relay of yours, until Ctrl-C");
    screen.gap();
    screen.pair("fake AWS", Tone::Plain, &format!("secret {SECRET}; its rotations go to {RELAY}"));
    let ids = format!("organization {}, environment {}", anypoint.organization(), anypoint.environment());
    screen.pair("fake Anypoint", Tone::Plain, &format!("application {APPLICATION} on cloudhub2"));
    screen.pair("", Tone::Plain, &ids);
    screen.gap();
    screen.line(Tone::Faint, "  in another terminal, in this order:");
    for line in [
        "cargo build --release".to_owned(),
        format!(". {}", variables.canonicalize()?.display()),
        "anypoint-relay init --base-url \"$ANYPOINT_URL\" relay.yaml".to_owned(),
        "anypoint-relay check --online relay.yaml".to_owned(),
        "anypoint-relay serve relay.yaml".to_owned(),
    ] {
        screen.line(Tone::Plain, &format!("  {line}"));
    }
    screen.gap();
    control.print(screen)?;
    tokio::select! {
        served = control.serve() => served?,
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    Ok(())
}
