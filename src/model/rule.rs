//! The name of an EventBridge rule, or its ARN.
//!
//! Source: EventBridge ARNs, `arn:<partition>:events:<region>:<account>:rule/[<bus>/]<name>`. A rule of the
//! default bus has no bus in its ARN; the name of a partner's bus has slashes of its own.

use std::fmt;

/// Neither the name nor the ARN of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an EventBridge rule: its name, or arn:<partition>:events:<region>:<account>:rule/<name>")]
pub struct RuleError;

/// A rule, as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRule {
    text: String,
    region: Option<String>,
    bus: Option<String>,
    name: String,
}

impl EventRule {
    /// Parses a name, which means a rule of the default bus in the relay's own region, or an ARN.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let (region, bus, name) = if text.starts_with("arn:") {
            let parts: Vec<&str> = text.splitn(6, ':').collect();
            let [_, _, "events", region, account, resource] = parts[..] else { return Err(RuleError) };
            let named = resource.strip_prefix("rule/").ok_or(RuleError)?;
            let (bus, name) = match named.rsplit_once('/') {
                Some((bus, name)) => (Some(bus), name),
                None => (None, named),
            };
            let fits =
                is_name(region, 64) && account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
            let bus_fits = bus.is_none_or(|bus| bus.split('/').all(|part| is_name(part, 256)));
            if !(fits && bus_fits) {
                return Err(RuleError);
            }
            (Some(region.to_owned()), bus.map(str::to_owned), name)
        } else {
            (None, None, text)
        };
        if !is_name(name, 64) {
            return Err(RuleError);
        }
        Ok(Self { text: text.to_owned(), region, bus, name: name.to_owned() })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its bus; none means the default one.
    pub fn bus(&self) -> Option<&str> {
        self.bus.as_deref()
    }

    /// Its region; none means the relay's own.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }
}

impl fmt::Display for EventRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Option<String>, Option<String>, String) {
        let EventRule { region, bus, name, .. } = EventRule::parse(text).unwrap();
        (region, bus, name)
    }

    #[test]
    fn a_name_and_each_form_of_an_arn_are_read() {
        let arn = "arn:aws:events:eu-west-1:123456789012:rule/";
        let region = || Some("eu-west-1".to_owned());
        assert_eq!(parts("to-relay"), (None, None, "to-relay".to_owned()));
        assert_eq!(parts(&format!("{arn}a.b_c")), (region(), None, "a.b_c".to_owned()));
        assert_eq!(parts(&format!("{arn}own/r")), (region(), Some("own".to_owned()), "r".to_owned()));
        let partner = Some("aws.partner/x/y".to_owned());
        assert_eq!(parts(&format!("{arn}aws.partner/x/y/r")), (region(), partner, "r".to_owned()));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in [
            "",
            "a b",
            "rule/a",
            &"r".repeat(65),
            "arn:aws:sns:eu-west-1:123456789012:topic",
            "arn:aws:events:eu-west-1:123456789012:api-destination/a/b",
            "arn:aws:events:eu-west-1:1234:rule/a",
            "arn:aws:events::123456789012:rule/a",
            "arn:aws:events:eu-west-1:123456789012:rule/",
            "arn:aws:events:eu-west-1:123456789012:rule//a",
        ] {
            assert_eq!(EventRule::parse(text), Err(RuleError), "{text}");
        }
    }
}
