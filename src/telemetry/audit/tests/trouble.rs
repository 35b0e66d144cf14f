//! Disks that are full or slow, and crashes in the middle of a line.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::clock::TestClock;

#[test]
fn what_could_not_be_written_is_counted_and_the_next_line_says_how_many_are_missing() {
    let (place, metrics, now) = (Memory::default(), metrics(), Instant::now());
    let (mut recorder, _) = recorder(&place, &metrics);
    recorder.write(&start(), at(0), now);
    place.fail(3);
    for (second, target) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        recorder.write(&parked(target), at(1 + i64::try_from(second).unwrap()), now);
    }
    let text = String::from_utf8(place.text()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[1]
            .starts_with(r#"{"seq":2,"time":"2026-09-21T14:13:24Z","lost":3,"what":"parked","target":"d""#)
    );
    assert!(!lines[2].contains("lost"), "{text}");
    let report = checked(text.as_bytes());
    assert_eq!((problems(&report), report.lost), (vec![], 3));
    assert_eq!(notes(&report), ["2: 3 before it lost: the relay could not write them, and says so here"]);
    assert_eq!(shown(&metrics, "relay_audit_lost_total"), 3);
    assert_eq!(shown(&metrics, "relay_audit_entries_total"), 3);
}

/// Takes no line before it is told to.
struct Slow(Memory, std::sync::mpsc::Receiver<()>);

impl Place for Slow {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        // Once the other side is gone the disk answers at once.
        self.1.recv().ok();
        self.0.append(line)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nobody_waits_for_a_disk_that_hangs_and_what_is_too_much_is_told_of_afterwards() {
    let (place, metrics) = (Memory::default(), metrics());
    let (answers, disk) = std::sync::mpsc::channel();
    let lost = Arc::<Lost>::default();
    let clock: Arc<dyn Clock> = Arc::new(TestClock::at(at(0)));
    let ending = Ending { head: Head::NONE, torn: Vec::new() };
    let slow = Box::new(Slow(place.clone(), disk));
    let shared = (Arc::clone(&lost), Arc::clone(&metrics));
    let recorder = Recorder::new(key(), slow, ending, Duration::from_hours(1), shared);
    let audit = Audit::over(recorder, lost, Arc::clone(&metrics), clock).unwrap();
    // The thread takes what waits in one piece, so twice as much as may wait is more than fits for sure.
    let all = 2 * WAITING + 100;
    (0..all).for_each(|_| audit.record(parked("orders")));
    let too_much = shown(&metrics, "relay_audit_lost_total");
    assert!(too_much >= 99, "{too_much}");

    drop(answers);
    audit.end("drained").await;
    let text = place.text();
    let report = checked(&text);
    assert_eq!(problems(&report), [""; 0]);
    // The end itself may have found no room.
    let lost = shown(&metrics, "relay_audit_lost_total");
    assert_eq!(report.entries + lost, all as u64 + 1, "each is there, or counted");
    assert!(report.lost >= too_much, "{} of {too_much} told of", report.lost);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The machine fails at any byte of any line, several times in a row, also in the line that tells of it.
    #[test]
    fn a_crash_at_any_byte_leaves_a_chain_that_holds(cuts in proptest::collection::vec(1_usize..400, 1..6)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.audit");
        let mut told = 0;
        for cut in cuts {
            let before = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            told += usize::from(session(&path, &[start(), parked("orders")]));
            let after = std::fs::metadata(&path).unwrap().len();
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            // Nothing of an earlier session: a crash takes what was being written.
            file.set_len(after.saturating_sub(cut as u64).max(before + 1)).unwrap();
        }
        told += usize::from(session(&path, &[start()]));
        let text = std::fs::read(&path).unwrap();
        let report = checked(&text);
        prop_assert_eq!(problems(&report), [""; 0], "{}", String::from_utf8_lossy(&text));
        // A start that tells of a piece may be cut off itself; then the next tells of both as one.
        prop_assert!(report.notes.len() <= told && report.notes.is_empty() == (told == 0), "{:?}", notes(&report));

        // What was cut off cannot be changed afterwards, nor be taken out.
        if let Some(note) = report.notes.first() {
            let line = usize::try_from(note.line).unwrap() - 1;
            let mut lines: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            lines[line][0] ^= 1;
            prop_assert!(!checked(&lines.concat()).intact());
            lines.remove(line);
            prop_assert!(!checked(&lines.concat()).intact());
        }
    }
}

/// Writes entries as a relay that starts does; gives whether it found a piece of a line.
fn session(path: &std::path::Path, entries: &[Entry]) -> bool {
    let (file, ending) = LogFile::open(path, &key()).unwrap();
    let was_torn = !ending.torn.is_empty();
    let shared = (Arc::default(), metrics());
    let mut recorder = Recorder::new(key(), Box::new(file), ending, Duration::from_hours(1), shared);
    for entry in entries {
        recorder.write(entry, at(0), Instant::now());
    }
    was_torn
}

#[test]
fn a_piece_that_a_later_line_does_not_tell_of_is_a_problem() {
    let text = meddling::chain(&[start(), parked("a")]);
    let piece = &text[..text.len() - 40];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.audit");
    std::fs::write(&path, piece).unwrap();
    session(&path, &[start()]);
    let whole = std::fs::read(&path).unwrap();
    let report = checked(&whole);
    assert_eq!(problems(&report), [""; 0]);
    let said = notes(&report);
    assert!(said[0].starts_with("2: ") && said[0].ends_with("the start in line 3 tells of them"), "{said:?}");

    // Only a start can: it is the first line of a relay that may have crashed before.
    std::fs::write(&path, piece).unwrap();
    session(&path, &[parked("b")]);
    assert!(!checked(&std::fs::read(&path).unwrap()).intact());
}
