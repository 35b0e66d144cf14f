//! Which notifications were seen. Bounded by count and age; forgetting one early costs a run that finds
//! nothing to do, never a wrong write.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Ingress;

/// A day of one notification every four seconds.
const IDS: usize = 20_000;
/// Beyond the moment at which a notification is too old to be taken again.
const SLACK: Duration = Duration::from_mins(10);

/// Bounds of the memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Ids kept at most; the oldest goes first.
    pub ids: usize,
    /// How long an id is kept: longer than the time window of the senders' signatures.
    pub age: Duration,
}

impl From<&Ingress> for Limits {
    /// What came as early as it is taken is taken from as far ahead of our clock to as far behind it as
    /// the configuration allows.
    fn from(ingress: &Ingress) -> Self {
        let sns = ingress.sns.as_ref().map_or(Duration::ZERO, |sns| sns.max_age + sns.max_ahead);
        let trigger = ingress.trigger.as_ref().map_or(Duration::ZERO, |trigger| 2 * trigger.tolerance);
        Self { ids: IDS, age: sns.max(trigger) + SLACK }
    }
}

/// Ids by age.
#[derive(Debug)]
pub struct ReplayMemory {
    limits: Limits,
    known: HashSet<Arc<str>>,
    by_age: VecDeque<(Instant, Arc<str>)>,
}

impl ReplayMemory {
    /// An empty memory.
    pub fn new(limits: Limits) -> Self {
        Self { limits, known: HashSet::new(), by_age: VecDeque::new() }
    }

    /// From now on with these bounds.
    pub fn bound(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether `id` was remembered and is not too old.
    pub fn knows(&mut self, id: &str, now: Instant) -> bool {
        while let Some((since, id)) = self.by_age.front() {
            if now.duration_since(*since) < self.limits.age {
                break;
            }
            self.known.remove(id);
            self.by_age.pop_front();
        }
        self.known.contains(id)
    }

    /// Remembers `id`.
    pub fn remember(&mut self, id: &str, now: Instant) {
        let id: Arc<str> = id.into();
        if !self.known.insert(Arc::clone(&id)) {
            return;
        }
        self.by_age.push_back((now, id));
        if self.by_age.len() > self.limits.ids
            && let Some((_, oldest)) = self.by_age.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> ReplayMemory {
        ReplayMemory::new(Limits { ids: 3, age: Duration::from_mins(1) })
    }

    #[test]
    fn an_id_is_known_until_it_is_too_old() {
        let (mut memory, now) = (memory(), Instant::now());
        assert!(!memory.knows("a", now));
        memory.remember("a", now);
        assert!(memory.knows("a", now + Duration::from_secs(59)));
        assert!(!memory.knows("a", now + Duration::from_mins(1)));
        assert!(memory.by_age.is_empty() && memory.known.is_empty());
    }

    #[test]
    fn the_number_of_ids_is_bounded_and_the_oldest_goes_first() {
        let (mut memory, now) = (memory(), Instant::now());
        for id in ["a", "b", "c", "d", "d"] {
            memory.remember(id, now);
        }
        assert!(!memory.knows("a", now) && memory.knows("b", now) && memory.knows("d", now));
        assert_eq!((memory.known.len(), memory.by_age.len()), (3, 3));
    }
}
