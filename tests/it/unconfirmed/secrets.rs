//! The story of values in secret groups: take over, rotate, somebody else's PUT, a value that is refused.
//!
//! Each step is another start of the relay with the same receipts file: writes of one process to one
//! shared secret are spaced by seconds.

use anypoint_sandbox::anypoint::{Endpoint, Rules, SecretGroup, SecretWrite, SharedSecret};
use jiff::SignedDuration;
use serde_json::json;

use super::switches::Proof;
use crate::support::{Bench, name, now};

const TARGETS: &str = "
  user:
    kind: shared_secret
    connection: prod
    coalesce: 10ms
    group: orders
    name: orders-db
    type: UsernamePassword
    username: { secret: prod/orders/db, field: username }
    password: { secret: prod/orders/db, field: password }
  created:
    kind: shared_secret
    connection: prod
    coalesce: 10ms
    group: orders
    name: orders-new
    type: UsernamePassword
    username: { secret: prod/orders/db, field: username }
    password: { secret: prod/orders/db, field: password }
    create: true
    expiry: default
  binary:
    kind: shared_secret
    connection: prod
    coalesce: 10ms
    group: orders
    name: orders-binary
    type: Blob
    content: { secret: prod/orders/binary, binary: true }
  refused:
    kind: shared_secret
    connection: prod
    coalesce: 10ms
    group: orders
    name: orders-key
    type: SymmetricKey
    key: { secret: prod/orders/db, field: password }
  value:
    kind: secret_value
    connection: prod
    coalesce: 10ms
    secret_id: orders-db
    value: { secret: prod/orders/db, field: password }";

struct Story {
    bench: Bench,
    group: SecretGroup,
    user: SharedSecret,
    binary: SharedSecret,
    refused: SharedSecret,
    file: String,
    starts: i64,
}

pub(super) async fn story(turn: impl FnOnce(&mut Rules), _: Proof) {
    let receipts = tempfile::tempdir().unwrap();
    let bench = Bench::new().await;
    let mut endpoint = false;
    bench.anypoint.rules(|rules| {
        turn(rules);
        endpoint = rules.secret_value_endpoint;
    });
    bench.aws.create_secret("prod/orders/db", json!({ "username": "app", "password": "first: no base64" }));
    bench.aws.create_secret("prod/orders/binary", b"\0binary".to_vec());
    bench.anypoint.add_secret_value("orders-db");
    let group = bench.anypoint.add_group("orders");
    let add = |body| group.add_shared_secret(&body);
    let user =
        add(json!({ "name": "orders-db", "type": "UsernamePassword", "username": "o", "password": "o" }));
    let binary = add(json!({ "name": "orders-binary", "type": "Blob", "content": "b2xk" }));
    let refused = add(json!({ "name": "orders-key", "type": "SymmetricKey", "key": "b2xk" }));
    let receipts_line = format!("receipts: {}/receipts.json\n", receipts.path().display());
    let file = receipts_line + &bench.file(TARGETS);
    let mut story = Story { bench, group, user, binary, refused, file, starts: 0 };

    story.start().await;
    story.holds("first: no base64", endpoint).await;
    assert_eq!(story.user.history().len(), 2);

    story.stop().await;
    story.bench.aws.secret("prod/orders/db").unwrap().rotate_password("second: no base64");
    story.start().await;
    story.holds("second: no base64", endpoint).await;

    story.stop().await;
    story.start().await;
    story.holds("second: no base64", endpoint).await;
    assert_eq!(story.user.history().len(), 3, "nothing was due");
    assert_eq!(story.binary.history().len(), 2, "nothing was due");
    assert_eq!(story.refused.history().len(), 1, "it was refused");
    assert_eq!(story.bench.anypoint.wiped(), 0);
    assert_eq!(story.bench.anypoint.requests().of(Endpoint::SecretPost), 1, "what was there is not created");
    assert_eq!(story.group.shared_secrets(), 4);
    let created: Vec<String> =
        story.created().into_iter().map(|write| write.fields["password"].clone()).collect();
    assert_eq!(created, ["first: no base64", "second: no base64"]);
}

impl Story {
    async fn start(&mut self) {
        // `modifiedAt` shows seconds; each start is as if a while had passed.
        self.starts += 1;
        self.bench.anypoint.shift_modified_at(SignedDuration::from_secs(10 * self.starts));
        let file = self.file.clone();
        self.bench.start_with(&file).await;
    }

    async fn stop(&mut self) {
        self.bench.stop().await.unwrap();
    }

