//! The algorithms (RFC 7518, RFC 8037) that a bearer token may be signed with. All of them have a public
//! half that an issuer can publish: `none` and the HMACs are no values of this type.

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenAlgorithm {
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// ECDSA over P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
    /// RSA-PSS with SHA-256.
    Ps256,
    /// RSA-PSS with SHA-384.
    Ps384,
    /// RSA-PSS with SHA-512.
    Ps512,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS #1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS #1 v1.5 with SHA-512.
    Rs512,
}

impl TokenAlgorithm {
    /// Every algorithm by its registered name.
    pub const NAMES: &'static [(&'static str, TokenAlgorithm)] = &[
        ("RS256", TokenAlgorithm::Rs256),
        ("ES256", TokenAlgorithm::Es256),
        ("RS384", TokenAlgorithm::Rs384),
        ("RS512", TokenAlgorithm::Rs512),
        ("PS256", TokenAlgorithm::Ps256),
        ("PS384", TokenAlgorithm::Ps384),
        ("PS512", TokenAlgorithm::Ps512),
        ("ES384", TokenAlgorithm::Es384),
        ("EdDSA", TokenAlgorithm::EdDsa),
    ];

    /// The algorithm of this name; names have one spelling (RFC 7515, 4.1.1).
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }
}
