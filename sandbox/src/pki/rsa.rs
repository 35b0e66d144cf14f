//! RSASSA-PKCS1-v1_5 signatures under SHA-1 and SHA-256, also with keys under 2048 bits.
//!
//! SNS signs with SHA-1 by default and signed with RSA-1024 long ago. The crypto library rightly
//! makes neither, so those signatures are made here by the formulas of RFC 8017; they take no care of
//! side channels and are for tests alone.

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use num_bigint::BigUint;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

/// The hash of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SignatureVersion 1.
    Sha1,
    /// SignatureVersion 2.
    Sha256,
}

impl Digest {
    /// RFC 8017 section 9.2, note 1: the DER prefix of `DigestInfo`.
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::Sha1 => b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
            Self::Sha256 => b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
        }
    }

    fn of(self, message: &[u8]) -> digest::Digest {
        match self {
            Self::Sha1 => digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, message),
            Self::Sha256 => digest::digest(&digest::SHA256, message),
        }
    }
}

/// An RSA key that signs.
pub struct RsaKey {
    pkcs8: Vec<u8>,
    numbers: Numbers,
    library: Option<RsaKeyPair>,
}

/// RFC 8017 section 3.2, the second representation of a private key.
struct Numbers {
    n: BigUint,
    p: BigUint,
    q: BigUint,
    d_p: BigUint,
    d_q: BigUint,
    q_inv: BigUint,
}

impl RsaKey {
    pub(super) fn from_pkcs8(pkcs8: Vec<u8>) -> Self {
        let numbers = Numbers::from_pkcs8(&pkcs8).expect("an RSA key in PKCS #8");
        // The library takes no keys under 2048 bits.
        let library = RsaKeyPair::from_pkcs8(&pkcs8).ok();
        Self { pkcs8, numbers, library }
    }

    pub(super) fn from_pem(pem: &str) -> Self {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("a PEM block of PKCS #8");
        Self::from_pkcs8(key.secret_pkcs8_der().to_vec())
    }

    pub(super) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    #[cfg(test)]
    pub(super) fn without_library(other: &Self) -> Self {
        Self { library: None, ..Self::from_pkcs8(other.pkcs8.clone()) }
    }

    /// Length of the modulus in bits.
    pub fn bits(&self) -> u64 {
        self.numbers.n.bits()
    }

    /// The signature of `message`.
    pub fn sign(&self, digest: Digest, message: &[u8]) -> Vec<u8> {
        match (&self.library, digest) {
            (Some(key), Digest::Sha256) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .expect("the library signs");
                signature
            }
            _ => self.numbers.sign(digest, message),
        }
    }

    /// The public key, a DER `RSAPublicKey` (RFC 8017 appendix A.1.1); none under 2048 bits.
    pub fn public_key(&self) -> Option<&[u8]> {
        self.library.as_ref().map(|key| key.public_key().as_ref())
    }
}

impl std::fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RsaKey").field("bits", &self.bits()).finish_non_exhaustive()
    }
}

impl Numbers {
    /// PKCS #8 (RFC 5208) around `RSAPrivateKey` (RFC 8017 appendix A.1.2).
    fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let mut info = Der(Der(der).read(SEQUENCE)?);
        info.read(INTEGER)?;
        info.read(SEQUENCE)?;
        let mut key = Der(Der(info.read(OCTET_STRING)?).read(SEQUENCE)?);
        key.read(INTEGER)?;
        let mut number = || key.read(INTEGER).map(BigUint::from_bytes_be);
        let (n, _e, _d) = (number()?, number()?, number()?);
        Some(Self { n, p: number()?, q: number()?, d_p: number()?, d_q: number()?, q_inv: number()? })
    }

    /// RFC 8017 sections 9.2 (EMSA-PKCS1-v1_5) and 5.2.1 (RSASP1 by the Chinese remainder theorem).
    fn sign(&self, digest: Digest, message: &[u8]) -> Vec<u8> {
        let length = usize::try_from(self.n.bits().div_ceil(8)).expect("a key fits into memory");
        let hash = digest.of(message);
        let info = [digest.prefix(), hash.as_ref()].concat();
        let mut encoded = vec![0x00, 0x01];
        encoded.resize(length - info.len() - 1, 0xff);
        encoded.push(0x00);
        encoded.extend(info);

        let m = BigUint::from_bytes_be(&encoded);
        let s_1 = m.modpow(&self.d_p, &self.p);
        let s_2 = m.modpow(&self.d_q, &self.q);
        let h = (&s_1 + &self.p - &s_2 % &self.p) * &self.q_inv % &self.p;
        let signature = (s_2 + h * &self.q).to_bytes_be();
        let mut padded = vec![0; length - signature.len()];
        padded.extend(signature);
        padded
    }
}

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// Reads DER values one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (found == tag).then_some(value)
    }
}
