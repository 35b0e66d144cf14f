//! The scan that makes an in-memory queue lose nothing: it compares what AWS serves as current with what
//! each target is known to hold, and enqueues the targets that differ. Nothing else.
//!
//! At start every target is enqueued, because nothing is known yet about what it shows. After that, at
//! each interval one `DescribeSecret` per configured secret; and at a longer interval every target again,
//! to find what others wrote to it. Targets that are waiting or retrying already are left to that.
//!
//! However many targets there are, notifications are answered meanwhile: a scan gives way to them now and then.
//!
//! Of a paused target no run finds out that AWS has moved on, so the scan of the secrets tells the status board.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio::task::coop::consume_budget;

use crate::clock::Clock;
use crate::model::{Receipt, SecretRef, TargetName, Wanted};
use crate::queue::{Held, Note, Phase, Queue, Reason, Refused};
use crate::status::StatusBoard;
use crate::sync::follow::{self, Leaders};
use crate::sync::memory::Memory;
use crate::sync::ports::{SecretState, Secrets, TargetSpec};

/// DescribeSecret calls at once. AWS allows 40,000/s; this bounds sockets and memory.
const DESCRIBES_AT_ONCE: usize = 16;

/// How often is scanned.
#[derive(Clone, Copy, Debug)]
pub struct Intervals {
    /// Between scans of the secrets.
    pub secrets: Duration,
    /// Between looks at every target.
    pub targets: Duration,
}

/// The scanner.
pub struct Reconcile {
    /// AWS.
    pub secrets: Arc<dyn Secrets>,
    /// What the targets are known to hold.
    pub memory: Arc<Memory>,
    /// What is shown of paused targets.
    pub board: Arc<StatusBoard>,
    /// Where the keys go.
    pub queue: Arc<Queue<TargetName>>,
    /// The fixed side of every target.
    pub specs: Vec<Arc<TargetSpec>>,
    /// Which targets follow which.
    pub leaders: Arc<Leaders>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What a scan did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Targets compared.
    pub compared: usize,
    /// Targets enqueued.
    pub enqueued: usize,
    /// Secrets whose version could not be asked for; the runs of their targets say why.
    pub unknown: usize,
}

impl Reconcile {
    /// Scans until the queue is closed. `scanned` is told about each scan, the first one included.
    pub async fn run(&self, every: Intervals, scanned: impl Fn(Scan) + Send) {
        let Ok(scan) = self.enqueue_all().await else { return };
        scanned(scan);
        let mut secrets = interval(every.secrets);
        let mut targets = interval(every.targets);
        loop {
            let scan = tokio::select! {
                _ = targets.tick() => self.enqueue_at_rest(Reason::Reconcile).await,
                _ = secrets.tick() => self.enqueue_different().await,
            };
            match scan {
                Ok(scan) => scanned(scan),
                Err(closed) => {
                    tracing::debug!(reason = %closed, "reconcile ends");
                    return;
                }
            }
        }
    }

    /// Enqueues every target that is at rest, because the relay starts.
    pub async fn enqueue_all(&self) -> Result<Scan, Refused> {
        self.enqueue_at_rest(Reason::Start).await
    }

    async fn enqueue_at_rest(&self, why: Reason) -> Result<Scan, Refused> {
        let at_rest = self.at_rest();
        for target in &at_rest {
            consume_budget().await;
            self.enqueue(target, why)?;
        }
        Ok(Scan { compared: self.specs.len(), enqueued: at_rest.len(), unknown: 0 })
    }

    /// Enqueues every target at rest whose wanted state is not the one that it is known to hold.
    pub async fn enqueue_different(&self) -> Result<Scan, Refused> {
        let secrets = self.secrets_of_all();
        let asked = secrets.len();
        let current = self.current(secrets).await;
        let known = |spec: &TargetSpec| spec.secrets.iter().all(|secret| current.contains_key(secret));
        let at_rest = self.at_rest();
        let unknown = asked - current.len();
        let mut scan = Scan { compared: self.specs.len(), unknown, ..Scan::default() };
        for spec in self.specs.iter().filter(|spec| at_rest.contains(&spec.name)) {
            consume_budget().await;
            if !known(spec) || self.differs(spec, &current) {
                self.enqueue(&spec.name, Reason::Reconcile)?;
                scan.enqueued += 1;
            }
        }
        self.tell_of_paused(&current);
        Ok(scan)
    }

