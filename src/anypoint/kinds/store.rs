//! `keystore`, `truststore` and `certificate`: what the TLS contexts of a secret group refer to.
//!
//! Look, write and proof are those of [`super::grouped`]. The values are read before they are sent, so
//! that a bad rotation never reaches Anypoint: sizes, form, validity, the chain, and that the key is the
//! certificate's. `allowExpiredCert` is never sent.
//!
//! Does not guarantee: that anything uses the new store. A gateway or API that is running keeps the one
//! it has read until its API instance is redeployed, and no call for that is confirmed.

mod certificates;
mod file;
mod key;
mod pem;

use jiff::Timestamp;

use self::certificates::{Certificates, check_chain, check_validity};
use super::Resolved;
use super::grouped::{Content, Fixed, Stored, Whole};
use crate::anypoint::fingerprint::Fingerprint;
use crate::anypoint::multipart::Form;
use crate::config::{FieldNames, StoreContent, StoreFormat, StoreKind, StoreTarget};
use crate::model::{Failure, FailureCode, Retry, ValueSource};
use crate::secret::SecretValue;
use crate::sync::values::Values;

// Bytes of a file, or characters of a text (Secrets Manager API, request schemas).
const CERTIFICATE: usize = 4_096;
const KEY: usize = 6_144;
const CA_PATH: usize = 28_672;
const STORE: usize = 40_960;
const PASSPHRASE: usize = 64;
/// Certificates of one truststore (Secrets Manager API).
const TRUSTED: usize = 15;

impl Content for StoreTarget {
    fn what(&self) -> &'static str {
        self.content.kind().as_str()
    }

    fn list(&self) -> &'static str {
        match self.content.kind() {
            StoreKind::Keystore => "keystores",
            StoreKind::Truststore => "truststores",
            StoreKind::Certificate => "certificates",
        }
    }

    fn type_name(&self) -> &'static str {
        self.content.type_name()
    }

    fn mapping(&self, fingerprint: Fingerprint) -> Fingerprint {
        let algorithm = match &self.content {
            StoreContent::FileKeystore { algorithm, .. } | StoreContent::FileTruststore { algorithm, .. } => {
                *algorithm
            }
            _ => None,
        };
        fingerprint.text(self.field_names.as_str()).text(algorithm.map_or("", |algorithm| algorithm.as_str()))
    }

    fn whole(&self, fixed: &Fixed<'_>, values: &Values) -> Result<Whole, Failure> {
        let mut form = Form::new().text("name", fixed.name).text("type", self.content.type_name());
        if let Some(date) = fixed.expiration {
            form = form.text("expirationDate", &date.to_string());
        }
        let (form, notes) = match &self.content {
            StoreContent::PemKeystore { certificate, key, key_passphrase, ca_path } => {
                let certificate = pem("certificate", certificate, CERTIFICATE, values)?;
                let key = pem("key", key, KEY, values)?;
                let resolve = |source: &Option<ValueSource>, name, limit| {
                    source.as_ref().map(|source| pem(name, source, limit, values)).transpose()
                };
                let ca_path = resolve(ca_path, "ca_path", CA_PATH)?;
                // The specification has no limit for this one.
                let passphrase = resolve(key_passphrase, "key_passphrase", usize::MAX)?;
                let notes =
                    check_keystore(&certificate, &key, passphrase.as_ref(), ca_path.as_ref(), fixed.now)?;
                form = form.file("certificate", "certificate.pem", certificate.bytes());
                form = form.file("key", "key.pem", key.bytes());
                if let Some(passphrase) = &passphrase {
                    form = form.text("keyPassphrase", passphrase.text());
                }
                if let Some(ca_path) = &ca_path {
                    form = form.file(self.ca_path_name(), "ca-path.pem", ca_path.bytes());
                }
                (form, notes)
            }
            StoreContent::FileKeystore {
                format,
                keystore,
                store_passphrase,
                key_passphrase,
                alias,
                algorithm,
            } => {
                let store_passphrase = short("store_passphrase", store_passphrase, values)?;
                let key_passphrase = short("key_passphrase", key_passphrase, values)?;
                let alias = short("alias", alias, values)?;
                let file = store("keystore", *format, keystore, &store_passphrase, values)?;
                form = form.file(self.keystore_name(), file_name(*format), file.expose_bytes());
                form = form.text("storePassphrase", store_passphrase.text());
                form = form.text("keyPassphrase", key_passphrase.text()).text("alias", alias.text());
                if let Some(algorithm) = algorithm {
                    form = form.text("algorithm", algorithm.as_str());
                }
                (form, Vec::new())
            }
            StoreContent::PemTruststore { truststore } => {
                let truststore = pem("truststore", truststore, STORE, values)?;
                let notes = check_truststore(&truststore, fixed.now)?;
                (form.file(self.truststore_name(), "truststore.pem", truststore.bytes()), notes)
            }
            StoreContent::FileTruststore { format, truststore, store_passphrase, algorithm } => {
                let store_passphrase = short("store_passphrase", store_passphrase, values)?;
                let file = store("truststore", *format, truststore, &store_passphrase, values)?;
                form = form.file(self.truststore_name(), file_name(*format), file.expose_bytes());
                form = form.text("storePassphrase", store_passphrase.text());
                if let Some(algorithm) = algorithm {
                    form = form.text("algorithm", algorithm.as_str());
                }
                (form, Vec::new())
            }
            StoreContent::Certificate { certificate } => {
                let certificate = pem("certificate", certificate, CERTIFICATE, values)?;
                let notes = check_certificate(&certificate, fixed.now)?;
                (form.file("certStore", "certificate.pem", certificate.bytes()), notes)
            }
        };
        Ok(Whole { body: form.finish(), notes })
    }

    fn lacks(&self, stored: &Stored) -> Option<String> {
        let sent = matches!(&self.content, StoreContent::PemKeystore { ca_path: Some(_), .. });
        (sent && !stored.has_ca_path).then(|| {
            format!(
                "Anypoint took the keystore and shows no chain: it may not know a part named `{}`; try another \
                 `field_names`",
                self.ca_path_name()
            )
        })
    }
}

