//! Every way to meddle with a chain, tried on random ones.

use std::time::Instant;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// The text of a chain of these entries, a second apart.
pub(super) fn chain(entries: &[Entry]) -> Vec<u8> {
    let (place, now) = (Memory::default(), Instant::now());
    let (mut recorder, _) = recorder(&place, &metrics());
    for (entry, second) in entries.iter().zip(0..) {
        recorder.write(entry, at(second), now);
    }
    place.text()
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

fn head(text: &[u8]) -> Head {
    checked(text).head.unwrap().parse().unwrap()
}

fn with_head(head: Head) -> Expected {
    Expected { heads: vec![head], ..Expected::default() }
}

/// What a sender may put into an entry.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9-]{1,12}",
        "\\PC{0,40}",
        Just("\",\"mac\":\"".to_owned()),
        Just("}\n{\"seq\":2".to_owned())
    ]
}

fn any_entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        (words(), words(), proptest::option::of(words())).prop_map(|(request_id, id, reason)| {
            Entry::Manual(Notification {
                route: "trigger",
                request_id,
                id,
                reason,
                ..Notification::default()
            })
        }),
        (words(), 1..u64::MAX).prop_map(|(request_id, count)| {
            Entry::Refused(Answers { route: "sns", code: "malformed", count, since: at(0), request_id })
        }),
        (words(), words(), words()).prop_map(|(target, secret, version)| {
            let versions = [(secret, version)].into();
            Entry::Written(Run { target, kind: "http", outcome: "in_sync", versions, ..Run::default() })
        }),
        words().prop_map(|event_id| {
            Entry::NotRotated { change: "rotation_failed", secret: "prod/db".to_owned(), event_id }
        }),
    ]
}

/// A chain of two lines or more.
fn any_chain() -> impl Strategy<Value = Vec<u8>> {
    chain_from(start())
}

fn chain_from(first: Entry) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any_entry(), 1..12)
        .prop_map(move |entries| chain(&[&[first.clone()][..], &entries].concat()))
}

/// As [`start`], at another time or of another relay.
fn another_start() -> Entry {
    Entry::Start { version: "1.2.3", command: "serve", targets: 3 }
}

proptest! {
    #[test]
    fn a_chain_is_intact_and_holds_every_head_that_it_ever_had(text in any_chain(), some in any::<Index>()) {
        let all = lines(&text);
        let before = all[..=some.index(all.len())].concat();
        let report = check(&text, &with_head(head(&before)));
        prop_assert_eq!(problems(&report), [""; 0]);
        prop_assert_eq!(report.entries, all.len() as u64);
    }

    #[test]
    fn a_byte_that_was_changed_is_found(mut text in any_chain(), place in any::<Index>(), flip in 1_u8..) {
        let place = place.index(text.len());
        text[place] ^= flip;
        let report = checked(&text);
        prop_assert!(!report.intact(), "{}", String::from_utf8_lossy(&text));
        // At its line, or at the next where a line end was changed.
        let line = text[..place].split(|byte| *byte == b'\n').count() as u64;
        prop_assert!(report.problems[0].line.abs_diff(line) <= 1, "{:?}, changed in {line}", problems(&report));
    }

    #[test]
    fn a_byte_that_was_removed_or_added_is_found(text in any_chain(), place in any::<Index>(), byte in any::<u8>()) {
        let place = place.index(text.len());
        let (mut less, mut more) = (text.clone(), text);
        less.remove(place);
        prop_assert!(!checked(&less).intact());
        more.insert(place, byte);
        prop_assert!(!checked(&more).intact());
    }

    #[test]
    fn a_line_that_was_removed_is_found_and_named(text in any_chain(), place in any::<Index>()) {
        let mut all = lines(&text);
        // Whether the last is gone only a head tells.
        let place = place.index(all.len() - 1);
        all.remove(place);
        let report = checked(&all.concat());
        prop_assert_eq!(report.problems[0].line, place as u64 + 1, "{:?}", problems(&report));
    }

    #[test]
    fn lines_that_changed_places_are_found(text in any_chain(), one in any::<Index>(), other in any::<Index>()) {
        let mut all = lines(&text);
        let (one, other) = (one.index(all.len()), other.index(all.len()));
        prop_assume!(one != other);
        all.swap(one, other);
        prop_assert_eq!(checked(&all.concat()).problems[0].line, one.min(other) as u64 + 1);
    }

    #[test]
    fn a_line_that_was_repeated_anywhere_is_found(text in any_chain(), one in any::<Index>(), to in any::<Index>()) {
        let mut all = lines(&text);
        let line = all[one.index(all.len())];
        let to = to.index(all.len() + 1);
        all.insert(to, line);
        let report = checked(&all.concat());
        // Before its original the copy is the original, and the other one is the repetition.
        prop_assert!(report.problems[0].line.abs_diff(to as u64 + 1) <= 1, "{:?}, repeated at {to}", problems(&report));
    }

    #[test]
    fn a_line_of_another_chain_of_the_same_key_is_found(
        text in any_chain(), other in chain_from(another_start()), place in any::<Index>(), from in any::<Index>(),
    ) {
        let (mut all, other) = (lines(&text), lines(&other));
        let (place, from) = (place.index(all.len()), from.index(other.len()));
        all[place] = other[from];
        prop_assert!(!checked(&all.concat()).intact());
    }

    #[test]
    fn a_cut_within_a_line_is_found_without_a_head_and_any_cut_with_one(text in any_chain(), cut in any::<Index>()) {
        let cut = cut.index(text.len());
        let rest = &text[..cut];
        let whole_lines = rest.is_empty() || rest.ends_with(b"\n");
        // This is all that a check without a head cannot tell: an end that was cut off by whole lines.
        prop_assert_eq!(checked(rest).intact(), whole_lines && !rest.is_empty(), "{}", cut);
        prop_assert!(!check(rest, &with_head(head(&text))).intact());
    }

    #[test]
    fn a_chain_that_was_cut_and_went_on_is_found_with_a_head_from_before(text in any_chain(), cut in any::<Index>()) {
        let all = lines(&text);
        let cut = 1 + cut.index(all.len() - 1);
        let key = key();
        let (rest, noted) = (all[..cut].concat(), head(&text));
        let place = Memory::default();
        lock(&place.0).0.clone_from(&rest);
        let ending = Ending { head: head(&rest), torn: Vec::new() };
        let shared = (Arc::default(), metrics());
        let mut recorder = Recorder::new(key, Box::new(place.clone()), ending, Duration::MAX, shared);
        for second in 100..120 {
            recorder.write(&start(), at(second), Instant::now());
        }
        prop_assert!(checked(&place.text()).intact(), "without the head it looks whole");
        let report = check(&place.text(), &with_head(noted));
        prop_assert!(problems(&report)[0].contains("does not hold the head"), "{:?}", problems(&report));
    }

    #[test]
    fn nothing_holds_under_another_key(text in any_chain()) {
        let other = Key::new(&SecretValue::from("another-key-0123456789abcdefghijklmn".to_owned())).unwrap();
        let expected = Expected::default();
        let mut verifier = Verifier::new(&other, &expected);
        verifier.file("relay.audit", &*text).unwrap();
        let report = verifier.finish();
        prop_assert_eq!((report.entries, report.problem_count), (0, lines(&text).len() as u64));
    }

    #[test]
    fn any_bytes_are_read_and_never_hold(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(!checked(&bytes).intact());
    }
}

