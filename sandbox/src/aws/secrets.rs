//! The test's view of Secrets Manager: create, rotate, roll back, break, and ask what was when.

mod stale;
mod store;
mod value;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value as Json, json};
use uuid::Uuid;

pub use self::stale::{Operation, StalePlan};
pub(crate) use self::store::partition;
pub use self::store::{CURRENT, PENDING, PREVIOUS};
pub(crate) use self::store::{Change, Stored};
pub use self::value::{Denied, Held, Reads, Value};
pub(crate) use self::wire::serve;
use super::Core;

/// All secrets of the sandbox.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Mutex<Store>);

/// The secrets by ARN, how many of the next calls are throttled, whether a new secret is told of, and of lists
/// how many were asked for and whether they are refused.
#[derive(Debug, Default)]
pub(crate) struct Store {
    by_arn: BTreeMap<String, Stored>,
    throttled: u64,
    silent_creation: bool,
    lists: u64,
    list_denied: bool,
}

impl Secrets {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    pub(crate) fn set_creation_events(&mut self, told: bool) {
        self.silent_creation = !told;
    }

    /// What the creation of a secret announces, of the changes that its first value made.
    fn of_creation(&self, secret: &Stored, version: &str, changes: Vec<Change>) -> Vec<Change> {
        let parameters = json!({"name": secret.name, "clientRequestToken": version});
        let labels = changes.into_iter().filter(|change| matches!(change, Change::Label { .. }));
        let call = Change::Call { arn: secret.arn.clone(), name: "CreateSecret", parameters };
        labels.filter(|_| !self.silent_creation).chain([call]).collect()
    }

    pub(crate) fn throttle(&mut self, calls: u64) {
        self.throttled = calls;
    }

    pub(crate) fn deny_lists(&mut self, denied: bool) {
        self.list_denied = denied;
    }

    pub(crate) fn lists(&self) -> u64 {
        self.lists
    }

    /// Those of a region and account that are not about to be deleted.
    fn of(&self, region: &str, account: &str) -> Vec<&Stored> {
        let here = |secret: &&Stored| {
            secret.region == region && secret.account == account && secret.deleted.is_none()
        };
        self.by_arn.values().filter(here).collect()
    }

    /// By full ARN, partial ARN, or by name in a region and account.
    pub(crate) fn find(&mut self, region: &str, account: &str, id: &str) -> Option<&mut Stored> {
        // Secrets Manager takes whatever ends like a full ARN for one (its guide, troubleshooting).
        let partial = id.starts_with("arn:") && !has_suffix(id);
        // All that begin alike stand side by side: one call costs no more where there are many secrets.
        let begins = if id.starts_with("arn:") { id.to_owned() } else { store::arn(region, account, id) };
        let alike = self.by_arn.range_mut(begins.clone()..).take_while(|(arn, _)| arn.starts_with(&begins));
        alike.map(|(_, secret)| secret).find(|secret| {
            secret.region == region
                && match secret.arn.strip_prefix(id).filter(|_| id.starts_with("arn:")) {
                    Some(rest) => rest.is_empty() || partial && rest.len() == 7 && has_suffix(rest),
                    None => secret.account == account && secret.name == id,
                }
        })
    }

    pub(crate) fn insert(&mut self, secret: Stored) {
        self.by_arn.insert(secret.arn.clone(), secret);
    }

    pub(crate) fn get(&mut self, arn: &str) -> &mut Stored {
        self.by_arn.get_mut(arn).expect("a secret that was not purged")
    }
}

