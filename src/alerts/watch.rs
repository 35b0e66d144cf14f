//! When there is something to say about one target: a pure function of what people were told, since when
//! the target is stale, and the time.
//!
//! Since when it is stale comes from AWS and never moves on while it stays so, so neither a restart nor a
//! clock that jumps makes one staleness into two.

use std::time::Duration;

use jiff::Timestamp;

use super::Settings;
use crate::telemetry::metrics::AlertKind;

/// What people were told of a target that is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Since when it is.
    since: Timestamp,
    /// When they were told last.
    last: Timestamp,
}

/// What is to be said, and since when the staleness that it speaks of was.
pub(super) type Word = (AlertKind, Timestamp);

/// What people know after now, and what is to be said for it.
pub(super) fn judge(
    told: Option<Told>,
    stale_since: Option<Timestamp>,
    now: Timestamp,
    settings: &Settings,
) -> (Option<Told>, Option<Word>) {
    let is_long = |since: &Timestamp| lasted(*since, now) >= settings.stale_after;
    let Some(told) = told else {
        let Some(since) = stale_since.filter(is_long) else { return (None, None) };
        return (Some(Told { since, last: now }), Some((AlertKind::Stale, since)));
    };
    // A later time is another staleness: it went well in between.
    let Some(since) = stale_since.filter(|since| *since <= told.since || is_long(since)) else {
        return (None, Some((AlertKind::Healed, told.since)));
    };
    if lasted(told.last, now) >= settings.repeat {
        (Some(Told { since, last: now }), Some((AlertKind::StillStale, since)))
    } else {
        (Some(Told { since, ..told }), None)
    }
}

/// From `since` to `now`; none if the clock went back.
pub(super) fn lasted(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: Settings = Settings {
        stale_after: Duration::from_mins(15),
        repeat: Duration::from_hours(1),
        retry_base: Duration::from_secs(1),
        retry_cap: Duration::from_mins(5),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    /// What is said over these looks (second, since when it is stale), each with its second.
    fn said(looks: &[(i64, Option<i64>)]) -> Vec<(i64, AlertKind, i64)> {
        let mut told = None;
        let mut said = Vec::new();
        for (second, since) in looks {
            let (known, word) = judge(told, since.map(at), at(*second), &SETTINGS);
            told = known;
            said.extend(word.map(|(kind, since)| (*second, kind, since.as_second() - at(0).as_second())));
        }
        said
    }

    #[test]
    fn a_target_is_told_of_once_when_it_was_stale_for_long_enough_and_once_when_it_heals() {
        let looks =
            [(899, Some(0)), (900, Some(0)), (905, Some(0)), (1800, Some(0)), (2000, None), (2005, None)];
        assert_eq!(said(&looks), [(900, AlertKind::Stale, 0), (2000, AlertKind::Healed, 0)]);
    }

    #[test]
    fn what_heals_in_time_is_not_told_of() {
        assert_eq!(said(&[(10, Some(0)), (899, Some(0)), (900, None), (901, Some(901))]), []);
    }

    #[test]
    fn what_stays_stale_is_told_of_again_after_the_long_interval() {
        let looks = [(900, Some(0)), (4499, Some(0)), (4500, Some(0)), (4505, Some(0)), (8100, Some(0))];
        let again = AlertKind::StillStale;
        assert_eq!(said(&looks), [(900, AlertKind::Stale, 0), (4500, again, 0), (8100, again, 0)]);
    }

    #[test]
    fn what_healed_and_went_stale_between_two_looks_has_healed() {
        let looks = [(900, Some(0)), (1000, Some(995)), (1894, Some(995)), (1895, Some(995))];
        let expected =
            [(900, AlertKind::Stale, 0), (1000, AlertKind::Healed, 0), (1895, AlertKind::Stale, 995)];
        assert_eq!(said(&looks), expected);
    }

    #[test]
    fn an_earlier_time_that_becomes_known_is_the_same_staleness() {
        assert_eq!(
            said(&[(1000, Some(100)), (1005, Some(0)), (1010, Some(0))]),
            [(1000, AlertKind::Stale, 100)]
        );
    }

    #[test]
    fn a_clock_that_goes_back_heals_nothing_and_repeats_nothing() {
        let looks = [(900, Some(0)), (-50, Some(0)), (100, Some(0)), (905, Some(0)), (910, None)];
        assert_eq!(said(&looks), [(900, AlertKind::Stale, 0), (910, AlertKind::Healed, 0)]);
    }

    #[test]
    fn after_a_restart_the_first_look_at_an_old_staleness_tells_of_it() {
        assert_eq!(said(&[(7200, Some(0))]), [(7200, AlertKind::Stale, 0)]);
    }

    /// Looks in order of time at a target that is stale since a time, the same or a later one than before,
    /// or well.
    fn looks() -> impl Strategy<Value = Vec<(i64, Option<i64>)>> {
        let steps = proptest::collection::vec((1_i64..1200, 0_u8..4), 1..80);
        steps.prop_map(|steps| {
            let (mut now, mut since) = (0, None);
            steps
                .into_iter()
                .map(|(step, what)| {
                    now += step;
                    since = match what {
                        0 => None,
                        1 => Some(now),
                        _ => since.or(Some(now - step / 2)),
                    };
                    (now, since)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn however_it_flaps_every_alert_is_true_and_is_healed_once(looks in looks()) {
            let said = said(&looks);
            let mut stale = None;
            for (second, kind, since) in &said {
                match kind {
                    AlertKind::Stale => {
                        prop_assert!(stale.is_none(), "told twice: {said:?}");
                        prop_assert!(second - since >= 900);
                        stale = Some(*second);
                    }
                    AlertKind::StillStale => {
                        let last = stale.replace(*second);
                        prop_assert!(last.is_some_and(|last| second - last >= 3600), "{said:?}");
                    }
                    AlertKind::Healed => prop_assert!(stale.take().is_some(), "nothing to heal: {said:?}"),
                }
            }
            let (now, since) = *looks.last().unwrap();
            let owed = since.is_some_and(|since| now - since >= 900);
            prop_assert_eq!(stale.is_some(), owed, "what people know at the end: {:?}", said);
        }

        #[test]
        fn a_restart_at_any_look_only_repeats_what_is_true(looks in looks(), cut in any::<prop::sample::Index>()) {
            let cut = cut.index(looks.len());
            let (before, after) = looks.split_at(cut);
            let first_after = said(after).first().copied();
            let told = said(before).last().is_some_and(|(_, kind, _)| *kind != AlertKind::Healed);
            if let Some((second, kind, since)) = first_after {
                prop_assert_eq!(kind, AlertKind::Stale, "a relay that starts knows of nothing to heal");
                prop_assert!(second - since >= 900);
            } else if told {
                prop_assert!(after.iter().all(|(now, since)| since.is_none_or(|since| now - since < 900)));
            }
        }
    }
}
