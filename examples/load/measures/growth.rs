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
use super::relay::{Relay, pause, settled, until};
use crate::client::Connection;
use crate::corpus::{event_request, pending_request};
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
/// From one secret to the next that an event is about: no two events near each other find what lies together.
const STRIDE: usize = 7_919;
/// Without a call so long, the relay has nothing to do.
const QUIET: Duration = Duration::from_millis(500);

/// Memory of a small relay: idle, and after a million notifications of one thing.
pub(super) async fn memory(binary: &Path) -> anyhow::Result<Vec<Line>> {
    let fleet = Fleet::open(10).await?;
    let relay = in_sync(&fleet, binary, "").await?;
    pause(REST).await;
    let (idle, own) = (resident(&relay), megabytes(relay.process.own()));
    let event = event_request(&fleet.secrets[0], KEY);
    flood(&relay, DUPLICATES, |_| event.clone()).await?;
    let first = resident(&relay);
    flood(&relay, DUPLICATES, |_| event.clone()).await?;
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

    settled(|| fleet.calls(), QUIET).await;
    let Scan { took, cpu, of_events } = scan(&fleet, &relay).await?;
    let event_cpu = cost_of_an_event(&fleet, &relay, options).await?;
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

/// In microseconds, while no scan goes on: that would be counted with the events. Each has an id of its own; every
/// other one is accepted, and the rest is about all of the secrets in turn, which the index finds one by one.
async fn cost_of_an_event(fleet: &Fleet, relay: &Relay, options: &Options) -> anyhow::Result<f64> {
    let count = if options.seconds < 1.0 { 2_000 } else { 100_000 };
    let event = |turn: u32| match turn % 2 {
        0 => event_request(&fleet.heard, KEY),
        _ => pending_request(&fleet.secrets[STRIDE * turn as usize % fleet.secrets.len()], KEY),
    };
    for _ in 0..TRIES {
        settled(|| fleet.calls(), QUIET).await;
        let (calls, before) = (fleet.calls(), relay.process.cpu());
        let accepted = flood(relay, count, event).await?;
        anyhow::ensure!(
            accepted == count / 2,
            "{accepted} events of {count} were accepted, and not every other one"
        );
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

async fn scan(fleet: &Fleet, relay: &Relay) -> anyhow::Result<Scan> {
    let all = u64::try_from(fleet.secrets.len())? + 1;
    let before = fleet.calls();
    until("a scan begins", LONG, || fleet.calls() > before).await?;
    let (began, cpu) = (Instant::now(), relay.process.cpu());
    let mut latencies = Latencies::default();
    let mut connection = Connection::open(relay.process.address).await?;
    loop {
        let event = event_request(&fleet.heard, KEY);
        let sent = Instant::now();
        let status = connection.exchange(&event).await?;
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

fn eprint(what: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr(), "  {what}")
}

/// Sends so many requests, and gives how many of them made work.
async fn flood(relay: &Relay, count: u32, request: impl Fn(u32) -> Vec<u8>) -> anyhow::Result<u32> {
    const LANES: u32 = 32;
    let lanes = (0..LANES).map(|lane| {
        let request = &request;
        async move {
            let mut connection = Connection::open(relay.process.address).await?;
            let mut accepted = 0;
            for turn in (lane..count).step_by(LANES as usize) {
                let status = connection.exchange(&request(turn)).await?;
                anyhow::ensure!((200..300).contains(&status), "answered otherwise: {}", connection.answer());
                accepted += u32::from(status == 202);
            }
            anyhow::Ok(accepted)
        }
    });
    Ok(try_join_all(lanes).await?.into_iter().sum())
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
