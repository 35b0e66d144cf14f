//! Why a sender was not believed: the closed set behind the metric's label and the log's word.

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// Why a request does not prove who sent it. Holds nothing of the request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RefusalReason { $($(#[$doc])* $variant,)+ }

        impl RefusalReason {
            /// Every reason, in declaration order.
            pub const ALL: &'static [RefusalReason] = &[$(RefusalReason::$variant,)+];

            /// The stable word.
            pub fn as_str(self) -> &'static str {
                match self { $(RefusalReason::$variant => $text,)+ }
            }
        }
    };
}

reasons! {
    /// No credential of the configured kind.
    CredentialMissing = "credential_missing",
    /// A credential, but none of the accepted ones.
    CredentialMismatch = "credential_mismatch",
    /// No bearer token.
    TokenMissing = "token_missing",
    /// Not a token, or not one that this relay can judge.
    TokenMalformed = "token_malformed",
    /// Signed in a way that is not allowed, or that the key is not for.
    TokenAlgorithm = "token_algorithm",
    /// Signed by a key that the issuer does not publish.
    TokenKey = "token_key",
    /// The token's signature does not hold.
    TokenSignature = "token_signature",
    /// Another issuer's token.
    TokenIssuer = "token_issuer",
    /// A token for somebody else.
    TokenAudience = "token_audience",
    /// A token that has expired, or that never does.
    TokenExpired = "token_expired",
    /// A token that is not valid yet.
    TokenEarly = "token_early",
    /// A token without the scope.
    TokenScope = "token_scope",
    /// A trigger without the three headers of a signature.
    WebhookMissing = "webhook_missing",
    /// A trigger whose headers have another form.
    WebhookForm = "webhook_form",
    /// Older than the window allows.
    TooOld = "too_old",
    /// Further ahead than the window allows.
    TooNew = "too_new",
    /// No accepted key made the signature.
    Signature = "signature",
    /// An SNS message that is not one, or not as SNS writes them.
    MessageForm = "message_form",
    /// An SNS message without a signature.
    RawDelivery = "raw_delivery",
    /// A topic that is not listed.
    TopicNotListed = "topic_not_listed",
    /// SHA-1, where SHA-256 is asked for.
    SignatureVersion1 = "signature_version_1",
    /// A `SubscribeURL` that does not follow from the message.
    SubscribeUrl = "subscribe_url",
    /// A signing certificate at an address where SNS keeps none.
    CertificateUrl = "certificate_url",
    /// A signing certificate that is none, not valid now, or not that of SNS.
    Certificate = "certificate",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_word_stands_for_two_reasons() {
        let words: BTreeSet<_> = RefusalReason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), RefusalReason::ALL.len());
    }
}
