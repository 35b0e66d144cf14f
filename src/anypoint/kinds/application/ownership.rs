//! Which properties a write keeps, which it sets, and when it must not be made.
//!
//! On every platform a write replaces all properties, and hidden values can't be read back. So a write
//! sends every clear property back, sets ours, and is refused where it would lose a hidden value that
//! the configuration does not own.
//!
//! Guarantees of what [`kept`] and a [`refusal`] of none leave to a write: clear properties of others
//! stay as they are, no secure property of others is lost unless `forget` names it, no masked text
//! is sent as a value.

use std::collections::BTreeMap;

use serde_json::Value;

use super::platform::Hiding;
use super::stored::Stored;
use crate::anypoint::body::Parsed;
use crate::anypoint::kinds::{Resolved, is_masked, some_names};
use crate::config::{ApplicationTarget, Platform};
use crate::model::{Failure, FailureCode, Retry, TargetName};

/// Properties of one application (CloudHub 2.0 limits page).
pub(super) const PROPERTIES: usize = 300;
/// Characters of a property's name, and of its value (the same page).
pub(super) const CHARACTERS: usize = 1024;

/// Why a write would do harm, judged by names alone.
pub(super) fn refusal(
    config: &ApplicationTarget,
    target: &TargetName,
    hiding: Hiding,
    stored: &Stored,
) -> Option<Failure> {
    let ApplicationTarget { properties, secure_properties, forget, receipt_property, .. } = config;
    let refuse =
        |code, message: String, next_step: String| Some(Failure::new(code, Retry::Never, message, next_step));

    if !stored.shows_properties && !owns_all(config) {
        return refuse(
            FailureCode::WouldLose,
            format!(
                "Anypoint does not show the properties of the application, so a write of target {target} \
                 would lose those of others"
            ),
            match config.platform {
                Platform::Hybrid(_) => {
                    "list all of its properties under `properties` and set `owns_all_properties: true`"
                }
                _ => "report this: the answer of Anypoint has changed its form",
            }
            .to_owned(),
        );
    }

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

    let would_open = |name: &&String| match hiding {
        Hiding::OwnMap => stored.secure.contains(*name) && !forget.contains(*name),
        // A hidden property stays hidden whoever writes it, and a receipt has to be read.
        Hiding::Marked => stored.secure.contains(*name) && *name == receipt_property,
        Hiding::Never => false,
    };
    let opened: Vec<&str> =
        properties.keys().chain([receipt_property]).filter(would_open).map(String::as_str).collect();
    if !opened.is_empty() {
        return refuse(
            FailureCode::Rejected,
            format!("stored as secure, and target {target} would set it in clear: {}", some_names(opened)),
            match hiding {
                Hiding::OwnMap => {
                    "move it to `secure_properties`; or, if it may be readable from now on, list it under \
                     `forget` too"
                }
                _ => "set `receipt_property` to a name that the application does not hide",
            }
            .to_owned(),
        );
    }

    let readable: Vec<&str> = secure_properties
        .keys()
        .filter(|name| hiding == Hiding::Marked && !stored.secure.contains(*name))
        .map(String::as_str)
        .collect();
    if !readable.is_empty() {
        return refuse(
            FailureCode::Rejected,
            format!(
                "CloudHub does not hide what target {target} would set as secure: {}",
                some_names(readable)
            ),
            "list it under `secureProperties` of the application's mule-artifact.json and set it once in \
             Runtime Manager; or, if it may be readable there, move it to `properties`"
                .to_owned(),
        );
    }

    let lost: Vec<&str> = stored
        .secure
        .iter()
        .filter(|name| !secure_properties.contains_key(*name) && !forget.contains(*name))
        .filter(|name| hiding == Hiding::OwnMap || !properties.contains_key(*name))
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
    stored: &'a Stored,
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

/// Whether the configuration says that nobody else has properties there.
fn owns_all(config: &ApplicationTarget) -> bool {
    matches!(&config.platform, Platform::Hybrid(hybrid) if hybrid.owns_all_properties)
}

/// Refuses what only a mistake can have put into AWS.
pub(super) fn check_values(resolved: &[&Resolved<'_>]) -> Result<(), Failure> {
    let Some(property) = resolved.iter().find(|property| is_masked(property.text())) else { return Ok(()) };
    Err(Failure::new(
        FailureCode::BadValue,
        Retry::Never,
        format!(
            "the value for property {:?} consists of asterisks: a masked value was stored in AWS",
            property.name
        ),
        "store the real value in AWS Secrets Manager",
    ))
}

/// Checks the limits of what is to be sent; a value that Anypoint would refuse is not sent.
pub(super) fn check_limits(
    config: &ApplicationTarget,
    stored: &Stored,
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
pub(super) fn differences(sent: &BTreeMap<String, bool>, answer: &Stored) -> Vec<String> {
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
