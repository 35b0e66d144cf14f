//! The write itself goes well, and what comes before or after it may not: the look, the token, the proof.

use anypoint_sandbox::faults::{Action, Rule};
use jiff::SignedDuration;

use super::TARGET;
use super::kind::Kind;
use super::subject::{Subject, Thing};

pub(super) async fn each_version_is_written_once(mut subject: Subject) {
    subject.start().await;
    subject.heals().await;
    assert_eq!(subject.failures(), 0);
    subject.rotate().await;
    subject.follows().await;
    assert_eq!((subject.written(), subject.tries().len()), (subject.values.to_vec(), 2));
}

pub(super) async fn another_look_follows(mut subject: Subject) {
    let (faults, tag) = (subject.bench.anypoint.faults(), subject.kind.read());
    faults.add(Rule::new(Action::TruncateBody).tag(&tag).times(1));
    faults.add(Rule::status(200).body("<html>login</html>").tag(tag).times(1));
    subject.start().await;
    subject.bench.meets("unavailable").await;
    let failure = subject.bench.meets("bad_answer").await;
    assert_eq!(failure.message, format!("{}the answer is not JSON", subject.kind.reading()));
    subject.heals().await;
}

pub(super) async fn there_is_nothing_to_look_at(mut subject: Subject) {
    subject.start().await;
    subject.heals().await;
    subject.insist().await;
    let log = subject.bench.anypoint.log().matching(|request| request.tag != "token");
    assert!(log.iter().chain(&subject.tries()).all(|request| request.method != "GET"), "{log:?}");
}

pub(super) async fn it_is_replaced_once(mut subject: Subject) {
    subject.start().await;
    subject.heals().await;
    let minted = subject.bench.anypoint.tokens_minted();
    subject.bench.anypoint.expire_tokens();
    subject.rotate().await;
    subject.follows().await;
    assert_eq!(subject.written().len(), 2);
    assert_eq!(subject.bench.anypoint.tokens_minted(), minted + 1);
}

pub(super) async fn there_is_no_token(mut subject: Subject) {
    subject.start().await;
    subject.heals().await;
    assert_eq!(subject.bench.anypoint.tokens_minted(), 0);
}

pub(super) async fn it_is_parked_as_overdue_until_a_person_asks(mut subject: Subject) {
    let Thing::App(app) = &subject.thing else { panic!("{:?} rolls nothing", subject.kind) };
    let app = app.clone();
    app.roll_by_hand();
    subject.start_with("4s", ", roll_limit: 1s").await;
    let failure = subject.bench.parks("roll_overdue").await;
    assert_eq!(failure.message, "the roll did not end within 1s");
    assert_eq!(
        failure.next_step,
        "look at the replicas in Runtime Manager; raise `roll_limit` if the application starts slowly"
    );
    assert!(app.is_rolling());
    let old: &[&str] = if subject.kind == Kind::hybrid { &[] } else { &["old"] };
    assert_eq!(subject.running(), old);
    app.finish_roll();
    subject.insist().await;
    subject.heals().await;
    assert_eq!(subject.written().len(), 1, "the roll that ended late was enough");
}

pub(super) async fn it_is_accepted_after_a_second_write(mut subject: Subject) {
    subject.bench.anypoint.stop_clock();
    subject.bench.anypoint.shift_modified_at(SignedDuration::from_secs(-60));
    subject.start().await;
    subject.bench.ended_as(TARGET, "accepted").await;
    let first = subject.values[0].as_str();
    assert_eq!(subject.written(), [first, first]);
}

pub(super) async fn it_is_accepted_at_once(mut subject: Subject) {
    subject.start().await;
    subject.heals().await;
    assert_eq!((subject.tries().len(), subject.bench.status().history.len()), (1, 1));
    subject.insist().await;
    assert_eq!(subject.tries().len(), 1, "it is not asked again either");
}
