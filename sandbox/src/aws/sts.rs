//! STS: AssumeRole and GetCallerIdentity, and who the access keys are.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use http::{Response, StatusCode};

use super::caller::Caller;
use super::failure::Failure;
use super::query::{self, Parameters};
use crate::time;

pub(crate) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// A role that was assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// The role.
    pub role_arn: String,
    /// The session name.
    pub session: String,
    /// The external id, if one was given.
    pub external_id: Option<String>,
    /// The access key that was given out.
    pub access_key: String,
}

/// What STS knows.
#[derive(Debug, Default)]
pub(crate) struct Sts(Mutex<State>);

#[derive(Debug)]
struct State {
    assumed: Vec<Assumed>,
    denied_roles: BTreeSet<String>,
    refused_keys: HashMap<String, Failure>,
    lifetime: Duration,
}

impl Default for State {
    fn default() -> Self {
        Self {
            assumed: Vec::new(),
            denied_roles: BTreeSet::new(),
            refused_keys: HashMap::new(),
            lifetime: Duration::from_hours(1),
        }
    }
}

impl Sts {
    pub(crate) fn assumed(&self) -> Vec<Assumed> {
        self.state().assumed.clone()
    }

    pub(crate) fn deny_role(&self, role_arn: &str) {
        self.state().denied_roles.insert(role_arn.to_owned());
    }

    pub(crate) fn allow_role(&self, role_arn: &str) {
        self.state().denied_roles.remove(role_arn);
    }

    pub(crate) fn refuse_key(&self, access_key: &str, failure: Failure) {
        self.state().refused_keys.insert(access_key.to_owned(), failure);
    }

    pub(crate) fn accept_key(&self, access_key: &str) {
        self.state().refused_keys.remove(access_key);
    }

    pub(crate) fn set_lifetime(&self, lifetime: Duration) {
        self.state().lifetime = lifetime;
    }

    /// Account and ARN behind an access key; keys that STS did not give out are a user's.
    pub(crate) fn identity(&self, access_key: &str, account: &str) -> Result<(String, String), Failure> {
        let state = self.state();
        if let Some(failure) = state.refused_keys.get(access_key) {
            return Err(failure.clone());
        }
        let assumed = state.assumed.iter().find(|assumed| assumed.access_key == access_key);
        Ok(assumed.map_or_else(
            || (account.to_owned(), format!("arn:aws:iam::{account}:user/{access_key}")),
            |assumed| (account_of(&assumed.role_arn).to_owned(), assumed.session_arn()),
        ))
    }

    pub(crate) fn serve(&self, caller: &Caller, parameters: &Parameters) -> Response<Body> {
        let answered = match parameters.get("Action") {
            Some("AssumeRole") => self.assume(caller, parameters),
            Some("GetCallerIdentity") => Ok(caller_identity(caller)),
            _ => Err(Failure::sender("InvalidAction", "the sandbox does not have this action")),
        };
        answered.unwrap_or_else(|failure| failure.xml(NAMESPACE))
    }

    fn assume(&self, caller: &Caller, parameters: &Parameters) -> Result<Response<Body>, Failure> {
        let role_arn = parameters.required("RoleArn")?.to_owned();
        let session = parameters.required("RoleSessionName")?.to_owned();
        let mut state = self.state();
        if state.denied_roles.contains(&role_arn) {
            let text = format!(
                "User: {} is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
                caller.arn
            );
            return Err(Failure::sender("AccessDenied", &text).with_status(StatusCode::FORBIDDEN));
        }
        let random: String = std::iter::repeat_with(|| fastrand::char('A'..='Z')).take(16).collect();
        let assumed = Assumed {
            role_arn,
            session,
            external_id: parameters.get("ExternalId").map(str::to_owned),
            access_key: format!("ASIA{random}"),
        };
        let expiration = (time::now() + state.lifetime).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let credentials = query::elements(&[
            ("AccessKeyId", &assumed.access_key),
            ("SecretAccessKey", "sandbox/secret/access/key/of/a/session"),
            ("SessionToken", "sandbox-session-token"),
            ("Expiration", &expiration),
        ]);
        let user = query::elements(&[
            ("AssumedRoleId", &format!("AROASANDBOX:{}", assumed.session)),
            ("Arn", &assumed.session_arn()),
        ]);
        state.assumed.push(assumed);
        let result =
            format!("<Credentials>{credentials}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser>");
        Ok(query::answer(NAMESPACE, "AssumeRole", &result))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Assumed {
    fn session_arn(&self) -> String {
        let role = self.role_arn.rsplit('/').next().unwrap_or_default();
        format!("arn:aws:sts::{}:assumed-role/{role}/{}", account_of(&self.role_arn), self.session)
    }
}

fn caller_identity(caller: &Caller) -> Response<Body> {
    let result = query::elements(&[
        ("Arn", &caller.arn),
        ("UserId", &caller.access_key),
        ("Account", &caller.account),
    ]);
    query::answer(NAMESPACE, "GetCallerIdentity", &result)
}

fn account_of(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}
