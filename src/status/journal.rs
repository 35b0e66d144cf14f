//! What has changed on the board since somebody last looked, for those who watch it live.
//!
//! Guarantees: it holds no more than one entry for each target, [`RECENT`] notifications and one refusal for
//! each hook and code, however much happens and however many watch; who reads slowly sees each target as it is
//! then, not every step in between, and is told if notifications passed unseen ([`News::Missed`]). Strangers
//! cannot push out what was verified: what is refused has places of its own.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::Serialize;

use crate::model::TargetName;

/// Notifications that are kept.
pub(super) const RECENT: usize = 100;

/// A notification and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// When the newest of them was answered.
    pub at: Timestamp,
    /// Which way it came.
    pub route: &'static str,
    /// What became of it, as the metric says it.
    pub verdict: &'static str,
    /// The code of the answer, where that was an error.
    pub code: Option<&'static str>,
    /// The newest request.
    pub request_id: String,
    /// The newest event, where it was accepted.
    pub event_id: Option<String>,
    /// The secret in the sender's words, where it was accepted.
    pub secret: Option<String>,
    /// How many targets were enqueued.
    pub enqueued: usize,
    /// How many equal ones this stands for.
    pub count: u64,
}

impl Notice {
    /// Whether `later` may be counted with it.
    fn is_like(&self, later: &Self) -> bool {
        let sort = |notice: &Self| (notice.route, notice.verdict, notice.code);
        sort(self) == sort(later) && self.secret == later.secret
    }

    fn after(mut self, earlier: &Self) -> Self {
        self.count = self.count.saturating_add(earlier.count);
        self
    }
}

/// One piece of news.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// How this target stands has changed.
    Target(TargetName),
    /// This came of a notification.
    Notice(Notice),
    /// Notifications passed that are kept no more.
    Missed,
}

/// The place of a piece of news; later ones have greater places.
pub type Place = u64;

#[derive(Default)]
pub(super) struct Journal {
    last: Place,
    targets: BTreeMap<TargetName, Place>,
    in_order: BTreeMap<Place, TargetName>,
    /// Oldest first.
    recent: VecDeque<(Place, Notice)>,
    /// By hook and code.
    refused: BTreeMap<(&'static str, &'static str), (Place, Notice)>,
    /// The last place that was pushed out of `recent`.
    pushed_out: Place,
}

impl Journal {
    pub(super) fn last(&self) -> Place {
        self.last
    }

    pub(super) fn touch(&mut self, target: &TargetName) {
        let place = self.next();
        if let Some(before) = self.targets.insert(target.clone(), place) {
            self.in_order.remove(&before);
        }
        self.in_order.insert(place, target.clone());
    }

    /// Forgets the targets that are not among these.
    pub(super) fn keep(&mut self, known: impl Fn(&TargetName) -> bool) {
        self.targets.retain(|target, _| known(target));
        self.in_order.retain(|_, target| known(target));
    }

    pub(super) fn hear(&mut self, notice: Notice) {
        let place = self.next();
        if let Some(code) = notice.code {
            let known = self.refused.get(&(notice.route, code));
            let notice = known.map_or_else(|| notice.clone(), |(_, earlier)| notice.clone().after(earlier));
            self.refused.insert((notice.route, code), (place, notice));
            return;
        }
        if let Some((at, newest)) = self.recent.back_mut()
            && newest.is_like(&notice)
        {
            *newest = notice.after(newest);
            *at = place;
            return;
        }
        if self.recent.len() == RECENT
            && let Some((oldest, _)) = self.recent.pop_front()
        {
            self.pushed_out = oldest;
        }
        self.recent.push_back((place, notice));
    }

    /// The first news behind `place`, with its own place.
    pub(super) fn after(&self, place: Place) -> Option<(Place, News)> {
        if self.pushed_out > place {
            return Some((self.pushed_out, News::Missed));
        }
        let target = self.in_order.range(place + 1..).next();
        let target = target.map(|(at, target)| (*at, News::Target(target.clone())));
        let notices = self.recent.iter().chain(self.refused.values());
        let notice = notices.filter(|(at, _)| *at > place).min_by_key(|(at, _)| *at);
        let notice = notice.map(|(at, notice)| (*at, News::Notice(notice.clone())));
        [target, notice].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// What was verified, newest first.
    pub(super) fn recent(&self) -> Vec<Notice> {
        self.recent.iter().rev().map(|(_, notice)| notice.clone()).collect()
    }

    /// What was refused, by hook and code.
    pub(super) fn refused(&self) -> Vec<Notice> {
        self.refused.values().map(|(_, notice)| notice.clone()).collect()
    }

    fn next(&mut self) -> Place {
        self.last += 1;
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> TargetName {
        TargetName::parse(name).unwrap()
    }

    fn notice(verdict: &'static str, code: Option<&'static str>, secret: Option<&str>) -> Notice {
        let secret = secret.map(str::to_owned);
        Notice { route: "sns", verdict, code, secret, count: 1, ..Notice::default() }
    }

    /// Everything behind `place`.
    fn read(journal: &Journal, mut place: Place) -> Vec<News> {
        let mut news = Vec::new();
        while let Some((at, one)) = journal.after(place) {
            assert!(at > place);
            place = at;
            news.push(one);
        }
        news
    }

    #[test]
    fn a_target_that_changed_often_is_one_piece_of_news_in_the_place_of_the_last_change() {
        let mut journal = Journal::default();
        for name in ["a", "b", "a", "c", "a"] {
            journal.touch(&target(name));
        }
        assert_eq!(read(&journal, 0), ["b", "c", "a"].map(|name| News::Target(target(name))));
        assert_eq!(read(&journal, 4), [News::Target(target("a"))]);
        assert_eq!(read(&journal, journal.last()), []);
    }

    #[test]
    fn equal_notifications_in_a_row_are_counted_and_others_stand_between() {
        let mut journal = Journal::default();
        for secret in ["x", "x", "y", "x"] {
            journal.hear(notice("accepted", None, Some(secret)));
        }
        let counts: Vec<_> = journal.recent().into_iter().map(|n| (n.secret.unwrap(), n.count)).collect();
        assert_eq!(counts, [("x".to_owned(), 1), ("y".to_owned(), 1), ("x".to_owned(), 2)]);
    }

    #[test]
    fn who_was_away_for_too_long_is_told_that_notifications_passed() {
        let mut journal = Journal::default();
        journal.touch(&target("a"));
        for number in 0..RECENT + 5 {
            journal.hear(notice("accepted", None, Some(&number.to_string())));
        }
        let news = read(&journal, 0);
        assert_eq!((news.len(), &news[0]), (RECENT + 1, &News::Missed));
    }

    #[test]
    fn strangers_push_nothing_out_and_take_one_place_for_each_code() {
        let mut journal = Journal::default();
        journal.hear(notice("accepted", None, Some("x")));
        for _ in 0..1000 {
            journal.hear(notice("bad_signature", Some("signature_refused"), None));
            journal.hear(notice("malformed", Some("malformed"), None));
        }
        assert_eq!(journal.recent().len(), 1);
        let counts: Vec<_> = journal.refused().into_iter().map(|n| (n.code.unwrap(), n.count)).collect();
        assert_eq!(counts, [("malformed", 1000), ("signature_refused", 1000)]);
        assert_eq!(read(&journal, 1).len(), 2);
    }
}
