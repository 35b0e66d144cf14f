//! The one place that builds HTTP clients for everything but AWS's own API.
//!
//! Guarantees: TLS by rustls with aws-lc-rs; no redirect is followed; every request ends within its
//! time limit; no body is read beyond a limit; an error's text carries neither URL nor body.
//! `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` work unless a [`Proxy`] says otherwise, `SSL_CERT_FILE` and
//! `SSL_CERT_DIR` always; an extra root adds to the platform's roots and does not replace them.
//!
//! Which addresses may be connected to is for a [`Guard`] to say; a client without one connects anywhere.
//!
//! Does not guarantee: retries. They belong to the queue (a request that the HTTP layer knows to be
//! unprocessed may be sent again on another connection).

mod reach;

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderValue;

use crate::secret::SecretValue;

use reach::Names;
pub use reach::{Guard, Lookup, SystemLookup, environment_proxy, out_of_reach};

/// How long a connection that may have carried a value stays open unused: its buffers hold what it carried. A
/// pool looks only this often for what is to be closed, so it may be twice as long.
pub const VALUE_IDLE: Duration = Duration::from_millis(300);

/// What a client is built from.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest time for TCP and TLS together.
    pub connect_timeout: Duration,
    /// Longest time for one request, from its start to the last byte of the answer's body.
    pub timeout: Duration,
    /// How long an unused connection stays open. The buffers of a connection may hold what it
    /// carried, so keep this short where values travel; none closes it after each request.
    pub idle: Option<Duration>,
    /// PEM text with one or more further root certificates.
    pub extra_root: Option<Vec<u8>>,
    /// What is shown to a server that asks for a certificate; see [`identity`].
    pub identity: Option<reqwest::Identity>,
    /// The way out.
    pub proxy: Proxy,
    /// Connect to this address instead of to this host; TLS name and `Host` header stay the host's.
    /// The port counts where the URL has none. No proxy is used then.
    pub connect: Option<(String, SocketAddr)>,
    /// Refuse to send anything over plain HTTP.
    pub https_only: bool,
    /// Whoever answers is believed to be the server: for questions whose answer nobody acts on.
    pub any_certificate: bool,
    /// Which addresses may be connected to; none means any.
    pub guard: Option<Guard>,
    /// How names become addresses.
    pub lookup: Arc<dyn Lookup>,
}

impl Options {
    /// A client with these limits and nothing else set.
    pub fn within(connect_timeout: Duration, timeout: Duration) -> Self {
        Self {
            connect_timeout,
            timeout,
            idle: None,
            extra_root: None,
            identity: None,
            proxy: Proxy::Environment,
            connect: None,
            https_only: false,
            any_certificate: false,
            guard: None,
            lookup: Arc::new(SystemLookup),
        }
    }
}

/// Through what requests go out.
#[derive(Clone, Debug)]
pub enum Proxy {
    /// What the environment says.
    Environment,
    /// Nothing, whatever the environment says.
    Direct,
    /// This proxy, whatever the environment says.
    Through {
        /// Its scheme, host and port.
        url: String,
        /// What it is told in `Proxy-Authorization`; see [`basic`].
        authorization: Option<HeaderValue>,
    },
}

/// Why no client could be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The extra root is not what it should be.
    #[error("the extra root is not one or more certificates in PEM form")]
    ExtraRoot,
    /// A certificate or key is not what it should be.
    #[error("the client certificate and its key are not certificates and one private key in PEM form")]
    ClientCertificate,
    /// Not the URL of a proxy.
    #[error("cannot set up the proxy: {0}")]
    Proxy(String),
    /// Usually: the platform has no root certificates and none was given.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

/// Why a body could not be read to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Longer than the caller allows.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The request's time limit passed first.
    #[error("the answer did not end in time")]
    Timeout,
    /// The connection broke, or the answer ended early.
    #[error("the answer broke off: {0}")]
    Broken(String),
}

/// Builds a client.
pub fn client(options: &Options) -> Result<reqwest::Client, BuildError> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_rustls()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("anypoint-relay/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(options.connect_timeout)
        .timeout(options.timeout)
        .https_only(options.https_only)
        .tls_danger_accept_invalid_certs(options.any_certificate);
    builder = match options.idle {
        Some(idle) => builder.pool_idle_timeout(idle),
        None => builder.pool_max_idle_per_host(0),
    };
    if let Some(pem) = &options.extra_root {
        let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(|_| BuildError::ExtraRoot)?;
        if roots.is_empty() {
            return Err(BuildError::ExtraRoot);
        }
        builder = builder.tls_certs_merge(roots);
    }
    if let Some(identity) = &options.identity {
        builder = builder.identity(identity.clone());
    }
    builder = match &options.proxy {
        Proxy::Environment => builder,
        Proxy::Direct => builder.no_proxy(),
        Proxy::Through { url, authorization } => {
            let mut proxy = reqwest::Proxy::all(url).map_err(|error| BuildError::Proxy(reason(error)))?;
            if let Some(authorization) = authorization {
                proxy = proxy.custom_http_auth(authorization.clone());
            }
            builder.proxy(proxy)
        }
    };
    builder =
        builder.dns_resolver(Names { lookup: Arc::clone(&options.lookup), guard: options.guard.clone() });
    if let Some((host, address)) = &options.connect {
        builder = builder.resolve(host, *address).no_proxy();
    }
    builder.build().map_err(|error| BuildError::Tls(reason(error)))
}

/// What a client shows of itself: a certificate, followed by those between it and the root, and its
/// private key, both PEM.
pub fn identity(certificate: &[u8], key: &SecretValue) -> Result<reqwest::Identity, BuildError> {
    let both = SecretValue::new([certificate, b"\n", key.expose_bytes()].concat());
    reqwest::Identity::from_pem(both.expose_bytes()).map_err(|_| BuildError::ClientCertificate)
}

/// The header value of HTTP Basic (RFC 7617).
pub fn basic(username: &str, password: &SecretValue) -> Result<HeaderValue, BuildError> {
    let pair = SecretValue::new([username.as_bytes(), b":", password.expose_bytes()].concat());
    let text = SecretValue::from(format!("Basic {}", STANDARD.encode(pair.expose_bytes())));
    let mut value = HeaderValue::from_bytes(text.expose_bytes())
        .map_err(|_| BuildError::Proxy("its password makes no header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads a body of at most `limit` bytes; a longer one is given up as soon as that is known.
pub async fn read_bounded(response: reqwest::Response, limit: usize) -> Result<Bytes, ReadError> {
    let announced = response.content_length().unwrap_or(0);
    if announced > limit as u64 {
        return Err(ReadError::TooLarge { limit });
    }
    let mut response = response;
    let mut body = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > limit {
            return Err(ReadError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn broken(error: reqwest::Error) -> ReadError {
    if error.is_timeout() { ReadError::Timeout } else { ReadError::Broken(reason(error)) }
}

/// An error of a request as one line, from the general to the particular. The URL is left out: it
/// may hold a token.
pub fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Some layers repeat the text of the layer below.
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
