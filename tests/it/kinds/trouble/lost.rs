//! The answer to a write, or the write itself, is lost on the way.

use anypoint_sandbox::faults::{Action, Gate, Rule};

use super::subject::{Kind, PASSWORD, Subject};

met_by! {
    a_write_without_an_answer_is_tried_again: application shared_secret keystore truststore certificate secret_value http;
    a_truncated_answer_is_not_taken_for_a_success: application shared_secret keystore truststore certificate secret_value;
    a_connection_reset_before_the_write_is_tried_again: application shared_secret keystore truststore certificate secret_value http;
    a_connection_reset_after_the_write_is_written_once_more: application shared_secret keystore truststore certificate secret_value http;
}

async fn a_write_without_an_answer_is_tried_again(mut subject: Subject) {
    let gate = Gate::new();
    subject.spoil(Rule::new(Action::Hang(gate)), Some(1));
    subject.start("200ms").await;
    let failure = subject.bench.meets("timeout").await;
    subject.says(&failure, "no answer in time", "none: it is tried again");
    subject.heals().await;
    assert_eq!(subject.tries().len(), 2);
}

async fn a_truncated_answer_is_not_taken_for_a_success(mut subject: Subject) {
    subject.stumbles(Rule::new(Action::TruncateBody), "unavailable").await;
    subject.heals().await;
    assert_eq!(subject.written(), [PASSWORD, PASSWORD], "the first write had taken effect");
}

async fn a_connection_reset_before_the_write_is_tried_again(mut subject: Subject) {
    subject.stumbles(Rule::new(Action::ResetBefore), "unavailable").await;
    subject.heals().await;
    assert_eq!(subject.written(), [PASSWORD]);
}

async fn a_connection_reset_after_the_write_is_written_once_more(mut subject: Subject) {
    subject.stumbles(Rule::new(Action::ResetAfter), "unavailable").await;
    subject.heals().await;
    assert_eq!(subject.tries().len(), 2);
    if subject.kind != Kind::Http {
        assert_eq!(subject.written(), [PASSWORD, PASSWORD]);
    }
}
