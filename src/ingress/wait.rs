//! `?wait=30s`: how long a trigger's answer may be held back for the outcome.

use std::time::Duration;

use axum::http::Uri;

use crate::http::{ErrorCode, Problem};

/// The longest wait; load balancers commonly cut idle requests after 60 s.
pub const LONGEST: Duration = Duration::from_mins(1);

/// The wait that a request asks for, if any. No other parameter is known, so a misspelt one is told.
pub(super) fn asked(uri: &Uri) -> Result<Option<Duration>, Problem> {
    let Some(query) = uri.query().filter(|query| !query.is_empty()) else { return Ok(None) };
    let wrong = || {
        Problem::new(
            ErrorCode::Malformed,
            "the only parameter is `wait`, given once: 1s to 60s, such as ?wait=30s",
        )
    };
    let text = query.strip_prefix("wait=").ok_or_else(wrong)?;
    parse(text).map(Some).ok_or_else(wrong)
}

/// `30s` or `1m`, from one second to [`LONGEST`].
pub fn parse(text: &str) -> Option<Duration> {
    let (digits, seconds) = match text.strip_suffix('s') {
        Some(digits) => (digits, 1),
        None => (text.strip_suffix('m')?, 60),
    };
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let wait = Duration::from_secs(digits.parse::<u64>().ok()? * seconds);
    (Duration::from_secs(1)..=LONGEST).contains(&wait).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_minutes_up_to_the_limit_are_understood() {
        assert_eq!(parse("30s"), Some(Duration::from_secs(30)));
        assert_eq!(parse("1m"), Some(LONGEST));
        for text in ["", "s", "30", "0s", "61s", "2m", "-1s", "1.5s", "99999s", "30 s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_misspelt_parameter_is_refused() {
        let ask = |uri: &str| asked(&uri.parse().unwrap());
        assert_eq!(ask("/hooks/trigger").unwrap(), None);
        assert_eq!(ask("/hooks/trigger?wait=5s").unwrap(), Some(Duration::from_secs(5)));
        for uri in ["/hooks/trigger?wiat=5s", "/hooks/trigger?wait=5s&wait=6s", "/hooks/trigger?wait"] {
            assert_eq!(ask(uri).unwrap_err().code(), ErrorCode::Malformed, "{uri}");
        }
    }
}
