//! The protocol, checked exhaustively for small bounds: every order of notifications (lost, doubled, late),
//! reads (fresh, or stale for a bounded time), writes (answered, unanswered, landing late or never), crashes
//! and foreign deployments.
//!
//! It drives the real [`sync::run`](crate::sync::run) with the real planning function, version log and memory,
//! and the real queue, one question to the outside at a time ([`ports`]). Such a run cannot be copied, so a state
//! remembers the world from before the run and what happened since, and plays that again for each step; two
//! states are the same if everything that decides what follows is ([`world::World::shape`]).
//!
//! Not in it: failing rolls (their rules are in `sync::plan`'s own tests), several targets, coalescing, time
//! that passes in the middle of a run.

mod ports;
mod relay;
mod world;

use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex};

use stateright::{Checker, HasDiscoveries, Model, Property};

use world::{Action, Bounds, World};

/// What is explored.
struct Protocol(Bounds);

/// A state: what it is, and how it came about.
#[derive(Clone)]
struct State {
    shape: String,
    enabled: Vec<Action>,
    facts: world::Facts,
    /// The world when no run was under way the last time, and what happened since.
    base: Arc<Mutex<World>>,
    since: Vec<Action>,
}

impl State {
    fn initial(bounds: Bounds) -> Self {
        Self::of(&World::new(bounds), None)
    }

    fn after(&self, action: Action) -> Self {
        let mut world = self.base.lock().unwrap().copy();
        let since: Vec<Action> = self.since.iter().copied().chain([action]).collect();
        for action in &since {
            world.act(*action);
        }
        Self::of(&world, Some((Arc::clone(&self.base), since)))
    }

    fn of(world: &World, way: Option<(Arc<Mutex<World>>, Vec<Action>)>) -> Self {
        let (base, since) = match way {
            Some(way) if world.runs() => way,
            _ => (Arc::new(Mutex::new(world.copy())), Vec::new()),
        };
        Self { shape: world.shape(), enabled: world.enabled(), facts: world.facts(), base, since }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shape)
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.shape.hash(state);
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::initial(self.0)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(state.enabled.iter().copied());
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        Some(last.after(action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NO_OLD_WRITE, |_, state: &State| !state.facts.wrote_superseded),
            Property::always(ENDS_CURRENT, |_, state: &State| state.facts.at_rest.is_none_or(|right| right)),
            // What must have been seen, or the bounds are too small to prove anything.
            Property::sometimes(RESTS, |_, state: &State| state.facts.at_rest.is_some()),
            Property::sometimes(WRITES_TWICE, |_, state: &State| state.facts.writes > 1),
        ]
    }
}

const NO_OLD_WRITE: &str =
    "no write starts with a version known to be superseded, or after a write of a newer one";
const ENDS_CURRENT: &str = "what comes to rest holds what AWS serves as current";

const RESTS: &str = "everything comes to rest";
const WRITES_TWICE: &str = "a write is started twice";

fn explore(bounds: Bounds) -> impl Checker<Protocol> {
    // What breaks a rule may open worlds without end: the first break is enough.
    let until = HasDiscoveries::AnyFailures;
    let checker = Protocol(bounds).checker().threads(2).finish_when(until).spawn_bfs().join();
    println!("{} states, {} of them different", checker.state_count(), checker.unique_state_count());
    checker
}

#[test]
fn one_relay_starts_no_old_write_and_ends_on_the_current_version() {
    explore(Bounds { moves: 2, stale: true, ..Bounds::ONE_RELAY }).assert_properties();
}

#[test]
fn one_relay_finds_its_way_between_late_notifications() {
    explore(Bounds { moves: 2, deliveries: 1, ..Bounds::ONE_RELAY }).assert_properties();
}

#[test]
fn one_relay_heals_a_write_that_lands_late() {
    explore(Bounds { moves: 1, late: 1, lost: 1, ..Bounds::ONE_RELAY }).assert_properties();
}

#[test]
fn one_relay_survives_a_crash_at_any_point() {
    explore(Bounds { moves: 1, crashes: 1, stale: true, ..Bounds::ONE_RELAY }).assert_properties();
}

#[test]
fn one_relay_bears_notifications_that_come_twice() {
    explore(Bounds { moves: 1, deliveries: 2, stale: true, ..Bounds::ONE_RELAY }).assert_properties();
}

#[test]
fn one_relay_writes_over_what_a_pipeline_brought_back() {
    explore(Bounds { moves: 1, late: 1, foreign: 1, ..Bounds::ONE_RELAY }).assert_properties();
}

/// The shortest way in which two relays without a lease break the rule, as it is written down in
/// `docs/decisions/0011-one-relay-writes.md`.
const TWO_RELAYS: &str = "tests/fixtures/protocol/two-relays.txt";

#[test]
fn two_relays_without_a_lease_write_an_old_version_over_a_newer_one() {
    let bounds = Bounds { relays: 2, moves: 1, ..Bounds::ONE_RELAY };
    let checker = Protocol(bounds).checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discovery(NO_OLD_WRITE).expect("a counterexample").into_actions();
    // The checker looks at the properties of a state a little after it was reached.
    let mut state = State::initial(bounds);
    let mut text = String::new();
    for action in found {
        writeln!(text, "{action:?}").unwrap();
        state = state.after(action);
        if state.facts.wrote_superseded {
            break;
        }
    }
    assert!(state.facts.wrote_superseded);
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join(TWO_RELAYS);
    assert_eq!(text, std::fs::read_to_string(stored).unwrap(), "another counterexample than the stored one");
}

#[test]
fn two_relays_with_a_lease_around_a_run_do_not() {
    let bounds = Bounds { relays: 2, lease: true, moves: 1, stale: true, ..Bounds::ONE_RELAY };
    let checker = explore(bounds);
    checker.assert_no_discovery(NO_OLD_WRITE);
    checker.assert_no_discovery(ENDS_CURRENT);
    checker.assert_any_discovery(RESTS);
    checker.assert_any_discovery(WRITES_TWICE);
}
