//! How AWS is reached: SDK settings, and one client for each region and role that a source names.
//!
//! Guarantees: every call has a time limit (the SDK has none by default); at most three tries a call,
//! whatever `AWS_MAX_ATTEMPTS` says (0 would panic in the SDK); clients grow with the configured
//! sources only. The SDK's other variables (`AWS_ENDPOINT_URL*`, `AWS_REGION`, `AWS_PROFILE`,
//! `HTTPS_PROXY`, `SSL_CERT_FILE`, ...) keep their meaning.
//!
//! Credentials that AWS refuses are read anew: the next call starts from freshly loaded SDK settings,
//! so rotated profile files are noticed without a restart.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::config::{HttpClient, SharedHttpClient};
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};

use super::error::{self, Call};
use super::http_client::sdk_client;
use crate::config;
use crate::model::{Failure, FailureCode, SecretRef};

/// Name in the user agent, and of the sessions of assumed roles: what CloudTrail shows.
const APPLICATION: &str = "anypoint-relay";
/// The SDK's own default is 3.1 s; stated here so that it does not move.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TRIES: u32 = 3;
/// Credentials that are found at all are found fast; without any, the metadata service of EC2 is
/// asked in vain for longer than a sender of notifications waits.
const CREDENTIALS_PATIENCE: Duration = Duration::from_secs(2);

/// The way to AWS, shared by everything that calls it.
pub struct Access {
    settings: config::Aws,
    /// None means wherever the SDK looks.
    credentials: Option<SharedCredentialsProvider>,
    /// None means [`sdk_client`].
    http: Option<SharedHttpClient>,
    generation: tokio::sync::Mutex<Option<Arc<Generation>>>,
}

/// SDK settings as they were loaded once, and the clients made from them.
pub(super) struct Generation {
    base: SdkConfig,
    secrets: Mutex<HashMap<Place, aws_sdk_secretsmanager::Client>>,
}

/// Where, and as whom, a call is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// None means the SDK's own default.
    pub(super) region: Option<String>,
    /// None means the relay's own identity.
    pub(super) role: Option<String>,
}

impl Place {
    pub(super) fn of(secret: &SecretRef) -> Self {
        Self { region: secret.region().map(str::to_owned), role: secret.role().map(str::to_owned) }
    }
}

impl Access {
    /// Credentials are found as the SDK finds them. Nothing is read before the first call.
    pub fn new(settings: config::Aws) -> Self {
        Self { settings, credentials: None, http: None, generation: tokio::sync::Mutex::new(None) }
    }

    /// With credentials of the caller's, for tests and for embedding.
    pub fn with_credentials(settings: config::Aws, from: impl ProvideCredentials + 'static) -> Self {
        Self { credentials: Some(SharedCredentialsProvider::new(from)), ..Self::new(settings) }
    }

    /// Through this client, for tests and for embedding.
    pub fn with_http_client(self, http: impl HttpClient + 'static) -> Self {
        Self { http: Some(SharedHttpClient::new(http)), ..self }
    }

    /// The same way to AWS with other settings. Credentials are found anew.
    pub fn with_settings(&self, settings: config::Aws) -> Self {
        Self { credentials: self.credentials.clone(), http: self.http.clone(), ..Self::new(settings) }
    }

    /// The settings in force, loaded if need be.
    pub(super) async fn generation(&self) -> Arc<Generation> {
        let mut slot = self.generation.lock().await;
        if let Some(generation) = &*slot {
            return Arc::clone(generation);
        }
        let base = load(&self.settings, self.credentials.clone(), self.http.clone()).await;
        let generation = Arc::new(Generation { base, secrets: Mutex::default() });
        *slot = Some(Arc::clone(&generation));
        generation
    }

    /// AWS refused what `refused` had loaded: the next call loads anew. Of many calls that fail
    /// together only the first has an effect.
    pub(super) async fn forget(&self, refused: &Arc<Generation>) {
        let mut slot = self.generation.lock().await;
        if slot.as_ref().is_some_and(|current| Arc::ptr_eq(current, refused)) {
            *slot = None;
        }
    }

    /// What a call that failed means. Credentials that AWS refused are loaded anew for the next one.
    pub(super) async fn failure<E>(
        &self,
        generation: &Arc<Generation>,
        error: &SdkError<E, HttpResponse>,
        call: &Call<'_>,
    ) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let failure = error::failure(error, call);
        if failure.code == FailureCode::Unauthenticated {
            self.forget(generation).await;
        }
        failure
    }

    /// Whether credentials of the relay's own are found within two seconds.
    pub async fn has_credentials(&self) -> bool {
        let generation = self.generation().await;
        let Some(provider) = generation.base.credentials_provider() else { return false };
        let found = tokio::time::timeout(CREDENTIALS_PATIENCE, provider.provide_credentials()).await;
        matches!(found, Ok(Ok(_)))
    }
}

impl Generation {
    /// The region that a call at `place` goes to; none is a mistake in the configuration.
    pub(super) fn region<'a>(&'a self, place: &'a Place) -> Option<&'a str> {
        place.region.as_deref().or_else(|| self.base.region().map(Region::as_ref))
    }

