//! `trigger` and `health`, against a relay that runs.

use anypoint_sandbox::anypoint::Endpoint;
use anypoint_sandbox::faults::Rule;

use crate::support::{Bench, ORDERS_TARGET, Relay, Run, TRIGGER_KEY, binary, text};

async fn running() -> (Bench, Relay) {
    let bench = Bench::with_orders().await;
    let relay = bench.spawn(ORDERS_TARGET).await;
    relay.shows("orders-api", "in_sync").await;
    (bench, relay)
}

async fn trigger(relay: &Relay, arguments: &[&str]) -> Run {
    let mut command = binary();
    command.env("KEY", TRIGGER_KEY).args(["trigger", "--url", &relay.hooks, "--key-env", "KEY"]);
    Run::of(command.args(arguments)).await
}

#[tokio::test]
async fn a_trigger_is_accepted_and_one_that_waits_tells_the_outcome() {
    let (bench, relay) = running().await;
    let run = trigger(&relay, &["--all"]).await.ended(0);
    assert!(run.out.starts_with("orders-api  ") && run.out.contains("\naccepted (request "), "{run:?}");

    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    let arguments = ["--secret", "prod/orders/db", "--wait", "20s", "--reason", "rotated by hand"];
    let run = trigger(&relay, &arguments).await.ended(0);
    assert!(run.out.starts_with("orders-api  in sync\nsettled (request "), "{run:?}");
    assert_eq!(bench.running("orders-api", "db.password"), ["second-password"]);
    let line = relay.logs("the reason", |line| line["reason"] == "rotated by hand").await;
    assert_eq!(line["key_id"], "ops");
}

#[tokio::test]
async fn a_key_in_a_file_and_the_url_in_the_environment_do_as_well() {
    let (bench, relay) = running().await;
    let key = text(&bench.write("key", format!("{TRIGGER_KEY}\n")));
    let mut command = binary();
    command.env("ANYPOINT_RELAY_URL", format!("{}/", relay.hooks));
    Run::of(command.args(["trigger", "--key-file", &key, "--target", "orders-api"])).await.ended(0);
}

#[tokio::test]
async fn a_private_key_signs_for_a_relay_that_has_its_public_half() {
    // The pair of RFC 8037, appendix A.
    let (private, public) = (
        "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=",
        "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    );
    let bench = Bench::with_orders().await;
    let key = format!("keys: [ {{ id: deploy, public_key: {public} }},");
    let relay = bench.spawn_with(&bench.file(ORDERS_TARGET).replace("keys: [", &key)).await;
    relay.shows("orders-api", "in_sync").await;
    let mut command = binary();
    command.env("KEY", private).args(["trigger", "--url", &relay.hooks, "--key-env", "KEY", "--all"]);
    Run::of(command.args(["--reason", "by a pair"])).await.ended(0);
    let line = relay.logs("the reason", |line| line["reason"] == "by a pair").await;
    assert_eq!(line["key_id"], "deploy");
}

#[tokio::test]
async fn a_failing_target_is_told_with_its_next_step() {
    let (bench, relay) = running().await;
    bench.anypoint.faults().add(Rule::status(503).tag(Endpoint::DeploymentGet.tag()));
    let run = trigger(&relay, &["--all", "--wait", "20s"]).await.ended(1);
    assert!(run.out.starts_with("orders-api  retrying: ") && run.out.contains("(unavailable)\n"), "{run:?}");
    assert!(run.out.contains("\n            next: ") && run.out.contains("\nfailed (request "), "{run:?}");
}

#[tokio::test]
async fn what_is_not_settled_within_the_wait_has_an_exit_code_of_its_own() {
    let (bench, relay) = running().await;
    bench.anypoint.app("orders-api").roll_by_hand();
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    let run = trigger(&relay, &["--all", "--wait", "1s"]).await.ended(3);
    assert!(run.out.contains("not settled yet"), "{run:?}");
}

#[tokio::test]
async fn a_refusal_says_why_and_what_to_do() {
    let (_bench, relay) = running().await;
    let run = trigger(&relay, &["--secret", "prod/nobody"]).await.ended(1);
    assert!(run.out.starts_with("refused: ") && run.out.contains("HTTP 404, not_configured"), "{run:?}");
    assert!(run.out.contains("\nnext: "), "{run:?}");

    let mut command = binary();
    command.env("KEY", "another-key-0123456789abcdef").args(["trigger", "--url", &relay.hooks]);
    let run = Run::of(command.args(["--key-env", "KEY", "--all"])).await.ended(1);
    assert!(run.out.contains("HTTP 401, unauthorized"), "{run:?}");
    assert!(run.out.contains("\nnext: compare the key"), "{run:?}");
}

#[tokio::test]
async fn a_relay_that_is_not_there_and_a_key_that_is_not_set_are_named() {
    let (_bench, relay) = running().await;
    let hooks = relay.hooks.clone();
    let mut command = binary();
    let run = Run::of(command.args(["trigger", "--url", &hooks, "--key-env", "KEY", "--all"])).await.ended(1);
    assert_eq!(run.err, "error: cannot read the trigger key: environment variable KEY: it is not set\n");

    let admin = relay.admin.clone();
    let mut command = binary();
    command.env("KEY", TRIGGER_KEY).args(["trigger", "--url", &admin, "--key-env", "KEY", "--all"]);
    let run = Run::of(&mut command).await.ended(1);
    assert!(run.out.contains("next: check that --url leads to the relay's hooks listener"), "{run:?}");

    relay.kill_9().await;
    let mut command = binary();
    command.env("KEY", TRIGGER_KEY).args(["trigger", "--url", &hooks, "--key-env", "KEY", "--all"]);
    let run = Run::of(&mut command).await.ended(1);
    assert!(run.err.starts_with(&format!("error: cannot reach {hooks}: ")), "{run:?}");
}

#[tokio::test]
async fn health_tells_alive_ready_and_gone() {
    let (_bench, relay) = running().await;
    for (address, path) in [(&relay.hooks, "/healthz"), (&relay.hooks, "/readyz"), (&relay.admin, "/readyz")]
    {
        let run = Run::plain(["health", "--url", &format!("{address}{path}")]).await.ended(0);
        assert_eq!(run.out, "200 OK\n");
    }
    let url = format!("{}/nothing", relay.hooks);
    assert_eq!(Run::plain(["health", "--url", &url]).await.ended(1).out, "404 Not Found\n");
    let url = format!("{}/healthz", relay.hooks);
    relay.kill_9().await;
    let run = Run::plain(["health", "--url", &url]).await.ended(1);
    assert!(run.out.starts_with("no answer from http:"), "{run:?}");
}
