//! How many requests per second a host gets from this relay, per API family.
//!
//! Anypoint counts requests per client address (the Application Manager: 15 a second), so the count
//! is kept per host and family, over all connections to that host. [`Pacer`] is a virtual schedule
//! (the generic cell rate algorithm): no window of one second holds more than `rate + burst`
//! requests. A process that stands still for a while, because others have the processor, lets what it missed
//! out at once; so what really leaves is counted as well ([`Pacer::leave`]). It is pure: the time is passed in,
//! and it only says when a request may go out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::call::Family;
use crate::config::Rates;

const SECOND: Duration = Duration::from_secs(1);
/// For a rate that is no number.
const SOME_RATE: f64 = 10.0;
/// For the hybrid servers' API, and for CloudHub: with the burst below its 25 a second and client address
/// (Runtime Manager documentation; EU and Government).
const DEFAULT_RATE: f64 = 20.0;
/// Where no limit per second is published (the one of logins is per minute).
const DEFAULT_BURST: u32 = 5;
/// For CloudHub in the US, which takes 75 a second.
const CLOUDHUB_US_RATE: f64 = 60.0;
const CLOUDHUB_US_HOST: &str = "anypoint.mulesoft.com:443";

/// The schedule of one (host, family).
#[derive(Clone, Debug)]
pub struct Pacer {
    /// Time between two requests at the full rate.
    interval: Duration,
    /// How far ahead of the even schedule requests may run: `burst - 1` intervals.
    tolerance: Duration,
    /// When the next request is due on the even schedule.
    due: Option<Instant>,
    /// Nothing goes out before.
    closed_until: Option<Instant>,
    /// So many may leave in a second.
    most: usize,
    /// When the last ones left.
    left: VecDeque<Instant>,
}

impl Pacer {
    /// `rate` requests per second, at most `burst` of them at once. A rate outside 0.1 to 10,000
    /// is brought into it; a burst is at least 1.
    pub fn new(rate: f64, burst: u32) -> Self {
        let rate = if rate.is_finite() { rate.clamp(0.1, 10_000.0) } else { SOME_RATE };
        let interval = Duration::from_secs_f64(1.0 / rate);
        let (in_a_second, burst) = (SECOND.as_nanos() / interval.as_nanos(), burst.max(1));
        let most = usize::try_from((in_a_second + 1).max(burst.into())).unwrap_or(usize::MAX);
        let tolerance = interval * (burst - 1);
        Self { interval, tolerance, due: None, closed_until: None, most, left: VecDeque::new() }
    }

    /// Takes the next place in the schedule: the time at which the request may go out.
    pub fn reserve(&mut self, now: Instant) -> Instant {
        let slot = self.next_slot(now);
        self.due = Some(self.due.map_or(slot, |due| due.max(slot)) + self.interval);
        slot
    }

    /// A request whose place has come leaves, unless the second that ends now has its full rate; then the error
    /// is when to ask again. So the room between rate and limit is left for requests that arrive less evenly
    /// than they leave.
    pub fn leave(&mut self, now: Instant) -> Result<(), Instant> {
        while self.left.len() >= self.most
            && let Some(first) = self.left.front()
        {
            // With this half of an interval it is still more than the rate, so that what was late catches up.
            let free = *first + SECOND + self.interval / 2;
            if free > now {
                return Err(free);
            }
            self.left.pop_front();
        }
        self.left.push_back(now);
        Ok(())
    }

    /// How long a request that is reserved now would have to wait.
    pub fn backlog(&self, now: Instant) -> Duration {
        self.next_slot(now).saturating_duration_since(now)
    }

    /// Lets nothing out before `until`; a later end that was already set stays.
    pub fn cool_down(&mut self, until: Instant) {
        self.closed_until = Some(self.closed_until.map_or(until, |set| set.max(until)));
    }

    /// What is left of a cool-down.
    pub fn cooling(&self, now: Instant) -> Option<Duration> {
        self.closed_until.and_then(|until| until.checked_duration_since(now)).filter(|left| !left.is_zero())
    }

    fn next_slot(&self, now: Instant) -> Instant {
        // An Instant near its lower end cannot go back by the tolerance; `now` is right then.
        let by_rate = self.due.and_then(|due| due.checked_sub(self.tolerance)).unwrap_or(now);
        now.max(by_rate).max(self.closed_until.unwrap_or(now))
    }

