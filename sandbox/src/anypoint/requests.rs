//! The calls that the fake knows, by name: for counts, for the log, and for the rules of the faults.

use std::collections::BTreeMap;

use http::Method;

use super::store_types::Stores;
use crate::server::RequestLog;

macro_rules! endpoints {
    ($($(#[$doc:meta])* $name:ident = $tag:literal,)+) => {
        /// A call. The name in quotes is its tag, in the log and for [`crate::faults::Rule::tag`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Endpoint { $($(#[$doc])* $name,)+ }

        impl Endpoint {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its tag.
            pub fn tag(self) -> &'static str {
                match self { $(Self::$name => $tag,)+ }
            }
        }
    };
}

endpoints! {
    /// "token"
    Token = "token",
    /// "me"
    Me = "me",
    /// "environments.list"
    EnvironmentList = "environments.list",
    /// "groups.list"
    GroupList = "groups.list",
    /// "groups.get"
    GroupGet = "groups.get",
    /// "secrets.list"
    SecretList = "secrets.list",
    /// "secrets.get"
    SecretGet = "secrets.get",
    /// "secrets.post"
    SecretPost = "secrets.post",
    /// "secrets.put"
    SecretPut = "secrets.put",
    /// "secrets.patch"
    SecretPatch = "secrets.patch",
    /// "stores.list": keystores, truststores, certificates
    StoreList = "stores.list",
    /// "stores.get"
    StoreGet = "stores.get",
    /// "stores.post"
    StorePost = "stores.post",
    /// "stores.put"
    StorePut = "stores.put",
    /// "deployments.list"
    DeploymentList = "deployments.list",
    /// "deployments.get"
    DeploymentGet = "deployments.get",
    /// "deployments.patch"
    DeploymentPatch = "deployments.patch",
    /// "cloudhub.get"
    CloudHubGet = "cloudhub.get",
    /// "cloudhub.put"
    CloudHubPut = "cloudhub.put",
    /// "cloudhub.status": start, stop, restart
    CloudHubStatus = "cloudhub.status",
    /// "hybrid.list"
    HybridList = "hybrid.list",
    /// "hybrid.get"
    HybridGet = "hybrid.get",
    /// "hybrid.patch"
    HybridPatch = "hybrid.patch",
    /// "value.patch": the seed document's call
    ValuePatch = "value.patch",
    /// "other": group changes, DELETEs, and what does not exist; a relay has no business there
    Other = "other",
}

impl Endpoint {
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match (method.as_str(), segments.as_slice()) {
            ("POST", ["accounts", "api", "v2", "oauth2", "token"]) => Self::Token,
            ("GET", ["accounts", "api", "me"]) => Self::Me,
            ("GET", ["accounts", "api", "organizations", _, "environments"]) => Self::EnvironmentList,
            ("GET", ["secrets-manager", .., "secretGroups"]) => Self::GroupList,
            ("GET", ["secrets-manager", .., "secretGroups", _]) => Self::GroupGet,
            ("GET", ["secrets-manager", .., "sharedSecrets"]) => Self::SecretList,
            ("POST", ["secrets-manager", .., "sharedSecrets"]) => Self::SecretPost,
            ("GET", ["secrets-manager", .., "sharedSecrets", _]) => Self::SecretGet,
            ("PUT", ["secrets-manager", .., "sharedSecrets", _]) => Self::SecretPut,
            ("PATCH", ["secrets-manager", .., "sharedSecrets", _]) => Self::SecretPatch,
            ("GET", ["secrets-manager", .., list]) if is_store(list) => Self::StoreList,
            ("POST", ["secrets-manager", .., list]) if is_store(list) => Self::StorePost,
            ("GET", ["secrets-manager", .., list, _]) if is_store(list) => Self::StoreGet,
            ("PUT", ["secrets-manager", .., list, _]) if is_store(list) => Self::StorePut,
            ("GET", ["amc", .., "deployments"]) => Self::DeploymentList,
            ("GET", ["amc", .., "deployments", _]) => Self::DeploymentGet,
            ("PATCH", ["amc", .., "deployments", _]) => Self::DeploymentPatch,
            ("GET", ["cloudhub", "api", "v2", "applications", _]) => Self::CloudHubGet,
            ("PUT", ["cloudhub", "api", "v2", "applications", _]) => Self::CloudHubPut,
            ("POST", ["cloudhub", "api", "applications", _, "status"]) => Self::CloudHubStatus,
            ("GET", ["hybrid", "api", "v1", "applications"]) => Self::HybridList,
            ("GET", ["hybrid", "api", "v1", "applications", _]) => Self::HybridGet,
            ("PATCH", ["hybrid", "api", "v1", "applications", _]) => Self::HybridPatch,
            ("PATCH", ["secrets", .., "secrets", _]) => Self::ValuePatch,
            _ => Self::Other,
        }
    }
}

fn is_store(list: &str) -> bool {
    Stores::parse(list).is_some()
}

/// How often each call was made, faults included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests(BTreeMap<Endpoint, usize>);

impl Requests {
    pub(crate) fn count(log: &RequestLog) -> Self {
        let count = |endpoint: &Endpoint| {
            (*endpoint, log.count_of(|request| Endpoint::of(&request.method, &request.path) == *endpoint))
        };
        Self(Endpoint::ALL.iter().map(count).collect())
    }

    /// How many of this call.
    pub fn of(&self, endpoint: Endpoint) -> usize {
        self.0.get(&endpoint).copied().unwrap_or_default()
    }

    /// How many in all.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }
}
