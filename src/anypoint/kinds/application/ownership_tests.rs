use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::cloudhub::CloudHub;
use super::platform::{Api, Hiding};
use super::stored::Stored;
use super::write::{Whole, whole};
use super::{cloudhub2, ownership};
use crate::config::{ApplicationTarget, CloudHubSettings, Platform};
use crate::model::{
    ConnectionName, Failure, FailureCode, Mark, Receipt, Stamp, TargetName, ValueSource, Wanted,
};
use crate::sync::values::Values;

const API: cloudhub2::ApplicationManager = cloudhub2::ApplicationManager;

type Texts = BTreeMap<String, String>;

fn config(properties: &Texts, secure: &Texts, forget: &BTreeSet<String>) -> ApplicationTarget {
    let literals = |texts: &Texts| {
        texts.iter().map(|(name, text)| (name.clone(), ValueSource::Literal(text.clone()))).collect()
    };
    ApplicationTarget {
        connection: ConnectionName::parse("prod").unwrap(),
        platform: Platform::CloudHub2,
        deployment: "orders".to_owned(),
        properties: literals(properties),
        secure_properties: literals(secure),
        watch: BTreeSet::new(),
        forget: forget.clone(),
        receipt_property: "relay.receipt".to_owned(),
        roll_limit: Duration::from_mins(15),
        supersede: false,
        canary: false,
    }
}

fn stored(clear: &Texts, secure: &BTreeSet<String>) -> Stored {
    let masked: Texts = secure.iter().map(|name| (name.clone(), "******".to_owned())).collect();
    let body = json!({"name": "orders", "desiredVersion": "v1", "application": {"configuration": {
        "mule.agent.application.properties.service": {
            "applicationName": "orders", "properties": clear, "secureProperties": masked}}}});
    API.parse(body.to_string().as_bytes()).ok().unwrap()
}

fn receipt() -> Receipt {
    let wanted = Wanted { versions: BTreeMap::new(), mapping: "m".to_owned() };
    Receipt::of(&wanted, Stamp::fresh(), Some(Mark("v1".to_owned())))
}

fn refusal(config: &ApplicationTarget, stored: &Stored) -> Option<Failure> {
    ownership::refusal(config, &TargetName::parse("orders").unwrap(), Hiding::OwnMap, stored)
}

fn attempt(config: &ApplicationTarget, stored: &Stored) -> Result<Whole, Failure> {
    whole(config, &API, stored, &Values::default(), &receipt())
}

/// The two maps of a write's body.
fn maps(write: &Whole) -> (Texts, Texts) {
    let body: Value = serde_json::from_slice(write.body.content().expose_bytes()).unwrap();
    let service = &body["application"]["configuration"]["mule.agent.application.properties.service"];
    assert_eq!(service["applicationName"], "orders");
    let map = |name: &str| serde_json::from_value(service[name].clone()).unwrap();
    (map("properties"), map("secureProperties"))
}

