//! What more targets and more notifications cost.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::Line;
use super::fleet::{Fleet, KEY};
use super::relay::{Relay, pause, until};
use crate::client::Connection;
use crate::corpus::event_request;
use crate::numbers::{Latencies, Quantiles};
use crate::options::Options;

/// What the charts show.
pub(crate) const MEMORY: &str = "memory";
pub(crate) const EVENT: &str = "CPU time of an event";
const LONG: Duration = Duration::from_mins(20);
/// After the last write, before memory is looked at.
const REST: Duration = Duration::from_mins(1);
const DUPLICATES: u32 = 1_000_000;
/// Between two scans. The first one is to come when all is written: the fakes let so many targets be written in a
/// second, or more.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(15);
const STARTED_A_SECOND: u32 = 500;
/// Of events between two scans; a busy machine needs more than one.
const TRIES: u32 = 5;
/// Between two events that are sent during a scan.
const BETWEEN_EVENTS: Duration = Duration::from_millis(5);
/// Without a call so long, the relay has nothing to do.
const QUIET: Duration = Duration::from_millis(500);

/// Memory of a small relay: idle, and after a million notifications of one thing.
pub(super) async fn memory(binary: &Path) -> anyhow::Result<Vec<Line>> {
    let fleet = Fleet::open(10).await?;
    let relay = in_sync(&fleet, binary, "").await?;
    pause(REST).await;
    let (idle, own) = (resident(&relay), megabytes(relay.process.own()));
    let event = event_request(&fleet.secrets[0], KEY);
    flood(&relay, &event, DUPLICATES).await?;
    let first = resident(&relay);
    flood(&relay, &event, DUPLICATES).await?;
    let second = resident(&relay);
    Ok(vec![
        Line::new("idle, a minute after the start", idle, "MB").goal(15.0),
        Line::new("of it the process's own, which is no page of a file", own, "MB"),
        Line::new("after a million duplicates", first, "MB"),
        Line::new("after another million", second, "MB").goal(first * 1.02),
    ])
}

/// The same relay with more and more targets.
pub(super) async fn by_targets(binary: &Path, options: &Options) -> anyhow::Result<Vec<Line>> {
    let (mut lines, mut first) = (Vec::new(), None);
    for &size in &options.targets {
        let (taken, event) = with(binary, size, options).await?;
        lines.extend(taken.into_iter().map(|line| line.targets(size)));
        let line = Line::new(EVENT, event, "us").targets(size);
        let least = *first.get_or_insert(event);
        lines.push(if size == 100_000 { line.goal(least * 1.1) } else { line });
    }
    Ok(lines)
}

/// The figures of a relay with so many targets, and the CPU time of an event in microseconds.
async fn with(binary: &Path, size: u32, options: &Options) -> anyhow::Result<(Vec<Line>, f64)> {
    let fleet = Fleet::open(usize::try_from(size)?).await?;
    let between = SHORTEST_INTERVAL.max(Duration::from_secs(1) * (size / STARTED_A_SECOND));
    let settings = format!("reconcile: {{ interval: {}s }}\n", between.as_secs());
    let relay = in_sync(&fleet, binary, &settings).await?;
    let started = relay.started.elapsed();
    eprint(&format!("{size} targets: all written after {:.1} s", started.as_secs_f64()))?;
    let written = resident(&relay);

    let event = event_request(&fleet.secrets[fleet.secrets.len() / 2], KEY);
    settled(&fleet).await;
    let Scan { took, cpu, of_events } = scan(&fleet, &relay, &event).await?;
    let event_cpu = cost_of_an_event(&fleet, &relay, &event, options).await?;
    let memory = Line::new(MEMORY, resident(&relay), "MB");
    let slowest =
        format!("p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms", of_events.p50, of_events.p99, of_events.p999);
    let lines = vec![
        Line::new("until all are written after the start", started.as_secs_f64(), "s"),
        Line::new("memory then", written, "MB"),
        if size == 10_000 { memory.goal(60.0) } else { memory },
        Line::new("memory at its highest", peak(&relay), "MB"),
        Line::new("a scan of the secrets", took.as_secs_f64(), "s"),
        Line::new("its CPU time", cpu.as_secs_f64(), "s")
            .remarks(vec![format!("events meanwhile: {slowest}")]),
    ];
    Ok((lines, event_cpu))
}

