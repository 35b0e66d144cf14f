//! The audit as a whole: what it writes, and what a check finds of every way to meddle with it.

mod meddling;
mod trouble;

use std::io;

use super::verify::{Expected, Report, Verifier};
use super::*;

const SECRET: &str = "audit-key-0123456789abcdefghijklmnop";

fn key() -> Key {
    Key::new(&SecretValue::from(SECRET.to_owned())).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn start() -> Entry {
    Entry::Start { version: "1.2.3", command: "serve", targets: 2 }
}

fn parked(target: &str) -> Entry {
    Entry::Parked(Run { target: target.to_owned(), kind: "http", outcome: "parked", ..Run::default() })
}

fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new([]))
}

/// The value of a metric without labels.
fn shown(metrics: &Metrics, name: &str) -> u64 {
    let text = metrics.encode();
    text.lines().find_map(|line| line.strip_prefix(&format!("{name} "))?.parse().ok()).unwrap()
}

fn check(text: &[u8], expected: &Expected) -> Report {
    let key = key();
    let mut verifier = Verifier::new(&key, expected);
    verifier.file("relay.audit", text).unwrap();
    verifier.finish()
}

fn checked(text: &[u8]) -> Report {
    check(text, &Expected::default())
}

/// What is wrong, as `line: message`.
fn problems(report: &Report) -> Vec<String> {
    report.problems.iter().map(|found| format!("{}: {}", found.line, found.message)).collect()
}

fn notes(report: &Report) -> Vec<String> {
    report.notes.iter().map(|found| format!("{}: {}", found.line, found.message)).collect()
}

#[test]
fn a_line_says_what_was_decided_and_ends_with_its_mac() {
    let text = meddling::chain(&[start()]);
    let line = std::str::from_utf8(&text).unwrap();
    let (content, mac) = line.trim_end().split_once(r#","mac":""#).unwrap();
    assert_eq!(
        content,
        r#"{"seq":1,"time":"2026-09-21T14:13:20Z","what":"start","version":"1.2.3","command":"serve","targets":2"#
    );
    assert_eq!(mac.len(), 64 + 2);
    let report = checked(&text);
    assert_eq!(problems(&report), [""; 0]);
    assert_eq!((report.entries, report.from), (1, Some(at(0))));
    assert_eq!(report.head, Some(format!("1:{}", &mac[..64])));
}

#[test]
fn what_is_unknown_is_left_out_and_what_a_sender_said_stays_one_line() {
    let reason = "a \"quote\",\n{\"seq\":9} \u{2028} \\ and more".to_owned();
    let manual = Notification {
        route: "trigger",
        request_id: "r-1".to_owned(),
        id: "trigger:msg_1".to_owned(),
        target: Some("orders".to_owned()),
        enqueued: 1,
        key_id: Some("ops".to_owned()),
        reason: Some(reason.clone()),
        ..Notification::default()
    };
    let text = meddling::chain(&[start(), Entry::Manual(manual)]);
    let lines: Vec<serde_json::Value> =
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[1]["what"], &lines[1]["key_id"]), (&"manual".into(), &"ops".into()));
    assert_eq!(lines[1]["reason"], reason);
    assert_eq!((lines[1].get("secret"), lines[1].get("lost")), (None, None));
    assert!(checked(&text).intact());
}

#[tokio::test]
async fn what_is_recorded_is_in_the_file_in_order_and_a_restart_goes_on_with_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.audit");
    let clock = crate::clock::TestClock::at(at(0));
    let metrics = metrics();
    for _ in 0..2 {
        let audit = open(&path, &metrics, &clock);
        audit.record(start());
        (0..100).for_each(|number| audit.record(parked(&format!("target-{number}"))));
        for request in ["r-1", "r-2", "r-3"] {
            audit.refused(Route::Trigger, "unauthorized", request);
        }
        audit.noted(Route::Sns, "duplicate", "r-4");
        audit.end("drained").await;
        audit.record(parked("too-late"));
    }
    let text = std::fs::read(&path).unwrap();
    let report = checked(&text);
    assert_eq!(problems(&report), [""; 0], "{}", String::from_utf8_lossy(&text));
    // Each time: start, the hundred, the first refusal, one duplicate, the two other refusals, the end.
    assert_eq!((report.entries, shown(&metrics, "relay_audit_entries_total")), (210, 210));
    let lines: Vec<serde_json::Value> =
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines[101]["request_id"], "r-1");
    assert_eq!((&lines[103]["count"], &lines[103]["request_id"]), (&2.into(), &"r-3".into()));
    assert_eq!((&lines[104]["what"], &lines[104]["how"]), (&"end".into(), &"drained".into()));
    let head = report.head.unwrap();
    let line = format!("relay_audit_head{{head=\"{head}\"}} 210");
    assert!(metrics.encode().contains(&line), "no {line} in {}", metrics.encode());
}

fn open(path: &std::path::Path, metrics: &Arc<Metrics>, clock: &crate::clock::TestClock) -> Audit {
    let key = crate::credential::CredentialRef::Env("AUDIT_KEY".to_owned());
    let to = config::AuditTo::File(path.to_owned());
    let settings = config::Audit { to, key, head_every: Duration::from_hours(1) };
    let secret = SecretValue::from(SECRET.to_owned());
    Audit::open(&settings, &secret, Arc::clone(metrics), Arc::new(clock.clone())).unwrap()
}

#[tokio::test]
async fn without_an_audit_nothing_is_kept_and_nothing_is_waited_for() {
    let audit = Audit::off();
    audit.record(start());
    audit.refused(Route::Sns, "malformed", "r-1");
    audit.end("drained").await;
}

/// Takes lines into memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<(Vec<u8>, u32)>>);

impl Memory {
    fn text(&self) -> Vec<u8> {
        lock(&self.0).0.clone()
    }

    /// The next lines fail.
    fn fail(&self, times: u32) {
        lock(&self.0).1 = times;
    }
}

impl Place for Memory {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let (text, fails) = &mut *lock(&self.0);
        if *fails > 0 {
            *fails -= 1;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        text.extend_from_slice(line);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A recorder that begins a chain in `place`.
fn recorder(place: &Memory, metrics: &Arc<Metrics>) -> (Recorder, Arc<Lost>) {
    let ending = Ending { head: Head::NONE, torn: Vec::new() };
    let lost = Arc::<Lost>::default();
    let shared = (Arc::clone(&lost), Arc::clone(metrics));
    (Recorder::new(key(), Box::new(place.clone()), ending, Duration::from_hours(1), shared), lost)
}
