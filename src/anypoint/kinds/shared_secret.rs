//! `shared_secret`: a value in a secret group of Anypoint's Secrets Manager.
//!
//! Look: the group's state and the secret's metadata. Write: PUT of the whole typed body (PATCH cannot
//! change a value), then a second look. Proof: `modifiedAt` moved; it has a resolution of one second,
//! so two writes of ours to one secret are spaced.
//!
//! Does not guarantee: to see a write of another within the same second as ours. And no running Mule
//! application reads shared secrets: this kind alone changes none.

mod request;
mod stored;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use self::stored::{Expiration, Modified, Stored};
use super::{Base, CONFIRM_LIMIT, with_place};
use crate::anypoint::call::{Call, Family, Path, Purpose, Verb};
use crate::anypoint::connection::Connection;
use crate::anypoint::error::{CallError, bad_answer};
use crate::anypoint::fingerprint::Fingerprint;
use crate::anypoint::lookup::Named;
use crate::config::{Expiry, SharedSecretTarget};
use crate::model::{Failure, FailureCode, Receipt, Retry, SecretRef};
use crate::secret::SecretValue;
use crate::sync::ports::{
    Applied, ApplyError, Observation, Observed, Proof, Stage, Target, TargetSpec, Write,
};
use crate::sync::values::Values;

const READ_SCOPE: &str = "Read secrets metadata (read:secrets_metadata)";
const WRITE_SCOPE: &str = "Write secrets (manage:secrets)";
/// Two writes of ours to one secret are further apart than `modifiedAt` resolves, with a second to
/// spare for the server's clock.
const SPACING: Duration = Duration::from_secs(2);

/// The target.
pub struct SharedSecret(Arc<Inner>);

struct Inner {
    base: Base,
    spec: TargetSpec,
    config: SharedSecretTarget,
    connection: Arc<Connection>,
    group: Named,
    secret: Named,
    last_write: Mutex<Option<Instant>>,
}

impl SharedSecret {
    pub(super) fn new(
        base: Base,
        config: SharedSecretTarget,
        secrets: BTreeSet<SecretRef>,
        connection: Arc<Connection>,
    ) -> Self {
        let expiry = match config.expiry {
            Expiry::Keep => "keep".to_owned(),
            Expiry::Days(days) => format!("{days} days"),
            Expiry::Default => "default".to_owned(),
        };
        let mapping = Fingerprint::new("shared_secret")
            .connection(connection.config())
            .text(&config.group)
            .text(&config.name)
            .text(&expiry)
            .sources(config.content.type_name(), config.content.sources())
            .finish();
        let spec = TargetSpec {
            name: base.name.clone(),
            secrets,
            mapping,
            proof: Proof::Mark,
            rolls: false,
            supersede: true,
            confirm_limit: CONFIRM_LIMIT,
        };
        let setting = |key: &str| format!("`{key}` of target {}", base.name);
        let group = Named::new("secret group", &config.group, setting("group"));
        let secret = Named::new("shared secret", &config.name, setting("name"));
        Self(Arc::new(Inner { base, spec, config, connection, group, secret, last_write: Mutex::new(None) }))
    }
}

#[async_trait]
impl Target for SharedSecret {
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
            // A group or secret that was made anew under its name has another id.
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

/// The ids that lead to the secret.
#[derive(Clone)]
struct Ids {
    group: String,
    secret: Option<String>,
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
    /// The secret as it is, in a group that is at rest.
    async fn look(&self) -> Result<(Ids, Stored), Look> {
        let clock = &*self.base.clock;
        let list = || self.read_call(self.path([]), &self.group);
        let group = self.group.id(&self.connection, clock, list).await?;
        let mut ids = Ids { group, secret: None };
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
        let list = || self.read_call(self.path([ids.group.as_str(), "sharedSecrets"]), &self.secret);
        let secret = self.secret.id(&self.connection, clock, list).await?;
        ids.secret = Some(secret.clone());
        let stored = self.get(&ids.group, &secret).await.map_err(Look::along(&ids))?;
        Ok((ids, stored))
    }

