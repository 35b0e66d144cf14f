//! The write itself goes well, and what comes before or after it does not: the look, the token, the proof.

use anypoint_sandbox::faults::{Action, Rule};
use jiff::SignedDuration;

use super::TARGET;
use super::subject::{PASSWORD, Subject};

met_by! {
    a_look_that_fails_is_tried_again: application shared_secret keystore truststore certificate;
    a_token_that_is_refused_is_replaced_once: application shared_secret secret_value;
}

async fn a_look_that_fails_is_tried_again(mut subject: Subject) {
    let kind = subject.kind;
    let tag = kind.write().replace(".put", ".get").replace(".patch", ".get");
    let faults = subject.bench.anypoint.faults();
    faults.add(Rule::new(Action::TruncateBody).tag(&tag).times(1));
    faults.add(Rule::status(200).body("<html>login</html>").tag(tag).times(1));
    subject.start("4s").await;
    subject.bench.meets("unavailable").await;
    let failure = subject.bench.meets("bad_answer").await;
    let doing = kind.doing().replace("writing", "reading").replace(" through connection prod", "");
    assert_eq!(failure.message, format!("{doing}the answer is not JSON"));
    subject.heals().await;
}

async fn a_token_that_is_refused_is_replaced_once(mut subject: Subject) {
    let kind = subject.kind;
    subject.start("4s").await;
    subject.heals().await;
    let minted = subject.bench.anypoint.tokens_minted();
    subject.bench.anypoint.expire_tokens();
    subject.bench.anypoint.shift_modified_at(SignedDuration::from_secs(10));
    subject.bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    subject.bench.insist().await;
    subject.bench.ended_as(TARGET, kind.settled()).await;
    assert_eq!(subject.written().last().map(String::as_str), Some("second-password"));
    assert_eq!(subject.bench.anypoint.tokens_minted(), minted + 1);
}

#[tokio::test]
async fn a_roll_that_does_not_end_parks_the_application_and_a_person_brings_it_back() {
    let mut subject = Subject::application().await;
    let app = subject.bench.anypoint.app("orders-api");
    app.roll_by_hand();
    let file = subject.bench.file(
        "
  orders:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: orders-api
    coalesce: 10ms
    roll_limit: 1s
    secure_properties: { db.password: { secret: prod/orders/db, field: password } }",
    );
    subject.bench.start_with(&file).await;
    let failure = subject.bench.parks("roll_overdue").await;
    assert_eq!(failure.message, "the roll did not end within 1s");
    assert_eq!(
        failure.next_step,
        "look at the replicas in Runtime Manager; raise `roll_limit` if the application starts slowly"
    );
    assert_eq!(subject.bench.running("orders-api", "db.password"), ["old"]);
    app.finish_roll();
    let answer = subject.bench.insist().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    subject.heals().await;
    assert_eq!(subject.written().len(), 1, "the roll that ended late was enough");
}

#[tokio::test]
async fn a_shared_secret_whose_date_never_moves_is_accepted_after_a_second_write() {
    let mut subject = Subject::shared_secret().await;
    subject.bench.anypoint.stop_clock();
    subject.bench.anypoint.shift_modified_at(SignedDuration::from_secs(-60));
    subject.start("4s").await;
    subject.bench.ended_as(TARGET, "accepted").await;
    assert_eq!(subject.written(), [PASSWORD, PASSWORD]);
}
