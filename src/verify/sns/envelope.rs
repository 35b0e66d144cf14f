//! An SNS message whose form is right: every field that the check uses has the form that SNS gives it.
//!
//! The strict forms are part of the security: keys and values of the signed string are separated by
//! line feeds alone, so a value with line feeds could otherwise pose as further fields.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Field, SnsRefusal, Unverified};
use crate::model::TopicArn;

/// `Type` of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something was published.
    Notification,
    /// The endpoint was subscribed and is asked whether it agrees.
    SubscriptionConfirmation,
    /// The endpoint was unsubscribed.
    UnsubscribeConfirmation,
}

impl Kind {
    /// The text in `Type` and in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Notification => "Notification",
            Kind::SubscriptionConfirmation => "SubscriptionConfirmation",
            Kind::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

/// `SignatureVersion`. The field is not signed; another one only makes the signature fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureVersion {
    /// SHA-1.
    One,
    /// SHA-256.
    Two,
}

/// The headers of the request that matter. None of them is signed, so they only serve to refuse.
#[derive(Clone, Copy, Debug, Default)]
pub struct EnvelopeHeaders<'h> {
    /// `x-amz-sns-message-type`.
    pub message_type: Option<&'h str>,
    /// Whether `x-amz-sns-rawdelivery` is `true`.
    pub raw_delivery: bool,
}

/// A well-formed message that nobody vouches for yet.
#[derive(Debug)]
pub struct Envelope<'b> {
    pub(super) fields: Unverified<'b>,
    pub(super) kind: Kind,
    pub(super) message_id: Uuid,
    pub(super) topic: TopicArn,
    pub(super) sent: Timestamp,
    pub(super) version: SignatureVersion,
    pub(super) signature: Vec<u8>,
}

impl<'b> Envelope<'b> {
    /// Reads a body strictly. Keys that the check does not use are skipped, since SNS signs none of
    /// them; a field that belongs to another type of message is refused.
    pub fn parse(body: &'b [u8], headers: &EnvelopeHeaders<'_>) -> Result<Self, SnsRefusal> {
        if headers.raw_delivery {
            return Err(SnsRefusal::RawDelivery);
        }
        let fields = Unverified::read(body)?;
        let kind = fields.kind()?;
        if headers.message_type.is_some_and(|header| header != kind.as_str()) {
            return Err(SnsRefusal::TypeHeader);
        }
        fields.required(Field::Message)?;
        fields.subject(kind)?;
        fields.token(kind)?;
        fields.subscribe_url(kind)?;
        fields.certificate_url()?;
        Ok(Self {
            kind,
            message_id: fields.message_id()?,
            topic: fields.topic()?,
            sent: fields.sent()?,
            version: fields.version()?,
            signature: fields.signature()?,
            fields,
        })
    }
}

/// The form of each field; apart from [`Envelope::parse`], `inspect` asks for them one by one.
impl Unverified<'_> {
    pub(crate) fn kind(&self) -> Result<Kind, SnsRefusal> {
        match self.required(Field::Type)? {
            "Notification" => Ok(Kind::Notification),
            "SubscriptionConfirmation" => Ok(Kind::SubscriptionConfirmation),
            "UnsubscribeConfirmation" => Ok(Kind::UnsubscribeConfirmation),
            _ => Err(form(Field::Type, "a type of message that SNS sends")),
        }
    }

    pub(crate) fn message_id(&self) -> Result<Uuid, SnsRefusal> {
        let text = self.required(Field::MessageId)?;
        let hyphenated = text.len() == 36;
        hyphenated
            .then(|| Uuid::try_parse(text).ok())
            .flatten()
            .ok_or(form(Field::MessageId, "a UUID with hyphens"))
    }

    pub(crate) fn topic(&self) -> Result<TopicArn, SnsRefusal> {
        TopicArn::parse(self.required(Field::TopicArn)?)
            .map_err(|_| form(Field::TopicArn, "the ARN of an SNS topic"))
    }

    pub(crate) fn sent(&self) -> Result<Timestamp, SnsRefusal> {
        const SHAPE: &[u8; 24] = b"0000-00-00T00:00:00.000Z";
        let text = self.required(Field::Timestamp)?;
        let fits = text.len() == SHAPE.len()
            && text.bytes().zip(SHAPE).all(|(found, &shape)| match shape {
                b'0' => found.is_ascii_digit(),
                _ => found == shape,
            });
        fits.then(|| text.parse().ok())
            .flatten()
            .ok_or(form(Field::Timestamp, "a time as YYYY-MM-DDTHH:MM:SS.mmmZ"))
    }

    /// Source: `Publish`, parameter `Subject`. SNS signs an absent subject by leaving it out; an empty
    /// one it does not accept from publishers.
    pub(crate) fn subject(&self, kind: Kind) -> Result<Option<&str>, SnsRefusal> {
        if kind != Kind::Notification {
            self.absent(Field::Subject)?;
        }
        let subject = self.optional(Field::Subject)?;
        let fits = subject.is_none_or(|subject| {
            (1..100).contains(&subject.chars().count()) && !subject.chars().any(char::is_control)
        });
        let expected = "a text of 1 to 99 characters without control characters";
        if fits { Ok(subject) } else { Err(form(Field::Subject, expected)) }
    }

    /// There in confirmations alone.
    pub(crate) fn token(&self, kind: Kind) -> Result<Option<&str>, SnsRefusal> {
        if kind == Kind::Notification {
            return self.absent(Field::Token).map(|()| None);
        }
        let token = self.required(Field::Token)?;
        let fits = !token.is_empty() && token.bytes().all(|b| b.is_ascii_hexdigit());
        if fits { Ok(Some(token)) } else { Err(form(Field::Token, "a text of hex digits")) }
    }

    /// There in confirmations alone.
    pub(crate) fn subscribe_url(&self, kind: Kind) -> Result<Option<&str>, SnsRefusal> {
        if kind == Kind::Notification {
            return self.absent(Field::SubscribeUrl).map(|()| None);
        }
        self.required(Field::SubscribeUrl).map(Some)
    }

    pub(crate) fn certificate_url(&self) -> Result<&str, SnsRefusal> {
        self.required(Field::SigningCertUrl)
    }

    pub(crate) fn version(&self) -> Result<SignatureVersion, SnsRefusal> {
        match self.required(Field::SignatureVersion)? {
            "1" => Ok(SignatureVersion::One),
            "2" => Ok(SignatureVersion::Two),
            _ => Err(form(Field::SignatureVersion, "1 or 2")),
        }
    }

    /// Strict base64: one text per signature, so a message has one form only.
    pub(crate) fn signature(&self) -> Result<Vec<u8>, SnsRefusal> {
        let bytes = STANDARD.decode(self.required(Field::Signature)?).ok();
        bytes
            .filter(|bytes| !bytes.is_empty())
            .ok_or(form(Field::Signature, "canonical base64 with padding and without spaces"))
    }
}

fn form(field: Field, expected: &'static str) -> SnsRefusal {
    SnsRefusal::Form { field: field.name(), expected }
}
