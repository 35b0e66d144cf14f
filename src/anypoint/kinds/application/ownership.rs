//! Which properties a write keeps, which it sets, and when it must not be made.
//!
//! A PATCH that holds `properties` or `secureProperties` replaces both maps whole, and secure values
//! read back masked. So a write sends every clear property back, sets ours, and is refused where it
//! would lose a secure value that the configuration does not own.
//!
//! Guarantees of what [`kept`] and a [`refusal`] of none leave to a write: clear properties of others
//! stay as they are, no secure property of others is lost unless `forget` names it, no masked text
//! is sent as a value.

use std::collections::BTreeMap;

use serde_json::Value;

use super::deployment::Deployment;
use crate::anypoint::body::Parsed;
use crate::anypoint::kinds::{Resolved, is_masked, some_names};
use crate::config::ApplicationTarget;
use crate::model::{Failure, FailureCode, Retry, TargetName};

/// Properties of one application (CloudHub 2.0 limits page).
pub(super) const PROPERTIES: usize = 300;
/// Characters of a property's name, and of its value (the same page).
pub(super) const CHARACTERS: usize = 1024;

/// Why a write would do harm, judged by names alone.
pub(super) fn refusal(
    config: &ApplicationTarget,
    target: &TargetName,
    stored: &Deployment,
) -> Option<Failure> {
    let ApplicationTarget { properties, secure_properties, forget, receipt_property, .. } = config;
    let refuse =
        |code, message: String, next_step: String| Some(Failure::new(code, Retry::Never, message, next_step));

    let twice: Vec<&str> = properties
        .keys()
        .filter(|name| secure_properties.contains_key(*name) || *name == receipt_property)
        .chain(secure_properties.keys().filter(|name| *name == receipt_property))
        .map(String::as_str)
        .collect();
    if !twice.is_empty() {
        return refuse(
            FailureCode::Rejected,
            format!("target {target} sets a property twice: {}", some_names(twice)),
            "name each property once in `properties`, `secure_properties` and `receipt_property`".to_owned(),
        );
    }

    let opened: Vec<&str> = properties
        .keys()
        .chain([receipt_property])
        .filter(|name| stored.secure.contains(*name) && !forget.contains(*name))
        .map(String::as_str)
        .collect();
    if !opened.is_empty() {
        return refuse(
            FailureCode::Rejected,
            format!("stored as secure, and target {target} would set it in clear: {}", some_names(opened)),
            "move it to `secure_properties`; or, if it may be readable from now on, list it under `forget` too"
                .to_owned(),
        );
    }

    let lost: Vec<&str> = stored
        .secure
        .iter()
        .filter(|name| !secure_properties.contains_key(*name) && !forget.contains(*name))
        .map(String::as_str)
        .collect();
    if !lost.is_empty() {
        return refuse(
            FailureCode::WouldLose,
            format!(
                "the write would lose secure properties that target {target} does not own: {}",
                some_names(lost)
            ),
            format!(
                "add each to `secure_properties` of target {target} with its source in AWS Secrets Manager, \
                 or list it under `forget` if it is not needed"
            ),
        );
    }

    let masked: Vec<&str> = kept(config, stored)
        .filter(|(_, value)| value.value().as_str().is_some_and(is_masked))
        .map(|(name, _)| name)
        .collect();
    if !masked.is_empty() {
        return refuse(
            FailureCode::WouldLose,
            format!(
                "Anypoint hides the value of properties that target {target} does not own: {}",
                some_names(masked)
            ),
            format!(
                "add each to `properties` or `secure_properties` of target {target} with its source, or list \
                 it under `forget` if it is not needed"
            ),
        );
    }
    None
}

/// The stored clear properties that go back as they are. A masked one that `forget` names does not.
pub(super) fn kept<'a>(
    config: &'a ApplicationTarget,
    stored: &'a Deployment,
) -> impl Iterator<Item = (&'a str, &'a Parsed)> {
    let ours = |name: &String| {
        config.properties.contains_key(name)
            || config.secure_properties.contains_key(name)
            || *name == config.receipt_property
    };
    let given_up = |name: &String, value: &Parsed| {
        config.forget.contains(name) && value.value().as_str().is_some_and(is_masked)
    };
    stored
        .clear
        .iter()
        .filter(move |(name, value)| !ours(name) && !given_up(name, value))
        .map(|(name, value)| (name.as_str(), value))
}

/// Checks the limits of what is to be sent; a value that Anypoint would refuse is not sent.
pub(super) fn check_limits(
    config: &ApplicationTarget,
    stored: &Deployment,
    resolved: &[&Resolved<'_>],
) -> Result<(), Failure> {
    for property in resolved {
        let name = property.name;
        if property.name.chars().count() > CHARACTERS {
            return Err(too_long(format!("the name of a property is longer than {CHARACTERS} characters")));
        }
        if property.text().chars().count() > CHARACTERS {
            return Err(too_long(format!(
                "the value of property {name:?} is longer than {CHARACTERS} characters"
            )));
        }
        if is_masked(property.text()) {
            return Err(Failure::new(
                FailureCode::BadValue,
                Retry::Never,
                format!(
                    "the value for property {name:?} consists of asterisks: a masked value was stored in AWS"
                ),
                "store the real value in AWS Secrets Manager",
            ));
        }
    }
    // The receipt is one more.
    let total = kept(config, stored).count() + resolved.len() + 1;
    if total > PROPERTIES {
        return Err(too_long(format!(
            "the application would have {total} properties; {PROPERTIES} is the most"
        )));
    }
    Ok(())
}

fn too_long(message: String) -> Failure {
    Failure::new(
        FailureCode::TooLong,
        Retry::Never,
        message,
        "shorten it, or let the application read it from AWS itself: CloudHub 2.0 allows 300 properties \
         with 1,024 characters in name and value",
    )
}

/// The notes of a write: names in the answer that were not sent, and the other way round.
pub(super) fn differences(sent: &BTreeMap<String, bool>, answer: &Deployment) -> Vec<String> {
    let shown = |name: &str| answer.clear.contains_key(name) || answer.secure.contains(name);
    // An answer without any property is taken for one that does not show them.
    if answer.clear.is_empty() && answer.secure.is_empty() {
        return Vec::new();
    }
    let added: Vec<&str> = answer
        .clear
        .keys()
        .chain(&answer.secure)
        .map(String::as_str)
        .filter(|name| !sent.contains_key(*name))
        .collect();
    let missing: Vec<&str> = sent.keys().map(String::as_str).filter(|name| !shown(name)).collect();
    let opened: Vec<&str> = sent
        .iter()
        .filter(|(name, secure)| {
            let masked = |value: &Parsed| matches!(value.value(), Value::String(text) if is_masked(text));
            **secure && answer.clear.get(*name).is_some_and(|value| !masked(value))
        })
        .map(|(name, _)| name.as_str())
        .collect();
    let mut notes = Vec::new();
    let mut note = |names: Vec<&str>, what: &str| {
        if !names.is_empty() {
            notes.push(format!("{what}: {}", some_names(names)));
        }
    };
    note(added, "another writer added properties during the write");
    note(missing, "properties that were written are missing from the answer");
    note(opened, "properties that were written as secure are shown in clear");
    notes
}