    fn slow_to(&mut self, other: &Pacer) {
        if other.interval > self.interval {
            self.interval = other.interval;
            self.tolerance = other.tolerance;
            self.most = other.most;
        }
    }
}

/// A [`Pacer`] that several connections use.
#[derive(Debug)]
pub struct SharedPacer(Mutex<Pacer>);

impl SharedPacer {
    /// Runs `f` on the schedule.
    pub fn with<T>(&self, f: impl FnOnce(&mut Pacer) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a place unless the wait would pass `patience`; then the wait is the error.
    pub fn reserve_within(&self, now: Instant, patience: Duration) -> Result<Instant, Duration> {
        self.with(|pacer| {
            let wait = pacer.backlog(now);
            if wait > patience { Err(wait) } else { Ok(pacer.reserve(now)) }
        })
    }
}

/// The schedules of all hosts. Cheap to clone; every connection of a process shares one.
#[derive(Clone, Debug, Default)]
pub struct Pacers(Arc<Mutex<ByHostAndFamily>>);

type ByHostAndFamily = BTreeMap<(String, Family), Arc<SharedPacer>>;

impl Pacers {
    /// The schedule for `family` at `host` (with its port). Where two connections name different
    /// rates for one host, the lower one holds.
    pub fn of(&self, host: &str, family: Family, rates: &Rates) -> Arc<SharedPacer> {
        let wanted = match family {
            Family::ApplicationManager => {
                Pacer::new(rates.application_manager, burst_below_limit(rates.application_manager))
            }
            Family::Accounts => Pacer::new(rates.accounts, DEFAULT_BURST),
            Family::SecretsManager => Pacer::new(rates.secrets_manager, DEFAULT_BURST),
            Family::Secrets => Pacer::new(rates.secrets, DEFAULT_BURST),
            Family::CloudHub if host == CLOUDHUB_US_HOST => Pacer::new(CLOUDHUB_US_RATE, DEFAULT_BURST),
            Family::CloudHub | Family::Hybrid => Pacer::new(DEFAULT_RATE, DEFAULT_BURST),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = all
            .entry((host.to_owned(), family))
            .or_insert_with(|| Arc::new(SharedPacer(Mutex::new(wanted.clone()))));
        shared.with(|pacer| pacer.slow_to(&wanted));
        Arc::clone(shared)
    }
}

/// One to three at once, as far as the limit leaves room above the rate.
fn burst_below_limit(rate: f64) -> u32 {
    match Rates::APPLICATION_MANAGER_LIMIT - rate {
        room if room >= 3.0 => 3,
        room if room >= 2.0 => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn most_in_a_second(times: &[Instant]) -> usize {
        let windows = times
            .iter()
            .map(|first| times.iter().filter(|time| *time >= first && **time - *first < SECOND).count());
        windows.max().unwrap_or_default()
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let now = Instant::now();
        let mut pacer = Pacer::new(10.0, 3);
        let waits: Vec<u128> = (0..5).map(|_| (pacer.reserve(now) - now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200]);
        assert_eq!(pacer.backlog(now).as_millis(), 300);
    }

    #[test]
    fn nothing_goes_out_during_a_cool_down_and_it_never_shrinks() {
        let now = Instant::now();
        let mut pacer = Pacer::new(10.0, 2);
        pacer.cool_down(now + Duration::from_secs(5));
        pacer.cool_down(now + Duration::from_secs(2));
        assert_eq!(pacer.reserve(now) - now, Duration::from_secs(5));
        assert_eq!(pacer.cooling(now), Some(Duration::from_secs(5)));
        assert_eq!(pacer.cooling(now + Duration::from_secs(5)), None);
    }

    #[test]
    fn connections_to_one_host_share_the_lower_rate() {
        let pacers = Pacers::default();
        let usual = Rates::default();
        let low = Rates { application_manager: 2.0, ..usual };
        let fast = pacers.of("anypoint.mulesoft.com", Family::ApplicationManager, &usual);
        let slow = pacers.of("anypoint.mulesoft.com", Family::ApplicationManager, &low);
        let other = pacers.of("eu1.anypoint.mulesoft.com", Family::ApplicationManager, &usual);
        let now = Instant::now();
        for _ in 0..4 {
            fast.with(|pacer| pacer.reserve(now));
        }
        assert!(slow.with(|pacer| pacer.backlog(now)) >= Duration::from_millis(500));
        assert_eq!(other.with(|pacer| pacer.backlog(now)), Duration::ZERO);
    }

    #[test]
    fn cloudhub_gets_at_most_its_limit_in_a_second_of_each_control_plane() {
        for (host, limit) in [("anypoint.mulesoft.com:443", 75), ("eu1.anypoint.mulesoft.com:443", 25)] {
            let pacer = Pacers::default().of(host, Family::CloudHub, &Rates::default());
            let now = Instant::now();
            let slots: Vec<Instant> = (0..100).map(|_| pacer.with(|pacer| pacer.reserve(now))).collect();
            let within = slots.iter().filter(|slot| **slot - now < Duration::from_secs(1)).count();
            assert!(within <= limit && within > limit / 2, "{within} at {host}");
        }
    }

    #[test]
    fn each_api_has_its_own_rate() {
        let rates = Rates { accounts: 1.0, application_manager: 2.0, secrets_manager: 4.0, secrets: 8.0 };
        let pacers = Pacers::default();
        let now = Instant::now();
        let interval = |family| {
            let pacer = pacers.of("anypoint.mulesoft.com", family, &rates);
            // Beyond any burst.
            let slots: Vec<Instant> = (0..10).map(|_| pacer.with(|pacer| pacer.reserve(now))).collect();
            (slots[9] - slots[8]).as_millis()
        };
        let own = [Family::Accounts, Family::ApplicationManager, Family::SecretsManager, Family::Secrets];
        assert_eq!(own.map(interval), [1000, 500, 250, 125]);
    }

    #[test]
    fn a_wait_beyond_patience_takes_no_place() {
        let shared = SharedPacer(Mutex::new(Pacer::new(1.0, 1)));
        let now = Instant::now();
        assert_eq!(shared.reserve_within(now, Duration::ZERO), Ok(now));
        assert_eq!(shared.reserve_within(now, Duration::ZERO), Err(Duration::from_secs(1)));
        assert_eq!(shared.with(|pacer| pacer.backlog(now)), Duration::from_secs(1));
    }

    proptest! {
        #[test]
        fn no_window_of_one_second_passes_the_limit(
            gaps in proptest::collection::vec(0_u64..400, 1..200),
            cool in proptest::option::of((0_usize..200, 0_u64..3000)),
        ) {
            let start = Instant::now();
            let mut now = start;
            let rate = 12.0;
            let mut pacer = Pacer::new(rate, burst_below_limit(rate));
            let mut slots = Vec::new();
            for (i, gap) in gaps.iter().enumerate() {
                // Half of the arrivals come together, so that bursts happen.
                now += Duration::from_millis(if gap % 2 == 0 { 0 } else { *gap });
                if let Some((at, ms)) = cool && at == i {
                    pacer.cool_down(now + Duration::from_millis(ms));
                }
                let slot = pacer.reserve(now);
                prop_assert!(slot >= now);
                slots.push(slot);
            }
            prop_assert!(most_in_a_second(&slots) <= 15);
        }

        #[test]
        fn nor_does_it_where_the_process_stands_still(
            stalls in proptest::collection::vec((0_u64..3000, 1_u64..1500), 0..6),
        ) {
            let start = Instant::now();
            let at = |ms| start + Duration::from_millis(ms);
            let mut pacer = Pacer::new(12.0, burst_below_limit(12.0));
            let wakes = |due: Instant| {
                let asleep = stalls.iter().map(|(from, length)| at(*from)..at(from + length));
                asleep.filter(|stall| stall.contains(&due)).map(|stall| stall.end).max().unwrap_or(due)
            };
            let mut waiting: BTreeSet<(Instant, usize)> =
                (0..60).map(|request| (pacer.reserve(start), request)).collect();
            let last = waiting.last().map(|(due, _)| *due);
            let mut left = Vec::new();
            while let Some((due, request)) = waiting.pop_first() {
                let now = wakes(due).max(left.last().copied().unwrap_or(start));
                match pacer.leave(now) {
                    Ok(()) => left.push(now),
                    Err(again) => drop(waiting.insert((again, request))),
                }
            }
            prop_assert!(most_in_a_second(&left) <= 13);
            prop_assert!(!stalls.is_empty() || left.last().copied() == last, "the schedule alone is even enough");
        }
    }
}
