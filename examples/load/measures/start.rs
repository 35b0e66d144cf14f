//! Cold starts: the binary is in the file cache, nothing else is warm.

use std::path::Path;
use std::time::Duration;

use super::Line;
use super::fleet::Fleet;
use crate::numbers::Latencies;

const STARTS: usize = 30;

pub(super) async fn measure(binary: &Path) -> anyhow::Result<Vec<Line>> {
    let fleet = Fleet::open(10).await?;
    let mut latencies = Latencies::default();
    for _ in 0..STARTS {
        let relay = fleet.start(binary, "")?;
        latencies.add(relay.ready(Duration::from_secs(10)).await?);
    }
    let quantiles = latencies.quantiles();
    Ok(quantiles.map_or_else(Vec::new, |found| {
        vec![
            Line::new(format!("half of {STARTS} starts within"), found.p50, "ms").goal(50.0),
            Line::new("the slowest", found.p999, "ms"),
        ]
    }))
}
