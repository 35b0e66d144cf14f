//! What an answer's headers say about when to come back.
//!
//! `Retry-After` in both forms of RFC 9110 section 10.2.3, and `X-RateLimit-Reset`, which Anypoint's
//! access management documents as UTC epoch seconds (429). Both are clamped: a broken header can
//! neither stop the relay nor make it hammer.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

/// Shortest wait that a hint leads to.
pub const SHORTEST: Duration = Duration::from_secs(1);
/// Longest wait that a hint leads to.
pub const LONGEST: Duration = Duration::from_mins(5);

/// Numbers above this are points in time, below it seconds from now.
const FIRST_EPOCH: i64 = 1_000_000_000;

/// The wait that the other side asked for, between [`SHORTEST`] and [`LONGEST`].
pub fn asked_wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wait = text("retry-after")
        .and_then(|value| retry_after(value, now))
        .or_else(|| text("x-ratelimit-reset").and_then(|value| reset(value, now)))?;
    Some(wait.clamp(SHORTEST, LONGEST))
}

fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(until(date, now))
}

fn reset(text: &str, now: Timestamp) -> Option<Duration> {
    let number: i64 = text.parse().ok()?;
    if number < FIRST_EPOCH {
        return u64::try_from(number).ok().map(Duration::from_secs);
    }
    Some(until(Timestamp::from_second(number).ok()?, now))
}

fn until(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(name: &'static str, value: &str) -> Option<u64> {
        let now: Timestamp = "2026-03-06T20:00:00Z".parse().unwrap();
        let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
        asked_wait(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_dates_and_epochs_are_understood() {
        assert_eq!(wait("retry-after", "7"), Some(7));
        assert_eq!(wait("retry-after", "Fri, 06 Mar 2026 20:00:42 GMT"), Some(42));
        assert_eq!(wait("x-ratelimit-reset", "1772827230"), Some(30));
        assert_eq!(wait("x-ratelimit-reset", "12"), Some(12));
    }

    #[test]
    fn waits_are_clamped_and_nonsense_is_no_hint() {
        assert_eq!(wait("retry-after", "0"), Some(1));
        assert_eq!(wait("retry-after", "86400"), Some(300));
        assert_eq!(wait("retry-after", "Fri, 06 Mar 2026 19:00:00 GMT"), Some(1));
        for nonsense in ["soon", "-5", "1e3", "18446744073709551616"] {
            assert_eq!(wait("retry-after", nonsense), None, "{nonsense}");
        }
        assert_eq!(wait("x-ratelimit-reset", "-1"), None);
    }
}
