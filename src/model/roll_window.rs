//! The hours in which applications may be restarted.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A span of every day, in the wall time of one place; it may pass midnight. From its first minute on,
/// before its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollWindow {
    /// Its begin.
    pub from: Time,
    /// Its end; where it equals the begin, the window is always open.
    pub to: Time,
    /// Whose wall time that is.
    pub zone: TimeZone,
}

impl RollWindow {
    /// How long until it opens; none while it is open.
    pub fn opens_in(&self, now: Timestamp) -> Option<Duration> {
        let local = now.to_zoned(self.zone.clone());
        let (time, from, to) = (local.time(), self.from, self.to);
        let open = if from < to { from <= time && time < to } else { from <= time || time < to };
        if open {
            return None;
        }
        // Outside of the window its begin is the next one on the clock. On a day when the clock is set
        // this may be an hour off; whoever waits asks again.
        let whole_day = SignedDuration::from_hours(24);
        let wait = from.duration_since(time);
        let wait = if wait.is_negative() { wait + whole_day } else { wait };
        Some(Duration::try_from(wait).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens_in(from: i8, to: i8, zone: &str, now: &str) -> Option<Duration> {
        let at = |hour| Time::new(hour, 0, 0, 0).unwrap();
        let window = RollWindow { from: at(from), to: at(to), zone: TimeZone::get(zone).unwrap() };
        window.opens_in(now.parse().unwrap())
    }

    #[test]
    fn a_window_is_open_from_its_begin_to_its_end() {
        for (time, expected) in [
            ("2026-11-01T01:59:59Z", Some(Duration::from_secs(1))),
            ("2026-11-01T02:00:00Z", None),
            ("2026-11-01T03:59:59Z", None),
            ("2026-11-01T04:00:00Z", Some(Duration::from_hours(22))),
        ] {
            assert_eq!(opens_in(2, 4, "UTC", time), expected, "{time}");
        }
    }

    #[test]
    fn a_window_may_pass_midnight_and_is_told_in_its_own_wall_time() {
        // Berlin is an hour ahead in winter, two in summer.
        assert_eq!(opens_in(22, 5, "Europe/Berlin", "2026-01-15T21:00:00Z"), None);
        assert_eq!(opens_in(22, 5, "Europe/Berlin", "2026-01-15T03:59:00Z"), None);
        assert_eq!(opens_in(22, 5, "Europe/Berlin", "2026-01-15T04:00:00Z"), Some(Duration::from_hours(17)));
        assert_eq!(opens_in(22, 5, "Europe/Berlin", "2026-07-15T20:00:00Z"), None);
        assert_eq!(opens_in(9, 9, "UTC", "2026-07-15T20:00:00Z"), None, "always");
    }
}
