//! The two kinds of limit: a sliding second per client address, and fixed minutes for logins.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

/// At most so many requests in any second from one address (Application Manager, Secrets Manager).
#[derive(Debug)]
pub(crate) struct SlidingSecond {
    pub(crate) limit: Option<u32>,
    taken: BTreeMap<IpAddr, VecDeque<Timestamp>>,
    refused: u64,
}

impl SlidingSecond {
    pub(crate) fn new(limit: Option<u32>) -> Self {
        Self { limit, taken: BTreeMap::new(), refused: 0 }
    }

    /// Whether a request fits; a refused one does not count against the next.
    pub(crate) fn take(&mut self, address: IpAddr, now: Timestamp) -> bool {
        let Some(limit) = self.limit else { return true };
        let taken = self.taken.entry(address).or_default();
        let horizon = now - SignedDuration::from_secs(1);
        while taken.front().is_some_and(|at| *at <= horizon) {
            taken.pop_front();
        }
        let fits = taken.len() < limit as usize;
        if fits {
            taken.push_back(now);
        } else {
            self.refused += 1;
        }
        fits
    }

    /// How many requests were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }
}

/// At most so many in each minute of the clock (logins).
#[derive(Debug, Default)]
pub(crate) struct FixedMinute {
    pub(crate) limit: Option<u32>,
    minute: i64,
    taken: u32,
    refused: u64,
}

impl FixedMinute {
    /// Whether a request fits.
    pub(crate) fn take(&mut self, now: Timestamp) -> bool {
        let minute = now.as_second().div_euclid(60);
        if minute != self.minute {
            self.minute = minute;
            self.taken = 0;
        }
        self.taken = self.taken.saturating_add(1);
        let fits = self.limit.is_none_or(|limit| self.taken <= limit);
        if !fits {
            self.refused += 1;
        }
        fits
    }

    /// When the running minute ends, in seconds since 1970.
    pub(crate) fn reset(&self) -> i64 {
        (self.minute + 1) * 60
    }

    /// How many requests were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
    }

    #[test]
    fn the_second_slides() {
        let mut limit = SlidingSecond::new(Some(2));
        assert!(limit.take(HERE, at(0)));
        assert!(limit.take(HERE, at(900)));
        assert!(!limit.take(HERE, at(999)), "two within the last second");
        assert!(limit.take(HERE, at(1000)), "the first has left the window");
        assert!(!limit.take(HERE, at(1100)), "the second and third are still in it");
        assert_eq!(limit.refused(), 2);
    }

    #[test]
    fn addresses_do_not_share_a_window() {
        let mut limit = SlidingSecond::new(Some(1));
        assert!(limit.take(HERE, at(0)));
        assert!(limit.take(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), at(0)));
    }

    #[test]
    fn minutes_are_fixed() {
        let mut limit = FixedMinute { limit: Some(1), ..FixedMinute::default() };
        assert!(limit.take(at(59_000)));
        assert!(!limit.take(at(59_500)));
        assert!(limit.take(at(60_000)), "a new minute, half a second later");
    }
}
