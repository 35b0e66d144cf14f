//! From a well-formed message to a verified one.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{Certificate, CertificateUrl, Envelope, Field, Kind, SignatureVersion, SnsRefusal, canonical};
use crate::model::TopicArn;

/// How far `Timestamp` may be from the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Oldest message taken.
    pub max_age: Duration,
    /// How far a message may be ahead of our clock.
    pub max_ahead: Duration,
}

impl Default for Window {
    /// SNS retries for up to an hour with the first try's timestamp, and never again after a refusal;
    /// a narrower window would lose messages.
    fn default() -> Self {
        Self { max_age: Duration::from_mins(75), max_ahead: Duration::from_mins(5) }
    }
}

/// What this relay takes from SNS.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'c> {
    /// Topics that are listened to.
    pub topics: &'c [TopicArn],
    /// Accepted age.
    pub window: Window,
    /// Refuse SHA-1.
    pub require_version_2: bool,
    /// For emulators: a further place of certificates on the host of SNS.
    pub certificate_path: Option<&'c str>,
}

impl<'b> Envelope<'b> {
    /// Applies the rules that need no certificate. What passes names the certificate to fetch; nothing
    /// in it can be read yet.
    pub fn admit(self, rules: &Rules<'_>, now: Timestamp) -> Result<Admitted<'b>, SnsRefusal> {
        check_topic(&self.topic, rules.topics)?;
        check_version(self.version, rules.require_version_2)?;
        check_window(self.sent, rules.window, now)?;
        let url = self.fields.certificate_url()?;
        let certificate_url = CertificateUrl::parse(url, &self.topic, rules.certificate_path)?;
        if let (Some(url), Some(token)) =
            (self.fields.subscribe_url(self.kind)?, self.fields.token(self.kind)?)
        {
            check_subscribe_url(url, &self.topic, token)?;
        }
        Ok(Admitted { envelope: self, certificate_url })
    }
}

pub(crate) fn check_topic(topic: &TopicArn, listed: &[TopicArn]) -> Result<(), SnsRefusal> {
    if listed.contains(topic) { Ok(()) } else { Err(SnsRefusal::TopicNotListed) }
}

pub(crate) fn check_version(version: SignatureVersion, require_2: bool) -> Result<(), SnsRefusal> {
    let refused = require_2 && version == SignatureVersion::One;
    if refused { Err(SnsRefusal::Version1) } else { Ok(()) }
}

pub(crate) fn check_window(sent: Timestamp, window: Window, now: Timestamp) -> Result<(), SnsRefusal> {
    let longest = |limit: Duration| SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX);
    let age = now.duration_since(sent);
    if age > longest(window.max_age) {
        Err(SnsRefusal::TooOld)
    } else if -age > longest(window.max_ahead) {
        Err(SnsRefusal::TooNew)
    } else {
        Ok(())
    }
}

/// SNS writes the address that confirms into the message, byte for byte the same in every one that was
/// looked at; one that differs leads elsewhere.
pub(crate) fn check_subscribe_url(text: &str, topic: &TopicArn, token: &str) -> Result<(), SnsRefusal> {
    let same = topic.confirm_url(token).is_some_and(|url| url == text);
    if same { Ok(()) } else { Err(SnsRefusal::SubscribeUrl) }
}

/// A message that this relay would take, if its signature holds.
#[derive(Debug)]
pub struct Admitted<'b> {
    envelope: Envelope<'b>,
    certificate_url: CertificateUrl,
}

impl Admitted<'_> {
    /// The certificate to verify with; safe to fetch.
    pub fn certificate_url(&self) -> &CertificateUrl {
        &self.certificate_url
    }

    /// The bytes that the signature is over.
    pub fn canonical(&self) -> Result<Vec<u8>, SnsRefusal> {
        canonical(self.envelope.kind, &self.envelope.fields)
    }

    /// Checks validity and name of the certificate, then the signature.
    pub fn verify(self, certificate: &Certificate, now: Timestamp) -> Result<Verified, SnsRefusal> {
        certificate.check_use(&self.envelope.topic, now)?;
        certificate.check_signature(self.envelope.version, &self.canonical()?, &self.envelope.signature)?;
        let Envelope { mut fields, kind, message_id, topic, sent, .. } = self.envelope;
        let mut take = |field: Field| fields.take(field).ok_or(SnsRefusal::Missing { field: field.name() });
        let content = match kind {
            Kind::Notification => Content::Notification { message: take(Field::Message)? },
            Kind::SubscriptionConfirmation => {
                Content::SubscriptionConfirmation { token: take(Field::Token)? }
            }
            Kind::UnsubscribeConfirmation => Content::UnsubscribeConfirmation,
        };
        Ok(Verified { message_id, topic, sent, content })
    }
}

/// A message that AWS signed for a listed topic. Only [`Admitted::verify`] makes one.
#[derive(Debug)]
pub struct Verified {
    message_id: Uuid,
    topic: TopicArn,
    sent: Timestamp,
    content: Content,
}

/// What the message is about.
#[derive(PartialEq, Eq)]
pub enum Content {
    /// Something was published.
    Notification {
        /// What was published, as text.
        message: String,
    },
    /// The endpoint was subscribed; confirm with this token or leave it.
    SubscriptionConfirmation {
        /// For ConfirmSubscription or [`TopicArn::confirm_url`].
        token: String,
    },
    /// The endpoint was unsubscribed: tell a person. There is no token here because using it would
    /// undo the unsubscription.
    UnsubscribeConfirmation,
}

/// Without the content: a token is a credential, and a message may hold anything.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Content::Notification { .. } => Kind::Notification,
            Content::SubscriptionConfirmation { .. } => Kind::SubscriptionConfirmation,
            Content::UnsubscribeConfirmation => Kind::UnsubscribeConfirmation,
        };
        f.write_str(kind.as_str())
    }
}

impl Verified {
    /// The same for every retry of a message; another one is another message.
    pub fn message_id(&self) -> Uuid {
        self.message_id
    }

    /// The topic, one of the listed ones.
    pub fn topic(&self) -> &TopicArn {
        &self.topic
    }

    /// When it was published, by AWS's clock.
    pub fn sent(&self) -> Timestamp {
        self.sent
    }

    /// What it says.
    pub fn content(&self) -> &Content {
        &self.content
    }
}
