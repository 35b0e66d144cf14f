//! The look: the group, whether it is at rest, and the metadata of the entry.

use super::stored::{self, Expiration, Stored};
use super::{Inner, doing};
use crate::anypoint::error::{CallError, bad_answer};
use crate::anypoint::lookup::Unlisted;
use crate::config::Expiry;
use crate::model::{Failure, FailureCode, Retry};

/// What a look found, in a group that is at rest.
pub(super) struct Found {
    /// The group's id.
    pub(super) group: String,
    /// Id and metadata; none where it is missing and is to be created.
    pub(super) entry: Option<(String, Stored)>,
}

/// The ids that lead to the entry.
#[derive(Clone)]
struct Ids {
    group: String,
    entry: Option<String>,
}

/// Why a look failed.
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
    /// The entry as it is.
    pub(super) async fn look(&self) -> Result<Found, Failure> {
        let looked = match self.look_once().await {
            // A group or entry that was made anew under its name has another id.
            Err(Look::Gone(at, _)) if self.forget(&at) => self.look_once().await,
            looked => looked,
        };
        looked.map_err(Look::into_failure)
    }

    async fn look_once(&self) -> Result<Found, Look> {
        let clock = &*self.base.clock;
        let list = || self.read_call(self.path([]), &self.group);
        let group = self.group.id(self.connection.directory(), clock, list).await.map_err(Failure::from)?;
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
        let Some(entry) = self.entry_id(&ids.group).await? else {
            return Ok(Found { group: ids.group, entry: None });
        };
        self.connection.sole_writer(&self.entry, &entry)?;
        ids.entry = Some(entry.clone());
        let stored = self.get(&ids.group, &entry).await.map_err(Look::along(&ids))?;
        Ok(Found { group: ids.group, entry: Some((entry, stored)) })
    }

    /// The entry's id; none where it is missing and is to be created.
    async fn entry_id(&self, group: &str) -> Result<Option<String>, Failure> {
        let (directory, clock) = (self.connection.directory(), &*self.base.clock);
        let mut id = self.entry.id(directory, clock, || self.list_call(group)).await;
        if self.create && id.as_ref().is_err_and(|unlisted| unlisted.absent) {
            // The list that was held may be from before somebody, or a write of ours, created it.
            id = self.entry.id_now(directory, clock, self.list_call(group)).await;
        }
        match id {
            Ok(id) => Ok(Some(id)),
            Err(Unlisted { absent: true, .. }) if self.create => Ok(None),
            Err(Unlisted { absent: true, mut failure }) => {
                failure.next_step += "; or set `create: true`, and the relay creates it";
                Err(failure)
            }
            Err(Unlisted { failure, .. }) => Err(failure),
        }
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

    pub(super) async fn get(&self, group: &str, entry: &str) -> Result<Stored, CallError> {
        let path = self.path([group, self.content.list(), entry]);
        let reply = self.connection.send(self.read_call(path, &self.entry)).await?;
        Stored::parse(reply.body.expose_bytes())
            .map_err(|what| CallError::before(bad_answer(&doing("reading", &self.entry), what)))
    }

    /// Why a PUT would be refused or do harm.
    pub(super) fn refusal(&self, stored: &Stored) -> Option<Failure> {
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
}
