//! `connections`: Anypoint control planes, each with its connected app and environment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::channel::channel;
use super::decode::{Fields, Value, did_you_mean};
use super::runtime::TICK;
use super::scalar::{self, duration, uuid, whole};
use super::source::credential;
use super::{Connection, Rates, planes, rates};
use crate::model::{ConnectionName, RollWindow};

/// The connections of a file: those that are right, and the names of all, so that a mistake in one is
/// not reported again by each target that uses it.
#[derive(Default)]
pub(super) struct Connections {
    pub(super) checked: BTreeMap<ConnectionName, Connection>,
    names: BTreeSet<String>,
    /// Whether the names are not known.
    unreadable: bool,
}

impl Connections {
    /// Reads a reference to one of them.
    pub(super) fn reference(&self, value: &Value<'_>) -> Option<ConnectionName> {
        let text = value.text("the name of a connection")?;
        if self.unreadable || self.names.contains(text) {
            // What is wrong with it, or with all of them, was reported where they are defined.
            return ConnectionName::parse(text).ok();
        }
        if self.names.is_empty() {
            return value.refuse(format!(
                "there is no connection {}; describe it under `connections`",
                value.found()
            ));
        }
        let known: Vec<&str> = self.names.iter().map(String::as_str).collect();
        value.refuse(format!(
            "there is no connection {}{} (connections: {})",
            value.found(),
            did_you_mean(text, &known),
            known.join(", ")
        ))
    }

    /// What tells one Anypoint environment from another; two connections may lead to the same.
    pub(super) fn environment(&self, name: &ConnectionName) -> String {
        match self.checked.get(name) {
            Some(found) => format!("{} {} {}", found.base_url, found.organization, found.environment),
            None => name.to_string(),
        }
    }
}

pub(super) fn connections(value: &Value<'_>) -> Connections {
    let mut connections = Connections::default();
    let entries = value.entries("a mapping of names to connections");
    connections.unreadable = entries.is_none();
    for (key, value) in entries.unwrap_or_default() {
        connections.names.insert(key.to_owned());
        let name = match ConnectionName::parse(key) {
            Ok(name) => name,
            Err(error) => {
                value.refuse::<()>(error.to_string());
                continue;
            }
        };
        if let Some(connection) = connection(&value, &name) {
            connections.checked.insert(name, connection);
        }
    }
    connections
}

fn connection(value: &Value<'_>, name: &ConnectionName) -> Option<Connection> {
    let mut fields = value.fields("a connection")?;
    let base_url = base_url(&mut fields);
    let client_id =
        fields.required("client_id", "the connected app's id, such as { env: ANYPOINT_ID }", credential);
    let client_secret = fields.required(
        "client_secret",
        "the connected app's secret, such as { env: ANYPOINT_SECRET }",
        credential,
    );
    let organization = fields.required(
        "organization",
        "the id of the business group",
        uuid("the id (UUID) of a business group"),
    );
    let environment =
        fields.required("environment", "the id of the environment", uuid("the id (UUID) of an environment"));
    let here = base_url.as_deref().is_some_and(scalar::is_on_this_machine);
    let rates = fields.or("rates", Rates::default(), rates::rates(here));
    let max_requests = fields.or("max_requests", 16, whole(1..=1000));
    let max_rolling = fields.or("max_rolling", 10, whole(1..=1000));
    let roll_window = fields.optional("roll_window", roll_window);
    let timeout = fields.or("timeout", Duration::from_secs(30), duration(TICK, Duration::from_mins(5)));
    let channel = channel(&mut fields);
    fields.finish();
    Some(Connection {
        name: name.clone(),
        base_url: base_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        organization: organization?,
        environment: environment?,
        rates,
        max_requests,
        max_rolling,
        roll_window,
        timeout,
        channel,
    })
}

fn roll_window(value: &Value<'_>) -> Option<RollWindow> {
    let mut fields = value.fields("a roll window")?;
    let from = fields.required("from", "the hour it opens, such as \"22:00\"", time);
    let to = fields.required("to", "the hour it closes, such as \"05:00\"", time);
    let zone = fields.or("timezone", TimeZone::UTC, |value| {
        let what = "the name of a time zone such as Europe/Berlin";
        TimeZone::get(value.text(what)?).ok().or_else(|| value.expected(what))
    });
    fields.finish();
    Some(RollWindow { from: from?, to: to?, zone })
}

fn time(value: &Value<'_>) -> Option<Time> {
    let what = "a time of day such as \"22:00\"";
    let text = value.text(what)?;
    let hours_and_minutes = text.len() == 5 && text.as_bytes()[2] == b':';
    text.parse().ok().filter(|_| hours_and_minutes).or_else(|| value.expected(what))
}

fn base_url(fields: &mut Fields<'_>) -> Option<String> {
    match (fields.get("host"), fields.get("base_url")) {
        (Some(host), None) => {
            let what = "a host name such as anypoint.mulesoft.com";
            let name = host.text(what)?;
            if name.contains([':', '/', '@']) {
                return host
                    .refuse(format!("expected {what}; with a scheme, port or path it is a `base_url`"));
            }
            let fits = name.split('.').all(|label| {
                !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            });
            if !fits {
                return host.expected(what);
            }
            let name = name.to_ascii_lowercase();
            planes::check(&host, &name);
            Some(format!("https://{name}"))
        }
        (None, Some(value)) => {
            let url = scalar::url(&value)?;
            if url.query().is_some() {
                return value.refuse("a base URL has no `?` part; leave it out");
            }
            Some(url.as_str().trim_end_matches('/').to_owned())
        }
        (None, None) => {
            fields.whole().refuse("`host` is missing: the control plane, such as anypoint.mulesoft.com")
        }
        (Some(_), Some(_)) => fields.whole().refuse("give only one of `host` and `base_url`"),
    }
}
