//! `kind: keystore`, `truststore` and `certificate`: what the TLS contexts of a secret group refer to.

use super::super::connections::Connections;
use super::super::decode::{Fields, Value};
use super::super::scalar::choice;
use super::super::source::value_source;
use super::super::{Expiry, FieldNames, StoreAlgorithm, StoreContent, StoreFormat, StoreKind, StoreTarget};
use super::shared_secret::{Entry, entry};
use super::{connection, limited_source, takes_a_secret};
use crate::model::ValueSource;

/// `type: PEM` is none of these.
const TYPES: [(&str, Option<StoreFormat>); 4] = [
    ("PEM", None),
    ("JKS", Some(StoreFormat::Jks)),
    ("PKCS12", Some(StoreFormat::Pkcs12)),
    ("JCEKS", Some(StoreFormat::Jceks)),
];
const FIELD_NAMES: [(&str, FieldNames); 3] = [
    ("command_line", FieldNames::CommandLine),
    ("terraform", FieldNames::Terraform),
    ("specification", FieldNames::Specification),
];
const ALGORITHMS: [(&str, StoreAlgorithm); 2] =
    [("PKIX", StoreAlgorithm::Pkix), ("SunX509", StoreAlgorithm::SunX509)];
/// Pass phrases and aliases of stores that are files, in characters (Secrets Manager API).
const PASSPHRASE: usize = 64;

pub(super) fn store(
    mut fields: Fields<'_>,
    kind: StoreKind,
    connections: &Connections,
) -> Option<StoreTarget> {
    let connection = connection(&mut fields, connections);
    let entry = entry(&mut fields, kind.as_str(), Expiry::Default);
    let field_names = match kind {
        // All sources agree on the part of a certificate.
        StoreKind::Certificate => FieldNames::CommandLine,
        _ => fields.or("field_names", FieldNames::CommandLine, choice("a set of field names", &FIELD_NAMES)),
    };
    // Known, so that nobody looks for it in vain, and refused: no source of MuleSoft's has the call.
    fields.refused(
        "redeploy",
        "no confirmed call of Anypoint redeploys an API instance, so the relay does not; leave this out, and \
         after a rotation redeploy each API instance that uses the secret group by hand (API Manager, the \
         instance, Settings, Save & Apply), or let an `http` target call a pipeline that does",
    );
    fields.whole().warn(
        "a gateway or API that is running keeps the store it has read: after a rotation redeploy each API \
         instance that uses the secret group (the relay cannot)",
    );
    let whole = fields.whole().clone();
    // Without a type nobody knows which value keys are right.
    let format = match kind {
        StoreKind::Certificate => None,
        _ => fields.required("type", "PEM, JKS, PKCS12 or JCEKS", choice("a type of store", &TYPES))?,
    };
    let content = match kind {
        StoreKind::Keystore => keystore(&mut fields, format, field_names),
        StoreKind::Truststore => truststore(&mut fields, format),
        StoreKind::Certificate => {
            source(&mut fields, "certificate").map(|certificate| StoreContent::Certificate { certificate })
        }
    };
    fields.finish();
    let content = content?;
    for secret in ["key", "store_passphrase", "key_passphrase"] {
        let literal = |(name, source): (&str, &ValueSource)| {
            name == secret && matches!(source, ValueSource::Literal(_))
        };
        if content.sources().into_iter().any(literal) {
            whole.warn(format!("`{secret}` stands in this file; take it from AWS if it is a secret"));
        }
    }
    takes_a_secret(&whole, content.sources().into_iter().map(|(_, source)| source))?;
    let Entry { group, name, expiry, create } = entry?;
    Some(StoreTarget { connection: connection?, group, name, content, expiry, create, field_names })
}

fn keystore(
    fields: &mut Fields<'_>,
    format: Option<StoreFormat>,
    field_names: FieldNames,
) -> Option<StoreContent> {
    let Some(format) = format else {
        let (certificate, key) = (source(fields, "certificate"), source(fields, "key"));
        let key_passphrase = if field_names == FieldNames::Specification {
            Some(fields.required(
                "key_passphrase",
                "Anypoint's specification asks for it in every PEM keystore",
                value_source,
            )?)
        } else {
            fields.optional("key_passphrase", value_source)
        };
        let ca_path = fields.optional("ca_path", value_source);
        return Some(StoreContent::PemKeystore {
            certificate: certificate?,
            key: key?,
            key_passphrase,
            ca_path,
        });
    };
    let keystore = source(fields, "keystore");
    let [store, key, alias] =
        ["store_passphrase", "key_passphrase", "alias"].map(|name| short_source(fields, name));
    let algorithm = fields.optional("algorithm", choice("an algorithm", &ALGORITHMS));
    Some(StoreContent::FileKeystore {
        format,
        keystore: keystore?,
        store_passphrase: store?,
        key_passphrase: key?,
        alias: alias?,
        algorithm,
    })
}

fn truststore(fields: &mut Fields<'_>, format: Option<StoreFormat>) -> Option<StoreContent> {
    let truststore = source(fields, "truststore");
    let Some(format) = format else {
        return Some(StoreContent::PemTruststore { truststore: truststore? });
    };
    let store_passphrase = short_source(fields, "store_passphrase");
    let algorithm = fields.optional("algorithm", choice("an algorithm", &ALGORITHMS));
    let (truststore, store_passphrase) = (truststore?, store_passphrase?);
    Some(StoreContent::FileTruststore { format, truststore, store_passphrase, algorithm })
}

fn source(fields: &mut Fields<'_>, key: &'static str) -> Option<ValueSource> {
    fields.required(key, "a source such as { secret: name, field: name }", value_source)
}

fn short_source(fields: &mut Fields<'_>, key: &'static str) -> Option<ValueSource> {
    let read = |value: &Value<'_>| limited_source(PASSPHRASE)(value);
    fields.required(key, "a source such as { secret: name, field: name }", read)
}
