//! What more targets and more notifications cost.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::Line;
use super::fleet::{Fleet, KEY};
use super::relay::{Relay, pause, until};
use crate::client::Connection;
use crate::corpus::event_request;
use crate::options::Options;

const SIZES: [usize; 4] = [10, 1_000, 10_000, 100_000];
const LONG: Duration = Duration::from_mins(20);
/// After the last write, before memory is looked at.
const REST: Duration = Duration::from_mins(1);
const DUPLICATES: u32 = 1_000_000;

/// Memory of a small relay: idle, and after a million notifications of one thing.
pub(super) async fn memory(binary: &Path) -> anyhow::Result<Vec<Line>> {
    let fleet = Fleet::open(10).await?;
    let relay = in_sync(&fleet, binary, "").await?;
    pause(REST).await;
    let idle = resident(&relay);
    let event = event_request(&fleet.secrets[0], KEY);
    flood(&relay, &event, DUPLICATES).await?;
    let first = resident(&relay);
    flood(&relay, &event, DUPLICATES).await?;
    let second = resident(&relay);
    Ok(vec![
        Line::new("idle, a minute after the start", idle, "MB").goal(15.0),
        Line::new("after a million duplicates", first, "MB"),
        Line::new("after another million", second, "MB").goal(first * 1.02),
    ])
}

/// The same relay with more and more targets.
pub(super) async fn by_targets(binary: &Path, options: &Options) -> anyhow::Result<Vec<Line>> {
    let (mut lines, mut first) = (Vec::new(), None);
    for size in SIZES {
        let fleet = Fleet::open(size).await?;
        let relay = in_sync(&fleet, binary, "reconcile: { interval: 30s }\n").await?;
        let started = relay.started.elapsed();
        lines.push(Line::new(
            format!("{size} targets: all written after the start"),
            started.as_secs_f64(),
            "s",
        ));

        let (scan, cost) = scan(&fleet, &relay).await?;
        lines.push(Line::new(format!("{size} targets: a scan of the secrets"), scan.as_secs_f64(), "s"));
        lines.push(Line::new(format!("{size} targets: its CPU time"), cost.as_secs_f64(), "s"));
        let line = Line::new(format!("{size} targets: memory"), resident(&relay), "MB");
        lines.push(if size == 10_000 { line.goal(60.0) } else { line });

        let event = event_request(&fleet.secrets[size / 2], KEY);
        let count = if options.seconds < 1.0 { 2_000 } else { 200_000 };
        let before = relay.process.cpu();
        flood(&relay, &event, count).await?;
        let micros = relay.process.cpu().saturating_sub(before).as_secs_f64() * 1e6 / f64::from(count);
        let line = Line::new(format!("{size} targets: CPU time of an event"), micros, "us");
        let least = *first.get_or_insert(micros);
        lines.push(if size == 100_000 { line.goal(least * 1.1) } else { line });
    }
    Ok(lines)
}

async fn in_sync(fleet: &Fleet, binary: &Path, settings: &str) -> anyhow::Result<Relay> {
    let relay = fleet.start(binary, settings)?;
    relay.ready(LONG).await?;
    until("everything is written", LONG, || fleet.written.load(Ordering::Relaxed) >= fleet.secrets.len())
        .await?;
    Ok(relay)
}

/// From the first call of a scan to its last, and the CPU time between.
async fn scan(fleet: &Fleet, relay: &Relay) -> anyhow::Result<(Duration, Duration)> {
    let calls = || fleet.aws.log().count();
    let all = fleet.secrets.len() as u64;
    pause(Duration::from_secs(2)).await;
    let before = calls();
    until("a scan begins", LONG, || calls() > before).await?;
    let (began, cpu) = (Instant::now(), relay.process.cpu());
    until("the scan ends", LONG, || calls() >= before + all).await?;
    Ok((began.elapsed(), relay.process.cpu().saturating_sub(cpu)))
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
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    relay.process.resident().map_or(f64::NAN, |bytes| bytes as f64 / 1e6)
}
