//! The figures, for people and for programs.

use std::io::{self, Write};

use serde::Serialize;

use crate::drive::STEADY;
use crate::measures::Taken;
use crate::numbers::Quantiles;
use crate::options::Options;
use crate::runner::{Figures, Outcome};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Whole<'a> {
    seconds: f64,
    connections: u16,
    steady_per_second: u32,
    cores: usize,
    processor: String,
    /// Of the tool, and of the relay that it has built; none where there is no git.
    commit: Option<String>,
    pub(crate) hooks: &'a [Outcome],
    pub(crate) measures: &'a [Taken],
}

impl<'a> Whole<'a> {
    pub(crate) fn of(options: &Options, hooks: &'a [Outcome], measures: &'a [Taken]) -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let mut names = cpuinfo.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cores = names.clone().count();
        let processor = names.next().map_or("unknown", |(_, name)| name).to_owned();
        Self {
            seconds: options.seconds,
            connections: options.connections,
            steady_per_second: STEADY,
            cores,
            processor,
            commit: commit(),
            hooks,
            measures,
        }
    }
}

impl Whole<'_> {
    /// What the figures belong to, in one line.
    pub(crate) fn of_what(&self) -> String {
        let commit = self.commit.as_deref().unwrap_or("of an unknown commit");
        format!("{} cores, {}; {commit}", self.cores, self.processor)
    }
}

/// The commit that is checked out, and whether files differ from it.
fn commit() -> Option<String> {
    let mut git = std::process::Command::new("git");
    git.args(["describe", "--always", "--exclude=*", "--abbrev=12", "--dirty"]);
    let said =
        git.current_dir(env!("CARGO_MANIFEST_DIR")).output().ok().filter(|said| said.status.success())?;
    Some(format!("commit {}", String::from_utf8(said.stdout).ok()?.trim()))
}

/// One kind as a table.
pub(crate) fn print(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let relay = outcome.measured.iter().find_map(|measured| measured.figures);
    writeln!(out, "\n{}", outcome.kind)?;
    writeln!(
        out,
        "  {:<30} {:>9} {:>7}   {:>7} {:>7} {:>7}   {:>7} {:>7} {:>7}   {:>8} {:>6}",
        "", "req/s", "relay", "p50 ms", "p99", "p99.9", "p50 ms", "p99", "p99.9", "CPU s", "peak"
    )?;
    writeln!(
        out,
        "  {:<30} {:>9} {:>7}   {:>23}   {:>23}   {:>8} {:>6}",
        "",
        "",
        "to it",
        "at full load",
        format!("at {STEADY}/s"),
        "/100,000",
        "MiB"
    )?;
    for measured in &outcome.measured {
        let name = measured.server.name();
        let Some(Figures { per_second, full_load_ms, steady_ms, cpu_seconds_per_100_000, peak_bytes }) =
            measured.figures
        else {
            writeln!(out, "  {name:<30} {:>9}", "not installed")?;
            continue;
        };
        let ratio = relay.map_or(1.0, |relay| relay.per_second / per_second);
        write!(out, "  {name:<30} {per_second:>9.0} {ratio:>7.2}  ")?;
        for Quantiles { p50, p99, p999 } in [full_load_ms, steady_ms] {
            write!(out, " {p50:>7.3} {p99:>7.3} {p999:>7.3}  ")?;
        }
        #[expect(clippy::cast_precision_loss, reason = "shown to a tenth of a MiB")]
        let peak = peak_bytes.map_or(String::new(), |bytes| format!("{:.1}", bytes as f64 / 1_048_576.0));
        writeln!(out, " {cpu_seconds_per_100_000:>8.2} {peak:>6}")?;
    }
    out.flush()
}
