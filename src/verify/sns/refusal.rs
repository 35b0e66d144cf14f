//! Why an SNS message was refused: a closed set, finer than the reasons that are counted.
//!
//! No variant holds content of the message, so a refusal can be logged as it is.

use crate::model::RefusalReason;

/// What the refusal means for the answer to the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalClass {
    /// Not a message as SNS writes them: 400.
    Malformed,
    /// A message that this relay does not take from this sender: 403. SNS never sends it again.
    Refused,
}

/// Why an SNS message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnsRefusal {
    /// Not one JSON object in UTF-8.
    #[error("the body is not one JSON object")]
    NotJson,
    /// A key occurs twice, so two readers may see two messages.
    #[error("the body has a key twice")]
    DuplicateKey,
    /// A field of the envelope is missing.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field that SNS does not send, hence does not sign, in messages of this type.
    #[error("{field} has no place in a message of this type")]
    Unexpected {
        /// The field.
        field: &'static str,
    },
    /// A field has another form than SNS gives it.
    #[error("{field} is not {expected}")]
    Form {
        /// The field.
        field: &'static str,
        /// What it would be.
        expected: &'static str,
    },
    /// `x-amz-sns-message-type` and `Type` differ.
    #[error("the header x-amz-sns-message-type differs from Type")]
    TypeHeader,
    /// Raw delivery carries no signature.
    #[error("raw message delivery is not signed; turn it off on the subscription")]
    RawDelivery,
    /// The topic is not in the configuration.
    #[error("the topic is not listed; add it to ingress.sns.topics if its messages are wanted")]
    TopicNotListed,
    /// Older than the window allows.
    #[error("the message is older than the window allows")]
    TooOld,
    /// Further ahead of our clock than the window allows.
    #[error("the message is ahead of this machine's clock by more than the window allows")]
    TooNew,
    /// SHA-1, where the configuration asks for SHA-256.
    #[error("SignatureVersion 1 is not accepted here; set SignatureVersion 2 on the topic")]
    Version1,
    /// `SubscribeURL` is not the one that follows from region, topic and token.
    #[error("SubscribeURL differs from the one that region, topic and token give")]
    SubscribeUrl,
    /// `SigningCertURL` is not an address where SNS of the topic's region keeps certificates.
    #[error("SigningCertURL is not where SNS of the topic's region keeps its certificates: {0}")]
    CertificateUrl(&'static str),
    /// The file is not exactly one PEM block with one certificate.
    #[error("the certificate file is not exactly one PEM certificate")]
    CertificateFile,
    /// The certificate's key is not RSA of 2,048 to 8,192 bits.
    #[error("the certificate's key is not RSA of 2048 to 8192 bits")]
    CertificateKey,
    /// The certificate is not valid yet.
    #[error("the certificate is not valid yet")]
    CertificateEarly,
    /// The certificate has expired.
    #[error("the certificate has expired")]
    CertificateExpired,
    /// The certificate does not carry the name of SNS in the topic's region.
    #[error("the certificate does not name SNS of the topic's region")]
    CertificateName,
    /// The signature does not hold for this content and key.
    #[error("the signature does not match")]
    Signature,
}

impl SnsRefusal {
    /// What it counts as.
    pub fn reason(self) -> RefusalReason {
        match self {
            SnsRefusal::NotJson
            | SnsRefusal::DuplicateKey
            | SnsRefusal::Missing { .. }
            | SnsRefusal::Unexpected { .. }
            | SnsRefusal::Form { .. }
            | SnsRefusal::TypeHeader => RefusalReason::MessageForm,
            SnsRefusal::RawDelivery => RefusalReason::RawDelivery,
            SnsRefusal::TopicNotListed => RefusalReason::TopicNotListed,
            SnsRefusal::TooOld => RefusalReason::TooOld,
            SnsRefusal::TooNew => RefusalReason::TooNew,
            SnsRefusal::Version1 => RefusalReason::SignatureVersion1,
            SnsRefusal::SubscribeUrl => RefusalReason::SubscribeUrl,
            SnsRefusal::CertificateUrl(_) => RefusalReason::CertificateUrl,
            SnsRefusal::CertificateFile
            | SnsRefusal::CertificateKey
            | SnsRefusal::CertificateEarly
            | SnsRefusal::CertificateExpired
            | SnsRefusal::CertificateName => RefusalReason::Certificate,
            SnsRefusal::Signature => RefusalReason::Signature,
        }
    }

    /// How to answer.
    pub fn class(self) -> RefusalClass {
        match self {
            SnsRefusal::NotJson
            | SnsRefusal::DuplicateKey
            | SnsRefusal::Missing { .. }
            | SnsRefusal::Unexpected { .. }
            | SnsRefusal::Form { .. }
            | SnsRefusal::TypeHeader => RefusalClass::Malformed,
            SnsRefusal::RawDelivery
            | SnsRefusal::TopicNotListed
            | SnsRefusal::TooOld
            | SnsRefusal::TooNew
            | SnsRefusal::Version1
            | SnsRefusal::SubscribeUrl
            | SnsRefusal::CertificateUrl(_)
            | SnsRefusal::CertificateFile
            | SnsRefusal::CertificateKey
            | SnsRefusal::CertificateEarly
            | SnsRefusal::CertificateExpired
            | SnsRefusal::CertificateName
            | SnsRefusal::Signature => RefusalClass::Refused,
        }
    }
}
