//! Certificates made on the spot: an authority, TLS servers under any name, and what SNS signs with.
//!
//! The signing certificates look like SNS's: a TLS leaf alone in its PEM file, RSA-2048, whose name is
//! that of the service and not of the regional host. The spoilt ones that a verifier must refuse come
//! from the same builder. RSA keys are made once per process, because making one takes a while.

mod identity;
mod rsa;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, date_time_ymd,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

pub use self::identity::{Hierarchy, Identity};
pub use self::rsa::{Digest, RsaKey};
use crate::time;

/// The name in SNS's signing certificate in classic regions of the partition `aws`.
pub const SNS_NAME: &str = "sns.amazonaws.com";

/// A certificate authority of the sandbox.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// A new authority with a key of its own.
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("an ECDSA key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Sandbox Root CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).expect("a self-signed certificate").pem();
        Self(Arc::new(Inner { issuer: Issuer::new(params, key), pem }))
    }

    /// Its certificate, the root to trust.
    pub fn pem(&self) -> &str {
        &self.0.pem
    }

    /// How a TLS server shows itself under `names` (DNS names or addresses), HTTP/1.1 only.
    pub fn server_config(&self, names: &[&str]) -> ServerConfig {
        self.config(names, WebPkiClientVerifier::no_client_auth())
    }

    /// As [`Authority::server_config`], and the client must show a certificate of this authority.
    pub fn mutual_config(&self, names: &[&str]) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.pem().as_bytes()).expect("its own certificate");
        roots.add(root).expect("a root");
        let provider = Arc::new(default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        self.config(names, verifier.expect("one root"))
    }

    /// A certificate for a client and its key, both PEM.
    pub fn client_certificate(&self) -> (String, String) {
        let key = KeyPair::generate().expect("an ECDSA key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "relay");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let leaf = params.signed_by(&key, &self.0.issuer).expect("a signed certificate");
        (leaf.pem(), key.serialize_pem())
    }

    /// A certificate for a server under `names` (DNS names or addresses) and its key, both PEM.
    pub fn server_certificate(&self, names: &[&str]) -> Identity {
        let (leaf, key) = self.server(names);
        Identity { certificate: leaf.pem(), key: key.serialize_pem() }
    }

    fn server(&self, names: &[&str]) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().expect("an ECDSA key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("DNS names or addresses");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (params.signed_by(&key, &self.0.issuer).expect("a signed certificate"), key)
    }

    fn config(&self, names: &[&str], clients: Arc<dyn ClientCertVerifier>) -> ServerConfig {
        let (leaf, key) = self.server(names);
        let chain = vec![CertificateDer::from(leaf.der().to_vec())];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has TLS 1.2 and 1.3")
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .expect("the key is the certificate's");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }

    /// A signing certificate of the usual kind, to be changed before it is issued.
    pub fn signing_certificate(&self) -> SigningBuilder {
        let now = time::now();
        SigningBuilder {
            authority: self.clone(),
            name: SNS_NAME.to_owned(),
            alternative: true,
            not_before: now - SignedDuration::from_hours(24),
            not_after: now + SignedDuration::from_hours(24 * 180),
            key: RsaKey::shared(),
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// A signing certificate that is about to be issued.
#[derive(Debug)]
pub struct SigningBuilder {
    authority: Authority,
    name: String,
    alternative: bool,
    not_before: Timestamp,
    not_after: Timestamp,
    key: Arc<RsaKey>,
}

impl SigningBuilder {
    /// For this name instead of [`SNS_NAME`].
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The name only as common name, with no subject alternative name.
    pub fn without_alternative_name(mut self) -> Self {
        self.alternative = false;
        self
    }

    /// Valid from `not_before` to `not_after` (whole seconds, 1970 or later).
    pub fn valid(mut self, not_before: Timestamp, not_after: Timestamp) -> Self {
        self.not_before = not_before;
        self.not_after = not_after;
        self
    }

    /// Expired yesterday.
    pub fn expired(self) -> Self {
        let now = time::now();
        self.valid(now - SignedDuration::from_hours(24 * 200), now - SignedDuration::from_hours(24))
    }

    /// Valid from tomorrow on.
    pub fn not_yet_valid(self) -> Self {
        let now = time::now();
        self.valid(now + SignedDuration::from_hours(24), now + SignedDuration::from_hours(24 * 200))
    }

    /// For this key instead of the usual one.
    pub fn key(mut self, key: Arc<RsaKey>) -> Self {
        self.key = key;
        self
    }

    /// Issues it.
    pub fn issue(self) -> SigningCertificate {
        let key = KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from(self.key.pkcs8().to_vec()),
            &PKCS_RSA_SHA256,
        )
        .expect("an RSA key of 2048 bits or more; for less there is `weak`");
        let names = if self.alternative { vec![self.name.clone()] } else { Vec::new() };
        let mut params = CertificateParams::new(names).expect("a DNS name");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.name);
        params.not_before = date_time_ymd(1970, 1, 1) + since_1970(self.not_before);
        params.not_after = date_time_ymd(1970, 1, 1) + since_1970(self.not_after);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let pem = params.signed_by(&key, &self.authority.0.issuer).expect("a signed certificate").pem();
        // OpenSSL's line ends, as in SNS's files.
        SigningCertificate { pem: pem.replace("\r\n", "\n"), key: self.key }
    }
}

/// A certificate that SNS messages are signed with, and its key.
#[derive(Clone, Debug)]
pub struct SigningCertificate {
    /// The file that is served: one PEM block.
    pub pem: String,
    /// The key.
    pub key: Arc<RsaKey>,
}

impl SigningCertificate {
    /// One of RSA-1024, as SNS used before 2014, for [`SNS_NAME`], valid from 2020 to 2099; from a
    /// fixture, because the crypto library makes none so small.
    pub fn weak() -> Self {
        let key = RsaKey::from_pem(include_str!("../fixtures/rsa1024.key.pem"));
        Self { pem: include_str!("../fixtures/rsa1024.pem").to_owned(), key: Arc::new(key) }
    }

    /// The same certificate, but messages are signed with another key.
    pub fn with_other_key(&self) -> Self {
        Self { pem: self.pem.clone(), key: RsaKey::other() }
    }

    /// A file of two PEM blocks, this certificate first.
    pub fn followed_by(&self, other: &Self) -> Self {
        Self { pem: format!("{}{}", self.pem, other.pem), key: Arc::clone(&self.key) }
    }

    /// The certificate within an XML document, as an error page that reflects its input would give it.
    pub fn within_xml(&self) -> Self {
        let pem = format!(
            "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Key>\n{}</Key></Error>\n",
            self.pem
        );
        Self { pem, key: Arc::clone(&self.key) }
    }
}

impl RsaKey {
    /// The key that signing certificates have by default: RSA-2048, one per process.
    pub fn shared() -> Arc<Self> {
        static KEY: OnceLock<Arc<RsaKey>> = OnceLock::new();
        Arc::clone(KEY.get_or_init(|| Arc::new(Self::generate())))
    }

    /// Another RSA-2048 key, one per process.
    pub fn other() -> Arc<Self> {
        static KEY: OnceLock<Arc<RsaKey>> = OnceLock::new();
        Arc::clone(KEY.get_or_init(|| Arc::new(Self::generate())))
    }

    /// A new RSA-2048 key.
    pub fn generate() -> Self {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("an RSA key");
        Self::from_pkcs8(key.serialize_der())
    }
}

/// The time since 1970, which spares us the name of the date type that rcgen takes.
fn since_1970(at: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(at.as_second()).expect("1970 or later"))
}

#[cfg(test)]
mod tests;
