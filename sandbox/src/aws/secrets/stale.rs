//! Reads that are not up to date: Secrets Manager is eventually consistent, so the sandbox can be.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::store::View;

/// The kinds of reads that can be stale, each on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// DescribeSecret and ListSecretVersionIds.
    Describe,
    /// GetSecretValue and BatchGetSecretValue.
    Get,
}

/// How reads lag behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StalePlan {
    /// Not at all.
    #[default]
    Never,
    /// After each move of AWSCURRENT, this many reads see the state before it.
    Reads(u32),
    /// After each move of AWSCURRENT, every other one of this many reads sees the state before it,
    /// as when two replicas answer in turn; the first of them does.
    EveryOther(u32),
    /// Every read sees the state of this long ago.
    Behind(Duration),
}

#[derive(Debug)]
pub(super) struct Staleness {
    plan: StalePlan,
    left: u32,
}

impl Staleness {
    /// Counts from the next move on.
    pub(super) fn new(plan: StalePlan) -> Self {
        Self { plan, left: 0 }
    }

    pub(super) fn moved(&mut self) {
        if let StalePlan::Reads(count) | StalePlan::EveryOther(count) = self.plan {
            self.left = count;
        }
    }

    /// The former state that a read sees, or none if it sees the present one.
    pub(super) fn choose<'a>(
        &mut self,
        views: &'a VecDeque<Arc<View>>,
        before_move: Option<&'a Arc<View>>,
    ) -> Option<&'a Arc<View>> {
        match self.plan {
            StalePlan::Never => None,
            StalePlan::Reads(_) => {
                let stale = self.left > 0;
                self.left = self.left.saturating_sub(1);
                before_move.filter(|_| stale)
            }
            StalePlan::EveryOther(count) => {
                let stale = self.left > 0 && (count - self.left).is_multiple_of(2);
                self.left = self.left.saturating_sub(1);
                before_move.filter(|_| stale)
            }
            StalePlan::Behind(by) => {
                let then = Instant::now().checked_sub(by)?;
                views.iter().rev().find(|view| view.since <= then).or_else(|| views.front())
            }
        }
    }
}
