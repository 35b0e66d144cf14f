//! What differs between the platforms that run Mule applications: addresses, forms, and what they show.

use std::collections::BTreeMap;

use serde::Serialize;

use super::stored::Stored;
use crate::anypoint::body::{Body, Exposed, Parsed};
use crate::anypoint::call::{Family, Path, Verb};
use crate::config;
use crate::model::Failure;

/// How a platform keeps values that it hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hiding {
    /// In a map of their own, named in each write.
    OwnMap,
    /// Among the others, by a mark that the application itself brings.
    Marked,
    /// It hides none.
    Never,
}

/// One platform.
pub(super) trait Api: Send + Sync {
    /// Whose rate limit its calls count against.
    fn family(&self) -> Family;
    /// What it calls an application.
    fn noun(&self) -> &'static str;
    /// The address of an application, or of all.
    fn path(&self, connection: &config::Connection, id: Option<&str>) -> Path;
    /// How a write is made.
    fn verb(&self) -> Verb;
    /// How it keeps hidden values.
    fn hiding(&self) -> Hiding;
    /// Whether its limits on properties are known: those of the Application Manager.
    fn limits(&self) -> bool;
    /// Reads an answer; the error says what is wrong with its form.
    fn parse(&self, answer: &[u8]) -> Result<Stored, &'static str>;
    /// The body of a write.
    fn body(&self, write: &Maps<'_>) -> Result<Body, Failure>;
}

/// All properties of a write.
pub(super) struct Maps<'a> {
    /// What the properties service is to call the application.
    pub(super) application_name: &'a str,
    pub(super) properties: BTreeMap<&'a str, Property<'a>>,
    pub(super) secure: BTreeMap<&'a str, Exposed<'a>>,
}

/// A value of ours, or one of others that goes back as it is.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Property<'a> {
    Kept(&'a Parsed),
    Ours(Exposed<'a>),
}

/// The properties service of the Application Manager and of the agent on hybrid servers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Service<'a> {
    application_name: &'a str,
    properties: &'a BTreeMap<&'a str, Property<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secure_properties: Option<&'a BTreeMap<&'a str, Exposed<'a>>>,
}

/// A configuration with that one service in it.
#[derive(Serialize)]
pub(super) struct Configuration<'a> {
    #[serde(rename = "mule.agent.application.properties.service")]
    service: Service<'a>,
}

impl<'a> Configuration<'a> {
    pub(super) fn new(write: &'a Maps<'a>, hides: bool) -> Self {
        let service = Service {
            application_name: write.application_name,
            properties: &write.properties,
            secure_properties: hides.then_some(&write.secure),
        };
        Self { service }
    }
}
