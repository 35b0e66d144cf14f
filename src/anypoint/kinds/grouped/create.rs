//! What is particular to a write that creates: what may come in between, and what its answer tells.

use reqwest::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::{Inner, WRITE_SCOPE, doing};
use crate::anypoint::body::Parsed;
use crate::anypoint::call::Purpose;
use crate::anypoint::caller::Reply;
use crate::anypoint::error::CallError;
use crate::anypoint::kinds::with_place;
use crate::anypoint::lookup::Unlisted;
use crate::config::Expiry;
use crate::model::{Failure, FailureCode, Retry};

/// Why a creation came to nothing.
pub(super) struct NotCreated {
    pub(super) failure: Failure,
    /// Somebody may have created it just now.
    pub(super) may_be_there: bool,
}

impl Inner {
    /// Where nothing is found, it is the group that may be gone.
    pub(super) fn creation_purpose(&self) -> Purpose {
        Purpose {
            doing: doing("creating", &self.entry),
            scope: WRITE_SCOPE,
            settings: with_place(self.group.setting(), &self.connection),
        }
    }

    pub(super) fn creation_note(&self) -> String {
        let expiry = match self.expiry {
            Expiry::Keep => " with Anypoint's own expiration date, which is kept from now on",
            Expiry::Days(_) | Expiry::Default => "",
        };
        format!("{} was not there and was created{expiry}", self.named())
    }

    /// The id in the answer to a creation, where it is one: whatever else stands there is not repeated in
    /// a path. Without it the next look finds it by its name; and where another target has found it
    /// already, says so.
    pub(super) fn created(&self, reply: &Reply) -> Option<String> {
        let parsed = Parsed::from_slice(reply.body.expose_bytes())?;
        let id = parsed.value().get("id").and_then(Value::as_str)?;
        let id = Uuid::parse_str(id).ok()?.to_string();
        self.entry.learn(id.clone());
        self.connection.sole_writer(&self.entry, &id).ok()?;
        Some(id)
    }

    /// What a refused creation means. Whether the name is taken by now, by somebody else or by a POST of ours
    /// whose answer was lost, is asked of the list and not of the code (`RB-1002`): not every form of an
    /// error shows codes.
    pub(super) async fn not_created(&self, group: &str, error: CallError) -> NotCreated {
        let CallError { mut failure, status, .. } = error;
        if status == Some(StatusCode::BAD_REQUEST) {
            let (directory, clock) = (self.connection.directory(), &*self.base.clock);
            match self.entry.id_now(directory, clock, self.list_call(group)).await {
                Ok(_) => return NotCreated { failure: self.created_by_another(), may_be_there: true },
                Err(Unlisted { absent: false, failure }) => {
                    return NotCreated { failure, may_be_there: true };
                }
                Err(Unlisted { absent: true, .. }) => {}
            }
        }
        if failure.code == FailureCode::OverQuota {
            failure.next_step = format!(
                "a secret group has room for 350 secrets, and Anypoint deletes none of them alone: set {} to \
                 another group",
                self.group.setting()
            );
        }
        NotCreated { failure, may_be_there: false }
    }

    fn created_by_another(&self) -> Failure {
        Failure::new(
            FailureCode::Conflict,
            Retry::Backoff,
            format!("{} was created by another since the look", self.named()),
            "none: the one that is there is written in a moment",
        )
    }
}
