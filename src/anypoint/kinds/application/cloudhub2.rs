//! CloudHub 2.0 and Runtime Fabric: deployments of the Application Manager, read leniently.
//!
//! Specification and recorded answers disagree in small things (dates as ISO text or as epoch
//! milliseconds, `secureProperties` in two spellings, absent, null or empty), so only what a wrong
//! guess would harm is an error: maps of another form, since writing replaces them whole.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::platform::{Api, Configuration, Hiding, Maps};
use super::stored::{Stored, members, text};
use crate::anypoint::body::{self, Body, Parsed};
use crate::anypoint::call::{Family, Path, Verb};
use crate::anypoint::kinds::mark;
use crate::config;
use crate::model::Failure;
use crate::sync::ports::Stage;

const SERVICE: &str = "/application/configuration/mule.agent.application.properties.service";

pub(super) struct ApplicationManager;

impl Api for ApplicationManager {
    fn family(&self) -> Family {
        Family::ApplicationManager
    }

    fn noun(&self) -> &'static str {
        "deployment"
    }

    fn path(&self, connection: &config::Connection, id: Option<&str>) -> Path {
        let all = ["amc", "application-manager", "api", "v2", "organizations", &connection.organization];
        let rest = ["environments", &connection.environment, "deployments"];
        Path::new(all.into_iter().chain(rest).chain(id))
    }

    fn verb(&self) -> Verb {
        Verb::Patch
    }

    fn hiding(&self) -> Hiding {
        Hiding::OwnMap
    }

    fn limits(&self) -> bool {
        true
    }

    fn parse(&self, answer: &[u8]) -> Result<Stored, &'static str> {
        let mut parsed = Parsed::from_slice(answer).ok_or("the answer is not JSON")?;
        if !parsed.value().get("application").is_some_and(Value::is_object) {
            return Err("the answer shows no application");
        }
        let clear = members(&mut parsed, &format!("{SERVICE}/properties"))?.into_iter().collect();
        let mut secure = BTreeSet::new();
        for spelling in ["secureProperties", "secureproperties"] {
            let masked = members(&mut parsed, &format!("{SERVICE}/{spelling}"))?;
            secure.extend(masked.into_iter().map(|(name, _)| name));
        }
        let value = parsed.value();
        let (stage, provable) = stage(value);
        let recreates = text(value, "/target/deploymentSettings/updateStrategy") == Some("recreate");
        Ok(Stored {
            application_name: text(value, &format!("{SERVICE}/applicationName"))
                .or_else(|| text(value, "/name"))
                .map(str::to_owned),
            clear,
            secure,
            shows_properties: true,
            mark: ["/desiredVersion", "/version", "/lastModifiedDate"].iter().find_map(|place| {
                match value.pointer(place)? {
                    Value::String(text) if !text.is_empty() => Some(mark(text)),
                    Value::Number(number) => Some(mark(&number.to_string())),
                    _ => None,
                }
            }),
            versions: versions(value),
            stage,
            provable,
            price: recreates.then_some(
                "the update strategy is `recreate`: the application is down while it rolls, because all old \
                 replicas end before new ones start; with `rolling` and a secret that alternates two users it \
                 goes on",
            ),
        })
    }

    /// The smallest body that changes properties.
    fn body(&self, write: &Maps<'_>) -> Result<Body, Failure> {
        let configuration = BTreeMap::from([("configuration", Configuration::new(write, true))]);
        Ok(body::json(&BTreeMap::from([("application", configuration)]))?.into())
    }
}

