//! What the board knows about one secret: what was last heard of it, and what AWS failed to do.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{Change, Event, SecretRef};

/// Something that happened to a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heard {
    /// When the relay heard of it.
    pub at: Timestamp,
    /// When it happened by AWS's clock, where the event says so.
    pub happened_at: Option<Timestamp>,
    /// What, as [`Change::as_str`] says it.
    pub change: &'static str,
    /// Id of the event, cut to 128 bytes.
    pub event_id: String,
}

impl Heard {
    fn of(event: &Event, at: Timestamp) -> Self {
        let id = &event.id[..event.id.floor_char_boundary(128)];
        Self { at, happened_at: event.at, change: event.change.as_str(), event_id: id.to_owned() }
    }
}

/// The status of one secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretStatus {
    /// Its id as configured.
    pub secret: String,
    /// The region it is read in, where one is configured.
    pub region: Option<String>,
    /// The last event about it.
    pub last_notification: Option<Heard>,
    /// The last rotation that AWS could not carry out; none once its value has changed after it.
    pub rotation_failed: Option<Heard>,
    /// The last pending version that was given up; none once its value has changed after it.
    pub rotation_abandoned: Option<Heard>,
}

#[derive(Default)]
pub(super) struct SecretEntry {
    // Apart, because there may be a hundred thousand of these, and of most nothing is heard for long.
    last: Option<Box<Heard>>,
    failed: Option<Box<Heard>>,
    abandoned: Option<Box<Heard>>,
}

impl SecretEntry {
    pub(super) fn hear(&mut self, event: &Event, at: Timestamp) {
        let heard = Heard::of(event, at);
        match event.change {
            // Events may arrive out of order: a success from before the failure does not undo it.
            Change::Value => {
                let answers = |alert: &Heard| {
                    heard.happened_at.unwrap_or(heard.at) >= alert.happened_at.unwrap_or(alert.at)
                };
                self.failed.take_if(|alert| answers(alert));
                self.abandoned.take_if(|alert| answers(alert));
            }
            Change::RotationFailed => self.failed = Some(Box::new(heard.clone())),
            Change::RotationAbandoned => self.abandoned = Some(Box::new(heard.clone())),
            Change::Ignored(_) => {}
        }
        match &mut self.last {
            Some(last) => **last = heard,
            None => self.last = Some(Box::new(heard)),
        }
    }

    pub(super) fn status(&self, secret: &SecretRef) -> SecretStatus {
        SecretStatus {
            secret: secret.id().to_owned(),
            region: secret.region().map(str::to_owned),
            last_notification: self.last.as_deref().cloned(),
            rotation_failed: self.failed.as_deref().cloned(),
            rotation_abandoned: self.abandoned.as_deref().cloned(),
        }
    }
}
