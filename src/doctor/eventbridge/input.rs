//! What a rule's target would send of an event, so that the relay's own reader can say what it makes of it.
//!
//! Source: the EventBridge guide, "Input transformation": paths with members and indexes, names in angle
//! brackets, the reserved names of the whole event. A text that is filled in between quotes goes without its
//! own; a path that leads nowhere leaves nothing. Other forms of paths count as leading nowhere.

use serde_json::Value;

use crate::aws::Input;
use crate::events;
use crate::model::Change;

/// Whether the relay would take what is sent for a change of a secret.
pub(super) fn understood(input: &Input, event: &Value) -> bool {
    let read = events::parse(sent(input, event).as_bytes());
    read.is_ok_and(|events| events.iter().any(|event| event.change == Change::Value))
}

fn sent(input: &Input, event: &Value) -> String {
    match input {
        Input::Whole => event.to_string(),
        Input::Constant(text) => text.clone(),
        Input::Path(path) => at(event, path).map(Value::to_string).unwrap_or_default(),
        Input::Template { paths, template } => {
            let mut text = template.clone();
            for reserved in ["<aws.events.event.json>", "<aws.events.event>"] {
                text = text.replace(reserved, &event.to_string());
            }
            paths.iter().fold(text, |text, (name, path)| fill(&text, name, at(event, path)))
        }
    }
}

/// Puts a value into each place of this name.
fn fill(template: &str, name: &str, value: Option<&Value>) -> String {
    let place = format!("<{name}>");
    let (mut filled, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once(&place) {
        filled.push_str(before);
        match value {
            Some(Value::String(text)) if filled.ends_with('"') && after.starts_with('"') => {
                filled.push_str(text);
            }
            Some(value) => filled.push_str(&value.to_string()),
            None => {}
        }
        rest = after;
    }
    filled + rest
}

/// `$.resources[0]`, `$.detail.versionId`.
fn at<'v>(event: &'v Value, path: &str) -> Option<&'v Value> {
    let mut found = event;
    for step in path.strip_prefix('$')?.split(['.', '[']).skip(1) {
        found = match step.strip_suffix(']') {
            Some(index) => found.get(index.parse::<usize>().ok()?)?,
            None => found.get(step)?,
        };
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{About, label_updated, recorded};
    use super::*;

    fn secret() -> About {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf".to_owned();
        About { arn, name: "prod/db".to_owned() }
    }

    fn template(template: &str) -> Input {
        let paths = [
            ("arn", "$.resources[0]"),
            ("id", "$.id"),
            ("version", "$.detail.versionId"),
            ("label", "$.detail.labelUpdated"),
        ];
        let paths = paths.map(|(name, path)| (name.to_owned(), path.to_owned()));
        Input::Template { paths: paths.into(), template: template.to_owned() }
    }

    #[test]
    fn what_leaves_the_event_readable_is_understood() {
        let event = label_updated(&secret());
        for input in [
            Input::Whole,
            Input::Path("$".to_owned()),
            template("<aws.events.event>"),
            template(r#"{"secretArn": <arn>, "eventId": <id>}"#),
            template(
                r#"{"secretArn": "<arn>", "eventId": "<id>", "versionId": "<version>", "label": "<label>"}"#,
            ),
        ] {
            assert!(understood(&input, &event), "{}", sent(&input, &event));
        }
        let [(_, put), ..] = recorded(&secret());
        assert!(understood(&Input::Path("$.detail".to_owned()), &put));
    }

    #[test]
    fn what_takes_away_what_is_needed_is_not() {
        let event = label_updated(&secret());
        for input in [
            Input::Constant(r#"{"rotated": true}"#.to_owned()),
            Input::Path("$.detail".to_owned()),
            Input::Path("$.detail.nothing".to_owned()),
            Input::Path("$.resources[x]".to_owned()),
            template(r#"{"secretArn": "<arn>"}"#),
            template(r#""secret <arn> has changed""#),
            template(r#"{"secretArn": <nowhere>, "eventId": <id>}"#),
        ] {
            assert!(!understood(&input, &event), "{}", sent(&input, &event));
        }
    }
}