    /// The Secrets Manager client for `place`.
    pub(super) async fn secrets(&self, place: &Place) -> aws_sdk_secretsmanager::Client {
        let known = self.secrets.lock().unwrap_or_else(PoisonError::into_inner).get(place).cloned();
        if let Some(client) = known {
            return client;
        }
        let made = aws_sdk_secretsmanager::Client::new(&self.sdk_config(place).await);
        let mut clients = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        clients.entry(place.clone()).or_insert(made).clone()
    }

    /// The SDK settings for `place`.
    pub(super) async fn sdk_config(&self, place: &Place) -> SdkConfig {
        let mut config = self.base.clone();
        if let Some(region) = &place.region {
            config = config.into_builder().region(Region::new(region.clone())).build();
        }
        if let Some(role) = &place.role {
            // STS is asked in the source's region: the global endpoint serves one partition only.
            let provider =
                AssumeRoleProvider::builder(role).configure(&config).session_name(APPLICATION).build().await;
            let provider = SharedCredentialsProvider::new(provider);
            config = config.into_builder().credentials_provider(provider).build();
        }
        config
    }
}

async fn load(
    settings: &config::Aws,
    credentials: Option<SharedCredentialsProvider>,
    http: Option<SharedHttpClient>,
) -> SdkConfig {
    let limits = Limits::of(settings.timeout);
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .timeout_config(limits.timeout_config())
        .retry_config(aws_config::retry::RetryConfig::standard().with_max_attempts(TRIES))
        .identity_cache(aws_config::identity::IdentityCache::lazy().load_timeout(limits.credentials).build());
    if let Ok(name) = AppName::new(APPLICATION) {
        loader = loader.app_name(name);
    }
    if let Some(credentials) = credentials {
        loader = loader.credentials_provider(credentials);
    }
    loader = loader.http_client(http.unwrap_or_else(sdk_client));
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &settings.endpoint {
        // The SDK refuses an endpoint together with what AWS_USE_FIPS_ENDPOINT and its like ask for;
        // the file is the more specific of the two.
        loader = loader.endpoint_url(endpoint).use_fips(false).use_dual_stack(false);
    }
    loader.load().await
}

/// The time limits of one call, all derived from the configured one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    operation: Duration,
    /// Half, so that one try that hangs leaves room for another.
    attempt: Duration,
    connect: Duration,
    /// Below an attempt: credentials that cannot be had are then named as the reason.
    credentials: Duration,
}

impl Limits {
    fn of(operation: Duration) -> Self {
        let attempt = operation / 2;
        Self { operation, attempt, connect: CONNECT_TIMEOUT.min(attempt), credentials: attempt * 4 / 5 }
    }

    fn timeout_config(self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.operation)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::testing::{credentials, settings};

    #[tokio::test]
    async fn every_limit_of_a_call_is_stated() {
        let settings = config::Aws { timeout: Duration::from_secs(8), ..settings("http://127.0.0.1:1") };
        let loaded = load(&settings, Some(SharedCredentialsProvider::new(credentials())), None).await;
        let timeouts = loaded.timeout_config().unwrap();
        assert_eq!(timeouts.operation_timeout(), Some(Duration::from_secs(8)));
        assert_eq!(timeouts.operation_attempt_timeout(), Some(Duration::from_secs(4)));
        assert_eq!(timeouts.connect_timeout(), Some(Duration::from_secs(3)));
        assert_eq!(loaded.retry_config().unwrap().max_attempts(), 3);
        assert_eq!(loaded.endpoint_url(), Some("http://127.0.0.1:1"));
        assert_eq!(loaded.region().map(Region::as_ref), Some("eu-west-1"));
    }

    #[test]
    fn a_short_time_limit_bounds_connecting_too() {
        let limits = Limits::of(Duration::from_secs(2));
        assert_eq!(limits.connect, Duration::from_secs(1));
        assert!(limits.credentials < limits.attempt);
    }

    #[tokio::test]
    async fn refused_credentials_are_loaded_anew_once() {
        let access = Access::with_credentials(settings("http://127.0.0.1:1"), credentials());
        let first = access.generation().await;
        access.forget(&first).await;
        let second = access.generation().await;
        assert!(!Arc::ptr_eq(&first, &second));
        // A call that failed with the former ones comes late.
        access.forget(&first).await;
        assert!(Arc::ptr_eq(&second, &access.generation().await));
    }

    #[tokio::test]
    async fn one_client_serves_all_secrets_of_a_place() {
        let access = Access::with_credentials(settings("http://127.0.0.1:1"), credentials());
        let generation = access.generation().await;
        let other = Place { region: Some("us-east-1".to_owned()), role: None };
        for place in [&Place::default(), &other, &Place::default()] {
            generation.secrets(place).await;
        }
        assert_eq!(generation.secrets.lock().unwrap().len(), 2);
        assert_eq!(generation.region(&Place::default()), Some("eu-west-1"));
        assert_eq!(generation.region(&other), Some("us-east-1"));
    }
}
