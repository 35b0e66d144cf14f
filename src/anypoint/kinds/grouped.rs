//! What lies in a secret group of Anypoint's Secrets Manager, whatever its kind: found, looked at, and
//! replaced as a whole.
//!
//! Look: the group's state and the entry's metadata. Write: PUT of all of it (PATCH cannot change a
//! value), then a second look. Proof: `modifiedAt` moved; it has a resolution of one second, so two
//! writes of ours to one entry are spaced.
//!
//! Does not guarantee: to see a write of another within the same second as ours. And nothing that is
//! written here restarts or reloads anything.

mod stored;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use self::stored::{Expiration, Modified};
use super::{Base, CONFIRM_LIMIT, with_place};
use crate::anypoint::body::Body;
use crate::anypoint::call::{Call, Family, Path, Purpose, Verb};
use crate::anypoint::connection::Connection;
use crate::anypoint::error::{CallError, bad_answer};
use crate::anypoint::fingerprint::Fingerprint;
use crate::anypoint::lookup::Named;
use crate::config::{Expiry, TargetKind};
use crate::model::{Failure, FailureCode, Receipt, Retry, show_duration};
use crate::sync::ports::{
    Applied, ApplyError, Observation, Observed, Proof, Stage, Target, TargetSpec, Write,
};
use crate::sync::values::Values;

pub(super) use self::stored::Stored;

const READ_SCOPE: &str = "Read secrets metadata (read:secrets_metadata)";
const WRITE_SCOPE: &str = "Write secrets (manage:secrets)";
/// Two writes of ours to one entry are further apart than `modifiedAt` resolves, with a second to
/// spare for the server's clock.
const SPACING: Duration = Duration::from_secs(2);

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
    /// The PUT; an error is why it must not be sent.
    fn put(&self, fixed: &Fixed<'_>, values: &Values) -> Result<Put, Failure>;
    /// What was sent and is not shown afterwards, although Anypoint shows such things.
    fn lacks(&self, _stored: &Stored) -> Option<String> {
        None
    }
}

/// The parts of a PUT that do not come from sources.
pub(super) struct Fixed<'a> {
    /// The name; a PUT must repeat it.
    pub(super) name: &'a str,
    /// `expirationDate`; with none Anypoint sets its own.
    pub(super) expiration: Option<Date>,
    /// The time.
    pub(super) now: Timestamp,
}

/// A PUT that is ready to be sent.
pub(super) struct Put {
    pub(super) body: Body,
    /// What a person should know once it was taken.
    pub(super) notes: Vec<String>,
}

/// Where an entry lies, as the configuration says it.
pub(super) struct Place<'a> {
    pub(super) group: &'a str,
    pub(super) name: &'a str,
    pub(super) expiry: Expiry,
}

/// The target.
pub(super) struct Grouped(Arc<Inner>);

struct Inner {
    base: Base,
    spec: TargetSpec,
    content: Box<dyn Content>,
    expiry: Expiry,
    connection: Arc<Connection>,
    group: Named,
    entry: Named,
    last_write: Mutex<Option<Instant>>,
}

impl Grouped {
    pub(super) fn new(
        base: Base,
        kind: &TargetKind,
        place: &Place<'_>,
        content: Box<dyn Content>,
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
            secrets: kind.secrets(),
            mapping: content.mapping(mapping).sources(content.type_name(), kind.sources()).finish(),
            proof: Proof::Mark,
            rolls: false,
            supersede: true,
            confirm_limit: CONFIRM_LIMIT,
        };
        let setting = |key: &str| format!("`{key}` of target {}", base.name);
        let group = Named::new("secret group", place.group, setting("group"));
        let entry = Named::new(content.what(), place.name, setting("name"));
        let (expiry, last_write) = (place.expiry, Mutex::new(None));
        Self(Arc::new(Inner { base, spec, content, expiry, connection, group, entry, last_write }))
    }
}

#[async_trait]
impl Target for Grouped {
    fn spec(&self) -> &TargetSpec {
        &self.0.spec
    }

    fn ready(&self) -> Result<(), Failure> {
        self.0.connection.check_ready(Family::SecretsManager)
    }

    async fn observe(&self) -> Result<Box<dyn Observed>, Failure> {
        let inner = &self.0;
        let (at, stored) = match inner.look().await {
            Ok(seen) => seen,
            // A group or entry that was made anew under its name has another id.
            Err(Look::Gone(at, _)) if inner.forget(&at) => inner.look().await.map_err(Look::into_failure)?,
            Err(look) => return Err(look.into_failure()),
        };
        let observation = Observation {
            receipt: None,
            mark: stored.modified.as_ref().map(|modified| modified.mark.clone()),
            stage: Stage::Settled,
            refusal: inner.refusal(&stored),
            provable: stored.modified.is_some(),
        };
        Ok(Box::new(Seen { target: Arc::clone(inner), at, stored, observation }))
    }
}

