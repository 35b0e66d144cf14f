//! Events of EventBridge and CloudTrail.
//!
//! Everything that a log line or a label may show has the characters of an id, and two spellings of one
//! document are one event.

use anypoint_relay::events::{MAX_EVENTS, parse};
use anypoint_relay::model::{Change, Event};
use serde_json::Value;

use crate::planted::{planted, tells_nothing};

pub(crate) fn check(body: &[u8]) {
    let events = parse(body);
    match &events {
        Ok(events) => {
            assert!((1..=MAX_EVENTS).contains(&events.len()));
            events.iter().for_each(is_bounded);
        }
        Err(error) => tells_nothing(error),
    }
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        assert!(events.is_err(), "an event that is no JSON");
        return;
    };
    assert_eq!(parse(value.to_string().as_bytes()), events, "another spelling, another event");
    if let Err(error) = parse(planted(&value).to_string().as_bytes()) {
        tells_nothing(&error);
    }
}

fn is_bounded(event: &Event) {
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    assert!((1..=128).contains(&event.id.len()) && visible(&event.id));
    let secret = &event.secret;
    assert!(secret.text.len() <= 2048 && visible(&secret.text));
    assert!(!secret.text.is_empty() || matches!(event.change, Change::Ignored(_)), "work for no secret");
    for label in [&secret.region, &secret.account].into_iter().flatten() {
        assert!((1..=64).contains(&label.len()) && visible(label), "{label}");
    }
    if let Some(version) = &event.version {
        assert_eq!(event.change, Change::Value, "a version without a change of the value");
        assert!((32..=64).contains(&version.as_str().len()) && visible(version.as_str()));
    }
}
