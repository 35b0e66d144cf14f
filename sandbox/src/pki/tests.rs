use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use rustls_pki_types::pem::PemObject;

use super::*;

#[test]
fn signatures_of_both_versions_verify_and_are_of_one_key() {
    let key = RsaKey::shared();
    assert_eq!(key.bits(), 2048);
    for (digest, algorithm) in [
        (Digest::Sha1, &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
        (Digest::Sha256, &RSA_PKCS1_2048_8192_SHA256),
    ] {
        let signature = key.sign(digest, b"message");
        let verify = |key: &RsaKey, message: &[u8]| {
            UnparsedPublicKey::new(algorithm, key.public_key().unwrap()).verify(message, &signature).is_ok()
        };
        assert!(verify(&key, b"message"));
        assert!(!verify(&key, b"massage"));
        assert!(!verify(&RsaKey::other(), b"message"));
    }
}

#[test]
fn the_own_formulas_and_the_library_make_the_same_signature() {
    let key = RsaKey::shared();
    let without_library = RsaKey::without_library(&key);
    assert_eq!(without_library.sign(Digest::Sha256, b"m"), key.sign(Digest::Sha256, b"m"));
}

#[test]
fn the_weak_certificate_signs_with_1024_bits() {
    let weak = SigningCertificate::weak();
    assert_eq!(weak.key.bits(), 1024);
    assert_eq!(weak.key.sign(Digest::Sha1, b"m").len(), 128);
    CertificateDer::from_pem_slice(weak.pem.as_bytes()).unwrap();
}

#[test]
fn a_signing_certificate_is_one_block_and_the_spoilt_forms_are_not() {
    let good = Authority::new().signing_certificate().issue();
    let blocks = |pem: &str| CertificateDer::pem_slice_iter(pem.as_bytes()).count();
    assert!(good.pem.starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert_eq!(blocks(&good.pem), 1);
    assert_eq!(blocks(&good.followed_by(&good).pem), 2);
    assert!(good.within_xml().pem.starts_with("<?xml"));
}
