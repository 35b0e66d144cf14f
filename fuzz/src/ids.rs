//! Names that become labels, keys, paths and requests: what is taken prints back to the same and holds
//! nothing that means something in any of these places.

use anypoint_relay::model::{SecretArn, SecretRef, Stamp, TargetName, TopicArn, VersionId};

use crate::planted::tells_nothing;

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match SecretArn::parse(text) {
        Ok(arn) => {
            same(text, arn.as_str(), &arn.to_string());
            assert!(!arn.name().is_empty() && text.ends_with(arn.name()));
            let parts: Vec<&str> = text.splitn(7, ':').collect();
            assert_eq!([parts[0], parts[2], parts[5]], ["arn", "secretsmanager", "secret"]);
            assert_eq!((parts[3], parts[4], parts[6]), (arn.region(), arn.account(), arn.name()));
            if let Some((partial, name)) = arn.without_suffix() {
                assert!(text.starts_with(partial) && text.len() == partial.len() + 7);
                assert!(partial.ends_with(name) && !name.is_empty());
            }
        }
        Err(error) => tells_nothing(&error),
    }
    match TopicArn::parse(text) {
        Ok(arn) => {
            same(text, arn.as_str(), &arn.to_string());
            let parts: Vec<&str> = text.split(':').collect();
            assert_eq!((parts.len(), parts[1], parts[3]), (6, arn.partition(), arn.region()));
            assert_eq!(arn.sns_origin().is_some(), arn.dns_suffix().is_some());
        }
        Err(error) => tells_nothing(&error),
    }
    secret(text);
    if let Ok(name) = TargetName::parse(text) {
        same(text, name.as_str(), &name.to_string());
        assert!((1..=64).contains(&text.len()));
    }
    if let Ok(version) = VersionId::parse(text) {
        same(text, version.as_str(), &version.to_string());
        assert!(text.starts_with(version.short()));
    }
    if let Some(stamp) = Stamp::parse(text) {
        same(text, stamp.as_str(), stamp.as_str());
    }
}

/// A reference reads again from what it prints, with the region that it has.
fn secret(text: &str) {
    match SecretRef::new(text, None, None) {
        Ok(secret) => {
            same(text, secret.id(), &secret.to_string());
            assert_eq!(SecretRef::new(text, secret.region(), None).as_ref(), Ok(&secret));
            let is_arn = text.starts_with("arn:");
            assert_eq!(secret.region().is_some(), is_arn);
            if let Some(region) = secret.region() {
                assert!(SecretRef::new(text, Some(region), None).is_ok());
                // Made from the ARN's own: libFuzzer finds a fixed one out and puts it into the ARN.
                assert!(SecretRef::new(text, Some(&format!("{region}-")), None).is_err());
            }
        }
        Err(error) => tells_nothing(&error),
    }
}

fn same(text: &str, held: &str, printed: &str) {
    assert_eq!((text, text), (held, printed));
    assert!(
        text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'\\<>{}?#%&$`".contains(&byte)),
        "{text:?}"
    );
}