#[test]
fn each_way_is_said_in_words() {
    let targets = ["a", "b", "c", "d"].map(parked);
    let text = chain(&[&[start()][..], &targets].concat());
    let all = lines(&text);
    let said = |lines: &[&[u8]]| problems(&checked(&lines.concat()));
    let changed = String::from_utf8_lossy(all[2]).replace("\"b\"", "\"x\"");
    assert_eq!(
        said(&[all[0], all[1], changed.as_bytes(), all[3], all[4]]),
        ["3: entry 3 does not hold: it was changed, or does not belong behind the line before"]
    );
    assert_eq!(said(&[all[0], all[1], all[4]]), ["3: entry 5 follows entry 2: 2 missing between them"]);
    assert_eq!(
        said(&[all[0], all[1], all[1], all[2], all[3], all[4]]),
        ["3: entry 2 follows entry 2: repeated, or out of its place"]
    );
    assert_eq!(
        said(&all[2..]),
        ["1: begins with entry 3: what is before it is missing; give the earlier files first, or --after"]
    );
    assert_eq!(
        said(&[all[0], b"a stranger was here\n", all[1]]),
        ["2: no entry, and the line behind it does not tell of it: it was added or changed"]
    );
    assert_eq!(
        said(&[all[0], &all[1][..20]]),
        ["2: no entry: a line that was cut off, or added; no start of the relay follows that tells of it"]
    );
    assert_eq!(said(&[]), ["0: no entry: a relay writes one when it starts"]);

    let noted = head(&text);
    let report = check(&all[..3].concat(), &with_head(noted));
    let mac = &noted.mac.to_string()[..12];
    assert_eq!(
        problems(&report),
        [format!("3: ends at entry 3, and the head is 5:{mac}...: 2 cut off at the end")]
    );
}

#[test]
fn a_chain_over_several_files_is_one_and_a_later_part_needs_the_head_before_it() {
    let text = chain(&[start(), parked("a"), parked("b"), parked("c")]);
    let all = lines(&text);
    let (one, two) = (all[..2].concat(), all[2..].concat());
    let (key, expected) = (key(), Expected::default());
    let files = |files: &[&[u8]]| {
        let mut verifier = Verifier::new(&key, &expected);
        for file in files {
            verifier.file("part", *file).unwrap();
        }
        verifier.finish()
    };
    assert_eq!((problems(&files(&[&one, &two])), files(&[&one, &two]).entries), (vec![], 4));
    assert!(!files(&[&two, &one]).intact() && !files(&[&two]).intact());
    let after = Expected { after: Some(head(&one)), heads: vec![head(&one), head(&text)], restarts: false };
    assert_eq!(problems(&check(&two, &after)), [""; 0]);
}

#[test]
fn chains_behind_one_another_are_taken_where_that_is_asked_for_and_only_whole() {
    let (one, two) = (chain(&[start(), parked("a")]), chain(&[start(), parked("b"), parked("c")]));
    let both = [&one[..], &two].concat();
    let said = problems(&checked(&both));
    assert!(said.len() == 1 && said[0].starts_with("3: a new chain begins here"), "{said:?}");
    let restarts = Expected { restarts: true, heads: vec![head(&one), head(&two)], after: None };
    let report = check(&both, &restarts);
    assert_eq!((problems(&report), report.entries), (vec![], 5));
    assert_eq!(notes(&report).len(), 1);
    let cut = [lines(&one)[0], &two].concat();
    assert!(!check(&cut, &restarts).intact(), "the head of the first is missing");
}