/// Whether the desired spec is in force, and whether that is proved.
///
/// The states of the *previous* spec look the same just after a write, so the versions decide:
/// `Settled` needs the desired version to be the last successful one, the deployment to be applied,
/// the application to run, and no running replica to be on another version.
fn stage(value: &Value) -> (Stage, bool) {
    let status = text(value, "/status");
    let running = text(value, "/application/status");
    let desired_state = text(value, "/application/desiredState");
    if matches!(desired_state, Some("STOPPED" | "UNDEPLOYED" | "DELETED"))
        || matches!(status, Some("STOPPED" | "UNDEPLOYED" | "DELETED"))
    {
        return (Stage::Stopped, true);
    }
    // Words of the contract only, so that no other text of the answer gets into a message.
    let failed = [
        (status, "FAILED", "its status is FAILED"),
        (status, "DEPLOYMENT_FAILED", "its status is DEPLOYMENT_FAILED"),
        (running, "FAILED", "the application's status is FAILED"),
        (running, "DEPLOYMENT_FAILED", "the application's status is DEPLOYMENT_FAILED"),
        // Shown beside `STARTED` where an update failed and the old configuration still runs.
        (text(value, "/deploymentUpdateStatus"), "DEPLOY_FAILED", "its last update failed"),
    ];
    if let Some((.., why)) = failed.iter().find(|(shown, word, _)| *shown == Some(*word)) {
        return (Stage::Failed((*why).to_owned()), true);
    }
    let desired = text(value, "/desiredVersion");
    let successful = text(value, "/lastSuccessfulVersion");
    let versions_agree = match (desired, successful) {
        (Some(desired), Some(successful)) if desired != successful => return (Stage::Rolling, true),
        (Some(desired), Some(_)) => {
            if other_version_runs(value, desired) {
                return (Stage::Rolling, true);
            }
            true
        }
        _ => false,
    };
    match (status, running) {
        (Some("APPLIED"), Some("RUNNING")) => (Stage::Settled, versions_agree),
        // The versions say that no roll is under way.
        (Some("APPLIED"), Some("NOT_RUNNING")) if versions_agree => (Stage::Down, true),
        // Public clients take `STARTED` for done as well; the specification does not say so.
        (Some("APPLIED" | "STARTED"), None | Some("RUNNING" | "STARTED")) => (Stage::Settled, false),
        _ => (Stage::Rolling, true),
    }
}

fn other_version_runs(value: &Value, desired: &str) -> bool {
    let replicas = value.get("replicas").and_then(Value::as_array);
    replicas.into_iter().flatten().any(|replica| {
        matches!(text(replica, "/state"), Some("STARTED" | "RUNNING"))
            && text(replica, "/currentDeploymentVersion").is_some_and(|version| version != desired)
    })
}

