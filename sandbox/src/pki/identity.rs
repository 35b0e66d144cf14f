//! Certificates for stores: a root, an authority below it, and leaves with their keys, all as PEM.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};

use super::since_1970;
use crate::time;

/// A root and an authority below it, valid from 1980 to 2990: a test may have a time of its own.
pub struct Hierarchy {
    root: String,
    authority: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its key, PKCS #8 without encryption unless it was given.
    pub key: String,
}

impl Hierarchy {
    /// New ones with keys of their own.
    pub fn new() -> Self {
        let (root_key, key) = (generate(), generate());
        let root_params = authority("Store Root");
        let root = root_params.self_signed(&root_key).expect("a self-signed certificate").pem();
        let params = authority("Store CA");
        let root_issuer = Issuer::new(root_params, root_key);
        let authority = params.signed_by(&key, &root_issuer).expect("a signed certificate").pem();
        Self { root, authority, issuer: Issuer::new(params, key) }
    }

    /// The root's certificate.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The certificate of what issues the leaves; signed by the root.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What stands above a leaf, in order.
    pub fn chain(&self) -> String {
        format!("{}{}", self.authority, self.root)
    }

    /// A leaf of this name, valid from yesterday for 90 days, with a key of its own.
    pub fn issue(&self, name: &str) -> Identity {
        let key = generate().serialize_pem();
        let now = time::now();
        let (from, until) = (now - SignedDuration::from_hours(24), now + SignedDuration::from_hours(24 * 89));
        Identity { certificate: self.certify(name, &key, from, until), key }
    }

    /// The certificate of a leaf with this key (PKCS #8 PEM), valid for this time (whole seconds, 1970 or
    /// later).
    pub fn certify(&self, name: &str, key: &str, from: Timestamp, until: Timestamp) -> String {
        let key = KeyPair::from_pem(key).expect("a key in PEM");
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.not_before = date_time_ymd(1970, 1, 1) + since_1970(from);
        params.not_after = date_time_ymd(1970, 1, 1) + since_1970(until);
        params.use_authority_key_identifier_extension = true;
        params.signed_by(&key, &self.issuer).expect("a signed certificate").pem()
    }
}

impl Default for Hierarchy {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Hierarchy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hierarchy").finish_non_exhaustive()
    }
}

fn generate() -> KeyPair {
    KeyPair::generate().expect("an ECDSA key")
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.not_before = date_time_ymd(1980, 1, 1);
    params.not_after = date_time_ymd(2990, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}