/// The ids that lead to the entry.
#[derive(Clone)]
struct Ids {
    group: String,
    entry: Option<String>,
}

enum Look {
    Gone(Ids, Failure),
    Failed(Failure),
}

impl Look {
    fn into_failure(self) -> Failure {
        let (Look::Gone(_, failure) | Look::Failed(failure)) = self;
        failure
    }

    fn along(ids: &Ids) -> impl FnOnce(CallError) -> Self + '_ {
        |error| {
            if error.is_not_found() {
                Look::Gone(ids.clone(), error.failure)
            } else {
                Look::Failed(error.failure)
            }
        }
    }
}

impl From<Failure> for Look {
    fn from(failure: Failure) -> Self {
        Look::Failed(failure)
    }
}

impl Inner {
    /// The entry as it is, in a group that is at rest.
    async fn look(&self) -> Result<(Ids, Stored), Look> {
        let clock = &*self.base.clock;
        let list = || self.read_call(self.path([]), &self.group);
        let group = self.group.id(self.connection.directory(), clock, list).await?;
        let mut ids = Ids { group, entry: None };
        let reply = self
            .connection
            .send(self.read_call(self.path([ids.group.as_str()]), &self.group))
            .await
            .map_err(Look::along(&ids))?;
        let doing = doing("reading", &self.group);
        let clear =
            stored::group_is_clear(reply.body.expose_bytes()).map_err(|what| bad_answer(&doing, what))?;
        if !clear {
            return Err(Look::Failed(Failure::new(
                FailureCode::Conflict,
                Retry::Backoff,
                format!("secret group {:?} is being changed (its state is not `Clear`)", self.group.wanted()),
                "none: it is tried again; if it stays, look at the group in Anypoint",
            )));
        }
        let list = || self.read_call(self.path([ids.group.as_str(), self.content.list()]), &self.entry);
        let entry = self.entry.id(self.connection.directory(), clock, list).await?;
        self.connection.sole_writer(&self.entry, &entry)?;
        ids.entry = Some(entry.clone());
        let stored = self.get(&ids.group, &entry).await.map_err(Look::along(&ids))?;
        Ok((ids, stored))
    }

    fn forget(&self, ids: &Ids) -> bool {
        if let Some(entry) = &ids.entry {
            return self.entry.forget(entry);
        }
        // The entry's id belongs to the group that is gone.
        if let Some(known) = self.entry.known() {
            self.entry.forget(&known);
        }
        self.group.forget(&ids.group)
    }

    async fn get(&self, group: &str, entry: &str) -> Result<Stored, CallError> {
        let path = self.path([group, self.content.list(), entry]);
        let reply = self.connection.send(self.read_call(path, &self.entry)).await?;
        Stored::parse(reply.body.expose_bytes())
            .map_err(|what| CallError::before(bad_answer(&doing("reading", &self.entry), what)))
    }

    fn read_call(&self, path: Path, named: &Named) -> Call {
        Call {
            verb: Verb::Get,
            path,
            family: Family::SecretsManager,
            body: None,
            purpose: self.purpose("reading", named, READ_SCOPE),
        }
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

    /// Why a PUT would be refused or do harm.
    fn refusal(&self, stored: &Stored) -> Option<Failure> {
        let ours = self.content.type_name();
        let target = &self.base.name;
        if stored.kind.as_deref().is_some_and(|kind| kind != ours) {
            return Some(Failure::new(
                FailureCode::Rejected,
                Retry::Never,
                format!("{} is of another type than {ours}", self.named()),
                format!("set `type` of target {target} to what is stored; Anypoint cannot change a type"),
            ));
        }
        if self.expiry == Expiry::Keep && stored.expiration == Some(Expiration::Unreadable) {
            return Some(Failure::new(
                FailureCode::BadAnswer,
                Retry::Never,
                format!("the expiration date of {} has an unknown form and cannot be kept", self.named()),
                format!("set `expiry` of target {target} to a number of days or to `default`"),
            ));
        }
        None
    }

    /// Too soon after our last write for `modifiedAt` to move.
    fn spacing(&self, now: Instant) -> Result<(), Failure> {
        let last = *self.last_write.lock().unwrap_or_else(PoisonError::into_inner);
        let left = last.and_then(|last| (last + SPACING).checked_duration_since(now));
        match left.filter(|left| !left.is_zero()) {
            None => Ok(()),
            Some(left) => Err(Failure::new(
                FailureCode::Conflict,
                Retry::Turn(left),
                format!(
                    "{} was written less than {} ago, and its `modifiedAt` shows seconds",
                    self.named(),
                    show_duration(SPACING)
                ),
                "none: it is written in a moment",
            )),
        }
    }

    /// Notes a write, or with none that there was none; gives the one before it.
    fn note_write(&self, at: Option<Instant>) -> Option<Instant> {
        std::mem::replace(&mut *self.last_write.lock().unwrap_or_else(PoisonError::into_inner), at)
    }
}

fn doing(verb: &str, named: &Named) -> String {
    format!("{verb} {} {:?}", named.what(), named.wanted())
}

/// The date that a PUT sends; with none Anypoint sets its own.
fn expiration(policy: Expiry, stored: &Stored, today: Date) -> Option<Date> {
    match policy {
        Expiry::Keep => match stored.expiration {
            Some(Expiration::On(date)) => Some(date),
            Some(Expiration::Unreadable) | None => None,
        },
        Expiry::Days(days) => today.checked_add(i64::from(days).days()).ok(),
        Expiry::Default => None,
    }
}

/// An entry that was just looked at.
struct Seen {
    target: Arc<Inner>,
    at: Ids,
    stored: Stored,
    observation: Observation,
}

impl Observed for Seen {
    fn observation(&self) -> &Observation {
        &self.observation
    }

