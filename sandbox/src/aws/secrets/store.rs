//! Secrets, versions and labels as Secrets Manager keeps them, and what each change announces.
//!
//! Sources: the API reference of PutSecretValue and UpdateSecretVersionStage (labels move, the former
//! AWSCURRENT becomes AWSPREVIOUS), of GetSecretValue and DescribeSecret (errors).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::stale::{Operation, StalePlan, Staleness};
use super::{Denied, Held, Reads, Value};
use crate::aws::Failure;
use crate::time;

/// The label of the version that is in use.
pub const CURRENT: &str = "AWSCURRENT";
/// The label of the version that was in use before.
pub const PREVIOUS: &str = "AWSPREVIOUS";
/// The label of the version that a rotation prepares.
pub const PENDING: &str = "AWSPENDING";

/// Unlabelled versions kept. The service also spares those younger than a day; the sandbox does not,
/// so that a bench may rotate for hours.
const UNLABELLED_KEPT: usize = 100;
/// Former states kept for stale reads.
const VIEWS_KEPT: usize = 64;

/// Something that EventBridge would tell of.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A label other than AWSPENDING and AWSPREVIOUS came to a version.
    Label { arn: String, label: String, version: String },
    /// An API call, as CloudTrail tells it.
    Call { arn: String, name: &'static str, parameters: Json },
    /// A service event, as CloudTrail tells it.
    Service { arn: String, name: &'static str, version: String, error: Option<String> },
}

#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    pub(crate) stages: Vec<String>,
    pub(crate) value: Arc<Value>,
}

/// A secret as a replica of the service sees it at one time.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(super) since: Instant,
    pub(crate) versions: Vec<Version>,
    pub(crate) changed: Timestamp,
    pub(crate) rotated: Option<Timestamp>,
}

impl View {
    pub(crate) fn labelled(&self, label: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.stages.iter().any(|stage| stage == label))
    }

    pub(crate) fn version(&self, id: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    fn unlabel(&mut self, label: &str) -> Option<String> {
        let version = self.versions.iter_mut().find(|version| version.stages.iter().any(|s| s == label))?;
        version.stages.retain(|stage| stage != label);
        Some(version.id.clone())
    }

    fn label(&mut self, label: &str, id: &str) {
        self.unlabel(label);
        if let Some(version) = self.versions.iter_mut().find(|version| version.id == id) {
            version.stages.push(label.to_owned());
        }
    }

    fn prune(&mut self) {
        let unlabelled = self.versions.iter().filter(|version| version.stages.is_empty()).count();
        let mut surplus = unlabelled.saturating_sub(UNLABELLED_KEPT);
        self.versions.retain(|version| {
            let goes = surplus > 0 && version.stages.is_empty();
            surplus -= usize::from(goes);
            !goes
        });
    }
}

#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) created: Timestamp,
    pub(crate) deleted: Option<Timestamp>,
    pub(crate) rotation_enabled: bool,
    pub(crate) owning_service: Option<String>,
    pub(crate) denied: Option<Denied>,
    pub(crate) reads: Reads,
    pub(crate) alternating: bool,
    views: VecDeque<Arc<View>>,
    before_move: Option<Arc<View>>,
    history: Vec<Held>,
    stale: HashMap<Operation, Staleness>,
}

/// The ARN of a secret, but for its suffix.
pub(super) fn arn(region: &str, account: &str, name: &str) -> String {
    format!("arn:{}:secretsmanager:{region}:{account}:secret:{name}", partition(region))
}

impl Stored {
    pub(crate) fn new(region: &str, account: &str, name: &str) -> Self {
        let suffix: String = std::iter::repeat_with(fastrand::alphanumeric).take(6).collect();
        let now = time::now();
        let view = View { since: Instant::now(), versions: Vec::new(), changed: now, rotated: None };
        Self {
            arn: format!("{}-{suffix}", arn(region, account, name)),
            name: name.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            created: now,
            deleted: None,
            rotation_enabled: false,
            owning_service: None,
            denied: None,
            reads: Reads::default(),
            alternating: false,
            views: VecDeque::from([Arc::new(view)]),
            before_move: None,
            history: Vec::new(),
            stale: HashMap::new(),
        }
    }

    /// The state as it really is.
    pub(crate) fn now(&self) -> &View {
        self.views.back().expect("there is always one")
    }

    /// The state as the next read of this kind sees it: counts a stale read as done.
    pub(crate) fn seen_by(&mut self, operation: Operation) -> Arc<View> {
        let current = self.views.back().expect("there is always one");
        let chosen = match self.stale.get_mut(&operation) {
            Some(staleness) => staleness.choose(&self.views, self.before_move.as_ref()),
            None => None,
        };
        Arc::clone(chosen.unwrap_or(current))
    }

    pub(crate) fn set_stale(&mut self, operation: Operation, plan: StalePlan) {
        self.stale.insert(operation, Staleness::new(plan));
    }

