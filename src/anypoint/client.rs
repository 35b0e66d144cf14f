//! The HTTP client of one connection: its roots, its own certificate, its proxy.
//!
//! Guarantees: files are read and checked at the start; the password of a proxy is read when the client
//! is made, and the client is made anew after it could not connect, so that the password can rotate.
//!
//! Does not guarantee: that new certificates in the same files are noticed; that takes a restart.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config;
use crate::credential::{CredentialRef, Credentials};
use crate::model::ConnectionName;
use crate::outbound;
use crate::secret::SecretValue;

/// Connections carry values, and buffers of an open one may hold them.
const IDLE: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a connection could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a URL that can carry a path.
    #[error("connection {0}: `{1}` is not a base URL")]
    BaseUrl(ConnectionName, String),
    /// A certificate or key could not be read.
    #[error("connection {connection}: cannot read `{setting}` {path}: {error}")]
    File {
        /// The connection.
        connection: ConnectionName,
        /// Which of its settings names the file.
        setting: &'static str,
        /// The file.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// The HTTP client could not be built.
    #[error("connection {0}: {1}")]
    Client(ConnectionName, outbound::BuildError),
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
    pub(super) fn open(
        config: &config::Connection,
        credentials: &Arc<dyn Credentials>,
        https_only: bool,
    ) -> Result<Self, OpenError> {
        let read = |setting: &'static str, path: &Path| {
            std::fs::read(path).map_err(|error| OpenError::File {
                connection: config.name.clone(),
                setting,
                path: path.display().to_string(),
                error,
            })
        };
        let built = |error| OpenError::Client(config.name.clone(), error);
        let extra_root = config.extra_root.as_ref().map(|path| read("extra_root", path)).transpose()?;
        let identity = match &config.client_certificate {
            Some(files) => {
                let certificate = read("client_certificate.certificate", &files.certificate)?;
                let key = SecretValue::new(read("client_certificate.key", &files.key)?);
                Some(outbound::identity(&certificate, &key).map_err(built)?)
            }
            None => None,
        };
        let (proxy, login) = match &config.proxy {
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
        let options = outbound::Options {
            connect_timeout: config.timeout.min(CONNECT_TIMEOUT),
            timeout: config.timeout,
            idle: Some(IDLE),
            extra_root,
            identity,
            proxy,
            connect: None,
            https_only,
        };
        // Where a password is to be read this one is not used: it shows what is wrong with the rest.
        let client = outbound::client(&options).map_err(built)?;
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