    /// Since when AWS has been ahead of each paused target that it is ahead of.
    fn tell_of_paused(&self, current: &BTreeMap<SecretRef, SecretState>) {
        let paused = self.queue.keys_where(|_, paused| paused.is_some());
        let paused: BTreeSet<TargetName> = paused.into_iter().collect();
        for spec in self.specs.iter().filter(|spec| paused.contains(&spec.name)) {
            let Some(delivered) = self.memory.of(&spec.name).delivered else { continue };
            if let Some(since) = self.moved_on(spec, &delivered.receipt, current) {
                self.board.set_stale(&spec.name, since);
            }
        }
    }

    /// When the first of the secrets moved away from what the receipt says was delivered of it.
    fn moved_on(
        &self,
        spec: &TargetSpec,
        receipt: &Receipt,
        current: &BTreeMap<SecretRef, SecretState>,
    ) -> Option<Timestamp> {
        // Receipts list versions in the order of the target's secrets; one of another mapping has another length.
        if receipt.versions.len() != spec.secrets.len() {
            return None;
        }
        let held = spec.secrets.iter().zip(&receipt.versions);
        let moved = held.filter_map(|(secret, held)| {
            Some(current.get(secret)?).filter(|now| now.current.version != held.version)
        });
        moved.map(|state| state.last_changed.unwrap_or_else(|| self.clock.timestamp())).min()
    }

    fn differs(&self, spec: &TargetSpec, current: &BTreeMap<SecretRef, SecretState>) -> bool {
        let versions = spec
            .secrets
            .iter()
            .filter_map(|secret| Some((secret.clone(), current.get(secret)?.current.clone())))
            .collect();
        let leader = self.leaders.get(&spec.name).map(|leader| self.memory.of(&leader.name));
        let wanted = Wanted { versions, mapping: follow::mapping(&spec.mapping, leader.as_ref()) };
        let memory = self.memory.of(&spec.name);
        let delivered = memory.delivered.as_ref().is_some_and(|delivered| delivered.receipt.is_of(&wanted));
        !delivered || memory.pending.is_some()
    }

    async fn current(&self, secrets: Vec<SecretRef>) -> BTreeMap<SecretRef, SecretState> {
        stream::iter(secrets)
            .map(|secret| async move {
                match self.secrets.current(&secret).await {
                    Ok(state) => Some((secret, state)),
                    Err(failure) => {
                        tracing::warn!(%secret, code = %failure.code, error = %failure, "reconcile could not ask for the current version");
                        None
                    }
                }
            })
            .buffer_unordered(DESCRIBES_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await
    }

    /// Every secret of every target, each once.
    fn secrets_of_all(&self) -> Vec<SecretRef> {
        let mut known = HashSet::new();
        let secrets = self.specs.iter().flat_map(|spec| &spec.secrets);
        secrets.filter(|secret| known.insert(*secret)).cloned().collect()
    }

    fn at_rest(&self) -> BTreeSet<TargetName> {
        let resting = self.queue.keys_where(|phase, paused| match phase {
            Phase::Idle | Phase::Parked => true,
            // What is enqueued now is there when the pause is over.
            Phase::Paused => paused != Some(Held::Run),
            _ => false,
        });
        resting.into_iter().collect()
    }

    fn enqueue(&self, target: &TargetName, why: Reason) -> Result<(), Refused> {
        self.queue.add(target, Note::new(why, self.clock.timestamp())).map(drop)
    }
}

/// Ticks after each period, the first time after one; a late tick is not made up for.
fn interval(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    interval
}

#[cfg(test)]
mod tests;
