//! The write: all of the entry in one PUT on top of what was seen, and the look that proves it.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::look::Ids;
use super::spacing::SPACING;
use super::stored::{Expiration, Modified, Stored};
use super::{Fixed, Inner, Put, WRITE_SCOPE, doing};
use crate::anypoint::call::{Call, Family, Verb};
use crate::anypoint::error::bad_answer;
use crate::config::Expiry;
use crate::model::{Failure, FailureCode, Receipt, Retry, show_duration};
use crate::sync::ports::{Applied, ApplyError, Observation, Observed, Write};
use crate::sync::values::Values;

/// The date that a PUT sends; with none Anypoint sets its own.
fn expiration(policy: Expiry, stored: &Stored, today: Date) -> Option<Date> {
    match policy {
        Expiry::Keep => match stored.expiration {
            Some(Expiration::On(date)) => Some(date),
            Some(Expiration::Unreadable) | None => None,
        },
        Expiry::Days(days) => today.checked_add(i64::from(days).days()).ok(),
        Expiry::Default => None,
    }
}

/// An entry that was just looked at.
pub(super) struct Seen {
    pub(super) target: Arc<Inner>,
    pub(super) at: Ids,
    pub(super) stored: Stored,
    pub(super) observation: Observation,
}

impl Observed for Seen {
    fn observation(&self) -> &Observation {
        &self.observation
    }

    fn prepare(self: Box<Self>, values: &Values, _receipt: &Receipt) -> Result<Box<dyn Write>, Failure> {
        let Self { target, at, stored, observation } = *self;
        if let Some(refusal) = observation.refusal {
            return Err(refusal);
        }
        let Some(entry) = at.entry else {
            return Err(bad_answer(&doing("writing", &target.entry), "its id is not known"));
        };
        let now = target.base.clock.timestamp();
        let today = now.to_zoned(TimeZone::UTC).date();
        let expiration = expiration(target.expiry, &stored, today);
        let mut put = target.content.put(&Fixed { name: &stored.name, expiration, now }, values)?;
        if let Some(date) = expiration.filter(|date| *date < today) {
            put.notes.push(format!("the expiration date that was kept has passed: {date}"));
        }
        Ok(Box::new(Prepared { target, group: at.group, entry, put, before: stored.modified }))
    }
}

struct Prepared {
    target: Arc<Inner>,
    group: String,
    entry: String,
    put: Put,
    /// When it was modified before.
    before: Option<Modified>,
}

#[async_trait]
impl Write for Prepared {
    async fn send(self: Box<Self>) -> Result<Applied, ApplyError> {
        let Self { target, group, entry, put: Put { body, mut notes }, before: modified_before } = *self;
        let clock = &target.base.clock;
        target.not_too_soon(clock.now()).map_err(ApplyError::before)?;
        // Also a write whose answer is lost may move `modifiedAt`; one that was refused does not.
        let before = target.spacing.note(Some(clock.now()));
        let sent = target
            .connection
            .send(Call {
                verb: Verb::Put,
                path: target.path([group.as_str(), target.content.list(), entry.as_str()]),
                family: Family::SecretsManager,
                body: Some(body),
                purpose: target.purpose("writing", &target.entry, WRITE_SCOPE),
            })
            .await;
        match sent {
            Err(error) if !error.ambiguous => {
                target.spacing.note(before);
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
            Ok(_) => target.spacing.note(Some(clock.now())),
        };

        // The write is taken; a look that fails, or shows less than was sent, leaves it unproved, not
        // failed.
        let look = target.get(&group, &entry).await.ok();
        let lacks = look.as_ref().and_then(|stored| target.content.lacks(stored));
        let mark = look.and_then(|stored| match (stored.modified, &modified_before) {
            (Some(now), Some(before)) => now.is_after(before).then_some(now.mark),
            (Some(now), None) => Some(now.mark),
            (None, _) => None,
        });
        if mark.is_none() {
            notes.push("the write was taken, but `modifiedAt` does not show it".to_owned());
        }
        let mark = mark.filter(|_| lacks.is_none());
        notes.extend(lacks);
        Ok(Applied { mark, notes })
    }
}

impl Inner {
    /// Refuses a write after which `modifiedAt` may show what it showed before.
    fn not_too_soon(&self, now: Instant) -> Result<(), Failure> {
        let Some(left) = self.spacing.left(now) else { return Ok(()) };
        Err(Failure::new(
            FailureCode::Conflict,
            Retry::Turn(left),
            format!(
                "{} was written less than {} ago, and its `modifiedAt` shows seconds",
                self.named(),
                show_duration(SPACING)
            ),
            "none: it is written in a moment",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_expiry_policy_gives_its_date() {
        let stored = |date: &str| {
            Stored::parse(format!(r#"{{"name":"n","expirationDate":{date}}}"#).as_bytes()).unwrap()
        };
        let day = |text: &str| text.parse::<Date>().unwrap();
        let today = day("2026-03-06");
        let kept = stored(r#""2027-01-31""#);
        assert_eq!(expiration(Expiry::Keep, &kept, today), Some(day("2027-01-31")));
        assert_eq!(expiration(Expiry::Keep, &stored("null"), today), None);
        assert_eq!(expiration(Expiry::Days(90), &kept, today), Some(day("2026-06-04")));
        assert_eq!(expiration(Expiry::Default, &kept, today), None);
    }
}