fn texts(pairs: &[(&str, &str)]) -> Texts {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn names(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_secure_property_of_others_refuses_the_write_and_is_named() {
    let config = config(&texts(&[]), &texts(&[("db.password", "new")]), &names(&["old"]));
    let failure = refusal(&config, &stored(&texts(&[]), &names(&["api.key", "db.password", "old"]))).unwrap();
    assert_eq!(failure.code, FailureCode::WouldLose);
    assert!(failure.message.ends_with(r#"does not own: "api.key""#), "{}", failure.message);
    assert!(failure.next_step.contains("`secure_properties`") && failure.next_step.contains("`forget`"));
}

#[test]
fn a_property_stored_as_secure_is_not_set_in_clear() {
    let config = config(&texts(&[("db.password", "new")]), &texts(&[]), &names(&[]));
    let failure = refusal(&config, &stored(&texts(&[]), &names(&["db.password"]))).unwrap();
    assert!(failure.message.starts_with("stored as secure"), "{}", failure.message);
}

#[test]
fn a_masked_clear_property_of_others_refuses_the_write_and_an_asterisk_does_not() {
    let config = config(&texts(&[]), &texts(&[]), &names(&[]));
    let failure = refusal(&config, &stored(&texts(&[("hidden", "******")]), &names(&[]))).unwrap();
    assert_eq!(failure.code, FailureCode::WouldLose);
    assert_eq!(refusal(&config, &stored(&texts(&[("cors.origins", "*")]), &names(&[]))), None);
}

#[test]
fn a_name_that_is_configured_twice_refuses_the_write() {
    let both = config(&texts(&[("a", "1")]), &texts(&[("a", "2")]), &names(&[]));
    let receipt = config(&texts(&[("relay.receipt", "1")]), &texts(&[]), &names(&[]));
    for config in [both, receipt] {
        let failure = refusal(&config, &stored(&texts(&[]), &names(&[]))).unwrap();
        assert_eq!(failure.code, FailureCode::Rejected);
    }
}

#[test]
fn properties_of_other_types_go_back_as_they_are() {
    let body = json!({"application": {"configuration": {"mule.agent.application.properties.service": {
        "applicationName": "orders", "properties": {"port": 8081, "on": true, "none": null}}}}});
    let stored = API.parse(body.to_string().as_bytes()).ok().unwrap();
    let sent = attempt(&config(&texts(&[]), &texts(&[]), &names(&[])), &stored).ok().unwrap();
    let sent: Value = serde_json::from_slice(sent.body.content().expose_bytes()).unwrap();
    let service = &sent["application"]["configuration"]["mule.agent.application.properties.service"];
    assert_eq!(service["properties"]["port"], 8081);
    assert_eq!(service["properties"]["on"], true);
    assert_eq!(service["properties"]["none"], Value::Null);
}

#[test]
fn limits_name_the_property_and_not_the_value() {
    let long = "é".repeat(1025);
    let cases = [
        (texts(&[("p", &long)]), FailureCode::TooLong, r#"property "p""#),
        (texts(&[(&long, "v")]), FailureCode::TooLong, "the name of a property"),
        (texts(&[("p", "******")]), FailureCode::BadValue, r#"property "p""#),
    ];
    let empty = stored(&texts(&[]), &names(&[]));
    for (secure, code, part) in cases {
        let failure = attempt(&config(&texts(&[]), &secure, &names(&[])), &empty).err().unwrap();
        assert_eq!(failure.code, code);
        assert!(failure.message.contains(part) && !failure.message.contains('é'), "{}", failure.message);
    }
    let fits = config(&texts(&[]), &texts(&[("p", &"é".repeat(1024))]), &names(&[]));
    assert!(attempt(&fits, &empty).is_ok());
}

#[test]
fn three_hundred_properties_fit_and_one_more_does_not() {
    let many = |count: usize| (0..count).map(|i| (format!("p{i}"), "v".to_owned())).collect::<Texts>();
    let config = config(&texts(&[]), &texts(&[("s", "v")]), &names(&[]));
    assert!(attempt(&config, &stored(&many(298), &names(&[]))).is_ok());
    let failure = attempt(&config, &stored(&many(299), &names(&[]))).err().unwrap();
    assert_eq!(failure.code, FailureCode::TooLong);
}

#[test]
fn names_that_another_writer_added_are_noted() {
    let config = config(&texts(&[]), &texts(&[("s", "v")]), &names(&[]));
    let sent = attempt(&config, &stored(&texts(&[]), &names(&["s"]))).ok().unwrap();
    let same = stored(&texts(&[("relay.receipt", "r")]), &names(&["s"]));
    assert_eq!(ownership::differences(&sent.names, &same), Vec::<String>::new());
    let other = stored(&texts(&[("relay.receipt", "r"), ("added", "x")]), &names(&[]));
    let notes = ownership::differences(&sent.names, &other);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].ends_with(r#""added""#) && notes[1].ends_with(r#""s""#), "{notes:?}");
}

fn name() -> impl Strategy<Value = String> {
    // Few names, so that owners collide.
    prop_oneof!["[a-h]", Just("relay.receipt".to_owned())]
}

fn map() -> impl Strategy<Value = Texts> {
    proptest::collection::btree_map(name(), prop_oneof!["[a-z0-9]{0,6}", "\\*{1,8}"], 0..6)
}

proptest! {
    #[test]
    fn a_write_changes_what_it_owns_and_loses_nothing_of_others(
        clear in map(),
        hidden in proptest::collection::btree_set(name(), 0..5),
        properties in map(),
        secure in map(),
        forget in proptest::collection::btree_set(name(), 0..3),
    ) {
        let config = config(&properties, &secure, &forget);
        let stored = stored(&clear, &hidden);
        let lost: Vec<&String> =
            hidden.iter().filter(|name| !secure.contains_key(*name) && !forget.contains(*name)).collect();
        if refusal(&config, &stored).is_some() {
            return Ok(());
        }
        prop_assert!(lost.is_empty(), "would lose {lost:?}");
        let Ok(sent) = attempt(&config, &stored) else {
            let masked = |text: &String| text.len() > 2 && text.bytes().all(|b| b == b'*');
            prop_assert!(properties.values().chain(secure.values()).any(masked));
            return Ok(());
        };
        let (sent_clear, sent_secure) = maps(&sent);
        prop_assert_eq!(&sent_secure, &secure);
        for (name, text) in &properties {
            prop_assert_eq!(sent_clear.get(name), Some(text));
        }
        prop_assert!(Receipt::parse(&sent_clear["relay.receipt"]).is_ok());
        let ours = |name: &String| {
            properties.contains_key(name) || secure.contains_key(name) || name == "relay.receipt"
        };
        for (name, text) in clear.iter().filter(|(name, _)| !ours(name)) {
            let masked = text.len() > 2 && text.bytes().all(|b| b == b'*');
            if masked {
                prop_assert!(!sent_clear.contains_key(name));
            } else {
                prop_assert_eq!(sent_clear.get(name), Some(text));
            }
        }
        for name in sent_clear.keys() {
            prop_assert!(ours(name) || clear.contains_key(name), "{name} came from nowhere");
            prop_assert!(!sent_secure.contains_key(name), "{name} is in both maps");
        }
    }

    #[test]
    fn a_write_to_cloudhub_1_loses_nothing_of_others_and_opens_nothing(
        clear in map(),
        hidden in proptest::collection::btree_set(name(), 0..5),
        shown in prop_oneof!["", "\\*{6}", "[a-z]{3}"],
        properties in map(),
        secure in map(),
        forget in proptest::collection::btree_set(name(), 0..3),
    ) {
        let mut config = config(&properties, &secure, &forget);
        let settings = CloudHubSettings { settle: Duration::from_secs(30), restarts: false };
        config.platform = Platform::CloudHub(settings);
        let options: BTreeMap<&String, Value> =
            hidden.iter().map(|name| (name, json!({"secure": true}))).collect();
        let mut all = clear.clone();
        all.extend(hidden.iter().map(|name| (name.clone(), shown.clone())));
        let body = json!({"domain": "orders", "properties": all, "propertiesOptions": options});
        let stored = CloudHub.parse(body.to_string().as_bytes()).ok().unwrap();
        let target = TargetName::parse("orders").unwrap();
        if ownership::refusal(&config, &target, Hiding::Marked, &stored).is_some() {
            return Ok(());
        }
        let Ok(sent) = whole(&config, &CloudHub, &stored, &Values::default(), &receipt()) else {
            return Ok(());
        };
        let text = sent.body.content().expose_str().unwrap();
        let json = text.split("\r\n\r\n").nth(2).and_then(|part| part.split("\r\n").next()).unwrap();
        let info: Value = serde_json::from_str(json).unwrap();
        let sent: Texts = serde_json::from_value(info["properties"].clone()).unwrap();
        let ours = |name: &String| {
            properties.contains_key(name) || secure.contains_key(name) || name == "relay.receipt"
        };
        for (name, text) in properties.iter().chain(&secure) {
            prop_assert_eq!(sent.get(name), Some(text));
        }
        for name in secure.keys() {
            prop_assert!(hidden.contains(name), "{name} would be readable");
        }
        for name in hidden.iter().filter(|name| !ours(name)) {
            prop_assert!(forget.contains(name) && !sent.contains_key(name), "{name} is lost, or a mask is sent");
        }
        for (name, text) in clear.iter().filter(|(name, _)| !ours(name) && !hidden.contains(*name)) {
            let masked = text.len() > 2 && text.bytes().all(|b| b == b'*');
            prop_assert_eq!(sent.get(name), (!masked).then_some(text));
        }
        prop_assert!(Receipt::parse(&sent["relay.receipt"]).is_ok());
    }

    #[test]
    fn what_is_refused_for_loss_would_lose(
        hidden in proptest::collection::btree_set(name(), 0..5),
        secure in map(),
    ) {
        let config = config(&texts(&[]), &secure, &names(&[]));
        if let Some(failure) = refusal(&config, &stored(&texts(&[]), &hidden))
            && failure.code == FailureCode::WouldLose
        {
            prop_assert!(hidden.iter().any(|name| !secure.contains_key(name)));
        }
    }
}
