//! `check`: is this configuration right?

use serde_json::json;

use crate::support::{Bench, ORDERS_TARGET, Run, text};

#[tokio::test]
async fn a_good_file_is_summed_up_without_any_network_or_credential() {
    let bench = Bench::new().await;
    let file = text(&bench.write("relay.yaml", bench.file(ORDERS_TARGET)));
    let run = Run::plain(["check", &file]).await.ended(0);
    assert_eq!(
        run.out.lines().next().unwrap(),
        "ok: 1 target, 1 connection, ingress: sns, eventbridge, trigger"
    );
    assert!(run.out.lines().skip(1).all(|line| line.starts_with(&format!("warning: {file}:"))), "{run:?}");
    assert_eq!(run.err, "");
    assert_eq!((bench.aws.log().count(), bench.anypoint.log().count()), (0, 0));

    let report = Run::plain(["check", "--json", &file]).await.ended(0).json();
    assert_eq!(report["ok"], true);
    assert_eq!(report["problems"], json!([]));
    assert_eq!(report["ingress"], json!(["sns", "eventbridge", "trigger"]));
}

#[tokio::test]
async fn a_bad_file_lists_every_problem_with_its_place() {
    let bench = Bench::new().await;
    let bad = bench
        .file(ORDERS_TARGET)
        .replace("connection: prod", "connection: porod")
        .replace("coalesce: 10ms", "coalesce: ten");
    let line = |part: &str| 1 + bad.lines().position(|line| line.contains(part)).unwrap();
    let file = text(&bench.write("relay.yaml", &bad));
    let run = Run::plain(["check", &file]).await.ended(1);
    for part in ["connection: porod", "coalesce: ten"] {
        assert!(run.out.contains(&format!("{file}:{}:", line(part))), "{run:?}");
    }
    assert!(run.out.ends_with("not usable: 2 problems\n"), "{run:?}");

    let report = Run::plain(["check", "--json", &file]).await.ended(1).json();
    assert_eq!((&report["ok"], &report["targets"]), (&json!(false), &json!(null)));
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{report}");
    assert_eq!(problems[0]["line"], line("connection: porod"), "{report}");
}

#[tokio::test]
async fn the_example_file_is_good() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/relay.example.yaml");
    let run = Run::plain(["check", example]).await.ended(0);
    assert!(run.out.starts_with("ok: "), "{run:?}");
}
