//! What a listener shows of itself when it speaks TLS, and what it asks of its clients.
//!
//! Guarantees: TLS 1.2 or 1.3 with aws-lc-rs and rustls's own choice of ciphers; HTTP/2 is offered beside
//! HTTP/1.1; the files are read again and again ([`Tls::watch`]) and what they hold is in force for the next
//! connection, certificate, key and client CA together; what can't be used leaves the last usable ones in
//! force and is said once. A client CA makes the handshake fail for whoever shows no certificate of it:
//! nothing of a stranger's bytes gets as far as HTTP.
//!
//! Does not look at revocation, and does not refuse an expired certificate of its own: it says so, and
//! the metric `relay_certificate_not_after_timestamp_seconds` has the date.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config;
use crate::secret::SecretValue;

/// The name of HTTP/2 in a handshake (RFC 9113).
pub(super) const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";
/// Between two looks at the files: three small reads.
const LOOK: Duration = Duration::from_secs(2);

/// Why the files of a listener cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file.
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, std::io::Error),
    /// A certificate, or the CA of clients.
    #[error("{0} holds no certificate in PEM form")]
    NoCertificate(String),
    /// A key.
    #[error("{0} holds no private key in PEM form that is not encrypted")]
    NoKey(String),
    /// Together.
    #[error("the key in {key} and the certificate in {certificate} do not go together: {why}")]
    Mismatch {
        /// The file.
        certificate: String,
        /// The file.
        key: String,
        /// In rustls's words.
        why: String,
    },
    /// The CA of clients.
    #[error("{0} holds no CA that clients can be checked with: {1}")]
    ClientCa(String, String),
}

/// The end of the first certificate in a PEM file.
pub async fn end_of(file: &Path) -> Result<Timestamp, TlsError> {
    let chain = certificates(&read(file).await?, shown(file))?;
    chain.first().and_then(expiry).ok_or_else(|| TlsError::NoCertificate(shown(file)))
}

/// A listener's TLS.
pub struct Tls {
    files: config::Tls,
    now: RwLock<Loaded>,
}

#[derive(Clone)]
struct Loaded {
    server: Arc<ServerConfig>,
    expires: Timestamp,
    /// What was read, compared by content: a date of a file says little behind a symbolic link.
    content: Arc<Content>,
}

struct Content {
    certificate: Vec<u8>,
    key: SecretValue,
    client_ca: Option<Vec<u8>>,
}

impl Content {
    async fn read(files: &config::Tls) -> Result<Self, TlsError> {
        let certificate = read(&files.certificate).await?;
        let key = SecretValue::new(read(&files.key).await?);
        let client_ca = match &files.client_ca {
            Some(path) => Some(read(path).await?),
            None => None,
        };
        Ok(Self { certificate, key, client_ca })
    }

    fn is(&self, other: &Self) -> bool {
        self.certificate == other.certificate
            // Our own file beside what we hold: nobody learns anything from how long this takes.
            && self.key.expose_bytes() == other.key.expose_bytes()
            && self.client_ca == other.client_ca
    }
}

impl Tls {
    /// Reads the files.
    pub async fn load(files: &config::Tls) -> Result<Self, TlsError> {
        let content = Content::read(files).await?;
        let loaded = Loaded::of(files, content)?;
        Ok(Self { files: files.clone(), now: RwLock::new(loaded) })
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.loaded().server))
    }

    /// The end of the certificate that is shown.
    pub fn expires(&self) -> Timestamp {
        self.loaded().expires
    }

    /// Looks at the files for ever; `changed` is told when others are in force.
    pub async fn watch(&self, changed: impl Fn(Timestamp)) {
        let mut said = None;
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            match self.look().await {
                Ok(false) => said = None,
                Ok(true) => {
                    said = None;
                    let expires = self.expires();
                    tracing::info!(certificate = %self.files.certificate.display(), %expires, "TLS files were read again");
                    changed(expires);
                }
                Err(error) => {
                    let error = error.to_string();
                    if said.as_ref() != Some(&error) {
                        tracing::error!(
                            %error,
                            expires = %self.expires(),
                            "changed TLS files cannot be used, the last ones stay in force; put usable ones in their place"
                        );
                        said = Some(error);
                    }
                }
            }
        }
    }

    /// Takes what the files hold now; false if that is in force already.
    async fn look(&self) -> Result<bool, TlsError> {
        let content = Content::read(&self.files).await?;
        if content.is(&self.loaded().content) {
            return Ok(false);
        }
        let loaded = Loaded::of(&self.files, content)?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(true)
    }

    fn loaded(&self) -> Loaded {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Loaded {
    fn of(files: &config::Tls, content: Content) -> Result<Self, TlsError> {
        let certificate = || shown(&files.certificate);
        let chain = certificates(&content.certificate, certificate())?;
        let expires = chain.first().and_then(expiry).ok_or_else(|| TlsError::NoCertificate(certificate()))?;
        let key = PrivateKeyDer::from_pem_slice(content.key.expose_bytes())
            .map_err(|_| TlsError::NoKey(shown(&files.key)))?;
        let provider = Arc::new(default_provider());
        let clients = match (&files.client_ca, &content.client_ca) {
            (Some(path), Some(pem)) => {
                let unusable =
                    |error: &dyn std::error::Error| TlsError::ClientCa(shown(path), error.to_string());
                let mut roots = RootCertStore::empty();
                for root in certificates(pem, shown(path))? {
                    roots.add(root).map_err(|error| unusable(&error))?;
                }
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                    .build()
                    .map_err(|error| unusable(&error))?
            }
            _ => WebPkiClientVerifier::no_client_auth(),
        };
        let mismatch = |error: rustls::Error| TlsError::Mismatch {
            certificate: certificate(),
            key: shown(&files.key),
            why: error.to_string(),
        };
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(mismatch)?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .map_err(mismatch)?;
        server.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
        Ok(Self { server: Arc::new(server), expires, content: Arc::new(content) })
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    tokio::fs::read(path).await.map_err(|error| TlsError::Unreadable(shown(path), error))
}

fn certificates(pem: &[u8], file: String) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TlsError::NoCertificate(file)),
    }
}

fn expiry(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests;