    fn prepare(self: Box<Self>, values: &Values, _receipt: &Receipt) -> Result<Box<dyn Write>, Failure> {
        let Self { target, at, stored, observation } = *self;
        if let Some(refusal) = observation.refusal {
            return Err(refusal);
        }
        let Some(entry) = at.entry else {
            return Err(bad_answer(&doing("writing", &target.entry), "its id is not known"));
        };
        let now = target.base.clock.timestamp();
        let today = now.to_zoned(TimeZone::UTC).date();
        let expiration = expiration(target.expiry, &stored, today);
        let mut put = target.content.put(&Fixed { name: &stored.name, expiration, now }, values)?;
        if let Some(date) = expiration.filter(|date| *date < today) {
            put.notes.push(format!("the expiration date that was kept has passed: {date}"));
        }
        Ok(Box::new(Prepared { target, group: at.group, entry, put, before: stored.modified }))
    }
}

struct Prepared {
    target: Arc<Inner>,
    group: String,
    entry: String,
    put: Put,
    /// When it was modified before.
    before: Option<Modified>,
}

#[async_trait]
impl Write for Prepared {
    async fn send(self: Box<Self>) -> Result<Applied, ApplyError> {
        let Self { target, group, entry, put: Put { body, mut notes }, before: modified_before } = *self;
        let clock = &target.base.clock;
        target.spacing(clock.now()).map_err(ApplyError::before)?;
        // Also a write whose answer is lost may move `modifiedAt`; one that was refused does not.
        let before = target.note_write(Some(clock.now()));
        let sent = target
            .connection
            .send(Call {
                verb: Verb::Put,
                path: target.path([group.as_str(), target.content.list(), entry.as_str()]),
                family: Family::SecretsManager,
                body: Some(body),
                purpose: target.purpose("writing", &target.entry, WRITE_SCOPE),
            })
            .await;
        match sent {
            Err(error) if !error.ambiguous => {
                target.note_write(before);
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
            Ok(_) => target.note_write(Some(clock.now())),
        };

        // The write is taken; a look that fails, or shows less than was sent, leaves it unproved, not
        // failed.
        let look = target.get(&group, &entry).await.ok();
        let lacks = look.as_ref().and_then(|stored| target.content.lacks(stored));
        let mark = look.and_then(|stored| match (stored.modified, &modified_before) {
            (Some(now), Some(before)) => now.is_after(before).then_some(now.mark),
            (Some(now), None) => Some(now.mark),
            (None, _) => None,
        });
        if mark.is_none() {
            notes.push("the write was taken, but `modifiedAt` does not show it".to_owned());
        }
        let mark = mark.filter(|_| lacks.is_none());
        notes.extend(lacks);
        Ok(Applied { mark, notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_expiry_policy_gives_its_date() {
        let stored = |date: &str| {
            Stored::parse(format!(r#"{{"name":"n","expirationDate":{date}}}"#).as_bytes()).unwrap()
        };
        let day = |text: &str| text.parse::<Date>().unwrap();
        let today = day("2026-03-06");
        let kept = stored(r#""2027-01-31""#);
        assert_eq!(expiration(Expiry::Keep, &kept, today), Some(day("2027-01-31")));
        assert_eq!(expiration(Expiry::Keep, &stored("null"), today), None);
        assert_eq!(expiration(Expiry::Days(90), &kept, today), Some(day("2026-06-04")));
        assert_eq!(expiration(Expiry::Default, &kept, today), None);
    }
}
