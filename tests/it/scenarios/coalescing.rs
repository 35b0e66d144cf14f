//! Many notifications, few runs.

use anypoint_relay::queue::Phase;
use anypoint_sandbox::aws::events;
use anypoint_sandbox::faults::{Action, Gate, Rule};
use anypoint_sandbox::wait_until;
use http::Method;

use crate::support::{Bench, LIMIT, NEVER_POLLS, ORDERS_SECRET, now};

const TWO_SECRETS: &str = "
  orders-api:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: orders-api
    coalesce: 250ms
    secure_properties:
      db.password: { secret: prod/orders/db, field: password }
      partner.token: { secret: prod/orders/partner }
";

#[tokio::test]
async fn two_secrets_of_one_application_that_rotate_together_give_one_roll() {
    let mut bench = Bench::new().await;
    let db = bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
    let partner = bench.aws.create_secret("prod/orders/partner", "first-token");
    let secure = [("db.password", "first-password"), ("partner.token", "first-token")];
    let app = bench.anypoint.deploy("orders-api", anypoint_sandbox::anypoint::NONE, secure);
    bench.start(TWO_SECRETS).await;
    bench.in_sync("orders-api").await;
    bench.tell_by_eventbridge();
    let before = app.history().rolls();

    db.rotate_password("second-password");
    partner.rotate("second-token");

    bench.arrives("orders-api", "db.password", "second-password").await;
    bench.arrives("orders-api", "partner.token", "second-token").await;
    assert_eq!(app.history().rolls() - before, 1);
}

#[tokio::test]
async fn a_hundred_notifications_during_a_slow_write_give_one_further_pass_and_no_write() {
    let mut bench = Bench::orders().await;
    bench.restart_with(&[NEVER_POLLS]).await;
    let (secret, app) = (bench.orders_db(), bench.anypoint.app("orders-api"));
    let topic = bench.aws.topic("rotations");
    let subscription = topic.subscribe_confirmed(format!("{}/hooks/sns", bench.hooks()));
    let gate = Gate::new();
    bench.anypoint.faults().add(Rule::new(Action::Hang(gate.clone())).method(Method::PATCH));
    let version = secret.rotate_password("second-password");
    assert_eq!(bench.tell_of(&secret, &version, now()).await.status, 202);
    gate.arrived(1).await;

    let (describes, looks) = (bench.asked("DescribeSecret"), bench.looks());
    let event = || events::label_updated(secret.arn(), "AWSCURRENT", &version);
    let published: Vec<String> = (0..50).map(|_| topic.publish(event().to_string())).collect();
    let together: Vec<serde_json::Value> = (0..50).map(|_| event()).collect();
    assert_eq!(bench.post_event(&together.into()).await.status, 202);
    for id in published {
        subscription.delivered(&id, LIMIT).await;
    }
    assert_eq!((bench.asked("DescribeSecret"), bench.looks()), (describes, looks), "one run at a time");
    app.roll_by_hand();
    gate.open();

    // The write asks AWS once more after it; then comes the one pass for a hundred notifications.
    wait_until("the further pass", LIMIT, || bench.phase_of("orders-api") == Phase::Waiting).await;
    wait_until("the further look", LIMIT, || bench.looks() > looks).await;
    wait_until("its end", LIMIT, || bench.phase_of("orders-api") == Phase::Waiting).await;
    assert_eq!((bench.asked("DescribeSecret") - describes, bench.looks() - looks), (2, 1));

    app.finish_roll();
    bench.restart_with(&[]).await;
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_eq!(gate.arrivals(), 1, "nothing but the one write");
    assert_eq!(bench.passwords(), ["first-password", "second-password"]);
}

#[tokio::test]
async fn a_storm_of_notifications_of_a_version_that_is_delivered_writes_nothing() {
    let bench = Bench::orders().await;
    let destination = bench.destination();
    let secret = bench.orders_db();
    let (patches, runs) = (bench.patches(), bench.runs("orders-api").len());
    destination.set_copies(2);
    for _ in 0..100 {
        destination.send(events::label_updated(secret.arn(), "AWSCURRENT", &secret.current_version()));
    }
    wait_until("all deliveries", LIMIT, || destination.attempts().len() == 200).await;
    bench.in_sync("orders-api").await;
    assert!(destination.attempts().iter().all(|attempt| attempt.outcome.is_success()));
    assert_eq!(bench.patches(), patches);
    assert!(bench.runs("orders-api").len() > runs, "it was looked at");
    assert!(bench.asked("GetSecretValue") <= 1, "a look reads no value");
}
