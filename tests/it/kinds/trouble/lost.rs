//! The answer to a write, or the write itself, is lost on the way.

use anypoint_sandbox::faults::{Action, Gate, Rule};

use super::subject::{Subject, Thing};

pub(super) async fn it_is_looked_at_and_written_again(mut subject: Subject) {
    subject.spoil(Rule::new(Action::Hang(Gate::new())).times(1));
    subject.start_with("200ms", "").await;
    let failure = subject.bench.meets("timeout").await;
    subject.says(&failure, "no answer in time", "none: it is tried again");
    subject.heals().await;
    assert_eq!(subject.tries().len(), 2);
}

pub(super) async fn it_is_not_taken_for_a_success(mut subject: Subject) {
    subject.stumbles(Rule::new(Action::TruncateBody), "unavailable").await;
    subject.heals().await;
    let first = subject.values[0].as_str();
    assert_eq!(subject.written(), [first, first], "the first write had taken effect");
}

pub(super) async fn its_status_counts(mut subject: Subject) {
    let Thing::Receiver(receiver) = &subject.thing else { panic!("{:?} has no receiver", subject.kind) };
    receiver.answer(200, "the connections are fresh");
    subject.spoil(Rule::new(Action::TruncateBody));
    subject.start().await;
    subject.heals().await;
    assert_eq!(subject.tries().len(), 1);
    assert_eq!(subject.failures(), 0);
}

pub(super) async fn it_is_written_once(mut subject: Subject) {
    subject.stumbles(Rule::new(Action::ResetBefore), "unavailable").await;
    subject.heals().await;
    assert_eq!(subject.written(), [subject.values[0].clone()]);
}

pub(super) async fn it_is_written_once_more(mut subject: Subject) {
    subject.stumbles(Rule::new(Action::ResetAfter), "unavailable").await;
    subject.heals().await;
    assert_eq!(subject.tries().len(), 2);
    if !matches!(subject.thing, Thing::Receiver(_)) {
        let first = subject.values[0].as_str();
        assert_eq!(subject.written(), [first, first]);
    }
}
