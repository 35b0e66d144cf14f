//! Answers that strangers can cause at will, counted so that they cannot fill a disk.
//!
//! Guarantees: the first answer of a sort is an entry at once; what follows it within [`EVERY`] is one entry
//! with a count; no answer is left out of the counts. As there are [`Route`]s and codes in closed sets, entries
//! and memory are bounded: a flood of one sort is 2,880 entries a day.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::entry::{Answers, Entry};
use crate::telemetry::metrics::Route;

/// Shortest time between two entries of one sort.
pub(super) const EVERY: Duration = Duration::from_secs(30);

/// Whether a notification was refused, or taken without work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    Refused,
    Noted,
}

type Kind = (Sort, &'static str, &'static str);

/// What was answered since the last entry of each sort.
#[derive(Default)]
pub(super) struct Tally(BTreeMap<Kind, Counted>);

struct Counted {
    last: Instant,
    /// None: nothing since the last entry.
    open: Option<Answers>,
}

impl Tally {
    /// Counts an answer, and gives what is to be written for it now.
    pub(super) fn count(
        &mut self,
        (sort, route, code): (Sort, Route, &'static str),
        request_id: &str,
        (now, time): (Instant, Timestamp),
    ) -> Option<Entry> {
        let route = route.as_str();
        let request_id = request_id.to_owned();
        let known = self.0.get_mut(&(sort, route, code));
        if let Some(counted) = known
            && (counted.open.is_some() || now.saturating_duration_since(counted.last) < EVERY)
        {
            let none = Answers { route, code, count: 0, since: time, request_id: String::new() };
            let open = counted.open.get_or_insert(none);
            open.count += 1;
            open.request_id = request_id;
            return None;
        }
        self.0.insert((sort, route, code), Counted { last: now, open: None });
        Some(entry(sort, Answers { route, code, count: 1, since: time, request_id }))
    }

    /// What is to be written by now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Entry> {
        self.close(now, |last| now.saturating_duration_since(last) >= EVERY)
    }

    /// All that is not written.
    pub(super) fn rest(&mut self, now: Instant) -> Vec<Entry> {
        self.close(now, |_| true)
    }

    fn close(&mut self, now: Instant, is_due: impl Fn(Instant) -> bool) -> Vec<Entry> {
        let due = self.0.iter_mut().filter(|(_, counted)| is_due(counted.last));
        let close = |((sort, ..), counted): (&Kind, &mut Counted)| {
            let open = counted.open.take()?;
            counted.last = now;
            Some(entry(*sort, open))
        };
        due.filter_map(close).collect()
    }
}

fn entry(sort: Sort, answers: Answers) -> Entry {
    match sort {
        Sort::Refused => Entry::Refused(answers),
        Sort::Noted => Entry::Noted(answers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count_of(entry: &Entry) -> (u64, &str) {
        match entry {
            Entry::Refused(answers) | Entry::Noted(answers) => (answers.count, &answers.request_id),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_flood_is_one_entry_at_once_and_one_with_the_rest_after_a_while() {
        let (mut tally, start, time) = (Tally::default(), Instant::now(), Timestamp::UNIX_EPOCH);
        let sort = (Sort::Refused, Route::Trigger, "unauthorized");
        let first = tally.count(sort, "r0", (start, time)).unwrap();
        assert_eq!(count_of(&first), (1, "r0"));
        for number in 1..=1000 {
            assert_eq!(tally.count(sort, &format!("r{number}"), (start, time)), None);
        }
        let second = start + EVERY;
        assert_eq!(tally.due(second.checked_sub(Duration::from_millis(1)).unwrap()), []);
        // One that comes before the turn is counted with the rest.
        assert_eq!(tally.count(sort, "r1001", (second, time)), None);
        let due = tally.due(second);
        assert_eq!(due.iter().map(count_of).collect::<Vec<_>>(), [(1001, "r1001")]);
        assert_eq!(tally.due(second + EVERY), []);
        assert!(tally.count(sort, "r1002", (second + EVERY, time)).is_some());
    }

    #[test]
    fn sorts_are_counted_apart_and_the_end_brings_out_all_of_them() {
        let (mut tally, now, time) = (Tally::default(), Instant::now(), Timestamp::UNIX_EPOCH);
        let sorts = [
            (Sort::Refused, Route::Trigger, "unauthorized"),
            (Sort::Refused, Route::EventBridge, "unauthorized"),
            (Sort::Noted, Route::EventBridge, "duplicate"),
        ];
        for sort in sorts {
            assert!(tally.count(sort, "first", (now, time)).is_some());
            assert!(tally.count(sort, "second", (now, time)).is_none());
        }
        let rest = tally.rest(now);
        assert_eq!(rest.iter().map(count_of).collect::<Vec<_>>(), [(1, "second"); 3]);
        assert_eq!(tally.rest(now), []);
    }
}