/// The parts on whose names MuleSoft's sources contradict one another.
impl StoreTarget {
    fn keystore_name(&self) -> &'static str {
        match self.field_names {
            FieldNames::CommandLine | FieldNames::Terraform => "keyStore",
            FieldNames::Specification => "keystore",
        }
    }

    fn truststore_name(&self) -> &'static str {
        match self.field_names {
            FieldNames::CommandLine | FieldNames::Terraform => "trustStore",
            FieldNames::Specification => "truststore",
        }
    }

    fn ca_path_name(&self) -> &'static str {
        match self.field_names {
            FieldNames::CommandLine | FieldNames::Specification => "capath",
            FieldNames::Terraform => "caPathCertificate",
        }
    }
}

/// Anypoint shows it; what a client calls its file is its own affair.
fn file_name(format: StoreFormat) -> &'static str {
    match format {
        StoreFormat::Jks => "store.jks",
        StoreFormat::Pkcs12 => "store.p12",
        StoreFormat::Jceks => "store.jceks",
    }
}

/// A PEM text within its limit.
fn pem<'a>(
    name: &'a str,
    source: &ValueSource,
    limit: usize,
    values: &Values,
) -> Result<Resolved<'a>, Failure> {
    let text = Resolved::of(name, source, values)?;
    if text.value.len() > limit { Err(too_long(name, limit, "bytes")) } else { Ok(text) }
}

