//! `plan`: what a run would do, told without doing it.

mod truth;

use anypoint_sandbox::anypoint::{Endpoint, NONE};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Bench, ORDERS_TARGET, Run};

fn plan(bench: &Bench, targets: &str, arguments: &[&str]) -> Command {
    let file = bench.write("relay.yaml", bench.file(targets));
    let mut command = bench.binary();
    command.arg("plan").arg(file).args(arguments);
    command
}

async fn synced(bench: &Bench) {
    let file = bench.write("relay.yaml", bench.file(ORDERS_TARGET));
    let mut command = bench.binary();
    Run::of(command.arg("sync").arg(file)).await.ended(0);
}

#[tokio::test]
async fn a_rotation_is_foretold_with_its_versions_names_and_place_and_nothing_is_written() {
    let bench = Bench::with_orders().await;
    synced(&bench).await;
    let held = bench.orders_db().current_version();
    let wanted = bench.orders_db().rotate_password("second-password");
    let patches = bench.patches();

    let run = Run::of(&mut plan(&bench, ORDERS_TARGET, &[])).await.ended(2);
    let expected = format!(
        "orders-api  write    wanted changed\n\
         {0}prod/orders/db: {1} -> {2}\n\
         {0}to deployment \"orders-api\": db.password, db.user; it restarts\n",
        " ".repeat(12),
        &held[..8],
        &wanted[..8],
    );
    assert_eq!(run.out, expected);
    assert!(!run.out.contains("second-password") && !run.err.contains("second-password"), "{run:?}");
    assert_eq!(bench.patches(), patches);
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);

    synced(&bench).await;
    assert_eq!(bench.running("orders-api", "db.password"), ["second-password"]);
    let after = Run::of(&mut plan(&bench, ORDERS_TARGET, &["--json"])).await.ended(0).json();
    assert_eq!((&after[0]["step"], &after[0]["versions"]), (&json!("nothing"), &json!([])));
}

#[tokio::test]
async fn a_creation_is_foretold_as_a_write_and_nothing_is_created() {
    let bench = Bench::new().await;
    bench.aws.create_secret("prod/orders/db", crate::support::ORDERS_SECRET);
    let wanted = bench.orders_db().current_version();
    let group = bench.anypoint.add_group("orders");
    let target = "
  shared:
    kind: shared_secret
    connection: prod
    group: orders
    name: orders-db
    type: UsernamePassword
    username: { secret: prod/orders/db, field: username }
    password: { secret: prod/orders/db, field: password }
    create: true
    expiry: default
";
    let run = Run::of(&mut plan(&bench, target, &[])).await.ended(2);
    let expected = format!(
        "shared  write    missing\n\
         {0}prod/orders/db: (unknown) -> {1}\n\
         {0}to shared secret \"orders-db\" of group \"orders\": username, password\n",
        " ".repeat(8),
        &wanted[..8],
    );
    assert_eq!(run.out, expected);
    let told = Run::of(&mut plan(&bench, target, &["--json"])).await.ended(2).json()[0].clone();
    assert_eq!((&told["step"], &told["why"]), (&json!("write"), &json!("missing")), "{told}");
    assert_eq!((group.shared_secrets(), bench.anypoint.requests().of(Endpoint::SecretPost)), (0, 0));

    bench.orders_db().rotate_password(&"x".repeat(65));
    let told = Run::of(&mut plan(&bench, target, &["--json"])).await.ended(1).json()[0].clone();
    assert_eq!((&told["step"], &told["code"]), (&json!("refuse"), &json!("too_long")), "{told}");
}

#[tokio::test]
async fn targets_beyond_the_rate_are_foretold_in_their_turn() {
    let bench = Bench::with_orders().await;
    let targets: String = (0..12)
        .map(|number| {
            let app = format!("app-{number:02}");
            bench.anypoint.deploy(&app, NONE, [("db.user", "old"), ("db.password", "old")]);
            ORDERS_TARGET.replace("orders-api", &app)
        })
        .collect();
    let text =
        bench.tuned(&targets, &[("    base_url", "    rates: { application_manager: 8 }\n    base_url")]);
    let mut command = bench.binary();
    command.arg("plan").arg(bench.write("relay.yaml", text)).arg("--json");
    let all = Run::of(&mut command).await.ended(2).json();
    let steps: Vec<&Value> = all.as_array().unwrap().iter().map(|line| &line["step"]).collect();
    assert_eq!(steps, ["write"; 12], "{all}");
}
