//! What is counted for each target.
//!
//! A label set and a cell for each of nine series would be the larger part of what an idle target takes. So a
//! target has four numbers, and its series are made while somebody fetches them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{Name, stem};
use crate::model::{Outcome, TargetName};

const TARGET: &str = "target";

/// The configured targets and their numbers; of others nothing is counted.
#[derive(Debug, Default)]
pub(super) struct Targets(RwLock<BTreeMap<TargetName, Counts>>);

#[derive(Debug, Default)]
struct Counts {
    /// The bits of a float.
    stale_seconds: AtomicU64,
    /// The place in [`Outcome::LABELS`] of the last outcome, counted from one; zero before the first run ended.
    outcome: AtomicU64,
    foreign_writes: AtomicU64,
    corrections: AtomicU64,
}

impl Targets {
    /// From now on these are counted; what stays keeps its counts.
    pub(super) fn configure(&self, targets: impl IntoIterator<Item = TargetName>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut last = std::mem::take(&mut *all);
        let kept = |target: TargetName| {
            let counts = last.remove(&target).unwrap_or_default();
            (target, counts)
        };
        *all = targets.into_iter().map(kept).collect();
    }

    pub(super) fn stale_seconds(&self, target: &TargetName, seconds: f64) {
        self.with(target, |counts| counts.stale_seconds.store(seconds.to_bits(), Ordering::Relaxed));
    }

    pub(super) fn outcome(&self, target: &TargetName, outcome: &Outcome) {
        let place = Outcome::LABELS.iter().position(|label| *label == outcome.label());
        let place = place.map_or(0, |place| place as u64 + 1);
        self.with(target, |counts| counts.outcome.store(place, Ordering::Relaxed));
    }

    pub(super) fn foreign_write(&self, target: &TargetName) {
        self.with(target, |counts| counts.foreign_writes.fetch_add(1, Ordering::Relaxed));
    }

    pub(super) fn correction(&self, target: &TargetName) {
        self.with(target, |counts| counts.corrections.fetch_add(1, Ordering::Relaxed));
    }

    fn with<T>(&self, target: &TargetName, count: impl FnOnce(&Counts) -> T) {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(target).map(count);
    }
}

impl Collector for Targets {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut family = |name, kind, each: &dyn Fn(&mut MetricEncoder<'_>, &str, &Counts) -> fmt::Result| {
            let mut family =
                encoder.encode_descriptor(stem(name), &format!("{}.", name.help()), None, kind)?;
            all.iter().try_for_each(|(target, counts)| each(&mut family, target.as_str(), counts))
        };
        family(Name::StaleSeconds, MetricType::Gauge, &|family, target, counts| {
            let seconds = f64::from_bits(counts.stale_seconds.load(Ordering::Relaxed));
            one(family, &[(TARGET, target)], &ConstGauge::new(seconds))
        })?;
        family(Name::Outcome, MetricType::Gauge, &|family, target, counts| {
            let Some(is) = counts.outcome.load(Ordering::Relaxed).checked_sub(1) else { return Ok(()) };
            Outcome::LABELS.iter().zip(0..).try_for_each(|(outcome, place)| {
                let labels = [(TARGET, target), ("outcome", *outcome)];
                one(family, &labels, &ConstGauge::new(i64::from(place == is)))
            })
        })?;
        family(Name::ForeignWrites, MetricType::Counter, &|family, target, counts| {
            let count = counts.foreign_writes.load(Ordering::Relaxed);
            one(family, &[(TARGET, target)], &ConstCounter::new(count))
        })?;
        family(Name::Corrections, MetricType::Counter, &|family, target, counts| {
            let count = counts.corrections.load(Ordering::Relaxed);
            one(family, &[(TARGET, target)], &ConstCounter::new(count))
        })
    }
}

fn one(
    family: &mut MetricEncoder<'_>,
    labels: &impl EncodeLabelSet,
    value: &impl EncodeMetric,
) -> fmt::Result {
    value.encode(family.encode_family(labels)?)
}
