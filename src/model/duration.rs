//! How durations are written, in the configuration, on the command line and in messages: `500ms`, `30s`,
//! `1h15m`. What is shown can be written back.

use std::fmt::Write;
use std::time::Duration;

const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Numbers with units, the larger unit first, each unit once.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut millis: u64 = 0;
    let mut units = UNITS.iter();
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let (_, scale) = units.find(|(name, _)| *name == unit)?;
        millis = number.parse::<u64>().ok()?.checked_mul(*scale)?.checked_add(millis)?;
        rest = after;
    }
    (!text.is_empty()).then(|| Duration::from_millis(millis))
}

/// The same the other way, to the millisecond; a part of one counts as a whole one.
pub fn show_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, scale) in UNITS {
        if millis >= scale {
            // Writing to a String does not fail.
            write!(text, "{}{unit}", millis / scale).ok();
            millis %= scale;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_in_falling_order() {
        for (text, millis) in
            [("500ms", 500), ("30s", 30_000), ("1h15m", 4_500_000), ("0s", 0), ("1m1ms", 60_001)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "30",
            "s",
            "5m1h",
            "1s1s",
            "1.5s",
            "-1s",
            "1 s",
            "1d",
            "99999999999999999999h",
            "5124095576030432h",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_shown_duration_reads_back() {
        for millis in [0, 10, 4_900, 60_000, 86_400_000, 5_430_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&show_duration(duration)), Some(duration));
        }
    }

    #[test]
    fn a_wait_that_is_not_over_is_never_shown_as_none() {
        for (micros, shown) in
            [(0, "0s"), (1, "1ms"), (66_600, "67ms"), (1_000_000, "1s"), (900_000_000, "15m")]
        {
            assert_eq!(show_duration(Duration::from_micros(micros)), shown);
        }
    }
}