    pub(crate) fn history(&self) -> &[Held] {
        &self.history
    }

    /// PutSecretValue: the same token with the same value and labels again changes nothing.
    pub(crate) fn put(&mut self, id: &str, value: Value, stages: &[String]) -> Result<Vec<Change>, Failure> {
        self.refuse_deleted()?;
        if let Some(version) = self.now().version(id) {
            return if *version.value == value {
                Ok(Vec::new())
            } else {
                Err(Failure::sender(
                    "ResourceExistsException",
                    "The operation failed because a version with this client request token and other content exists.",
                ))
            };
        }
        let mut view = self.now().clone();
        let (created, value) = (time::now(), Arc::new(value));
        view.versions.push(Version { id: id.to_owned(), created, stages: Vec::new(), value });
        let mut changes = Vec::new();
        // The first version of all is the current one, whatever is asked for.
        let first =
            (self.now().versions.is_empty() && !stages.iter().any(|s| s == CURRENT)).then_some(CURRENT);
        for label in first.into_iter().chain(stages.iter().map(String::as_str)) {
            changes.extend(self.give_label(&mut view, label, id));
        }
        self.commit(view);
        let parameters = if stages == [CURRENT] {
            json!({"secretId": self.arn, "clientRequestToken": id})
        } else {
            json!({"secretId": self.arn, "clientRequestToken": id, "versionStages": stages})
        };
        changes.push(Change::Call { arn: self.arn.clone(), name: "PutSecretValue", parameters });
        Ok(changes)
    }

    /// UpdateSecretVersionStage.
    pub(crate) fn move_label(
        &mut self,
        label: &str,
        to: Option<&str>,
        from: Option<&str>,
    ) -> Result<Vec<Change>, Failure> {
        self.refuse_deleted()?;
        let holder = self.now().labelled(label).map(|version| version.id.clone());
        if let Some(holder) = &holder
            && to != Some(holder)
            && from != Some(holder)
        {
            return Err(Failure::sender(
                "InvalidParameterException",
                &format!(
                    "The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently \
                     attached to version {holder}, so you must explicitly reference that version in \
                     RemoveFromVersionId."
                ),
            ));
        }
        if let Some(id) = to
            && self.now().version(id).is_none()
        {
            return Err(Failure::sender(
                "ResourceNotFoundException",
                &format!("Secrets Manager can't find the specified secret version: {id}."),
            ));
        }
        let mut view = self.now().clone();
        let mut changes = Vec::new();
        if let Some(id) = to {
            changes = self.give_label(&mut view, label, id);
        } else {
            view.unlabel(label);
        }
        self.commit(view);
        let mut parameters = json!({"secretId": self.arn, "versionStage": label});
        for (name, id) in [("moveToVersionId", to), ("removeFromVersionId", from)] {
            if let Some(id) = id {
                parameters[name] = json!(id);
            }
        }
        changes.push(Change::Call { arn: self.arn.clone(), name: "UpdateSecretVersionStage", parameters });
        Ok(changes)
    }

    pub(crate) fn refuse_deleted(&self) -> Result<(), Failure> {
        match self.deleted {
            None => Ok(()),
            Some(_) => Err(Failure::sender(
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
            )),
        }
    }

    fn give_label(&mut self, view: &mut View, label: &str, id: &str) -> Vec<Change> {
        let holder = view.labelled(label).map(|version| version.id.clone());
        if holder.as_deref() == Some(id) {
            return Vec::new();
        }
        view.label(label, id);
        if label == CURRENT {
            self.before_move = Some(Arc::clone(self.views.back().expect("there is always one")));
            self.stale.values_mut().for_each(Staleness::moved);
            let now = time::now();
            if let Some(last) = self.history.last_mut() {
                last.until = Some(now);
            }
            let value = view.version(id).map(|version| Value::clone(&version.value));
            self.history.extend(value.map(|value| Held {
                version_id: id.to_owned(),
                since: now,
                until: None,
                value,
            }));
            view.unlabel(PREVIOUS);
            if let Some(holder) = holder {
                view.label(PREVIOUS, &holder);
            }
        }
        if label == PENDING || label == PREVIOUS {
            return Vec::new();
        }
        vec![Change::Label { arn: self.arn.clone(), label: label.to_owned(), version: id.to_owned() }]
    }

    pub(crate) fn mark_rotated(&mut self) {
        let mut view = self.now().clone();
        view.rotated = Some(time::now());
        self.commit(view);
    }

    fn commit(&mut self, mut view: View) {
        view.prune();
        view.since = Instant::now();
        view.changed = time::now();
        if self.views.len() == VIEWS_KEPT {
            self.views.pop_front();
        }
        self.views.push_back(Arc::new(view));
    }
}

/// The partition of a region, by its prefix.
pub(crate) fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}
