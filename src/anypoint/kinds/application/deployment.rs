//! What the Application Manager shows of a deployment, read leniently.
//!
//! Specification and recorded answers disagree in small things (dates as ISO text or as epoch
//! milliseconds, `secureProperties` in two spellings, absent, null or empty), so only what a wrong
//! guess would harm is an error: maps of another form, since writing replaces them whole.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::anypoint::body::Parsed;
use crate::anypoint::kinds::mark;
use crate::model::Mark;
use crate::sync::ports::Stage;

const SERVICE: &str = "/application/configuration/mule.agent.application.properties.service";

/// A deployment. No Debug: clear properties may hold values of others.
pub(super) struct Deployment {
    /// What the properties service calls the application; sent back with a write.
    pub(super) application_name: Option<String>,
    /// Clear properties, by name, as they are.
    pub(super) clear: BTreeMap<String, Parsed>,
    /// Names of secure properties, in either spelling of the map; their values are masked.
    pub(super) secure: BTreeSet<String>,
    /// Moves with every write by anybody.
    pub(super) mark: Option<Mark>,
    /// Every version that is shown: the desired one, the last successful one, those of replicas.
    versions: BTreeSet<String>,
    /// Whether it is at rest.
    pub(super) stage: Stage,
    /// Whether `Settled` is known.
    pub(super) provable: bool,
    /// A roll stops the old replicas before it starts the new ones.
    pub(super) recreates: bool,
}

impl Deployment {
    /// Reads an answer; the error says what is wrong with its form.
    pub(super) fn parse(body: &[u8]) -> Result<Self, &'static str> {
        let mut parsed = Parsed::from_slice(body).ok_or("the answer is not JSON")?;
        if !parsed.value().get("application").is_some_and(Value::is_object) {
            return Err("the answer shows no application");
        }
        let clear = members(&mut parsed, "properties")?.into_iter().collect();
        let mut secure = BTreeSet::new();
        for spelling in ["secureProperties", "secureproperties"] {
            secure.extend(members(&mut parsed, spelling)?.into_iter().map(|(name, _)| name));
        }
        let value = parsed.value();
        let (stage, provable) = stage(value);
        Ok(Self {
            application_name: text(value, &format!("{SERVICE}/applicationName"))
                .or_else(|| text(value, "/name"))
                .map(str::to_owned),
            clear,
            secure,
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
            recreates: text(value, "/target/deploymentSettings/updateStrategy") == Some("recreate"),
        })
    }

    /// Whether the answer to a write shows a version that is neither this one's nor the write's own:
    /// somebody else wrote in between. No means little: a version shows only once a replica is on it.
    pub(super) fn was_overtaken(&self, answer: &Self) -> bool {
        let Some(Mark(written)) = &answer.mark else { return false };
        let mut new = answer.versions.difference(&self.versions);
        !self.versions.is_empty() && new.any(|version| mark(version).0 != *written)
    }
}

fn versions(value: &Value) -> BTreeSet<String> {
    let replicas = value.get("replicas").and_then(Value::as_array).into_iter().flatten();
    let replicas = replicas.filter_map(|replica| text(replica, "/currentDeploymentVersion"));
    let own = ["/desiredVersion", "/lastSuccessfulVersion"].into_iter().filter_map(|at| text(value, at));
    own.chain(replicas).map(str::to_owned).collect()
}

/// The members of one map of the properties service; absent and null are empty.
fn members(parsed: &mut Parsed, name: &str) -> Result<Vec<(String, Parsed)>, &'static str> {
    let pointer = format!("{SERVICE}/{name}");
    match parsed.value().pointer(&pointer) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(_) => parsed.take_members(&pointer).ok_or("a map of properties is not an object"),
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

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(extra: Value) -> Deployment {
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
        Deployment::parse(whole.to_string().as_bytes()).ok().unwrap()
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
        assert!(!seen.recreates);
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
            Deployment::parse(body.to_string().as_bytes())
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
