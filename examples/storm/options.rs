//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anypoint_relay::config::parse_duration;
use clap::Parser;

/// Rotations for each second of the storm, unless told otherwise.
const ROTATIONS_PER_SECOND: u64 = 5;

/// Rotates secrets in a fake AWS while everything around the relay fails, kills the relay again and again,
/// and proves from the fakes' own histories that nothing was lost and no old value replaced a newer one
///
/// The relay runs as a process of its own, by the same entry point as the binary. When the time is over, the
/// faults stop, and the storm waits until every target holds what AWS serves as current.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "storm",
    max_term_width = 100,
    after_help = "Exit codes: 0 if lost, older-over-newer, wrong-value, neighbour-lost and leaked are all 0 and \
                  every target was brought in sync; 1 if not; 2 wrong usage.\n\n\
                  Durations: 500ms, 30s, 5m. The same seed repeats the schedule: what is rotated, told, broken \
                  and killed, and when. How processes and requests are scheduled varies all the same.\n\n\
                  Examples:\n  \
                  storm                                            a minute over 60 targets\n  \
                  storm --seed 7 --faults 0 --kill-every 0s        calm weather\n  \
                  storm --targets 1000 --duration 10m --keep out   a long one; configuration and log stay in out/"
)]
pub(crate) struct Options {
    /// Targets of the relay, of every kind that the fakes can judge
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub(crate) targets: u32,
    /// Secrets, of which each target uses one to three [default: 3 for 5 targets]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5000))]
    secrets: Option<u32>,
    /// Moves of AWSCURRENT, forward and back [default: 5 a second]
    #[arg(long, value_name = "N")]
    rotations: Option<u64>,
    /// Share of requests that meet a fault, from 0 to 1; how often whole services fail follows from it
    #[arg(long, value_name = "P", default_value_t = 0.3, value_parser = share)]
    pub(crate) faults: f64,
    /// About how often the relay is killed, by SIGKILL or SIGTERM; 0s for never
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub(crate) kill_every: Duration,
    /// How long the storm lasts
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = parse_duration)]
    pub(crate) duration: Duration,
    /// What everything is drawn from [default: another one each time]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Requests that the fake Application Manager takes each second; the real one takes 15
    #[arg(long, value_name = "N", default_value_t = 1500, value_parser = clap::value_parser!(u32).range(10..))]
    pub(crate) limit: u32,
    /// How far reads of AWS may lag behind
    #[arg(long, value_name = "TIME", default_value = "1500ms", value_parser = parse_duration)]
    pub(crate) stale: Duration,
    /// How long it may take afterwards until every target is in sync
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = parse_duration)]
    pub(crate) converge: Duration,
    /// Folder for the relay's configuration, receipts and log; they stay there afterwards
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

impl Options {
    /// Options that are complete: what was not given is drawn or follows from the rest.
    pub(crate) fn settled(mut self) -> Self {
        self.seed.get_or_insert_with(|| fastrand::u64(..1_000_000));
        self
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_default()
    }

    pub(crate) fn secrets(&self) -> u32 {
        self.secrets.unwrap_or((self.targets * 3).div_ceil(5))
    }

    pub(crate) fn rotations(&self) -> u64 {
        self.rotations.unwrap_or(ROTATIONS_PER_SECOND * self.duration.as_secs())
    }

    /// What the relay is told to send to the Application Manager each second: below the limit, as in
    /// production, and at most what a configuration may say.
    pub(crate) fn rate(&self) -> u32 {
        (self.limit * 4 / 5).min(1000)
    }
}

fn share(text: &str) -> Result<f64, &'static str> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or("a share is a number from 0 to 1")
}
