//! The command line.

use std::fmt;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::measures::Measure;

/// Sends what senders send to the relay, to yardsticks and to what one might run instead, in turn, and shows throughput,
/// latency, CPU time and memory side by side
///
/// The relay is built first, as it ships, unless `--relay` names it. Each kind takes a minute or so with the defaults.
#[derive(Debug, Parser)]
#[command(
    name = "load",
    max_term_width = 100,
    after_help = "Exit codes: 0 measured, 1 something answered otherwise than it should; 2 wrong usage.\n\n\
                  Examples:\n  load --only sns-v2 --seconds 10\n  load --json --svg charts > load.json\n  \
                  load --only growth --targets 10 --targets 1000\n\n\
                  What one might run instead is in bench/peers: `npm ci` there, and Debian's package `webhook`."
)]
pub(crate) struct Options {
    /// Time at full load for each server and kind, in three slices, and again at 500 requests a second
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Connections at full load
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) connections: u16,
    /// Only this kind of request or this measure; may be given more than once
    #[arg(long, value_name = "NAME", value_parser = Subject::parse)]
    pub(crate) only: Vec<Subject>,
    /// So many targets for the measure of growth; may be given more than once
    #[arg(
        long,
        value_name = "N",
        default_values_t = [10, 1_000, 10_000, 100_000],
        value_parser = clap::value_parser!(u32).range(1..=200_000)
    )]
    pub(crate) targets: Vec<u32>,
    /// One JSON object in place of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// Folder to write charts of what was measured to: latency.svg, growth.svg
    #[arg(long, value_name = "FOLDER")]
    pub(crate) svg: Option<PathBuf>,
    /// The relay's binary, in place of building it
    #[arg(long, value_name = "FILE")]
    pub(crate) relay: Option<PathBuf>,
    /// Where what one might run instead is installed
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/peers"))]
    pub(crate) peers: PathBuf,
    #[arg(long, hide = true)]
    pub(crate) yardstick: Option<String>,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Signed by SNS under SHA-256, each with an id of its own.
    SnsV2,
    /// The same under SHA-1.
    SnsV1,
    /// An event of EventBridge with its API key.
    Eventbridge,
    /// A trigger as Standard Webhooks signs it, each with an id of its own.
    Trigger,
    /// An SNS message whose text is not what was signed.
    BadSignature,
    /// A signed trigger for a secret that no target uses.
    UnknownSecret,
    /// One SNS message again and again.
    Duplicate,
}

/// Something that may be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Hook(Kind),
    Once(Measure),
}

impl Subject {
    fn parse(name: &str) -> Result<Self, String> {
        let found = Self::all().find(|subject| subject.name() == name);
        found.ok_or_else(|| {
            format!("is none of {}", Self::all().map(Self::name).collect::<Vec<_>>().join(", "))
        })
    }

    fn all() -> impl Iterator<Item = Self> {
        let hooks = Kind::value_variants().iter().copied().map(Self::Hook);
        hooks.chain(Measure::value_variants().iter().copied().map(Self::Once))
    }

    fn name(self) -> String {
        let value = match self {
            Self::Hook(kind) => kind.to_possible_value(),
            Self::Once(measure) => measure.to_possible_value(),
        };
        value.map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Those that are asked for.
    pub(crate) fn chosen(only: &[Self]) -> Vec<Self> {
        Self::all().filter(|subject| only.is_empty() || only.contains(subject)).collect()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SnsV2 => "signed SNS message, version 2",
            Self::SnsV1 => "signed SNS message, version 1",
            Self::Eventbridge => "EventBridge event",
            Self::Trigger => "signed trigger",
            Self::BadSignature => "SNS message with a wrong signature",
            Self::UnknownSecret => "signed trigger for a secret of nobody",
            Self::Duplicate => "duplicate of an SNS message",
        })
    }
}
