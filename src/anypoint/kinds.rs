//! The target kinds, one file each, all of one shape: `build` checks what can be checked without a
//! network, `observe` looks and returns what was seen, and what was seen is the only way to `apply`.

pub mod application;
mod grouped;
pub mod http;
pub mod secret_value;
mod shared_secret;
mod store;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::client::ClientError;
use super::connection::{Connection, Connections};
use crate::clock::Clock;
use crate::config::{self, SharedSecretTarget, StoreTarget, TargetKind};
use crate::credential::Credentials;
use crate::model::{
    ConnectionName, Failure, FailureCode, Mark, Retry, SecretRef, TargetName, ValueSource, hex,
};
use crate::secret::SecretValue;
use crate::sync::ports::{Observation, Proof, Stage, Target, TargetSpec};
use crate::sync::values::Values;

use grouped::{Grouped, Place};
pub use http::Clients as HttpClients;

/// How long a kind without rolls may take to show its proof.
const CONFIRM_LIMIT: Duration = Duration::from_mins(1);

/// Why a target could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The configuration checks this, so it means that the wrong connections were passed.
    #[error("target {0}: there is no connection {1}")]
    NoConnection(TargetName, ConnectionName),
    /// The address cannot be used.
    #[error("target {0}: `url` is not an http or https address")]
    Url(TargetName),
    /// The HTTP client could not be built.
    #[error("target {0}: {1}")]
    Client(TargetName, ClientError),
}

/// Builds a target. Nothing is sent. All targets of one configuration share `clients`.
pub fn build(
    target: &config::Target,
    connections: &Connections,
    credentials: &Arc<dyn Credentials>,
    clock: &Arc<dyn Clock>,
    clients: &HttpClients,
) -> Result<Arc<dyn Target>, BuildError> {
    let connection = |name: &ConnectionName| {
        connections
            .get(name)
            .map(Arc::clone)
            .ok_or_else(|| BuildError::NoConnection(target.name.clone(), name.clone()))
    };
    let base = Base { name: target.name.clone(), clock: Arc::clone(clock) };
    let secrets = target.kind.secrets();
    Ok(match &target.kind {
        TargetKind::Application(app) => Arc::new(application::Application::new(
            base,
            Arc::clone(app),
            secrets,
            connection(&app.connection)?,
        )),
        TargetKind::SharedSecret(shared) => {
            let SharedSecretTarget { group, name, expiry, create, .. } = &**shared;
            let place = Place { group, name, expiry: *expiry, create: *create };
            let through = connection(&shared.connection)?;
            Arc::new(Grouped::new(base, &target.kind, &place, Arc::clone(shared) as _, through))
        }
        TargetKind::Store(store) => {
            let StoreTarget { group, name, expiry, create, .. } = &**store;
            let place = Place { group, name, expiry: *expiry, create: *create };
            let through = connection(&store.connection)?;
            Arc::new(Grouped::new(base, &target.kind, &place, Arc::clone(store) as _, through))
        }
        TargetKind::SecretValue(value) => {
            let through = connection(&value.connection)?;
            Arc::new(secret_value::SecretValueTarget::new(base, Arc::clone(value), secrets, through))
        }
        TargetKind::Http(http) => {
            Arc::new(http::Http::new(base, Arc::clone(http), secrets, Arc::clone(credentials), clients)?)
        }
    })
}

/// What every target has.
struct Base {
    name: TargetName,
    clock: Arc<dyn Clock>,
}

impl Base {
    /// The fixed side of a target that restarts nothing and shows nothing.
    fn unproved(&self, secrets: BTreeSet<SecretRef>, mapping: String) -> TargetSpec {
        TargetSpec {
            name: self.name.clone(),
            secrets: secrets.into_iter().collect(),
            mapping,
            proof: Proof::None,
            rolls: false,
            supersede: true,
            confirm_limit: CONFIRM_LIMIT,
        }
    }
}

/// What is seen of a target that shows nothing.
fn nothing_to_see() -> Observation {
    Observation { receipt: None, mark: None, stage: Stage::Settled, refusal: None, provable: false }
}

/// A value under the name it is written to.
struct Resolved<'a> {
    name: &'a str,
    value: SecretValue,
}

impl<'a> Resolved<'a> {
    /// The value of `source`, which must be text.
    fn of(name: &'a str, source: &ValueSource, values: &Values) -> Result<Self, Failure> {
        let value = values.resolve(source)?;
        if value.expose_str().is_none() {
            return Err(Failure::new(
                FailureCode::BadValue,
                Retry::Never,
                format!("the value for {name} is not UTF-8 text"),
                "set `binary: true` on its source to send it as base64",
            ));
        }
        Ok(Self { name, value })
    }

    /// The value as bytes.
    fn bytes(&self) -> &[u8] {
        self.value.expose_bytes()
    }

    /// The value; [`Resolved::of`] has seen that it is text.
    fn text(&self) -> &str {
        self.value.expose_str().unwrap_or_default()
    }
}

/// Whether a text is what Anypoint shows in place of a value that it hides (six asterisks where it
/// was recorded). One or two are common values of their own: a CORS origin, a pattern.
fn is_masked(text: &str) -> bool {
    text.len() >= 3 && text.bytes().all(|byte| byte == b'*')
}

/// A text of Anypoint as a mark: as it is where it is short and plain, else its digest. Marks stand in
/// receipts, whose parts are separated by semicolons.
fn mark(text: &str) -> Mark {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:. +".contains(&byte);
    if !matches!(text, "" | "-") && text.len() <= 64 && text.bytes().all(plain) {
        Mark(text.to_owned())
    } else {
        Mark(hex(&Sha256::digest(text.as_bytes())[..16]))
    }
}

/// Some names for a message: quoted, at most ten.
fn some_names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.into_iter().collect();
    let shown: Vec<String> = all.iter().take(10).map(|name| format!("{name:?}")).collect();
    match all.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A setting, and those that say in which environment the thing is looked for.
fn with_place(setting: &str, connection: &Connection) -> String {
    format!("{setting}, and `organization` and `environment` of connection {}", connection.config().name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_never_break_a_receipt() {
        assert_eq!(mark("2024-07-12 18:00:54").0, "2024-07-12 18:00:54");
        for odd in ["a;b", "", "-", "é", &"x".repeat(65)] {
            let mark = mark(odd).0;
            assert!(mark.len() == 32 && !mark.contains(';'), "{odd}: {mark}");
        }
    }

    #[test]
    fn a_mask_is_three_asterisks_or_more() {
        for (text, masked) in [("******", true), ("***", true), ("**", false), ("*", false), ("***a", false)]
        {
            assert_eq!(is_masked(text), masked, "{text}");
        }
    }
}