/// A pass phrase or an alias of a store that is a file.
fn short<'a>(name: &'a str, source: &ValueSource, values: &Values) -> Result<Resolved<'a>, Failure> {
    let text = Resolved::of(name, source, values)?;
    if text.text().is_empty() {
        return Err(refuse(
            format!("the value for {name} is empty"),
            "give the one that the store was made with: Anypoint takes no empty one",
        ));
    }
    if text.text().chars().count() > PASSPHRASE {
        return Err(too_long(name, PASSPHRASE, "characters"));
    }
    Ok(text)
}

/// A store file that is what it is said to be.
fn store(
    name: &'static str,
    format: StoreFormat,
    source: &ValueSource,
    passphrase: &Resolved<'_>,
    values: &Values,
) -> Result<SecretValue, Failure> {
    let file = file::decode(name, Resolved::of(name, source, values)?.text())?;
    if file.len() > STORE {
        return Err(too_long(name, STORE, "bytes"));
    }
    file::check(name, format, file.expose_bytes(), passphrase.text())?;
    Ok(file)
}

fn check_keystore(
    certificate: &Resolved<'_>,
    key: &Resolved<'_>,
    passphrase: Option<&Resolved<'_>>,
    ca_path: Option<&Resolved<'_>>,
    now: Timestamp,
) -> Result<Vec<String>, Failure> {
    let leaf = Certificates::read("certificate", certificate.text())?;
    let above = ca_path.map(|ca_path| Certificates::read("ca_path", ca_path.text())).transpose()?;
    let all = leaf.parsed()?;
    let [leaf] = &all[..] else {
        return Err(refuse(
            format!("`certificate` holds {} certificates", all.len()),
            "leave the leaf there alone, and put those above it into `ca_path`",
        ));
    };
    let above = above.as_ref().map_or(Ok(Vec::new()), Certificates::parsed)?;
    let all: Vec<_> =
        std::iter::once(("certificate", leaf)).chain(above.iter().map(|above| ("ca_path", above))).collect();
    let mut notes: Vec<String> = check_validity(&all, now)?.into_iter().collect();
    notes.extend(check_chain(leaf, &above)?);
    let unchecked = key::check(key.text(), passphrase.map(|passphrase| &passphrase.value), leaf)?;
    notes.extend(unchecked.map(|why| {
        format!("not checked: whether `key` is the key of certificate {} ({why})", certificates::name(leaf))
    }));
    Ok(notes)
}

fn check_truststore(truststore: &Resolved<'_>, now: Timestamp) -> Result<Vec<String>, Failure> {
    let trusted = Certificates::read("truststore", truststore.text())?;
    if trusted.count() > TRUSTED {
        return Err(refuse(
            format!("`truststore` holds {} certificates, and Anypoint takes {TRUSTED}", trusted.count()),
            "leave out those that nobody needs, or use another truststore for some",
        ));
    }
    let all = trusted.parsed()?;
    let all: Vec<_> = all.iter().map(|certificate| ("truststore", certificate)).collect();
    Ok(check_validity(&all, now)?.into_iter().collect())
}

fn check_certificate(certificate: &Resolved<'_>, now: Timestamp) -> Result<Vec<String>, Failure> {
    let certificate = Certificates::read("certificate", certificate.text())?;
    let all = certificate.parsed()?;
    let [one] = &all[..] else {
        return Err(refuse(
            format!("`certificate` holds {} certificates", all.len()),
            "give one: several belong to a truststore or to a keystore's `ca_path`",
        ));
    };
    Ok(check_validity(&[("certificate", one)], now)?.into_iter().collect())
}

/// A value that must not be sent.
fn refuse(message: String, next_step: &str) -> Failure {
    Failure::new(FailureCode::BadValue, Retry::Never, message, next_step)
}

fn too_long(name: &str, limit: usize, unit: &str) -> Failure {
    Failure::new(
        FailureCode::TooLong,
        Retry::Never,
        format!("the value for {name} may have {limit} {unit}, and it has more"),
        "make it smaller: Anypoint has no larger kind of store",
    )
}

#[cfg(test)]
mod tests;
