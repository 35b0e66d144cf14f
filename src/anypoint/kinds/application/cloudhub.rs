//! CloudHub 1.0: a GET shows the application, a PUT with the whole map of properties redeploys it.
//!
//! The form of the PUT is that of MuleSoft's own command line and Maven plugin: multipart, with the JSON
//! text `appInfoJson` and `autoStart`. Hidden properties stand in the same map; `propertiesOptions` names
//! them, and what a GET shows in their place is not confirmed, so it is never looked at nor sent back.
//!
//! Not proved: that a state belongs to the last write. CloudHub shows no version, and what its dates
//! follow is not confirmed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::platform::{Api, Hiding, Maps};
use super::stored::{Stored, members, text};
use crate::anypoint::body::{self, Body, Parsed};
use crate::anypoint::call::{Family, Path, Verb};
use crate::anypoint::multipart::Form;
use crate::config;
use crate::model::Failure;
use crate::sync::ports::Stage;

pub(super) struct CloudHub;

impl Api for CloudHub {
    fn family(&self) -> Family {
        Family::CloudHub
    }

    fn noun(&self) -> &'static str {
        "application"
    }

    fn path(&self, _: &config::Connection, domain: Option<&str>) -> Path {
        Path::new(["cloudhub", "api", "v2", "applications"].into_iter().chain(domain))
    }

    fn verb(&self) -> Verb {
        Verb::Put
    }

    fn hiding(&self) -> Hiding {
        Hiding::Marked
    }

    fn limits(&self) -> bool {
        false
    }

    fn parse(&self, answer: &[u8]) -> Result<Stored, &'static str> {
        let mut parsed = Parsed::from_slice(answer).ok_or("the answer is not JSON")?;
        if !parsed.value().get("domain").is_some_and(Value::is_string) {
            return Err("the answer shows no application");
        }
        let mut secure = BTreeSet::new();
        for (name, option) in members(&mut parsed, "/propertiesOptions")? {
            // Only a plain no says that a listed property is not hidden.
            if option.value().get("secure") != Some(&Value::Bool(false)) {
                secure.insert(name);
            }
        }
        // The command line knows a map of this name; whether CloudHub shows it is not confirmed.
        secure.extend(members(&mut parsed, "/secureProperties")?.into_iter().map(|(name, _)| name));
        let shows_properties = parsed.value().get("properties").is_some_and(Value::is_object);
        let mut clear: BTreeMap<String, Parsed> = members(&mut parsed, "/properties")?.into_iter().collect();
        clear.retain(|name, _| !secure.contains(name));
        Ok(Stored {
            application_name: None,
            clear,
            secure,
            shows_properties,
            mark: None,
            versions: BTreeSet::new(),
            stage: stage(parsed.value()),
            provable: false,
            price: None,
        })
    }

    fn body(&self, write: &Maps<'_>) -> Result<Body, Failure> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Any<'a> {
            Clear(&'a super::platform::Property<'a>),
            Hidden(&'a body::Exposed<'a>),
        }
        let clear = write.properties.iter().map(|(name, value)| (*name, Any::Clear(value)));
        let hidden = write.secure.iter().map(|(name, value)| (*name, Any::Hidden(value)));
        let properties: BTreeMap<&str, Any<'_>> = clear.chain(hidden).collect();
        let info = BTreeMap::from([("properties", properties)]);
        Ok(Form::new().text("autoStart", "true").json("appInfoJson", &info)?.finish())
    }
}

/// The call that restarts an application: in MuleSoft's command line, and not in its specification.
pub(super) fn restart(domain: &str) -> Result<(Path, Body), Failure> {
    let path = Path::new(["cloudhub", "api", "applications", domain, "status"]);
    Ok((path, body::json(&BTreeMap::from([("status", "restart")]))?.into()))
}

/// While a new version starts, the old one goes on, and `deploymentUpdateStatus` tells of the new one.
fn stage(value: &Value) -> Stage {
    let failed = |why: &str| Stage::Failed(why.to_owned());
    match (text(value, "/status"), text(value, "/deploymentUpdateStatus")) {
        (Some("UNDEPLOYED" | "UNDEPLOYING" | "DELETED"), _) => Stage::Stopped,
        (Some("DEPLOY_FAILED"), _) => failed("its status is DEPLOY_FAILED"),
        (_, Some("DEPLOY_FAILED")) => failed("its last update failed, and the version before it goes on"),
        (Some("STARTED"), None | Some("STARTED" | "DEPLOYED")) => Stage::Settled,
        _ => Stage::Rolling,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn application(extra: &Value) -> Result<Stored, &'static str> {
        let mut whole = json!({"domain": "orders", "status": "STARTED", "properties": {"a": "1"}});
        whole.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        CloudHub.parse(whole.to_string().as_bytes())
    }

    #[test]
    fn a_state_is_read_from_both_words() {
        for (status, update, expected) in [
            ("STARTED", json!(null), Stage::Settled),
            ("STARTED", json!("DEPLOYING"), Stage::Rolling),
            ("STARTED", json!("UNHEARD_OF"), Stage::Rolling),
            ("DEPLOYING", json!(null), Stage::Rolling),
            ("UNDEPLOYED", json!(null), Stage::Stopped),
            ("UNDEPLOYING", json!("DEPLOYING"), Stage::Stopped),
            ("DELETED", json!(null), Stage::Stopped),
        ] {
            let seen =
                application(&json!({"status": status, "deploymentUpdateStatus": update})).ok().unwrap();
            assert_eq!((seen.stage, seen.provable), (expected, false), "{status} {update}");
        }
        for failed in [json!({"status": "DEPLOY_FAILED"}), json!({"deploymentUpdateStatus": "DEPLOY_FAILED"})]
        {
            assert!(matches!(application(&failed).ok().unwrap().stage, Stage::Failed(_)));
        }
    }

    #[test]
    fn what_is_listed_as_hidden_is_not_clear_whatever_is_shown_for_it() {
        for shown in ["******", "", "plain"] {
            let seen = application(&json!({
                "properties": {"a": "1", "s": shown, "open": "2"},
                "propertiesOptions": {"s": {"secure": true}, "t": {}, "open": {"secure": false}},
                "secureProperties": {"u": "******"},
            }));
            let seen = seen.ok().unwrap();
            assert_eq!(seen.clear.keys().collect::<Vec<_>>(), ["a", "open"]);
            assert_eq!(seen.secure.iter().collect::<Vec<_>>(), ["s", "t", "u"]);
        }
    }

    #[test]
    fn maps_of_another_form_are_refused() {
        for odd in [json!({"properties": []}), json!({"propertiesOptions": "x"}), json!({"domain": null})] {
            assert!(application(&odd).is_err(), "{odd}");
        }
        assert!(!application(&json!({"properties": null})).ok().unwrap().shows_properties);
    }
}
