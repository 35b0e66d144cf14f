//! Slows down who fails to prove itself: a token bucket for each address.
//!
//! Guarantees: whoever proves itself pays nothing; after `limit` failures an address has to wait, and so
//! many more are forgiven per minute; nobody is shut out for longer than about a minute after its last
//! failure. At most [`MAX_SOURCES`] addresses are remembered, in well under a megabyte: when there are
//! more, who has the least to answer for is forgotten.
//!
//! Not for hooks that AWS calls: its senders share addresses, and repeat what is refused.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Addresses that are remembered.
pub const MAX_SOURCES: usize = 4096;

/// The failures of one listener.
pub struct Failures {
    limit: f64,
    sources: Mutex<HashMap<IpAddr, Debt>>,
}

/// Failures that are not forgiven yet, as of an instant.
#[derive(Clone, Copy)]
struct Debt {
    failures: f64,
    at: Instant,
}

impl Failures {
    /// So many at once, and so many more per minute.
    pub fn new(limit: u16) -> Self {
        Self { limit: f64::from(limit), sources: Mutex::default() }
    }

    /// Whether `address` may try now, or how long it has to wait.
    pub fn admit(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let debt = self.sources().get(&source(address)).map_or(0.0, |debt| self.left(*debt, now));
        let over = debt + 1.0 - self.limit;
        if over <= 0.0 { Ok(()) } else { Err(Duration::from_secs_f64(over * 60.0 / self.limit)) }
    }

    /// `address` failed.
    pub fn failed(&self, address: IpAddr, now: Instant) {
        let mut sources = self.sources();
        let source = source(address);
        let before = sources.get(&source).map(|debt| self.left(*debt, now));
        if before.is_none() && sources.len() >= MAX_SOURCES {
            self.make_room(&mut sources, now);
        }
        // What was under way when the limit was reached counts as well, up to twice the limit.
        let failures = (before.unwrap_or(0.0) + 1.0).min(2.0 * self.limit);
        sources.insert(source, Debt { failures, at: now });
    }

    fn left(&self, debt: Debt, now: Instant) -> f64 {
        let forgiven = now.saturating_duration_since(debt.at).as_secs_f64() * self.limit / 60.0;
        (debt.failures - forgiven).max(0.0)
    }

    fn make_room(&self, sources: &mut HashMap<IpAddr, Debt>, now: Instant) {
        sources.retain(|_, debt| self.left(*debt, now) > 0.0);
        if sources.len() < MAX_SOURCES {
            return;
        }
        let left = |debt: &Debt| self.left(*debt, now);
        let least = sources.iter().min_by(|(_, a), (_, b)| left(a).total_cmp(&left(b)));
        if let Some(address) = least.map(|(address, _)| *address) {
            sources.remove(&address);
        }
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<IpAddr, Debt>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One customer of a provider has at least a /64 of IPv6 addresses.
fn source(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn after_the_limit_an_address_waits_and_others_do_not() {
        let (failures, now, bad) = (Failures::new(6), Instant::now(), ip("203.0.113.7"));
        for _ in 0..6 {
            assert_eq!(failures.admit(bad, now), Ok(()));
            failures.failed(bad, now);
        }
        assert_eq!(failures.admit(bad, now), Err(Duration::from_secs(10)));
        assert_eq!(failures.admit(bad, now + Duration::from_secs(9)), Err(Duration::from_secs(1)));
        assert_eq!(failures.admit(bad, now + Duration::from_secs(10)), Ok(()));
        assert_eq!(failures.admit(ip("203.0.113.8"), now), Ok(()));
    }

    #[test]
    fn however_many_fail_at_once_the_wait_is_bounded() {
        let (failures, now, bad) = (Failures::new(6), Instant::now(), ip("203.0.113.7"));
        for _ in 0..10_000 {
            failures.failed(bad, now);
        }
        let wait = failures.admit(bad, now).unwrap_err();
        assert_eq!(wait, Duration::from_secs(70));
        assert_eq!(failures.admit(bad, now + wait), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let (failures, now) = (Failures::new(1), Instant::now());
        failures.failed(ip("2001:db8:0:1::1"), now);
        assert!(failures.admit(ip("2001:db8:0:1:ffff::2"), now).is_err());
        assert!(failures.admit(ip("2001:db8:0:2::1"), now).is_ok());
    }

    #[test]
    fn many_addresses_take_bounded_memory_and_do_not_free_who_fails_most() {
        let (failures, now, worst) = (Failures::new(2), Instant::now(), ip("203.0.113.7"));
        for _ in 0..4 {
            failures.failed(worst, now);
        }
        for number in 0..20_000_u32 {
            failures.failed(IpAddr::V4((0x0a00_0000 + number).into()), now);
        }
        assert_eq!(failures.sources().len(), MAX_SOURCES);
        assert!(failures.admit(worst, now).is_err());
        failures.failed(ip("198.51.100.1"), now + 10 * MINUTE);
        assert_eq!(failures.sources().len(), 1, "who is forgiven is forgotten when room is needed");
    }

    proptest! {
        #[test]
        fn an_address_fails_at_most_its_limit_and_what_time_forgives(
            limit in 1_u16..20,
            pauses in proptest::collection::vec(0_u64..5_000, 1..400),
        ) {
            let (failures, start, address) = (Failures::new(limit), Instant::now(), ip("203.0.113.7"));
            let (mut now, mut failed) = (start, 0_u32);
            for pause in pauses {
                now += Duration::from_millis(pause);
                if failures.admit(address, now).is_ok() {
                    failures.failed(address, now);
                    failed += 1;
                }
            }
            let forgiven = (now - start).as_secs_f64() * f64::from(limit) / 60.0;
            prop_assert!(f64::from(failed) <= f64::from(limit) + forgiven + 1e-6, "{failed}");
        }
    }
}
