//! One kind, sent to every server in turn, slice by slice.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use crate::corpus::Requests;
use crate::drive::Course;
use crate::numbers::{Latencies, Quantiles};
use crate::options::{Kind, Options};
use crate::server::{Process, Server, Starter};
use crate::world::World;

/// Slices of the time at full load. What disturbs the machine for a moment then disturbs nobody alone.
const SLICES: u32 = 3;
/// Requests before anything is measured.
const WARM_UP: usize = 200;
/// Until a server has to have started.
const PATIENCE: Duration = Duration::from_secs(10);
/// A slice is given up to be filled after so many starts: requests are used up faster than servers start.
const STARTS: u32 = 20;

/// A kind and what the servers made of it.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    pub(crate) measured: Vec<Measured>,
}

/// What one server made of it.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) server: Server,
    /// None: it is not installed here.
    pub(crate) figures: Option<Figures>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    pub(crate) full_load_ms: Quantiles,
    pub(crate) steady_ms: Quantiles,
    pub(crate) cpu_seconds_per_100_000: f64,
    pub(crate) peak_bytes: Option<u64>,
}

#[derive(Default)]
struct Sums {
    latencies: Latencies,
    steady: Latencies,
    took: Duration,
    cpu: Duration,
    peak: Option<u64>,
    missing: bool,
}

/// Measures.
pub(crate) async fn measure(
    world: &World,
    relay: &Path,
    kind: Kind,
    requests: &Requests,
    options: &Options,
) -> anyhow::Result<Outcome> {
    let starter = Starter { world, relay, peers: &options.peers };
    let mut all: Vec<(Server, Sums)> =
        Server::of(kind).into_iter().map(|server| (server, Sums::default())).collect();
    let time = Duration::from_secs_f64(options.seconds);
    for slice in 0..SLICES {
        for (server, sums) in &mut all {
            if sums.missing {
                continue;
            }
            let until = time * (slice + 1) / SLICES;
            let mut starts = 0;
            while sums.took < until && starts < STARTS {
                starts += 1;
                let Some(process) = starter.start(*server)? else {
                    sums.missing = true;
                    break;
                };
                let course = Course {
                    to: process.address,
                    requests,
                    next: Cell::new(0),
                    refused: server.refuses(kind),
                };
                let steady = (slice == 0 && starts == 1).then_some(time);
                sums.add(&process, &course, options.connections, until, steady)
                    .await
                    .with_context(|| format!("{kind}: {}", server.name()))?;
            }
        }
    }
    let measured = all.into_iter().map(|(server, sums)| {
        let figures = if sums.missing {
            None
        } else {
            Some(sums.figures().with_context(|| format!("{kind}: {}: nothing was answered", server.name()))?)
        };
        anyhow::Ok(Measured { server, figures })
    });
    Ok(Outcome { kind, measured: measured.collect::<Result<_, _>>()? })
}

/// Keeps the senders' thread from sleeping until it is dropped. A server that is faster than its senders finds them
/// awake with each answer; a slower one would have to wake them each time, and that is counted as its CPU time: it
/// would be measured as slower than it is.
struct Awake(tokio::task::JoinHandle<()>);

impl Awake {
    fn keep() -> Self {
        Self(tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        }))
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Sums {
    async fn add(
        &mut self,
        process: &Process,
        course: &Course<'_>,
        connections: u16,
        until: Duration,
        steady: Option<Duration>,
    ) -> anyhow::Result<()> {
        course.warm_up(WARM_UP, PATIENCE).await?;
        let _awake = Awake::keep();
        if let Some(time) = steady {
            self.steady.append(course.steadily(time).await?.latencies);
        }
        let before = process.cpu();
        let driven = course.at_full_load(connections, until.saturating_sub(self.took)).await?;
        self.cpu += process.cpu().saturating_sub(before);
        self.took += driven.took;
        self.latencies.append(driven.latencies);
        self.peak = self.peak.max(process.peak());
        Ok(())
    }

    fn figures(self) -> Option<Figures> {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = self.latencies.count() as f64;
        Some(Figures {
            per_second: count / self.took.as_secs_f64(),
            cpu_seconds_per_100_000: self.cpu.as_secs_f64() / count * 1e5,
            full_load_ms: self.latencies.quantiles()?,
            steady_ms: self.steady.quantiles()?,
            peak_bytes: self.peak,
        })
    }
}
