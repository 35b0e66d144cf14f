//! Latencies and what is read off them.

use std::time::Duration;

use serde::Serialize;

/// Latencies of requests that were answered.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<u64>);

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// None of none.
    pub(crate) fn quantiles(mut self) -> Option<Quantiles> {
        self.0.sort_unstable();
        Some(Quantiles { p50: self.at(500)?, p99: self.at(990)?, p999: self.at(999)? })
    }

    /// The smallest latency that so many in a thousand do not exceed.
    fn at(&self, per_mille: usize) -> Option<f64> {
        let place = (self.0.len() * per_mille).div_ceil(1000).saturating_sub(1);
        self.0.get(place).map(|nanos| Duration::from_nanos(*nanos).as_secs_f64() * 1e3)
    }
}

/// In milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "whole milliseconds have exact values")]
    fn a_quantile_is_the_smallest_latency_that_covers_its_share() {
        let mut latencies = Latencies::default();
        for millis in (1..=1000).rev() {
            latencies.add(Duration::from_millis(millis));
        }
        let Quantiles { p50, p99, p999 } = latencies.quantiles().unwrap();
        assert_eq!((p50, p99, p999), (500.0, 990.0, 999.0));
        assert!(Latencies::default().quantiles().is_none());
        let mut one = Latencies::default();
        one.add(Duration::from_millis(7));
        assert_eq!(one.quantiles().unwrap().p999, 7.0);
    }
}
