//! The look: the group, whether it is at rest, and the metadata of the entry.

use super::stored::{self, Expiration, Stored};
use super::{Inner, doing};
use crate::anypoint::error::{CallError, bad_answer};
use crate::config::Expiry;
use crate::model::{Failure, FailureCode, Retry};

/// The ids that lead to the entry.
#[derive(Clone)]
pub(super) struct Ids {
    pub(super) group: String,
    pub(super) entry: Option<String>,
}

/// Why a look failed.
pub(super) enum Look {
    Gone(Ids, Failure),
    Failed(Failure),
}

impl Look {
    pub(super) fn into_failure(self) -> Failure {
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
    pub(super) async fn look(&self) -> Result<(Ids, Stored), Look> {
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

    pub(super) fn forget(&self, ids: &Ids) -> bool {
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
