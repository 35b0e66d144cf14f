//! SNS messages as they go over HTTP: fields, canonical string, signature, pretty-printed body.
//!
//! Source: the SNS guide, "Parsing message formats" and "Verifying the signatures of messages".

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::pki::{Digest, RsaKey};

/// The `Type` of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something was published.
    Notification,
    /// An endpoint is asked to confirm its subscription.
    SubscriptionConfirmation,
    /// A subscription was ended by somebody without credentials.
    UnsubscribeConfirmation,
}

impl Kind {
    /// As it is written in the message and in the header `x-amz-sns-message-type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

/// A message; every field is open, so that tests can forge.
#[derive(Clone, Debug, PartialEq)]
pub struct SnsMessage {
    /// `Type`.
    pub kind: Kind,
    /// `MessageId`.
    pub message_id: String,
    /// `Token`; confirmations only.
    pub token: Option<String>,
    /// `TopicArn`.
    pub topic_arn: String,
    /// `Subject`; notifications only, where set.
    pub subject: Option<String>,
    /// `Message`.
    pub message: String,
    /// `SubscribeURL`; confirmations only.
    pub subscribe_url: Option<String>,
    /// `Timestamp`, as it is written.
    pub timestamp: String,
    /// `SignatureVersion`, `1` (SHA-1) or `2` (SHA-256).
    pub signature_version: String,
    /// `Signature`, base64.
    pub signature: String,
    /// `SigningCertURL`.
    pub signing_cert_url: String,
    /// `UnsubscribeURL`; notifications only.
    pub unsubscribe_url: Option<String>,
    /// `MessageAttributes`, name to value, all of the type `String`; left out when empty.
    pub attributes: Vec<(String, String)>,
}

impl SnsMessage {
    /// An unsigned notification.
    pub fn notification(topic_arn: &str, message: impl Into<String>, at: Timestamp) -> Self {
        Self {
            kind: Kind::Notification,
            message_id: Uuid::new_v4().to_string(),
            token: None,
            topic_arn: topic_arn.to_owned(),
            subject: None,
            message: message.into(),
            subscribe_url: None,
            timestamp: timestamp(at),
            signature_version: "1".to_owned(),
            signature: String::new(),
            signing_cert_url: String::new(),
            unsubscribe_url: None,
            attributes: Vec::new(),
        }
    }

    /// An unsigned confirmation of either kind.
    pub fn confirmation(kind: Kind, topic_arn: &str, token: &str, host: &str, at: Timestamp) -> Self {
        let message = match kind {
            Kind::UnsubscribeConfirmation => format!(
                "You have chosen to deactivate a subscription of {topic_arn}.\nTo cancel this operation and \
                 restore the subscription, visit the SubscribeURL included in this message."
            ),
            _ => format!(
                "You have chosen to subscribe to the topic {topic_arn}.\nTo confirm the subscription, visit \
                 the SubscribeURL included in this message."
            ),
        };
        let url = format!("https://{host}/?Action=ConfirmSubscription&TopicArn={topic_arn}&Token={token}");
        Self {
            kind,
            token: Some(token.to_owned()),
            subscribe_url: Some(url),
            ..Self::notification(topic_arn, message, at)
        }
    }

    /// The string that is signed: pairs of key and value in the byte order of the keys, each with LF.
    pub fn canonical(&self) -> String {
        let subscribe_url = self.subscribe_url.as_deref();
        let fields: &[(&str, Option<&str>)] = match self.kind {
            Kind::Notification => &[
                ("Message", Some(&self.message)),
                ("MessageId", Some(&self.message_id)),
                ("Subject", self.subject.as_deref()),
                ("Timestamp", Some(&self.timestamp)),
                ("TopicArn", Some(&self.topic_arn)),
                ("Type", Some(self.kind.name())),
            ],
            Kind::SubscriptionConfirmation | Kind::UnsubscribeConfirmation => &[
                ("Message", Some(&self.message)),
                ("MessageId", Some(&self.message_id)),
                ("SubscribeURL", subscribe_url),
                ("Timestamp", Some(&self.timestamp)),
                ("Token", self.token.as_deref()),
                ("TopicArn", Some(&self.topic_arn)),
                ("Type", Some(self.kind.name())),
            ],
        };
        fields.iter().fold(String::new(), |mut text, (key, value)| {
            if let Some(value) = value {
                write!(text, "{key}\n{value}\n").expect("writing to a string");
            }
            text
        })
    }

    /// Signs it under its `SignatureVersion`; whatever is not `2` is signed as `1`.
    pub fn sign(&mut self, key: &RsaKey) {
        let digest = if self.signature_version == "2" { Digest::Sha256 } else { Digest::Sha1 };
        self.signature = BASE64.encode(key.sign(digest, self.canonical().as_bytes()));
    }

    /// The body, pretty-printed as SNS does it.
    pub fn body(&self) -> String {
        let lines: Vec<String> =
            self.fields().into_iter().map(|(key, value)| format!("  \"{key}\" : {value}")).collect();
        format!("{{\n{}\n}}", lines.join(",\n"))
    }

    /// The same body in plain ASCII: other characters escaped, those beyond the BMP as surrogate pairs.
    pub fn body_in_ascii(&self) -> String {
        let mut ascii = String::new();
        for character in self.body().chars() {
            if character.is_ascii() {
                ascii.push(character);
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(ascii, "\\u{unit:04X}").expect("writing to a string");
                }
            }
        }
        ascii
    }

    fn fields(&self) -> Vec<(&'static str, Json)> {
        let attributes: Json = self
            .attributes
            .iter()
            .map(|(name, value)| (name.clone(), json!({"Type": "String", "Value": value})))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let fields = [
            ("Type", Some(json!(self.kind.name()))),
            ("MessageId", Some(json!(self.message_id))),
            ("Token", self.token.as_ref().map(|token| json!(token))),
            ("TopicArn", Some(json!(self.topic_arn))),
            ("Subject", self.subject.as_ref().map(|subject| json!(subject))),
            ("Message", Some(json!(self.message))),
            ("SubscribeURL", self.subscribe_url.as_ref().map(|url| json!(url))),
            ("Timestamp", Some(json!(self.timestamp))),
            ("SignatureVersion", Some(json!(self.signature_version))),
            ("Signature", Some(json!(self.signature))),
            ("SigningCertURL", Some(json!(self.signing_cert_url))),
            ("UnsubscribeURL", self.unsubscribe_url.as_ref().map(|url| json!(url))),
            ("MessageAttributes", (!self.attributes.is_empty()).then_some(attributes)),
        ];
        fields.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`.
pub fn timestamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// 256 lower-case hexadecimal digits.
pub(super) fn new_token() -> String {
    std::iter::repeat_with(|| fastrand::digit(16)).take(256).collect()
}
