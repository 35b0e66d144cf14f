//! `cargo run --release --example demo`: the whole way from a rotation in AWS to the running replicas of
//! a Mule application, on this machine alone.
//!
//! A fake AWS and a fake Anypoint are on loopback, the relay between them is the real one. Every line is
//! read from the sandbox's histories or the relay's status as it happens. The exit code is 0 only if
//! each of the three triggers, and the healing of two faults, was proved at the replicas.

mod acts;
mod backend;
mod control;
mod practice;
mod screen;
mod serve;
mod stage;
mod telling;
mod watch;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use anyhow::{Context, anyhow};
use anypoint_relay::config::{Log, LogFormat};
use anypoint_relay::telemetry::logging;
use clap::Parser;

use acts::{Show, Verdict};
use screen::{Screen, Tone};
use stage::{CONFIGURATION, Stage};

/// Rotates a secret in a fake AWS through each of the three triggers and shows how the new value reaches
/// the replicas of an application in a fake Anypoint
///
/// Exit codes: 0 everything was proved, 1 something was not.
#[derive(Debug, Parser)]
#[command(name = "demo", max_term_width = 100)]
struct Args {
    /// Keep everything up afterwards, with URLs and commands to play with, until Ctrl-C
    #[arg(long)]
    serve: bool,
    /// Start no relay and show nothing: keep the fake AWS and the fake Anypoint up for a relay of yours, until Ctrl-C,
    /// and write the variables that it needs to this file, for a shell
    #[arg(long, value_name = "FILE", conflicts_with_all = ["serve", "log"])]
    sandbox: Option<PathBuf>,
    /// Write the relay's log, one JSON object per line, to this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if let Some(file) = &args.log {
        log_to(file)?;
    }
    let screen = Screen::new();
    if let Some(variables) = &args.sandbox {
        practice::practice(variables, screen).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let stage = Arc::new(Stage::open().await.context("the demo cannot start")?);
    introduce(&stage, screen);

    let verdict = Show::new(&stage, screen).play().await;
    if args.serve {
        conclude(&verdict, screen);
        serve::serve(Arc::clone(&stage), screen).await?;
    }
    let stage = Arc::into_inner(stage).ok_or_else(|| anyhow!("somebody still holds the stage"))?;
    stage.close().await?;
    if !args.serve {
        conclude(&verdict, screen);
    }
    Ok(if verdict.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn introduce(stage: &Stage, screen: Screen) {
    screen.line(Tone::Heading, "A rotated secret on its way to a Mule application");
    screen.gap();
    let aws = stage.backend.aws.endpoint_url();
    screen.pair("fake AWS", Tone::Plain, &format!("{aws}  secret prod/orders/db, two users that take turns"));
    let anypoint = stage.backend.anypoint.base_url();
    screen.pair("fake Anypoint", Tone::Plain, &format!("{anypoint}  application orders-api, 2 replicas"));
    screen.pair("relay", Tone::Plain, &format!("{}  in this process, with this configuration:", stage.hooks));
    screen.gap();
    for line in CONFIGURATION.lines() {
        screen.line(Tone::Faint, &format!("    {line}"));
    }
}

fn conclude(verdict: &Verdict, screen: Screen) {
    screen.gap();
    for what in &verdict.missing {
        screen.line(Tone::Bad, &format!("  not proved: {what}"));
    }
    for (trigger, after) in &verdict.triggers {
        match after {
            Some(after) => {
                let text = format!("in sync after {:.2} s", after.as_secs_f64());
                screen.pair(trigger, Tone::Good, &text);
            }
            None => screen.pair(trigger, Tone::Bad, "not proved"),
        }
    }
}

fn log_to(file: &Path) -> anyhow::Result<()> {
    let open = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let log = Log { format: LogFormat::Json, filter: "info,anypoint_relay=debug".to_owned() };
    let subscriber = logging::subscriber(&log, Mutex::new(open), false)?;
    tracing::subscriber::set_global_default(subscriber).context("the log cannot be set up")
}