    fn forget(&self, ids: &Ids) -> bool {
        if let Some(secret) = &ids.secret {
            return self.secret.forget(secret);
        }
        // The secret's id belongs to the group that is gone.
        if let Some(known) = self.secret.known() {
            self.secret.forget(&known);
        }
        self.group.forget(&ids.group)
    }

    async fn get(&self, group: &str, secret: &str) -> Result<Stored, CallError> {
        let path = self.path([group, "sharedSecrets", secret]);
        let reply = self.connection.send(self.read_call(path, &self.secret)).await?;
        Stored::parse(reply.body.expose_bytes())
            .map_err(|what| CallError::before(bad_answer(&doing("reading", &self.secret), what)))
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

    /// Why a PUT would be refused or do harm.
    fn refusal(&self, stored: &Stored) -> Option<Failure> {
        let ours = self.config.content.type_name();
        let target = &self.base.name;
        if stored.kind.as_deref().is_some_and(|kind| kind != ours) {
            return Some(Failure::new(
                FailureCode::Rejected,
                Retry::Never,
                format!("shared secret {:?} is of another type than {ours}", self.secret.wanted()),
                format!("set `type` of target {target} to what is stored; Anypoint cannot change a type"),
            ));
        }
        if self.config.expiry == Expiry::Keep && stored.expiration == Some(Expiration::Unreadable) {
            return Some(Failure::new(
                FailureCode::BadAnswer,
                Retry::Never,
                format!(
                    "the expiration date of shared secret {:?} has an unknown form and cannot be kept",
                    self.secret.wanted()
                ),
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
                    "shared secret {:?} was written less than {} s ago, and its `modifiedAt` shows seconds",
                    self.secret.wanted(),
                    SPACING.as_secs()
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

/// A shared secret that was just looked at.
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
        let Some(secret) = at.secret else {
            return Err(bad_answer("writing a shared secret", "its id is not known"));
        };
        let today = target.base.clock.timestamp().to_zoned(TimeZone::UTC).date();
        let expiration = request::expiration(target.config.expiry, &stored, today);
        let body = request::body(&target.config, &stored.name, expiration, values)?;
        let expired = expiration.filter(|date| *date < today);
        Ok(Box::new(Prepared { target, group: at.group, secret, body, before: stored.modified, expired }))
    }
}

struct Prepared {
    target: Arc<Inner>,
    group: String,
    secret: String,
    body: SecretValue,
    /// When it was modified before.
    before: Option<Modified>,
    /// The expiration date that is sent, where it has passed.
    expired: Option<Date>,
}

#[async_trait]
impl Write for Prepared {
    async fn send(self: Box<Self>) -> Result<Applied, ApplyError> {
        let Self { target, group, secret, body, before: modified_before, expired } = *self;
        let clock = &target.base.clock;
        target.spacing(clock.now()).map_err(ApplyError::before)?;
        // Also a write whose answer is lost may move `modifiedAt`; one that was refused does not.
        let before = target.note_write(Some(clock.now()));
        let sent = target
            .connection
            .send(Call {
                verb: Verb::Put,
                path: target.path([group.as_str(), "sharedSecrets", secret.as_str()]),
                family: Family::SecretsManager,
                body: Some(body.into()),
                purpose: target.purpose("writing", &target.secret, WRITE_SCOPE),
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

        let mut notes = Vec::new();
        if let Some(date) = expired {
            notes.push(format!("the expiration date that was kept has passed: {date}"));
        }
        // The write is taken; a look that fails leaves it unproved, not failed.
        let mark = match target.get(&group, &secret).await {
            Ok(now) => match (now.modified, &modified_before) {
                (Some(now), Some(before)) if now.is_after(before) => Some(now.mark),
                (Some(now), None) => Some(now.mark),
                _ => None,
            },
            Err(_) => None,
        };
        if mark.is_none() {
            notes.push("the write was taken, but `modifiedAt` does not show it".to_owned());
        }
        Ok(Applied { mark, notes })
    }
}