    /// Every write to what was missing at first.
    fn created(&self) -> Vec<SecretWrite> {
        self.group.shared_secret("orders-new").map(|secret| secret.history()).unwrap_or_default()
    }

    async fn holds(&self, password: &str, endpoint: bool) {
        self.bench.in_sync("created").await;
        assert_eq!(self.created().last().unwrap().fields["password"], password);
        self.bench.in_sync("user").await;
        self.bench.in_sync("binary").await;
        assert_eq!(self.user.current().unwrap()["password"], password);
        assert_eq!(self.user.current().unwrap()["username"], "app");
        assert_eq!(self.binary.current().unwrap()["content"], "AGJpbmFyeQ==");

        // A refusal shows its codes and nothing that Anypoint may have repeated.
        self.bench.ended_as("refused", "parked").await;
        let failure = self.bench.outcome("refused", |outcome| outcome.failure().cloned()).await;
        assert_eq!(failure.code.as_str(), "rejected");
        assert!(!failure.message.contains("base64") && !failure.next_step.contains("base64"), "{failure}");

        let values = self.bench.anypoint.secret_values("orders-db");
        if endpoint {
            self.bench.ended_as("value", "accepted").await;
            let values = self.bench.anypoint.secret_values("orders-db");
            assert_eq!(values.last().unwrap().value, password);
        } else {
            self.bench.ended_as("value", "parked").await;
            let failure = self.bench.outcome("value", |outcome| outcome.failure().cloned()).await;
            assert_eq!((failure.code.as_str(), values.len()), ("not_found", 0));
        }
    }
}

#[tokio::test]
async fn a_text_in_a_blob_arrives_or_is_refused_and_parked() {
    for must_be_base64 in [false, true] {
        let mut bench = Bench::new().await;
        bench.anypoint.rules(|rules| rules.blob_must_be_base64 = must_be_base64);
        bench.aws.create_secret("prod/orders/text", "plain text: no base64");
        let body = json!({ "name": "orders-text", "type": "Blob", "content": "b2xk" });
        let secret = bench.anypoint.add_group("orders").add_shared_secret(&body);
        bench.anypoint.shift_modified_at(SignedDuration::from_secs(5));
        bench
            .start(
                "
  text:
    kind: shared_secret
    connection: prod
    coalesce: 10ms
    group: orders
    name: orders-text
    type: Blob
    content: { secret: prod/orders/text }",
            )
            .await;
        let (outcome, content) =
            if must_be_base64 { ("parked", "b2xk") } else { ("in_sync", "plain text: no base64") };
        bench.ended_as("text", outcome).await;
        assert_eq!(secret.current().unwrap()["content"], content);
    }
}

#[tokio::test]
async fn a_kept_date_that_has_passed_is_told_and_where_anypoint_refuses_it_with_the_way_out() {
    for refused in [false, true] {
        let mut bench = Bench::new().await;
        bench.anypoint.rules(|rules| rules.expired_is_refused = refused);
        bench.aws.create_secret("prod/orders/db", json!({ "username": "app", "password": "first" }));
        let stored = json!({ "name": "orders-db", "type": "UsernamePassword", "username": "o",
            "password": "o", "expirationDate": "2001-01-31" });
        let secret = bench.anypoint.add_group("orders").add_shared_secret(&stored);
        bench.anypoint.shift_modified_at(SignedDuration::from_secs(5));
        let target = TARGETS.split("\n  created:").next().unwrap();
        bench.start(target).await;
        if refused {
            bench.ended_as("user", "parked").await;
            let failure = bench.fails_with("user", "rejected").await;
            let what = "HTTP 409 Conflict (OE-1001 secret expired in field expirationDate)";
            assert!(failure.message.ends_with(what), "{failure}");
            assert_eq!(
                failure.next_step,
                "its expiration date has passed: set `expiry` of the target to a number of days or to \
                 `default`, or a later date in Anypoint"
            );
            assert_eq!(secret.current().unwrap()["password"], "o");
            bench.stop().await.unwrap();
            bench.start(&format!("{target}\n    expiry: {{ days: 90 }}")).await;
            bench.in_sync("user").await;
        } else {
            bench.in_sync("user").await;
            assert_eq!(secret.history().last().unwrap().expiration_date, "2001-01-31");
            let status = bench.board().target(&name("user"), now()).unwrap();
            assert_eq!(status.notes, ["the expiration date that was kept has passed: 2001-01-31"]);
        }
        assert_eq!(secret.current().unwrap()["password"], "first");
    }
}
