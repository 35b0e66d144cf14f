//! What the tests of this module share: settings that lead to loopback and credentials of no account.

use std::time::Duration;

use aws_credential_types::Credentials;

use crate::config;

pub(super) fn settings(endpoint: &str) -> config::Aws {
    config::Aws {
        region: Some("eu-west-1".to_owned()),
        endpoint: Some(endpoint.to_owned()),
        timeout: Duration::from_secs(10),
        freshness: Duration::ZERO,
        settle: Duration::ZERO,
    }
}

pub(super) fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret-key-of-nobody", None, None, "test")
}
