//! What is not a stream of requests: the way from a notification to the write, the start, memory, growth, the drain.

mod binary;
mod drain;
mod fleet;
pub(crate) mod growth;
mod path;
mod relay;
mod start;

use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

use crate::options::Options;

/// What is measured once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Measure {
    /// From a notification to the write at Anypoint, and the round trips between.
    Path,
    /// From the start of the process to ready.
    Start,
    /// Memory when idle, and after a million duplicates.
    Memory,
    /// Memory, cost of an event and scan, by the number of targets.
    Growth,
    /// A thousand applications against Anypoint's rate limit.
    Drain,
    /// The size of the binary.
    Binary,
}

impl Measure {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Path => "from a notification to the write at Anypoint",
            Self::Start => "from the start of the process to ready",
            Self::Memory => "memory of a relay with ten targets",
            Self::Growth => "by the number of targets, each with a secret of its own",
            Self::Drain => "a thousand rotated applications, at Anypoint's rate limit",
            Self::Binary => "the release binary",
        }
    }

    pub(crate) async fn take(self, binary: &Path, options: &Options) -> anyhow::Result<Taken> {
        let lines = match self {
            Self::Path => path::measure(binary).await,
            Self::Start => start::measure(binary).await,
            Self::Memory => growth::memory(binary).await,
            Self::Growth => growth::by_targets(binary, options).await,
            Self::Drain => drain::measure(binary).await,
            Self::Binary => binary::measure(binary),
        }?;
        let unknown = lines.iter().find(|line| !line.value.is_finite());
        anyhow::ensure!(unknown.is_none(), "no figure: {unknown:?}");
        Ok(Taken { measure: self, lines })
    }
}

/// The figures of a measure.
#[derive(Debug, Serialize)]
pub(crate) struct Taken {
    pub(crate) measure: Measure,
    pub(crate) lines: Vec<Line>,
}

/// A figure.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) what: String,
    /// With so many targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) targets: Option<u32>,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What it should not exceed (docs/PERFORMANCE.md).
    pub(crate) goal: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) remarks: Vec<String>,
}

impl Line {
    pub(crate) fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), targets: None, value, unit, goal: None, remarks: Vec::new() }
    }

    pub(crate) fn targets(self, targets: u32) -> Self {
        Self { targets: Some(targets), ..self }
    }

    pub(crate) fn goal(self, goal: f64) -> Self {
        // To the hundredth, as the figures are shown.
        Self { goal: Some((goal * 100.0).round() / 100.0), ..self }
    }

    pub(crate) fn remarks(self, remarks: Vec<String>) -> Self {
        Self { remarks, ..self }
    }
}

/// Shows it as a table.
pub(crate) fn print(taken: &Taken, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{}", taken.measure.title())?;
    for Line { what, targets, value, unit, goal, remarks } in &taken.lines {
        let what = targets.map_or(what.clone(), |targets| format!("{targets} targets: {what}"));
        let goal = match goal {
            Some(goal) if value <= goal => format!("  (goal: {goal} or less)"),
            Some(goal) => format!("  (goal: {goal} or less, missed)"),
            None => String::new(),
        };
        writeln!(out, "  {what:<52} {value:>10.2} {unit}{goal}")?;
        for remark in remarks {
            writeln!(out, "      {remark}")?;
        }
    }
    out.flush()
}
