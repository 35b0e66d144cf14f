//! What lies in a secret group of Anypoint's Secrets Manager, whatever its kind: found, looked at, and
//! replaced as a whole; and created, where it is missing and the configuration says so.
//!
//! Look: the group's state and the entry's metadata. Write: PUT of all of it (PATCH cannot change a
//! value), or POST of the same to create it, then a second look. Proof: `modifiedAt` moved, or is there
//! at all where nothing was; it has a resolution of one second, so two writes of ours to one entry are
//! spaced.
//!
//! Guarantees: an entry is created only after a list that was read just before does not have its name,
//! and no more than once: a name is taken once in a group, so a second POST is refused. A group is never
//! created, and nothing is ever deleted.
//!
//! Does not guarantee: to see a write of another within the same second as ours. And nothing that is
//! written here restarts or reloads anything.

mod create;
mod look;
mod spacing;
mod stored;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;

use self::spacing::Spacing;
use self::write::Seen;
use super::{Base, CONFIRM_LIMIT, with_place};
use crate::anypoint::body::Body;
use crate::anypoint::call::{Call, Family, Path, Purpose, Verb};
use crate::anypoint::connection::Connection;
use crate::anypoint::fingerprint::Fingerprint;
use crate::anypoint::lookup::Named;
use crate::config::{Expiry, TargetKind};
use crate::model::Failure;
use crate::sync::ports::{Observation, Observed, Proof, Stage, Target, TargetSpec};
use crate::sync::values::Values;

pub(super) use self::stored::Stored;

const READ_SCOPE: &str = "Read secrets metadata (read:secrets_metadata)";
const WRITE_SCOPE: &str = "Write secrets (manage:secrets)";

/// What an entry holds, as its kind knows it.
pub(super) trait Content: Send + Sync {
    /// What it is to a person: `shared secret`.
    fn what(&self) -> &'static str;
    /// The last part of its list's path: `sharedSecrets`.
    fn list(&self) -> &'static str;
    /// Its `type`, which Anypoint cannot change.
    fn type_name(&self) -> &'static str;
    /// Everything that the write depends on beside the sources.
    fn mapping(&self, fingerprint: Fingerprint) -> Fingerprint;
    /// All of it, as PUT and POST take it; an error is why it must not be sent.
    fn whole(&self, fixed: &Fixed<'_>, values: &Values) -> Result<Whole, Failure>;
    /// What was sent and is not shown afterwards, although Anypoint shows such things.
    fn lacks(&self, _stored: &Stored) -> Option<String> {
        None
    }
}

/// The parts of a write that do not come from sources.
pub(super) struct Fixed<'a> {
    /// The name; also a PUT must have it.
    pub(super) name: &'a str,
    /// `expirationDate`; with none Anypoint sets its own.
    pub(super) expiration: Option<Date>,
    /// The time.
    pub(super) now: Timestamp,
}

/// All of an entry, ready to be sent.
pub(super) struct Whole {
    pub(super) body: Body,
    /// What a person should know once it was taken.
    pub(super) notes: Vec<String>,
}

/// Where an entry lies, as the configuration says it.
pub(super) struct Place<'a> {
    pub(super) group: &'a str,
    pub(super) name: &'a str,
    pub(super) expiry: Expiry,
    /// Whether it is created where it is missing.
    pub(super) create: bool,
}

/// The target.
pub(super) struct Grouped(Arc<Inner>);

struct Inner {
    base: Base,
    spec: Arc<TargetSpec>,
    content: Arc<dyn Content>,
    expiry: Expiry,
    create: bool,
    connection: Arc<Connection>,
    group: Named,
    entry: Named,
    spacing: Spacing,
}

impl Grouped {
    pub(super) fn new(
        base: Base,
        kind: &TargetKind,
        place: &Place<'_>,
        content: Arc<dyn Content>,
        connection: Arc<Connection>,
    ) -> Self {
        let expiry = match place.expiry {
            Expiry::Keep => "keep".to_owned(),
            Expiry::Days(days) => format!("{days} days"),
            Expiry::Default => "default".to_owned(),
        };
        let mapping = Fingerprint::new(kind.as_str())
            .connection(connection.config())
            .text(place.group)
            .text(place.name)
            .text(&expiry);
        let spec = TargetSpec {
            name: base.name.clone(),
            secrets: kind.secrets().into_iter().collect(),
            mapping: content.mapping(mapping).sources(content.type_name(), kind.sources()).finish(),
            proof: Proof::Mark,
            rolls: false,
            supersede: true,
            confirm_limit: CONFIRM_LIMIT,
        };
        let spec = Arc::new(spec);
        let setting = |key: &str| format!("`{key}` of target {}", base.name);
        let group = Named::new("secret group", place.group, setting("group"));
        let entry = Named::new(content.what(), place.name, setting("name"));
        let (expiry, create, spacing) = (place.expiry, place.create, Spacing::default());
        Self(Arc::new(Inner { base, spec, content, expiry, create, connection, group, entry, spacing }))
    }
}

#[async_trait]
impl Target for Grouped {
    fn spec(&self) -> &Arc<TargetSpec> {
        &self.0.spec
    }

    fn ready(&self) -> Result<(), Failure> {
        self.0.connection.check_ready(Family::SecretsManager)
    }

    async fn observe(&self) -> Result<Box<dyn Observed>, Failure> {
        let inner = &self.0;
        let found = inner.look().await?;
        let stored = found.entry.as_ref().map(|(_, stored)| stored);
        let modified = stored.and_then(|stored| stored.modified.as_ref());
        let observation = Observation {
            receipt: None,
            mark: modified.map(|modified| modified.mark.clone()),
            stage: if stored.is_some() { Stage::Settled } else { Stage::Missing },
            refusal: stored.and_then(|stored| inner.refusal(stored)),
            provable: modified.is_some(),
        };
        Ok(Box::new(Seen { target: Arc::clone(inner), found, observation }))
    }
}

impl Inner {
    fn read_call(&self, path: Path, named: &Named) -> Call {
        Call {
            verb: Verb::Get,
            path,
            family: Family::SecretsManager,
            body: None,
            purpose: self.purpose("reading", named, READ_SCOPE),
        }
    }

    /// The list of its kind in this group.
    fn list_call(&self, group: &str) -> Call {
        self.read_call(self.path([group, self.content.list()]), &self.entry)
    }

    fn purpose(&self, verb: &str, named: &Named, scope: &'static str) -> Purpose {
        let settings = with_place(named.setting(), &self.connection);
        Purpose { doing: doing(verb, named), scope, settings }
    }

    fn path<const N: usize>(&self, tail: [&str; N]) -> Path {
        let config = self.connection.config();
        let all = ["secrets-manager", "api", "v1", "organizations", &config.organization];
        let rest = ["environments", &config.environment, "secretGroups"];
        Path::new(all.into_iter().chain(rest).chain(tail))
    }

    /// `shared secret "orders-db"`
    fn named(&self) -> String {
        format!("{} {:?}", self.entry.what(), self.entry.wanted())
    }
}

fn doing(verb: &str, named: &Named) -> String {
    format!("{verb} {} {:?}", named.what(), named.wanted())
}
