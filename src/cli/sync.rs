//! `anypoint-relay sync`: bring targets in sync once, for CI/CD jobs.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

use super::quiet;
use crate::app::{App, Edges};
use crate::aws::Access;
use crate::config::{self, Config};
use crate::model::{Outcome, TargetName};
use crate::telemetry::logging;

/// Targets that are named in one word about what is being waited for.
const MAX_TOLD: usize = 20;

/// Bring all or named targets in sync once, without listeners, and say how each ended
///
/// For CI/CD jobs and for the first time. Don't run it beside a relay that serves the same targets.
/// Failures that pass are tried again until the time is over; credentials that are missing or refused get
/// three tries. Meanwhile, standard error says what each target waits for. Exit codes: 0 all in sync or
/// accepted, 1 at least one failed, 3 at least one not settled in time.
#[derive(Clone, Debug, clap::Args)]
pub struct SyncArgs {
    /// The configuration file
    file: PathBuf,
    /// Targets; none means all
    targets: Vec<String>,
    /// Longest time to wait for the outcomes: 30s, 15m
    #[arg(long, default_value = "15m", value_parser = config::parse_duration)]
    timeout: Duration,
    /// One JSON array instead of a table
    #[arg(long)]
    json: bool,
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// Every target is settled.
    Done,
    /// At least one was not settled in time.
    Undecided,
    /// At least one failed.
    Failed,
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> Self {
        ExitCode::from(match ended {
            Ended::Done => 0,
            Ended::Failed => 1,
            Ended::Undecided => 3,
        })
    }
}

/// Runs the command.
pub async fn sync(args: &SyncArgs, quiet: bool, out: &mut dyn Write) -> anyhow::Result<Ended> {
    let config = config::load(&args.file)?;
    logging::init(&quiet::log(&config.log, quiet))?;
    let targets = known(&config, &args.targets)?;
    let access = Access::new(config.aws.clone());
    let app = App::build(config, access, Edges::default()).await.context("the relay cannot start")?;
    let progress = |waiting: &[_]| {
        if !quiet {
            tell(waiting);
        }
    };
    let outcomes = app.sync_once(&targets, args.timeout, progress).await;
    let print = if args.json { print_json } else { print_table };
    print(&outcomes, out)?;
    Ok(outcomes.iter().map(|(_, outcome)| ended(outcome.as_ref())).max().unwrap_or(Ended::Done))
}

/// Says on standard error what is being waited for. A log that nobody can read is no reason to stop.
fn tell(waiting: &[(TargetName, Option<Outcome>)]) {
    let mut err = io::stderr();
    for (target, outcome) in waiting.iter().take(MAX_TOLD) {
        let state = match outcome {
            None => "its first look has not ended".to_owned(),
            Some(outcome) => match outcome.failure() {
                Some(failure) => format!("{outcome}: {failure}"),
                None => outcome.to_string(),
            },
        };
        writeln!(err, "waiting for {target}: {state}").ok();
    }
    if let more @ 1.. = waiting.len().saturating_sub(MAX_TOLD) {
        writeln!(err, "waiting for {more} more").ok();
    }
}

/// The targets of these names; none where there are no names.
pub(super) fn known(config: &Config, names: &[String]) -> anyhow::Result<Vec<TargetName>> {
    let mut targets = Vec::new();
    for name in names {
        match TargetName::parse(name) {
            Ok(target) if config.targets.contains_key(&target) => targets.push(target),
            _ => {
                let known: Vec<&str> = config.targets.keys().map(TargetName::as_str).collect();
                bail!("there is no target {name:?}; there are: {}", known.join(", "));
            }
        }
    }
    Ok(targets)
}

fn ended(outcome: Option<&Outcome>) -> Ended {
    match outcome {
        Some(Outcome::InSync | Outcome::Accepted | Outcome::Stopped) => Ended::Done,
        Some(Outcome::Retrying(_) | Outcome::Parked(_)) => Ended::Failed,
        Some(Outcome::Confirming) | None => Ended::Undecided,
    }
}

fn print_table(outcomes: &[(TargetName, Option<Outcome>)], out: &mut dyn Write) -> anyhow::Result<()> {
    let width = outcomes.iter().map(|(target, _)| target.as_str().len()).max().unwrap_or(0);
    for (target, outcome) in outcomes {
        let word = outcome.as_ref().map_or("not settled in time".to_owned(), Outcome::to_string);
        writeln!(out, "{:<width$}  {word}", target.as_str())?;
        if let Some(failure) = outcome.as_ref().and_then(Outcome::failure) {
            writeln!(out, "{:<width$}  {}: {failure}", "", failure.code)?;
            writeln!(out, "{:<width$}  next: {}", "", failure.next_step)?;
        }
    }
    Ok(())
}

fn print_json(outcomes: &[(TargetName, Option<Outcome>)], out: &mut dyn Write) -> anyhow::Result<()> {
    let lines: Vec<serde_json::Value> = outcomes
        .iter()
        .map(|(target, outcome)| {
            let failure = outcome.as_ref().and_then(Outcome::failure);
            serde_json::json!({
                "target": target.as_str(),
                "outcome": outcome.as_ref().map(Outcome::label),
                "code": failure.map(|failure| failure.code.as_str()),
                "message": failure.map(|failure| failure.message.as_str()),
                "next_step": failure.map(|failure| failure.next_step.as_str()),
            })
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &lines)?;
    writeln!(out)?;
    Ok(())
}
