//! `sync`: bring targets in sync once, and tell by the exit code.

use anypoint_sandbox::anypoint::Endpoint;
use anypoint_sandbox::aws::secrets_error;
use anypoint_sandbox::faults::Rule;
use serde_json::json;
use tokio::process::Command;

use crate::support::{Bench, ORDERS_TARGET, Run};

const TWO: &str = "
  gone:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: no-such-app
    coalesce: 10ms
    secure_properties:
      db.password: { secret: prod/orders/db, field: password }
";

fn sync(bench: &Bench, targets: &str, arguments: &[&str]) -> Command {
    let file = bench.write("relay.yaml", bench.file(targets));
    let mut command = bench.binary();
    command.arg("sync").arg(file).args(arguments);
    command
}

#[tokio::test]
async fn all_targets_are_brought_in_sync_and_listed() {
    let bench = Bench::with_orders().await;
    let run = Run::of(&mut sync(&bench, ORDERS_TARGET, &[])).await.ended(0);
    assert_eq!(run.out, "orders-api  in sync\n");
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);

    let again = Run::of(&mut sync(&bench, ORDERS_TARGET, &["--json"])).await.ended(0).json();
    let line = json!({"target": "orders-api", "outcome": "in_sync", "code": null, "message": null, "next_step": null});
    assert_eq!(again, json!([line]));
    assert_eq!(bench.anypoint.requests().of(Endpoint::DeploymentPatch), 1, "nothing was due");
}

#[tokio::test]
async fn a_target_that_fails_is_named_with_the_next_step_and_fails_the_job() {
    let bench = Bench::with_orders().await;
    let both = format!("{ORDERS_TARGET}{TWO}");
    let run = Run::of(&mut sync(&bench, &both, &[])).await.ended(1);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines[0], "gone        parked");
    assert!(lines[1].starts_with("            not_found: ") && lines[1].contains("no-such-app"), "{run:?}");
    assert!(lines[2].starts_with("            next: "), "{run:?}");
    assert_eq!(lines[3], "orders-api  in sync");
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"], "the others are served");

    let report = Run::of(&mut sync(&bench, &both, &["--json"])).await.ended(1).json();
    assert_eq!((&report[0]["outcome"], &report[0]["code"]), (&json!("parked"), &json!("not_found")));
    assert_eq!(report[1]["outcome"], "in_sync");
}

#[tokio::test]
async fn named_targets_are_looked_at_and_no_others() {
    let bench = Bench::with_orders().await;
    let both = format!("{ORDERS_TARGET}{TWO}");
    let run = Run::of(&mut sync(&bench, &both, &["orders-api"])).await.ended(0);
    assert_eq!(run.out, "orders-api  in sync\n");

    let run = Run::of(&mut sync(&bench, &both, &["orders-api", "oders-api"])).await.ended(1);
    assert_eq!(run.out, "");
    assert_eq!(run.err, "error: there is no target \"oders-api\"; there are: gone, orders-api\n");
}

#[tokio::test]
async fn a_failure_that_passes_is_tried_again() {
    let bench = Bench::with_orders().await;
    bench.anypoint.faults().add(Rule::status(503).tag(Endpoint::DeploymentGet.tag()).times(2));
    bench.anypoint.faults().add(Rule::status(503).tag(Endpoint::Token.tag()).times(1));
    let run = Run::of(&mut sync(&bench, ORDERS_TARGET, &[])).await.ended(0);
    assert_eq!(run.out, "orders-api  in sync\n", "{}", run.err);
}

#[tokio::test]
async fn a_failure_that_does_not_pass_in_time_is_a_failure() {
    let bench = Bench::with_orders().await;
    bench.anypoint.faults().add(Rule::status(500).tag(Endpoint::DeploymentGet.tag()));
    let run = Run::of(&mut sync(&bench, ORDERS_TARGET, &["--timeout", "2s"])).await.ended(1);
    assert!(run.out.starts_with("orders-api  retrying\n            unavailable: "), "{run:?}");
    assert!(run.err.contains("waiting for orders-api: retrying: reading deployment"), "{}", run.err);
}

#[tokio::test]
async fn what_is_not_proved_in_time_is_undecided() {
    let bench = Bench::with_orders().await;
    bench.anypoint.app("orders-api").roll_by_hand();
    // Each run of the command is a client of its own and knows nothing of the other's pace.
    bench.anypoint.set_application_manager_limit(None);
    let run = Run::of(&mut sync(&bench, ORDERS_TARGET, &["--timeout", "2s"])).await.ended(3);
    assert_eq!(run.out, "orders-api  confirming\n");
    assert!(run.err.contains("\nwaiting for orders-api: confirming\n"), "{}", run.err);
    let report = Run::of(&mut sync(&bench, ORDERS_TARGET, &["--timeout", "2s", "--json"])).await.ended(3);
    assert_eq!(report.json()[0]["outcome"], "confirming");
}

#[tokio::test]
async fn a_job_without_aws_credentials_ends_early_and_says_what_to_give() {
    let bench = Bench::with_orders().await;
    let mut command = sync(&bench, ORDERS_TARGET, &[]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let run = Run::of(&mut command).await.ended(1);
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(
        lines[1].ends_with("no AWS credentials are found") && lines[1].contains("unauthenticated: "),
        "{run:?}"
    );
    assert!(lines[2].contains("next: give credentials in one of the places"), "{run:?}");
}

#[tokio::test]
async fn a_job_whose_credentials_for_anypoint_are_missing_or_refused_ends_early() {
    let bench = Bench::with_orders().await;
    for secret in [None, Some("another-secret")] {
        let mut command = sync(&bench, ORDERS_TARGET, &["--json"]);
        match secret {
            Some(secret) => command.env("ANYPOINT_CLIENT_SECRET", secret),
            None => command.env_remove("ANYPOINT_CLIENT_SECRET"),
        };
        let report = Run::of(&mut command).await.ended(1).json();
        assert_eq!(report[0]["code"], "unauthenticated", "{report}");
        let next = report[0]["next_step"].as_str().unwrap();
        assert!(next.contains("environment variable ANYPOINT_CLIENT_SECRET"), "{next}");
    }
    assert_eq!(bench.anypoint.requests().of(Endpoint::DeploymentPatch), 0);
}

#[tokio::test]
async fn credentials_that_are_refused_for_a_moment_are_tried_again() {
    let bench = Bench::with_orders().await;
    let expired = secrets_error(400, "ExpiredTokenException", "the security token has expired");
    bench.aws.faults().add(expired.tag("DescribeSecret").times(2));
    let run = Run::of(&mut sync(&bench, ORDERS_TARGET, &[])).await.ended(0);
    assert_eq!(run.out, "orders-api  in sync\n", "{}", run.err);
}