/// Whether a text ends in a hyphen and six characters, as full ARNs do.
fn has_suffix(id: &str) -> bool {
    let suffix = id.len().checked_sub(7).and_then(|cut| id.get(cut..)?.strip_prefix('-'));
    suffix.is_some_and(|suffix| suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// One secret; clones are the same one.
#[derive(Clone, Debug)]
pub struct Secret {
    core: Arc<Core>,
    arn: String,
    name: String,
}

impl Secret {
    pub(crate) fn create(core: Arc<Core>, region: &str, name: &str, value: Value) -> Self {
        let mut stored = Stored::new(region, &core.account, name);
        let (arn, id) = (stored.arn.clone(), Uuid::new_v4().to_string());
        let changes = stored.put(&id, value, &[CURRENT.to_owned()]).expect("a legal change");
        let changes = {
            let mut store = core.secrets.lock();
            let changes = store.of_creation(&stored, &id, changes);
            store.insert(stored);
            changes
        };
        core.announce(&changes);
        Self { core, arn, name: name.to_owned() }
    }

    pub(crate) fn existing(core: Arc<Core>, region: &str, id: &str) -> Option<Self> {
        let account = core.account.clone();
        let (arn, name) = core
            .secrets
            .lock()
            .find(region, &account, id)
            .map(|stored| (stored.arn.clone(), stored.name.clone()))?;
        Some(Self { core, arn, name })
    }

    /// Its full ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A new current version in one step (PutSecretValue); gives its id.
    pub fn rotate(&self, value: impl Into<Value>) -> String {
        self.put(value.into(), &[CURRENT])
    }

    /// A new current version of a database secret: another password and, where the secret is
    /// [alternating](Self::set_alternating), the other of the two users.
    ///
    /// # Panics
    /// If the current value is no JSON object with a `username`.
    pub fn rotate_password(&self, password: &str) -> String {
        let value = self.next_credentials(password);
        self.put(value, &[CURRENT])
    }

    /// Whether [`Self::rotate_password`] flips between `user` and `user_clone`.
    pub fn set_alternating(&self, alternating: bool) {
        self.core.secrets.lock().get(&self.arn).alternating = alternating;
    }

    /// The first half of a rotation: a version under AWSPENDING; gives its id.
    pub fn start_pending(&self, value: impl Into<Value>) -> String {
        let id = Uuid::new_v4().to_string();
        self.announce(&[self.service("RotationStarted", &id, None)]);
        self.put_version(&id, value.into(), &[PENDING]);
        id
    }

    /// The second half: AWSCURRENT moves to the pending version, and AWSPENDING goes away.
    ///
    /// # Panics
    /// If no version is pending.
    pub fn finish_rotation(&self) -> String {
        let (pending, current) = (self.labelled(PENDING), self.labelled(CURRENT));
        let pending = pending.expect("a pending version");
        self.move_label(CURRENT, Some(&pending), current.as_deref());
        self.move_label(PENDING, None, Some(&pending));
        self.core.secrets.lock().get(&self.arn).mark_rotated();
        self.announce(&[self.service("RotationSucceeded", &pending, None)]);
        pending
    }

    /// The rotation fails in its step setSecret; the pending version stays, as it does in AWS.
    pub fn fail_rotation(&self) {
        let pending = self.labelled(PENDING).unwrap_or_else(|| Uuid::new_v4().to_string());
        let error = "Error when executing lambda arn:aws:lambda:sandbox during setSecret step";
        self.announce(&[self.service("RotationFailed", &pending, Some(error))]);
    }

    /// AWSPENDING is taken away from its version.
    ///
    /// # Panics
    /// If no version is pending.
    pub fn abandon_rotation(&self) {
        let pending = self.labelled(PENDING).expect("a pending version");
        self.move_label(PENDING, None, Some(&pending));
        self.announce(&[self.service("RotationAbandoned", &pending, None)]);
    }

    /// AWSCURRENT moves back to the previous version (UpdateSecretVersionStage); gives its id.
    ///
    /// # Panics
    /// If there is no previous version.
    pub fn rollback(&self) -> String {
        let previous = self.labelled(PREVIOUS).expect("a previous version");
        self.make_current(&previous);
        previous
    }

    /// AWSCURRENT moves to this version.
    ///
    /// # Panics
    /// If there is no such version.
    pub fn make_current(&self, version_id: &str) {
        let current = self.labelled(CURRENT);
        self.move_label(CURRENT, Some(version_id), current.as_deref());
    }

    /// A label of one's own moves to the current version.
    pub fn label_current(&self, label: &str) {
        let (current, holder) = (self.current_version(), self.labelled(label));
        self.move_label(label, Some(&current), holder.as_deref());
    }

    /// The id of the version under AWSCURRENT, as it really is.
    ///
    /// # Panics
    /// If the secret has no version.
    pub fn current_version(&self) -> String {
        self.labelled(CURRENT).expect("a secret has a current version")
    }

    /// The value under AWSCURRENT, as it really is.
    ///
    /// # Panics
    /// If the secret has no version.
    pub fn current_value(&self) -> Value {
        let mut store = self.core.secrets.lock();
        let current = store.get(&self.arn).now().labelled(CURRENT).expect("a secret has a current version");
        Value::clone(&current.value)
    }

    /// The times of AWSCURRENT, oldest first: one entry per move, so a version may come twice.
    pub fn history(&self) -> Vec<Held> {
        self.core.secrets.lock().get(&self.arn).history().to_vec()
    }

    /// The entries of the history whose value `holds`: which version does a value belong to, and when
    /// was it current?
    pub fn when_current(&self, holds: impl Fn(&Value) -> bool) -> Vec<Held> {
        self.history().into_iter().filter(|held| holds(&held.value)).collect()
    }

    /// Turns scheduled rotation on or off, as far as it is shown: the sandbox rotates only when it is told to.
    pub fn set_rotation(&self, enabled: bool) {
        self.core.secrets.lock().get(&self.arn).rotation_enabled = enabled;
    }

    /// Another service of AWS keeps it, such as `rds`.
    pub fn set_owning_service(&self, service: &str) {
        self.core.secrets.lock().get(&self.arn).owning_service = Some(service.to_owned());
    }

    /// How often it was read.
    pub fn reads(&self) -> Reads {
        self.core.secrets.lock().get(&self.arn).reads
    }

    /// Refuses reads, or allows them again.
    pub fn deny(&self, denied: Option<Denied>) {
        self.core.secrets.lock().get(&self.arn).denied = denied;
    }

    /// Makes reads of a kind lag; counts start at the next move of AWSCURRENT.
    pub fn set_stale(&self, operation: Operation, plan: StalePlan) {
        self.core.secrets.lock().get(&self.arn).set_stale(operation, plan);
    }

    /// Schedules it for deletion: reads of the value fail, DescribeSecret shows the date.
    pub fn delete(&self) {
        self.core.secrets.lock().get(&self.arn).deleted = Some(crate::time::now());
    }

    /// Cancels the deletion.
    pub fn restore(&self) {
        self.core.secrets.lock().get(&self.arn).deleted = None;
    }

    /// Deletes it at once. A secret of the same name gets another ARN; this handle is of no more use.
    pub fn purge(self) {
        self.core.secrets.lock().by_arn.remove(&self.arn);
    }

    fn put(&self, value: Value, stages: &[&str]) -> String {
        let id = Uuid::new_v4().to_string();
        self.put_version(&id, value, stages);
        id
    }

    fn put_version(&self, id: &str, value: Value, stages: &[&str]) {
        let stages: Vec<String> = stages.iter().map(|stage| (*stage).to_owned()).collect();
        let changes = self.core.secrets.lock().get(&self.arn).put(id, value, &stages);
        self.announce(&changes.expect("a legal change"));
    }

    fn move_label(&self, label: &str, to: Option<&str>, from: Option<&str>) {
        let changes = self.core.secrets.lock().get(&self.arn).move_label(label, to, from);
        self.announce(&changes.expect("a legal change"));
    }

    fn labelled(&self, label: &str) -> Option<String> {
        self.core.secrets.lock().get(&self.arn).now().labelled(label).map(|version| version.id.clone())
    }

    fn service(&self, name: &'static str, version: &str, error: Option<&str>) -> Change {
        let (version, error) = (version.to_owned(), error.map(str::to_owned));
        Change::Service { arn: self.arn.clone(), name, version, error }
    }

    fn announce(&self, changes: &[Change]) {
        self.core.announce(changes);
    }

    fn next_credentials(&self, password: &str) -> Value {
        let current = self.current_value();
        let text = current.text().expect("a JSON value");
        let mut json: Json = serde_json::from_str(text).expect("a JSON value");
        if self.core.secrets.lock().get(&self.arn).alternating {
            let user = json["username"].as_str().expect("a field `username`");
            let other = user.strip_suffix("_clone").map_or_else(|| format!("{user}_clone"), str::to_owned);
            json["username"] = other.into();
        }
        json["password"] = password.into();
        json.into()
    }
}
