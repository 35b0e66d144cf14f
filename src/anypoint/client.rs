//! An HTTP client with a channel of its own: its roots, its own certificate, its proxy.
//!
//! Guarantees: files are read and checked at the start; the password of a proxy is read when the client
//! is made, and the client is made anew after it could not connect, so that the password can rotate.
//!
//! Does not guarantee: that new certificates in the same files are noticed; that takes a restart.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::{self, Channel};
use crate::credential::{CredentialRef, Credentials};
use crate::outbound;
use crate::secret::SecretValue;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A certificate or key could not be read.
    #[error("cannot read `{setting}` {path}: {error}")]
    File {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// It could not be built.
    #[error(transparent)]
    Build(#[from] outbound::BuildError),
}

/// An HTTP client that may have to log in to a proxy.
pub(super) struct Client {
    options: outbound::Options,
    login: Option<Login>,
    built: Mutex<Option<reqwest::Client>>,
}

struct Login {
    proxy: String,
    username: String,
    password: CredentialRef,
    credentials: Arc<dyn Credentials>,
}

impl Client {
    /// With these options, and the channel's in place of those that they have.
    pub(super) fn open(
        channel: &Channel,
        options: outbound::Options,
        credentials: &Arc<dyn Credentials>,
    ) -> Result<Self, ClientError> {
        let extra_root = channel.extra_root.as_ref().map(|path| read("extra_root", path)).transpose()?;
        let identity = match &channel.client_certificate {
            Some(files) => {
                let certificate = read("client_certificate.certificate", &files.certificate)?;
                let key = SecretValue::new(read("client_certificate.key", &files.key)?);
                Some(outbound::identity(&certificate, &key)?)
            }
            None => None,
        };
        let (proxy, login) = match &channel.proxy {
            config::Proxy::Environment => (outbound::Proxy::Environment, None),
            config::Proxy::Direct => (outbound::Proxy::Direct, None),
            config::Proxy::Through(proxy) => {
                let login = proxy.login.as_ref().map(|(username, password)| Login {
                    proxy: proxy.url.clone(),
                    username: username.clone(),
                    password: password.clone(),
                    credentials: Arc::clone(credentials),
                });
                (outbound::Proxy::Through { url: proxy.url.clone(), authorization: None }, login)
            }
        };
        let options = outbound::Options { extra_root, identity, proxy, ..options };
        // Where a password is to be read this one is not used: it shows what is wrong with the rest.
        let client = outbound::client(&options)?;
        Ok(Self { options, built: Mutex::new(login.is_none().then_some(client)), login })
    }

    /// The client, or why there is none.
    pub(super) async fn get(&self) -> Result<reqwest::Client, String> {
        if let Some(client) = self.lock().clone() {
            return Ok(client);
        }
        let mut options = self.options.clone();
        if let Some(Login { proxy, username, password, credentials }) = &self.login {
            let read = credentials.read(password).await;
            let password = read.map_err(|error| format!("cannot read the password of `proxy`: {error}"))?;
            let authorization = outbound::basic(username, &password).map_err(|error| error.to_string())?;
            let authorization = Some(authorization);
            options.proxy = outbound::Proxy::Through { url: proxy.clone(), authorization };
        }
        let client = outbound::client(&options).map_err(|error| error.to_string())?;
        *self.lock() = Some(client.clone());
        Ok(client)
    }

    /// No connection could be made: the password may have been refused, and is read again.
    pub(super) fn could_not_connect(&self) {
        if self.login.is_some() {
            *self.lock() = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<reqwest::Client>> {
        self.built.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, ClientError> {
    std::fs::read(path).map_err(|error| ClientError::File {
        setting,
        path: path.display().to_string(),
        error,
    })
}