/// In microseconds, while no scan goes on: that would be counted with the events.
async fn cost_of_an_event(
    fleet: &Fleet,
    relay: &Relay,
    event: &[u8],
    options: &Options,
) -> anyhow::Result<f64> {
    let count = if options.seconds < 1.0 { 2_000 } else { 100_000 };
    for _ in 0..TRIES {
        settled(fleet).await;
        let (calls, before) = (fleet.calls(), relay.process.cpu());
        flood(relay, event, count).await?;
        let took = relay.process.cpu().saturating_sub(before);
        if fleet.calls() == calls {
            return Ok(took.as_secs_f64() * 1e6 / f64::from(count));
        }
    }
    anyhow::bail!("{TRIES} times a scan began while events were sent")
}

async fn in_sync(fleet: &Fleet, binary: &Path, settings: &str) -> anyhow::Result<Relay> {
    let relay = fleet.start(binary, settings)?;
    relay.ready(LONG).await?;
    until("everything is written", LONG, || fleet.written.load(Ordering::Relaxed) >= fleet.secrets.len())
        .await?;
    Ok(relay)
}

/// A scan of all secrets, and what became of events meanwhile.
struct Scan {
    /// From its first call to its last.
    took: Duration,
    cpu: Duration,
    of_events: Quantiles,
}

async fn scan(fleet: &Fleet, relay: &Relay, event: &[u8]) -> anyhow::Result<Scan> {
    let all = u64::try_from(fleet.secrets.len())?;
    let before = fleet.calls();
    until("a scan begins", LONG, || fleet.calls() > before).await?;
    let (began, cpu) = (Instant::now(), relay.process.cpu());
    let mut latencies = Latencies::default();
    let mut connection = Connection::open(relay.process.address).await?;
    loop {
        let sent = Instant::now();
        let status = connection.exchange(event).await?;
        latencies.add(sent.elapsed());
        anyhow::ensure!((200..300).contains(&status), "answered otherwise: {}", connection.answer());
        if fleet.calls() >= before + all {
            break;
        }
        anyhow::ensure!(began.elapsed() < LONG, "after {LONG:?} the scan has not ended");
        pause(BETWEEN_EVENTS).await;
    }
    let (took, cpu) = (began.elapsed(), relay.process.cpu().saturating_sub(cpu));
    Ok(Scan { took, cpu, of_events: latencies.quantiles().context("no event was sent")? })
}

/// Waits until nobody has asked the fake AWS for a while.
async fn settled(fleet: &Fleet) {
    loop {
        let before = fleet.calls();
        pause(QUIET).await;
        if fleet.calls() == before {
            return;
        }
    }
}

fn eprint(what: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr(), "  {what}")
}

async fn flood(relay: &Relay, request: &[u8], count: u32) -> anyhow::Result<()> {
    const LANES: u32 = 32;
    let lanes = (0..LANES).map(|_| async {
        let mut connection = Connection::open(relay.process.address).await?;
        for _ in 0..count / LANES {
            let status = connection.exchange(request).await?;
            anyhow::ensure!((200..300).contains(&status), "answered otherwise: {}", connection.answer());
        }
        anyhow::Ok(())
    });
    try_join_all(lanes).await?;
    Ok(())
}

fn resident(relay: &Relay) -> f64 {
    megabytes(relay.process.resident())
}

fn peak(relay: &Relay) -> f64 {
    megabytes(relay.process.peak())
}

/// No number where the system does not say.
fn megabytes(bytes: Option<u64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    bytes.map_or(f64::NAN, |bytes| bytes as f64 / 1e6)
}
