//! Hybrid servers and server groups, through the Runtime Manager API: a PATCH with the part
//! `configuration` and no file restarts the application with the same artifact.
//!
//! Values stay readable there. Whether a GET shows the properties is not confirmed: no example of
//! MuleSoft's has them. Where they are not shown, a write needs `owns_all_properties`.
//!
//! Not proved: that a state belongs to the last write; there is no version, and `timeUpdated` moves with
//! what servers report.

use std::collections::BTreeSet;

use serde_json::Value;

use super::platform::{Api, Configuration, Hiding, Maps};
use super::stored::{Stored, members, text};
use crate::anypoint::body::{Body, Parsed};
use crate::anypoint::call::{Family, Path, Verb};
use crate::anypoint::multipart::Form;
use crate::config;
use crate::model::Failure;
use crate::sync::ports::Stage;

pub(super) struct Hybrid;

impl Api for Hybrid {
    fn family(&self) -> Family {
        Family::Hybrid
    }

    fn noun(&self) -> &'static str {
        "application"
    }

    fn path(&self, _: &config::Connection, id: Option<&str>) -> Path {
        Path::new(["hybrid", "api", "v1", "applications"].into_iter().chain(id))
    }

    fn verb(&self) -> Verb {
        Verb::Patch
    }

    fn hiding(&self) -> Hiding {
        Hiding::Never
    }

    fn limits(&self) -> bool {
        false
    }

    fn parse(&self, answer: &[u8]) -> Result<Stored, &'static str> {
        let mut parsed = Parsed::from_slice(answer).ok_or("the answer is not JSON")?;
        // Clients read `data`; the specification's example has the application beside an empty `data`.
        let inside = parsed.value().get("data").is_some_and(Value::is_object);
        let at = |rest: &str| format!("{}{rest}", if inside { "/data" } else { "" });
        let place = at("/configuration/mule.agent.application.properties.service");
        let properties = format!("{place}/properties");
        let value = parsed.value();
        let application = value.pointer(&at("")).ok_or("the answer shows no application")?;
        if !application.get("id").is_some_and(|id| id.is_number() || id.is_string()) {
            return Err("the answer shows no application");
        }
        let stage = stage(application);
        let application_name = [format!("{place}/applicationName"), at("/artifact/name"), at("/name")]
            .iter()
            .find_map(|pointer| text(value, pointer))
            .map(str::to_owned);
        let shows_properties = value.pointer(&properties).is_some_and(Value::is_object);
        Ok(Stored {
            application_name,
            clear: members(&mut parsed, &properties)?.into_iter().collect(),
            secure: BTreeSet::new(),
            shows_properties,
            mark: None,
            versions: BTreeSet::new(),
            stage,
            provable: false,
            price: Some("the application restarts on its servers: a brief downtime is possible"),
        })
    }

    fn body(&self, write: &Maps<'_>) -> Result<Body, Failure> {
        Ok(Form::new().json("configuration", &Configuration::new(write, false))?.finish())
    }
}

/// What the whole says, unless a server says otherwise. Words of MuleSoft's specification and Maven plugin.
fn stage(application: &Value) -> Stage {
    let desired = text(application, "/desiredStatus");
    let reported = text(application, "/lastReportedStatus");
    if matches!(desired, Some("STOPPED" | "UNDEPLOYED" | "UNDEPLOYING")) {
        return Stage::Stopped;
    }
    let artifacts = application.get("serverArtifacts").and_then(Value::as_array);
    let servers: Vec<Option<&str>> =
        artifacts.into_iter().flatten().map(|server| text(server, "/lastReportedStatus")).collect();
    let failed = |status: Option<&str>| matches!(status, Some("DEPLOYMENT_FAILED" | "FAILED"));
    // `UPDATED` is what is desired while a new configuration is on its way.
    if desired == Some("UPDATED") {
        Stage::Rolling
    } else if failed(reported) {
        Stage::Failed("its status is DEPLOYMENT_FAILED".to_owned())
    } else if servers.iter().copied().any(failed) {
        Stage::Failed("its status on a server is DEPLOYMENT_FAILED".to_owned())
    } else if reported == Some("STARTED")
        && servers.iter().all(|status| matches!(status, None | Some("STARTED" | "DEPLOYED")))
    {
        Stage::Settled
    } else {
        Stage::Rolling
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(application: &Value) -> Stored {
        let inside = Hybrid.parse(json!({ "data": application }).to_string().as_bytes()).ok().unwrap();
        let beside = Hybrid.parse(application.to_string().as_bytes()).ok().unwrap();
        assert_eq!(inside.stage, beside.stage);
        inside
    }

    #[test]
    fn a_state_is_read_from_the_whole_and_from_each_server() {
        let failed = "failed";
        for (desired, reported, servers, expected) in [
            ("STARTED", "STARTED", vec!["STARTED", "STARTED"], "settled"),
            ("STARTED", "STARTED", vec![], "settled"),
            ("STARTED", "STARTED", vec!["STARTED", "DEPLOYING"], "rolling"),
            ("UPDATED", "STARTED", vec!["STARTED"], "rolling"),
            ("UPDATED", "DEPLOYMENT_FAILED", vec![], "rolling"),
            ("STARTED", "STARTING", vec![], "rolling"),
            ("STARTED", "PARTIALLY_STARTED", vec![], "rolling"),
            ("STARTED", "DEPLOYMENT_FAILED", vec![], failed),
            ("STARTED", "STARTED", vec!["STARTED", "DEPLOYMENT_FAILED"], failed),
            ("STOPPED", "STARTED", vec![], "stopped"),
            ("UNDEPLOYED", "UNDEPLOYED", vec![], "stopped"),
        ] {
            let servers: Vec<Value> =
                servers.iter().map(|status| json!({ "lastReportedStatus": status })).collect();
            let seen = parse(&json!({"id": 42, "desiredStatus": desired, "lastReportedStatus": reported,
                "serverArtifacts": servers}));
            let stage = match seen.stage {
                Stage::Settled => "settled",
                Stage::Rolling => "rolling",
                Stage::Failed(_) => failed,
                Stage::Stopped => "stopped",
                Stage::Down => "down",
                Stage::Missing => "missing",
            };
            assert_eq!(stage, expected, "{desired} {reported} {servers:?}");
        }
    }

    #[test]
    fn properties_that_are_not_shown_are_not_taken_for_none() {
        let service = |service: Value| {
            json!({"id": 42, "artifact": {"name": "orders"},
            "configuration": {"mule.agent.application.properties.service": service}})
        };
        let seen = parse(&service(json!({"properties": {"a": "1"}})));
        assert!(seen.shows_properties && seen.clear.contains_key("a"));
        assert_eq!(seen.application_name.as_deref(), Some("orders"));
        assert!(parse(&service(json!({"properties": {}}))).shows_properties);
        for hidden in [json!({"id": 42}), service(json!({})), service(json!({"properties": null}))] {
            assert!(!parse(&hidden).shows_properties, "{hidden}");
        }
    }
}
