//! AWS: identity, clock, secrets, topics.

use anypoint_sandbox::aws::{ACCESS_KEY, Denied, Failure, secrets_error, sns_error};
use anypoint_sandbox::faults::Rule;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Patient, says};
use crate::support::now;

const SECRET: &str = "secret prod/orders/db";
const SECRET_ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/orders/db-??????";
const ROLE: &str = "arn:aws:iam::123456789012:role/reader";

pub(super) fn user() -> String {
    format!("arn:aws:iam::123456789012:user/{ACCESS_KEY}")
}

pub(super) fn statement(action: &str, resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

fn topic(patient: &Patient) -> String {
    format!("topic {}", patient.bench.aws.topic("rotations").arn())
}

#[tokio::test]
async fn credentials_that_aws_refuses_leave_the_rest_of_aws_and_no_more() {
    let patient = Patient::healthy().await;
    let refusal = Failure::sender("InvalidClientTokenId", "The security token is invalid");
    patient.bench.aws.refuse_key(ACCESS_KEY, Some(refusal));
    let report = patient.examine(1).await;
    says(report.of("AWS identity"), "failed", &["InvalidClientTokenId"]);
    says(report.of(SECRET), "not_tried", &["needs credentials for AWS"]);
    says(report.of(&topic(&patient)), "not_tried", &["credentials"]);
    says(report.of("connection prod"), "ok", &["signed in"]);
    says(report.of("target orders-api"), "ok", &["deployment \"orders-api\" is there", "depends on secret"]);
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_with_how_far() {
    for (minutes, code, verdict, direction) in
        [(3, 0, "warning", "behind"), (-3, 0, "warning", "ahead"), (10, 1, "failed", "behind")]
    {
        let patient = Patient::healthy().await;
        let date = now() + SignedDuration::from_mins(minutes);
        let answer = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                      <GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/x</Arn><UserId>x</UserId>\
                      <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
        let rule = Rule::status(200)
            .header("date", date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string().as_str())
            .header("content-type", "text/xml")
            .body(answer);
        patient.bench.aws.faults().add(rule.tag("GetCallerIdentity"));
        let report = patient.examine(code).await;
        says(report.of("clock"), verdict, &[direction, "set this machine's clock by NTP: with 5 minutes"]);
    }
}

#[tokio::test]
async fn each_action_that_is_denied_is_told_with_the_statement_that_allows_it() {
    let patient = Patient::healthy().await;
    patient.bench.orders_db().deny(Some(Denied::Access));
    let report = patient.examine(1).await;
    let found = report.all_of(SECRET);
    for (finding, action) in
        found.iter().zip(["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"])
    {
        says(finding, "failed", &["access denied", action]);
        let missing = &finding["statements"][0];
        assert_eq!(missing["policy_of"], user());
        assert_eq!(missing["statement"], statement(action, SECRET_ARN));
    }
    assert_eq!(found.len(), 2, "{report:?}");
    says(report.of("target orders-api"), "ok", &["is there"]);
}

#[tokio::test]
async fn one_of_the_two_actions_is_told_alone() {
    for (call, action) in [
        ("DescribeSecret", "secretsmanager:DescribeSecret"),
        ("GetSecretValue", "secretsmanager:GetSecretValue"),
    ] {
        let patient = Patient::healthy().await;
        let denied = secrets_error(400, "AccessDeniedException", "User: x is not authorized");
        patient.bench.aws.faults().add(denied.tag(call));
        let report = patient.examine(1).await;
        says(report.of(SECRET), "failed", &[action]);
        assert_eq!(report.of(SECRET)["statements"][0]["statement"], statement(action, SECRET_ARN));
    }
}

#[tokio::test]
async fn a_key_that_may_not_be_used_is_told_apart_from_a_denied_call() {
    for denied in [Denied::Kms, Denied::Decryption] {
        let patient = Patient::healthy().await;
        patient.bench.orders_db().deny(Some(denied));
        let report = patient.examine(1).await;
        says(report.of(SECRET), "failed", &["may not decrypt", "kms:Decrypt", "key policy"]);
        let expected = json!({
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": "arn:aws:kms:eu-west-1:123456789012:key/*",
            "Condition": {"StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}},
        });
        assert_eq!(report.of(SECRET)["statements"][0]["statement"], expected);
    }
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_is_told_with_both_statements() {
    let source = ("secret: prod/orders/db", &*format!("role: \"{ROLE}\", secret: prod/orders/db"));
    let patient = Patient::healthy().await.with(&[source]);
    let subject = format!("{SECRET} as {ROLE}");
    let report = patient.examine(0).await;
    says(report.of(&subject), "ok", &["AWSCURRENT is", "all 2 parts that are used are there"]);

    patient.bench.aws.deny_role(ROLE, true);
    let report = patient.examine(1).await;
    says(report.of(&subject), "failed", &["cannot be assumed", "trust policy"]);
    let [ours, trust] = &report.of(&subject)["statements"].as_array().unwrap()[..] else {
        panic!("{report:?}")
    };
    assert_eq!(ours["policy_of"], user());
    assert_eq!(ours["statement"], statement("sts:AssumeRole", ROLE));
    assert_eq!(trust["policy_of"], format!("{ROLE} (trust policy)"));
    assert_eq!(trust["statement"]["Principal"]["AWS"], user());
}

#[tokio::test]
async fn a_secret_that_is_missing_or_deleted_or_has_no_current_version_is_told_so() {
    let patient = Patient::healthy().await.with(&[("secret: prod/orders/db", "secret: prod/orders/dbx")]);
    let report = patient.examine(1).await;
    says(report.of("secret prod/orders/dbx"), "failed", &["does not exist", "full ARN"]);

    let patient = Patient::healthy().await;
    patient.bench.orders_db().delete();
    let report = patient.examine(1).await;
    says(report.of(SECRET), "failed", &["scheduled for deletion", "restore-secret"]);

    let patient = Patient::healthy().await;
    let text = "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT";
    let none = secrets_error(400, "ResourceNotFoundException", text);
    patient.bench.aws.faults().add(none.tag("GetSecretValue"));
    let report = patient.examine(1).await;
    says(report.of(SECRET), "failed", &["no version labelled AWSCURRENT", "put a value into the secret"]);
}

#[tokio::test]
async fn a_part_that_the_value_lacks_is_named_with_who_wants_it_and_never_shown() {
    for (selector, part) in [("field: pass", "field \"pass\""), ("pointer: /db/pass", "pointer \"/db/pass\"")]
    {
        let patient = Patient::healthy().await.with(&[("field: password", selector)]);
        let report = patient.examine(1).await;
        let found = report.of(SECRET);
        says(found, "failed", &[part, "is missing", "orders-api: db.password", "correct the secret"]);
    }
    let patient = Patient::healthy().await;
    patient.bench.orders_db().rotate(super::CANARY);
    let report = patient.examine(1).await;
    for finding in report.all_of(SECRET) {
        says(finding, "failed", &["is not JSON"]);
    }
}

#[tokio::test]
async fn a_secret_that_is_only_watched_is_described_and_not_read() {
    let targets = "
  orders-api:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: orders-api
    watch: [ { secret: prod/orders/db } ]
    forget: [db.user, db.password]
";
    let mut patient = Patient::healthy().await;
    patient.text = super::file(&patient.bench, targets);
    let patient = patient.write();
    let report = patient.examine(0).await;
    says(report.of(SECRET), "ok", &["its value is not read"]);
    assert_eq!(patient.bench.orders_db().reads().get, 0);
}

#[tokio::test]
async fn how_a_topic_is_subscribed_is_a_warning_with_the_command_that_mends_it() {
    let patient = Patient::healthy().await.with(&[("rotations\"", "others\"")]);
    let topic = patient.bench.aws.topic("others");
    let subject = format!("topic {}", topic.arn());
    let says_of = async |parts: &[&str]| {
        let report = patient.examine(0).await;
        assert_eq!(report.not_ok(), [format!("warning {subject}")], "{}", report.table);
        says(report.of(&subject), "warning", parts);
    };
    topic.subscribe_confirmed("https://other.example.com/inbox");
    says_of(&["no subscription leads to /hooks/sns", "aws sns subscribe", "--protocol https"]).await;

    let subscription = topic.subscribe_confirmed("https://relay.example.com/hooks/sns");
    says_of(&["no dead-letter queue: what SNS gives up", "RedrivePolicy", subscription.arn()]).await;
    subscription.set_dead_letter_queue("arn:aws:sqs:eu-west-1:123456789012:given-up");
    subscription.set_raw(true);
    says_of(&["raw messages", "--attribute-name RawMessageDelivery --attribute-value false"]).await;
    subscription.set_raw(false);
    assert_eq!(patient.examine(0).await.not_ok(), Vec::<String>::new());

    topic
        .subscribe_confirmed("http://relay.example.com/hooks/sns")
        .set_dead_letter_queue("arn:aws:sqs:a:b:c");
    says_of(&["is reached without TLS", "subscribe the https address", "aws sns unsubscribe"]).await;
}

#[tokio::test]
async fn a_subscription_that_waits_for_its_confirmation_is_told_so() {
    let patient = Patient::healthy().await.with(&[("rotations\"", "others\"")]);
    let topic = patient.bench.aws.topic("others");
    // Nobody listens there.
    topic.subscribe("https://127.0.0.1:1/hooks/sns");
    let report = patient.examine(0).await;
    says(
        report.of(&format!("topic {}", topic.arn())),
        "warning",
        &["waits for its confirmation", "start the relay where SNS reaches it, then subscribe"],
    );
}

#[tokio::test]
async fn a_topic_that_may_not_be_looked_at_is_a_warning_and_one_that_is_missing_a_failure() {
    let patient = Patient::healthy().await;
    let arn = patient.bench.aws.topic("rotations").arn().to_owned();
    for (call, action, resource) in [
        ("GetSubscriptionAttributes", "sns:GetSubscriptionAttributes", "*"),
        ("ListSubscriptionsByTopic", "sns:ListSubscriptionsByTopic", &arn),
    ] {
        patient
            .bench
            .aws
            .faults()
            .add(sns_error(403, "AuthorizationError", "User: x is not authorized").tag(call));
        let report = patient.examine(0).await;
        let finding = report.of(&topic(&patient));
        says(finding, "warning", &["access denied", action]);
        assert_eq!(finding["statements"][0]["statement"], statement(action, resource));
    }

    let patient = Patient::healthy().await.with(&[(":rotations\"", ":rotation\"")]);
    let report = patient.examine(1).await;
    let subject = topic(&patient).replace("rotations", "rotation");
    says(report.of(&subject), "failed", &["does not exist", "check the name"]);
}

#[tokio::test]
async fn an_aws_that_does_not_answer_leaves_no_time_to_compare() {
    let patient = Patient::healthy().await;
    let endpoint = patient.bench.aws.endpoint_url();
    let report = patient.with(&[(&endpoint, "http://127.0.0.1:1")]).examine(1).await;
    says(report.of("AWS identity"), "failed", &["cannot be reached", "the way to AWS"]);
    says(report.of("clock"), "not_tried", &["AWS did not answer, so there is no time to compare"]);
    says(report.of("connection prod"), "ok", &["signed in"]);
}

#[tokio::test]
async fn a_secret_of_which_one_part_is_used_is_told_so() {
    let targets = "
  orders-api:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: orders-api
    secure_properties:
      db.user: literal
      db.password: { secret: prod/orders/db, field: password }
";
    let mut patient = Patient::healthy().await;
    patient.text = super::file(&patient.bench, targets);
    let report = patient.write().examine(0).await;
    says(report.of(SECRET), "ok", &["the part that is used is there"]);
}
