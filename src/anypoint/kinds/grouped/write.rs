//! The write: all of the entry in one PUT on top of what was seen, or one POST where there was nothing,
//! and the look that proves it.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::create::NotCreated;
use super::look::Found;
use super::spacing::SPACING;
use super::stored::{Expiration, Modified, Stored};
use super::{Fixed, Inner, WRITE_SCOPE, Whole};
use crate::anypoint::body::Body;
use crate::anypoint::call::{Call, Family, Verb};
use crate::config::Expiry;
use crate::model::{Failure, FailureCode, Receipt, Retry, show_duration};
use crate::sync::ports::{Applied, ApplyError, Observation, Observed, Write};
use crate::sync::values::Values;

/// The date that is sent; with none Anypoint sets its own. What is created has none that could be kept.
fn expiration(policy: Expiry, stored: Option<&Stored>, today: Date) -> Option<Date> {
    match policy {
        Expiry::Keep => match stored?.expiration {
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
    pub(super) found: Found,
    pub(super) observation: Observation,
}

impl Observed for Seen {
    fn observation(&self) -> &Observation {
        &self.observation
    }

    fn prepare(self: Box<Self>, values: &Values, _receipt: &Receipt) -> Result<Box<dyn Write>, Failure> {
        let Self { target, found: Found { group, entry }, observation } = *self;
        if let Some(refusal) = observation.refusal {
            return Err(refusal);
        }
        let stored = entry.as_ref().map(|(_, stored)| stored);
        let name = stored.map_or(target.entry.wanted(), |stored| &stored.name);
        let now = target.base.clock.timestamp();
        let today = now.to_zoned(TimeZone::UTC).date();
        let expiration = expiration(target.expiry, stored, today);
        let mut whole = target.content.whole(&Fixed { name, expiration, now }, values)?;
        if let Some(date) = expiration.filter(|date| *date < today) {
            whole.notes.push(format!("the expiration date that was kept has passed: {date}"));
        }
        if stored.is_none() {
            whole.notes.push(target.creation_note());
        }
        let (entry, modified) = entry.map(|(entry, stored)| (entry, stored.modified)).unzip();
        Ok(Box::new(Prepared { target, group, entry, whole, modified: modified.flatten() }))
    }
}

struct Prepared {
    target: Arc<Inner>,
    group: String,
    /// Its id; none where it is to be created.
    entry: Option<String>,
    whole: Whole,
    /// When it was modified before.
    modified: Option<Modified>,
}

#[async_trait]
impl Write for Prepared {
    async fn send(self: Box<Self>) -> Result<Applied, ApplyError> {
        let Self { target, group, entry, whole: Whole { body, mut notes }, modified: modified_before } =
            *self;
        let clock = &target.base.clock;
        target.not_too_soon(clock.now()).map_err(ApplyError::before)?;
        // Also a write whose answer is lost may move `modifiedAt`; one that was refused does not.
        let before = target.spacing.note(Some(clock.now()));
        let sent = target.connection.send(target.write_call(&group, entry.as_deref(), body)).await;
        let reply = match sent {
            Ok(reply) => reply,
            Err(error) if error.ambiguous => return Err(error.into()),
            Err(error) if entry.is_none() => {
                let NotCreated { failure, may_be_there } = target.not_created(&group, error).await;
                // Its date may be of this second, as one of ours would be: then the next write is spaced.
                if !may_be_there {
                    target.spacing.note(before);
                }
                return Err(ApplyError::before(failure));
            }
            Err(error) => {
                target.spacing.note(before);
                return Err(error.into());
            }
        };
        target.spacing.note(Some(clock.now()));

        // The write is taken; a look that fails, or shows less than was sent, leaves it unproved, not
        // failed.
        let look = match entry.or_else(|| target.created(&reply)) {
            Some(entry) => target.get(&group, &entry).await.ok(),
            None => None,
        };
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
    /// The PUT of an entry, or the POST that creates it.
    fn write_call(&self, group: &str, entry: Option<&str>, body: Body) -> Call {
        let list = self.content.list();
        let (verb, path, purpose) = match entry {
            Some(entry) => (
                Verb::Put,
                self.path([group, list, entry]),
                self.purpose("writing", &self.entry, WRITE_SCOPE),
            ),
            None => (Verb::Post, self.path([group, list]), self.creation_purpose()),
        };
        Call { verb, path, family: Family::SecretsManager, body: Some(body), purpose }
    }

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
        assert_eq!(expiration(Expiry::Keep, Some(&kept), today), Some(day("2027-01-31")));
        assert_eq!(expiration(Expiry::Keep, Some(&stored("null")), today), None);
        assert_eq!(expiration(Expiry::Days(90), Some(&kept), today), Some(day("2026-06-04")));
        assert_eq!(expiration(Expiry::Default, Some(&kept), today), None);
        // Created.
        assert_eq!(expiration(Expiry::Keep, None, today), None);
        assert_eq!(expiration(Expiry::Days(90), None, today), Some(day("2026-06-04")));
    }
}
