//! `anypoint-relay plan`: what would be written where and why, without writing.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::quiet;
use super::sync::known;
use crate::app::{App, Edges};
use crate::aws::Access;
use crate::config::{self, Target};
use crate::model::Failure;
use crate::status::short_versions;
use crate::sync::forecast::{Forecast, Step};
use crate::telemetry::logging;

/// Say what would be written where and why, without writing
///
/// Asks AWS and Anypoint as a run would, and goes through the same decision. Shows version ids and names,
/// never values. Exit codes: 0 nothing to do, 1 something refused or broken, 2 work to do.
///
/// Kinds that keep no receipt themselves count as not delivered unless a receipts file says otherwise. `sync`
/// and a trigger by hand go further than it says: they repeat what failed, and write what is held back.
#[derive(Clone, Debug, clap::Args)]
pub struct PlanArgs {
    /// The configuration file
    file: PathBuf,
    /// Targets; none means all
    targets: Vec<String>,
    /// One JSON array instead of lines
    #[arg(long)]
    json: bool,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// A write, or the end of one.
    Work,
    /// Something that the relay refuses, or could not look at.
    Trouble,
}

impl From<Due> for ExitCode {
    fn from(due: Due) -> Self {
        ExitCode::from(match due {
            Due::Nothing => 0,
            Due::Trouble => 1,
            Due::Work => 2,
        })
    }
}

/// Runs the command.
pub async fn plan(args: &PlanArgs, quiet: bool, out: &mut dyn Write) -> anyhow::Result<Due> {
    let mut config = config::load(&args.file)?;
    // It decides nothing, and a relay may be writing to that file.
    config.audit = None;
    logging::init(&quiet::log(&config.log, quiet))?;
    let names = known(&config, &args.targets)?;
    let targets = config.targets.clone();
    let access = Access::new(config.aws.clone());
    let app = App::build(config, access, Edges::default()).await.context("the relay cannot start")?;
    let lines: Vec<Line<'_>> = app
        .forecast(&names)
        .await
        .into_iter()
        .filter_map(|(name, forecast)| Some(Line::of(targets.get(&name)?, &forecast)))
        .collect();
    if args.json {
        let all: Vec<serde_json::Value> = lines.iter().map(Line::json).collect();
        serde_json::to_writer_pretty(&mut *out, &all)?;
        writeln!(out)?;
    } else {
        let width = lines.iter().map(|line| line.target.name.as_str().len()).max().unwrap_or(0);
        for line in &lines {
            line.print(width, out)?;
        }
    }
    Ok(lines.iter().map(Line::due).max().unwrap_or(Due::Nothing))
}

/// One target's forecast as it is shown.
struct Line<'a> {
    target: &'a Target,
    step: &'static str,
    why: String,
    failure: Option<Failure>,
    rolls: bool,
    /// Of each secret that moves: its name, the version held, the version wanted.
    moves: Vec<(String, Option<String>, String)>,
}

impl<'a> Line<'a> {
    fn of(target: &'a Target, forecast: &Forecast) -> Self {
        let (step, why, failure) = match &forecast.step {
            Step::Nothing(outcome) => ("nothing", outcome.to_string(), None),
            Step::Write(why) => ("write", why.as_str().replace('_', " "), None),
            Step::Wait(outcome) => ("wait", outcome.to_string(), outcome.failure().cloned()),
            Step::Refuse(failure) => ("refuse", failure.code.to_string(), Some(failure.clone())),
            Step::Unknown(failure) => ("unknown", failure.code.to_string(), Some(failure.clone())),
        };
        let held = short_versions(&forecast.held);
        let wanted: BTreeMap<String, String> =
            forecast.wanted.as_ref().map(|wanted| short_versions(&wanted.versions)).unwrap_or_default();
        let moves = wanted
            .into_iter()
            .map(|(secret, version)| (held.get(&secret).cloned(), secret, version))
            .filter(|(held, _, version)| held.as_ref() != Some(version))
            .map(|(held, secret, version)| (secret, held, version))
            .collect();
        Self { target, step, why, failure, rolls: step == "write" && target.kind.rolls(), moves }
    }

    fn due(&self) -> Due {
        match self.step {
            "nothing" => Due::Nothing,
            "write" | "wait" => Due::Work,
            _ => Due::Trouble,
        }
    }

    fn names(&self) -> Vec<&str> {
        self.target.kind.sources().into_iter().map(|(name, _)| name).collect()
    }

    fn print(&self, width: usize, out: &mut dyn Write) -> anyhow::Result<()> {
        let indent = width + 2;
        writeln!(out, "{:<width$}  {:<7}  {}", self.target.name.as_str(), self.step, self.why)?;
        if let Some(failure) = &self.failure {
            writeln!(out, "{:indent$}{failure}", "")?;
            writeln!(out, "{:indent$}next: {}", "", failure.next_step)?;
        }
        if self.step == "nothing" {
            return Ok(());
        }
        for (secret, held, wanted) in &self.moves {
            writeln!(out, "{:indent$}{secret}: {} -> {wanted}", "", held.as_deref().unwrap_or("(unknown)"))?;
        }
        if self.step == "write" {
            let place = self.target.kind.place();
            let rolls = if self.rolls { "; it restarts" } else { "" };
            writeln!(out, "{:indent$}to {place}: {}{rolls}", "", self.names().join(", "))?;
        }
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        let moves: Vec<_> = self
            .moves
            .iter()
            .map(|(secret, held, wanted)| json!({"secret": secret, "held": held, "wanted": wanted}))
            .collect();
        json!({
            "target": self.target.name.as_str(),
            "step": self.step,
            "why": self.why,
            "place": self.target.kind.place(),
            "names": self.names(),
            "restarts": self.rolls,
            "versions": moves,
            "code": self.failure.as_ref().map(|failure| failure.code.as_str()),
            "message": self.failure.as_ref().map(|failure| failure.message.as_str()),
            "next_step": self.failure.as_ref().map(|failure| failure.next_step.as_str()),
        })
    }
}
