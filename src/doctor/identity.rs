//! Who the relay is at AWS, and whether its clock can be right.

use jiff::{SignedDuration, Timestamp};

use super::finding::{Finding, Verdict};
use super::{Examination, Known};
use crate::aws::Caller;
use crate::model::FailureCode;

/// A clock that is further off deserves a look.
const NOTABLE: SignedDuration = SignedDuration::from_mins(1);
/// AWS refuses signatures, and the relay triggers and SNS messages from ahead, that are further off.
const TOO_FAR: SignedDuration = SignedDuration::from_mins(5);

/// The findings, and whether the relay has credentials that AWS takes.
pub(super) async fn check(exam: &mut Examination) -> (Vec<Finding>, bool) {
    let targets = exam.config.targets.values();
    let elsewhere = targets.flat_map(|target| target.kind.secrets());
    let elsewhere = elsewhere.into_iter().find_map(|secret| secret.region().map(str::to_owned));
    let Caller { identity, region, date } = exam.access.caller(elsewhere.as_deref()).await;
    let now = exam.edges.clock.timestamp();
    let usable = identity.as_ref().err().is_none_or(|failure| failure.code != FailureCode::Unauthenticated);
    let who = match &identity {
        Ok(identity) => {
            Finding::ok("AWS identity", format!("account {}, {}", identity.account, identity.arn))
        }
        Err(failure) => Finding::failed("AWS identity", failure),
    };
    exam.known = Known { identity: identity.ok(), region };
    (vec![who, clock(date, now)], usable)
}

fn clock(date: Option<Timestamp>, now: Timestamp) -> Finding {
    let Some(date) = date else {
        return Finding::new(
            Verdict::NotTried,
            "clock",
            "AWS did not answer, so there is no time to compare",
        );
    };
    let off = now.duration_since(date);
    let found = match (off.abs().as_secs(), off.is_negative()) {
        (0..=1, _) => "agrees with AWS's".to_owned(),
        (seconds, true) => format!("{seconds} s behind AWS's"),
        (seconds, false) => format!("{seconds} s ahead of AWS's"),
    };
    let verdict = match off.abs() {
        off if off > TOO_FAR => Verdict::Failed,
        off if off > NOTABLE => Verdict::Warning,
        _ => return Finding::ok("clock", found),
    };
    Finding::new(verdict, "clock", found).mend(
        "set this machine's clock by NTP: with 5 minutes AWS refuses what the relay signs, and the relay refuses \
         triggers and SNS messages as out of their time",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_a_warning_and_five_are_a_failure_either_way() {
        let aws = Timestamp::from_second(1_800_000_000).unwrap();
        for (off, verdict, found) in [
            (0, Verdict::Ok, "agrees with AWS's"),
            (-60, Verdict::Ok, "60 s behind AWS's"),
            (61, Verdict::Warning, "61 s ahead of AWS's"),
            (-300, Verdict::Warning, "300 s behind AWS's"),
            (301, Verdict::Failed, "301 s ahead of AWS's"),
        ] {
            let finding = clock(Some(aws), aws + SignedDuration::from_secs(off));
            assert_eq!((finding.verdict, finding.found.as_str()), (verdict, found));
            assert_eq!(finding.mend.is_some(), verdict != Verdict::Ok);
        }
    }
}
