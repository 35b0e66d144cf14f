//! `tls` of a listener.

use std::path::PathBuf;

use super::decode::Value;
use super::scalar;

/// The files of a listener that speaks TLS; all are PEM, and read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, followed by those between it and the root.
    pub certificate: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
    /// Clients have to show a certificate of one of these; none lets in everybody.
    pub client_ca: Option<PathBuf>,
}

pub(super) fn tls(value: &Value<'_>) -> Option<Tls> {
    let mut fields = value.fields("`tls`")?;
    let certificate = fields.required("certificate", "the path of a PEM file", scalar::path);
    let key = fields.required("key", "the path of a PEM file with its private key", scalar::path);
    let client_ca = fields.optional("client_ca", scalar::path);
    fields.finish();
    Some(Tls { certificate: certificate?, key: key?, client_ca })
}
