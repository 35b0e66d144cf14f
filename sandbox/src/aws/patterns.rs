//! Event patterns, as far as rules for secrets use them.
//!
//! Source: the EventBridge guide, "Creating event patterns": names lead inwards, a list takes any of its
//! members, and an event's list is taken if one of its values is. `$or`, numbers and addresses are left out:
//! such a pattern is refused like one that is none.

use serde_json::Value as Json;

/// What every event has, or TestEventPattern refuses it.
const NEEDED: [&str; 7] = ["id", "account", "source", "time", "region", "resources", "detail-type"];

/// Whether the pattern takes the event; an error says what is wrong with either.
pub(crate) fn takes(pattern: &str, event: &str) -> Result<bool, &'static str> {
    let pattern: Json = serde_json::from_str(pattern).map_err(|_| "the pattern is not JSON")?;
    let event: Json = serde_json::from_str(event).map_err(|_| "the event is not JSON")?;
    if NEEDED.iter().any(|name| event.get(name).is_none()) {
        return Err("the event lacks a field that every event has");
    }
    object(&pattern, Some(&event))
}

fn object(pattern: &Json, event: Option<&Json>) -> Result<bool, &'static str> {
    let members = pattern.as_object().ok_or("a pattern is an object")?;
    let mut all = true;
    for (name, wanted) in members {
        let value = event.and_then(|event| event.get(name));
        all &= match wanted {
            Json::Object(_) => object(wanted, value)?,
            Json::Array(choices) => any(choices, value)?,
            _ => return Err("values stand in lists"),
        };
    }
    Ok(all)
}

fn any(choices: &[Json], value: Option<&Json>) -> Result<bool, &'static str> {
    let values = match value {
        Some(Json::Array(values)) => values.iter().collect(),
        value => Vec::from_iter(value),
    };
    let mut found = false;
    for choice in choices {
        found |= match choice {
            Json::Object(_) => rule(choice, &values)?,
            plain => values.contains(&plain),
        };
    }
    Ok(found)
}

fn rule(choice: &Json, values: &[&Json]) -> Result<bool, &'static str> {
    let Some((name, operand)) = choice.as_object().and_then(|only| only.iter().next()) else {
        return Err("an empty rule");
    };
    let texts = || values.iter().filter_map(|value| value.as_str());
    let text = operand.as_str().unwrap_or_default();
    match (name.as_str(), operand) {
        ("prefix", Json::String(_)) => Ok(texts().any(|value| value.starts_with(text))),
        ("suffix", Json::String(_)) => Ok(texts().any(|value| value.ends_with(text))),
        ("equals-ignore-case", Json::String(_)) => Ok(texts().any(|value| value.eq_ignore_ascii_case(text))),
        ("exists", Json::Bool(exists)) => Ok(*exists != values.is_empty()),
        ("anything-but", Json::Array(others)) => Ok(values.iter().any(|value| !others.contains(value))),
        ("anything-but", Json::Object(_)) => {
            let mut any = false;
            for value in values {
                any |= !rule(operand, &[*value])?;
            }
            Ok(any)
        }
        ("anything-but", other) => Ok(values.iter().any(|value| *value != other)),
        _ => Err("a rule that is not known here"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::events::label_updated;

    fn native(pattern: &Json) -> Result<bool, &'static str> {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf";
        takes(&pattern.to_string(), &label_updated(arn, "AWSCURRENT", "v").to_string())
    }

    #[test]
    fn values_rules_and_lists_are_matched_as_aws_does() {
        for (pattern, taken) in [
            (json!({"source": ["aws.secretsmanager"], "detail": {"labelUpdated": ["AWSCURRENT"]}}), true),
            (json!({"source": ["aws.s3", "aws.secretsmanager"]}), true),
            (json!({"detail-type": ["AWS API Call via CloudTrail"]}), false),
            (json!({"detail": {"name": [{"prefix": "prod/"}]}}), true),
            (json!({"detail": {"name": [{"prefix": "test/"}]}}), false),
            (json!({"detail": {"name": [{"anything-but": {"prefix": "events!"}}]}}), true),
            (json!({"detail": {"name": [{"anything-but": ["prod/db"]}]}}), false),
            (json!({"resources": [{"suffix": "-AbCdEf"}]}), true),
            (json!({"detail": {"errorCode": [{"exists": false}]}}), true),
            (json!({"detail": {"errorCode": ["x"]}}), false),
        ] {
            assert_eq!(native(&pattern), Ok(taken), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_or_no_event_is_refused() {
        for pattern in
            [json!({"source": "aws.secretsmanager"}), json!([]), json!({"a": [{"cidr": "10.0.0.0/8"}]})]
        {
            assert!(native(&pattern).is_err(), "{pattern}");
        }
        assert!(takes("{}", r#"{"source": "aws.secretsmanager"}"#).is_err());
        assert!(takes("", "{}").is_err());
    }
}
