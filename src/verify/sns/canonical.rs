//! The bytes that SNS signs: `key LF value LF` for the signed keys in byte order.
//!
//! Source: "Verifying the signatures of Amazon SNS messages". One AWS page lists fewer keys for
//! confirmations; genuine confirmations verify only with all of these. Values go in as they were sent:
//! a timestamp that is parsed and printed again may lose its `.000`.

use super::{Field, Kind, SnsRefusal, Unverified};

/// The keys that messages of a kind must have, in the order in which they are signed.
fn signed(kind: Kind) -> &'static [Field] {
    use Field::{Message, MessageId, Subject, SubscribeUrl, Timestamp, Token, TopicArn, Type};
    match kind {
        Kind::Notification => &[Message, MessageId, Subject, Timestamp, TopicArn, Type],
        Kind::SubscriptionConfirmation | Kind::UnsubscribeConfirmation => {
            &[Message, MessageId, SubscribeUrl, Timestamp, Token, TopicArn, Type]
        }
    }
}

/// The canonical string of a message.
pub(crate) fn canonical(kind: Kind, fields: &Unverified<'_>) -> Result<Vec<u8>, SnsRefusal> {
    let mut text = Vec::new();
    for &field in signed(kind) {
        let value = match field {
            Field::Subject => match fields.optional(field)? {
                Some(subject) => subject,
                None => continue,
            },
            _ => fields.required(field)?,
        };
        text.reserve(field.name().len() + value.len() + 2);
        for part in [field.name(), value] {
            text.extend_from_slice(part.as_bytes());
            text.push(b'\n');
        }
    }
    Ok(text)
}
