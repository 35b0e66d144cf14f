//! Keystores, truststores and certificates of a secret group: what TLS contexts and gateways use.

use super::Expiry;
use crate::model::{ConnectionName, ValueSource};

/// A keystore, truststore or certificate.
#[derive(Clone, Debug)]
pub struct StoreTarget {
    /// The connection.
    pub connection: ConnectionName,
    /// Name or id of the secret group.
    pub group: String,
    /// Name or id of the store.
    pub name: String,
    /// Kind, type and values.
    pub content: StoreContent,
    /// What happens to the expiration date.
    pub expiry: Expiry,
    /// Whether it is created where the group has none of this name.
    pub create: bool,
    /// How the parts of the upload are called.
    pub field_names: FieldNames,
}

/// What is stored. Lengths are bytes for files, else characters.
#[derive(Clone, Debug)]
pub enum StoreContent {
    /// A keystore of type PEM.
    PemKeystore {
        /// The leaf certificate, 4,096.
        certificate: ValueSource,
        /// Its private key, 6,144.
        key: ValueSource,
        /// What the key is encrypted with.
        key_passphrase: Option<ValueSource>,
        /// The certificates above the leaf, in order, 28,672.
        ca_path: Option<ValueSource>,
    },
    /// A keystore as a file of Java's or of PKCS #12.
    FileKeystore {
        /// Type.
        format: StoreFormat,
        /// The file in base64, 40,960.
        keystore: ValueSource,
        /// What the file is protected with, 64.
        store_passphrase: ValueSource,
        /// What the entry is protected with, 64.
        key_passphrase: ValueSource,
        /// The entry, 64.
        alias: ValueSource,
        /// `KeyManagerFactory`'s algorithm.
        algorithm: Option<StoreAlgorithm>,
    },
    /// A truststore of type PEM.
    PemTruststore {
        /// At most 15 certificates, 40,960.
        truststore: ValueSource,
    },
    /// A truststore as a file of Java's or of PKCS #12.
    FileTruststore {
        /// Type.
        format: StoreFormat,
        /// The file in base64, 40,960.
        truststore: ValueSource,
        /// What the file is protected with, 64.
        store_passphrase: ValueSource,
        /// `TrustManagerFactory`'s algorithm.
        algorithm: Option<StoreAlgorithm>,
    },
    /// A certificate by itself.
    Certificate {
        /// PEM, 4,096.
        certificate: ValueSource,
    },
}

/// What it is; the word after `kind:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// A private key with its certificate and, perhaps, the chain above it.
    Keystore,
    /// Certificates that are trusted.
    Truststore,
    /// One certificate.
    Certificate,
}

impl StoreKind {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            StoreKind::Keystore => "keystore",
            StoreKind::Truststore => "truststore",
            StoreKind::Certificate => "certificate",
        }
    }
}

/// Types of stores that are binary files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFormat {
    /// Java's own.
    Jks,
    /// RFC 7292; what `keytool` writes by default since Java 9, whatever the file is called.
    Pkcs12,
    /// Java's own with stronger encryption.
    Jceks,
}

impl StoreFormat {
    /// The `type` that Anypoint uses.
    pub fn as_str(self) -> &'static str {
        match self {
            StoreFormat::Jks => "JKS",
            StoreFormat::Pkcs12 => "PKCS12",
            StoreFormat::Jceks => "JCEKS",
        }
    }
}

/// What reads the store in a Java virtual machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAlgorithm {
    /// `PKIX`
    Pkix,
    /// `SunX509`
    SunX509,
}

impl StoreAlgorithm {
    /// As Anypoint takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            StoreAlgorithm::Pkix => "PKIX",
            StoreAlgorithm::SunX509 => "SunX509",
        }
    }
}

/// Whose names the parts of an upload have: MuleSoft's sources contradict one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldNames {
    /// Those of its command line: `keyStore`, `trustStore`, `capath`.
    CommandLine,
    /// Those of its Terraform provider: `keyStore`, `trustStore`, `caPathCertificate`.
    Terraform,
    /// Those of its OpenAPI file: `keystore`, `truststore`, `capath`; and a PEM keystore without
    /// `keyPassphrase` is refused.
    Specification,
}

impl FieldNames {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            FieldNames::CommandLine => "command_line",
            FieldNames::Terraform => "terraform",
            FieldNames::Specification => "specification",
        }
    }
}

impl StoreContent {
    /// What it is.
    pub fn kind(&self) -> StoreKind {
        match self {
            StoreContent::PemKeystore { .. } | StoreContent::FileKeystore { .. } => StoreKind::Keystore,
            StoreContent::PemTruststore { .. } | StoreContent::FileTruststore { .. } => StoreKind::Truststore,
            StoreContent::Certificate { .. } => StoreKind::Certificate,
        }
    }

    /// The `type` that Anypoint uses.
    pub fn type_name(&self) -> &'static str {
        match self {
            StoreContent::PemKeystore { .. }
            | StoreContent::PemTruststore { .. }
            | StoreContent::Certificate { .. } => "PEM",
            StoreContent::FileKeystore { format, .. } | StoreContent::FileTruststore { format, .. } => {
                format.as_str()
            }
        }
    }

    /// The sources by the names of their settings.
    pub fn sources(&self) -> Vec<(&str, &ValueSource)> {
        match self {
            StoreContent::PemKeystore { certificate, key, key_passphrase, ca_path } => {
                let given = [("key_passphrase", key_passphrase), ("ca_path", ca_path)];
                let given = given.into_iter().filter_map(|(name, source)| Some((name, source.as_ref()?)));
                [("certificate", certificate), ("key", key)].into_iter().chain(given).collect()
            }
            StoreContent::FileKeystore { keystore, store_passphrase, key_passphrase, alias, .. } => vec![
                ("keystore", keystore),
                ("store_passphrase", store_passphrase),
                ("key_passphrase", key_passphrase),
                ("alias", alias),
            ],
            StoreContent::PemTruststore { truststore } => vec![("truststore", truststore)],
            StoreContent::FileTruststore { truststore, store_passphrase, .. } => {
                vec![("truststore", truststore), ("store_passphrase", store_passphrase)]
            }
            StoreContent::Certificate { certificate } => vec![("certificate", certificate)],
        }
    }
}
