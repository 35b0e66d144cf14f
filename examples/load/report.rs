//! The figures, for people and for programs.

use std::io::{self, Write};

use serde::Serialize;

use crate::drive::STEADY;
use crate::measures::Taken;
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
    hooks: &'a [Outcome],
    measures: &'a [Taken],
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
            hooks,
            measures,
        }
    }
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
        for quantiles in [Some(full_load_ms), steady_ms] {
            match quantiles {
                Some(q) => write!(out, " {:>7.3} {:>7.3} {:>7.3}  ", q.p50, q.p99, q.p999)?,
                None => write!(out, " {:>23}  ", "")?,
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "shown to a tenth of a MiB")]
        let peak = peak_bytes.map_or(String::new(), |bytes| format!("{:.1}", bytes as f64 / 1_048_576.0));
        writeln!(out, " {cpu_seconds_per_100_000:>8.2} {peak:>6}")?;
    }
    out.flush()
}