fn versions(value: &Value) -> BTreeSet<String> {
    let replicas = value.get("replicas").and_then(Value::as_array).into_iter().flatten();
    let replicas = replicas.filter_map(|replica| text(replica, "/currentDeploymentVersion"));
    let own = ["/desiredVersion", "/lastSuccessfulVersion"].into_iter().filter_map(|at| text(value, at));
    own.chain(replicas).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(extra: Value) -> Stored {
        let mut whole = json!({
            "id": "d", "name": "orders", "status": "APPLIED",
            "desiredVersion": "v2", "lastSuccessfulVersion": "v2",
            "application": {
                "status": "RUNNING", "desiredState": "STARTED",
                "configuration": {"mule.agent.application.properties.service": {
                    "applicationName": "orders-app",
                    "properties": {"a": "1", "n": 5}, "secureProperties": {"s": "******"}}}},
        });
        merge(&mut whole, extra);
        ApplicationManager.parse(whole.to_string().as_bytes()).ok().unwrap()
    }

    /// RFC 7396.
    fn merge(into: &mut Value, patch: Value) {
        let (Value::Object(members), Value::Object(patch)) = (&mut *into, &patch) else {
            *into = patch;
            return;
        };
        for (name, value) in patch {
            if value.is_null() {
                members.remove(name);
            } else {
                merge(members.entry(name.clone()).or_insert(Value::Null), value.clone());
            }
        }
    }

    #[test]
    fn maps_mark_and_name_are_read() {
        let seen = deployment(json!({}));
        assert_eq!(seen.clear.keys().collect::<Vec<_>>(), ["a", "n"]);
        assert_eq!(seen.secure.iter().collect::<Vec<_>>(), ["s"]);
        assert_eq!(seen.application_name.as_deref(), Some("orders-app"));
        assert_eq!(seen.mark.unwrap().0, "v2");
        assert_eq!(seen.price, None);
    }

    #[test]
    fn settled_is_proved_by_versions_and_states_together() {
        let proved = (Stage::Settled, true);
        let unproved = (Stage::Settled, false);
        let rolling = (Stage::Rolling, true);
        let down = (Stage::Down, true);
        for (extra, expected) in [
            (json!({}), &proved),
            (json!({"lastSuccessfulVersion": "v1"}), &rolling),
            (json!({"status": "APPLYING"}), &rolling),
            (json!({"application": {"status": "NOT_RUNNING"}}), &down),
            (json!({"application": {"status": "NOT_RUNNING"}, "lastSuccessfulVersion": null}), &rolling),
            (json!({"status": "UNHEARD_OF"}), &rolling),
            (json!({"lastSuccessfulVersion": null}), &unproved),
            (json!({"desiredVersion": null, "lastSuccessfulVersion": null}), &unproved),
            (json!({"application": {"status": null}}), &unproved),
            (json!({"status": "STARTED"}), &unproved),
            (json!({"replicas": [{"state": "STARTED", "currentDeploymentVersion": "v2"}]}), &proved),
            (json!({"replicas": [{"state": "STARTED", "currentDeploymentVersion": "v1"}]}), &rolling),
            (json!({"replicas": [{"state": "STOPPED", "currentDeploymentVersion": "v1"}]}), &proved),
        ] {
            let seen = deployment(extra.clone());
            assert_eq!(&(seen.stage, seen.provable), expected, "{extra}");
        }
    }

    #[test]
    fn failed_and_stopped_are_told() {
        for extra in [
            json!({"status": "FAILED"}),
            json!({"status": "DEPLOYMENT_FAILED"}),
            json!({"application": {"status": "FAILED"}}),
            json!({"status": "STARTED", "deploymentUpdateStatus": "DEPLOY_FAILED"}),
        ] {
            assert!(matches!(deployment(extra.clone()).stage, Stage::Failed(_)), "{extra}");
        }
        for extra in [
            json!({"application": {"desiredState": "STOPPED"}}),
            json!({"application": {"desiredState": "UNDEPLOYED"}, "status": "UNDEPLOYING"}),
            json!({"status": "UNDEPLOYED"}),
        ] {
            assert_eq!(deployment(extra.clone()).stage, Stage::Stopped, "{extra}");
        }
    }

    #[test]
    fn absent_null_empty_and_lower_case_maps_are_read() {
        let service = |maps: Value| {
            let body = json!({"application": {"configuration":
                {"mule.agent.application.properties.service": maps}}});
            ApplicationManager.parse(body.to_string().as_bytes())
        };
        for maps in [json!({}), json!(null), json!({"properties": null, "secureProperties": {}})] {
            let seen = service(maps.clone()).ok().unwrap();
            assert!(seen.clear.is_empty() && seen.secure.is_empty(), "{maps}");
        }
        let both = json!({"secureproperties": {"x": "******"}, "secureProperties": {"y": "******"}});
        assert_eq!(service(both).ok().unwrap().secure.iter().collect::<Vec<_>>(), ["x", "y"]);
        for odd in [json!({"properties": []}), json!({"secureProperties": "******"})] {
            assert!(service(odd.clone()).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_version_between_the_look_and_the_write_is_somebody_elses() {
        let replicas = |versions: [&str; 2]| {
            let all =
                versions.map(|version| json!({"state": "STARTING", "currentDeploymentVersion": version}));
            json!({"desiredVersion": "v4", "lastSuccessfulVersion": "v1", "replicas": all})
        };
        let look = deployment(json!({"lastSuccessfulVersion": "v1"}));
        for (answer, overtaken) in [
            (json!({"desiredVersion": "v4", "lastSuccessfulVersion": "v1"}), false),
            (json!({"desiredVersion": "v4", "lastSuccessfulVersion": "v2"}), false),
            (json!({"desiredVersion": "v4", "lastSuccessfulVersion": "v4"}), false),
            (json!({"desiredVersion": "v4", "lastSuccessfulVersion": "v3"}), true),
            (replicas(["v1", "v4"]), false),
            (replicas(["v1", "v3"]), true),
            (json!({"desiredVersion": null, "lastSuccessfulVersion": null}), false),
        ] {
            assert_eq!(look.was_overtaken(&deployment(answer.clone())), overtaken, "{answer}");
        }
        let unknown = deployment(json!({"desiredVersion": null, "lastSuccessfulVersion": null}));
        assert!(!unknown.was_overtaken(&deployment(json!({"desiredVersion": "v4"}))));
    }

    #[test]
    fn dates_of_both_forms_serve_as_marks_where_there_is_no_version() {
        let no_version = json!({"desiredVersion": null, "lastModifiedDate": 1_772_827_200_123_u64});
        assert_eq!(deployment(no_version).mark.unwrap().0, "1772827200123");
        let text = json!({"desiredVersion": null, "lastModifiedDate": "2024-01-15T10:30:00Z"});
        assert_eq!(deployment(text).mark.unwrap().0, "2024-01-15T10:30:00Z");
    }
}
