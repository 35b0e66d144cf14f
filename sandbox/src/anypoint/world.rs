//! The state of one fake Anypoint, behind one lock.
//!
//! Every look at it first lets rolls that are due take their steps, so what a caller sees is never
//! older than the clock. The lock is never held over I/O.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::deployment::{Deployment, Home};
use super::groups::Group;
use super::history::ValueWrite;
use super::limits::{FixedMinute, SlidingSecond};
use super::lost::{LostWrite, Write};
use super::requests::Endpoint;
use super::rules::Rules;
use super::token::Accounts;
use crate::time;

/// The Application Manager's documented limit (contract 3c: 15 requests/s per remote address).
const APPLICATION_MANAGER_PER_SECOND: u32 = 15;
/// CloudHub 1.0's (contract 3b): of the EU and Government; the US has 75.
const CLOUDHUB_PER_SECOND: u32 = 25;

/// An organization and one of its environments, as a path names them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Place {
    #[serde(rename = "org")]
    pub(crate) organization: String,
    #[serde(rename = "env")]
    pub(crate) environment: String,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rules: Rules,
    pub(crate) organization: String,
    pub(crate) environment: String,
    /// Further environments, which have applications only.
    pub(crate) further: Vec<Place>,
    /// Which deployments are there, by id; the others are in the first environment.
    pub(crate) elsewhere: BTreeMap<String, Place>,
    pub(crate) accounts: Accounts,
    pub(crate) denied: BTreeSet<String>,
    pub(crate) logins: FixedMinute,
    pub(crate) application_manager: SlidingSecond,
    pub(crate) secrets_manager: SlidingSecond,
    pub(crate) cloudhub: SlidingSecond,
    pub(crate) groups: Vec<Group>,
    pub(crate) deployments: Vec<Deployment>,
    pub(crate) values: BTreeMap<String, Vec<ValueWrite>>,
    /// What happens to the next writes, each to one of a call or of any.
    pub(crate) lost: VecDeque<(Option<Endpoint>, LostWrite)>,
    pub(crate) held: Vec<Write>,
    /// Where the clock was stopped, if it was.
    pub(crate) stopped: Option<Timestamp>,
    /// Added to the clock.
    pub(crate) ahead: SignedDuration,
    /// Added to the clock that stamps `modifiedAt`.
    pub(crate) modified_at_shift: SignedDuration,
    /// How often somebody called DELETE on the environment or the organization.
    pub(crate) wiped: u64,
}

impl World {
    fn new() -> Self {
        let id = || uuid::Uuid::new_v4().to_string();
        Self {
            rules: Rules::default(),
            organization: id(),
            environment: id(),
            further: Vec::new(),
            elsewhere: BTreeMap::new(),
            accounts: Accounts::new(),
            denied: BTreeSet::new(),
            logins: FixedMinute::default(),
            application_manager: SlidingSecond::new(Some(APPLICATION_MANAGER_PER_SECOND)),
            secrets_manager: SlidingSecond::new(None),
            cloudhub: SlidingSecond::new(Some(CLOUDHUB_PER_SECOND)),
            groups: Vec::new(),
            deployments: Vec::new(),
            values: BTreeMap::new(),
            lost: VecDeque::new(),
            held: Vec::new(),
            stopped: None,
            ahead: SignedDuration::ZERO,
            modified_at_shift: SignedDuration::ZERO,
            wiped: 0,
        }
    }

    /// The time here.
    pub(crate) fn now(&self) -> Timestamp {
        self.stopped.unwrap_or_else(time::now) + self.ahead
    }

    /// What `modifiedAt` would say.
    pub(crate) fn stamp(&self) -> Timestamp {
        self.now() + self.modified_at_shift
    }

    /// The environment that the deployment with this id is in.
    pub(crate) fn place_of(&self, id: &str) -> Place {
        self.elsewhere.get(id).cloned().unwrap_or_else(|| self.first_place())
    }

    pub(crate) fn first_place(&self) -> Place {
        Place { organization: self.organization.clone(), environment: self.environment.clone() }
    }

    pub(crate) fn deployment(&mut self, id: &str) -> Option<&mut Deployment> {
        self.deployment_at(id, |home| *home == Home::ApplicationManager)
    }

    /// The application with this id on the platform that `home` picks.
    pub(crate) fn deployment_at(
        &mut self,
        id: &str,
        home: impl Fn(&Home) -> bool,
    ) -> Option<&mut Deployment> {
        let mut all = self.deployments.iter_mut();
        all.find(|deployment| deployment.id == id && !deployment.removed && home(&deployment.home))
    }

    fn advance(&mut self) {
        let now = self.now();
        for deployment in &mut self.deployments {
            deployment.advance(&self.rules, now);
        }
    }
}

/// The world and its lock.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<World>);

impl Shared {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(World::new()))
    }

    /// The world as it is now.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        let mut world = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance();
        world
    }
}
