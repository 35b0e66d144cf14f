//! Environments and applications to choose from, and what happens where Anypoint lists none.

use anypoint_sandbox::anypoint::{Endpoint, NONE};

use super::answered_in;
use crate::support::{Bench, ORDERS_SECRET, Run, text};

/// Runs the command with the sandbox's credentials and no option but where it is.
async fn asked(bench: &Bench, options: &[&str], lines: &str) -> Run {
    let url = bench.anypoint.base_url();
    let arguments = [&["-", "--base-url", &url], options].concat();
    answered_in(bench.binary(), &arguments, lines).await
}

const SECRET: [&str; 4] = ["--secret", "prod/orders/db", "--property", "db.password=password"];

#[tokio::test]
async fn what_was_chosen_from_lists_passes_every_check_and_shows_no_value() {
    let bench = Bench::with_orders().await;
    bench.aws.secret("prod/orders/db").unwrap().set_rotation(true);
    bench.anypoint.deploy("billing", NONE, NONE);
    let (file, url) = (text(&bench.path("chosen.yaml")), bench.anypoint.base_url());
    // Organization, environment, application, platform, secret, may its value be read, pairs.
    let lines = "\n1\norders\n\n1\nyes\n\n";
    let run = answered_in(bench.binary(), &[&file, "--base-url", &url], lines).await.ended(0);
    let own = format!("Organization (business group) id [{}]: ", bench.anypoint.organization());
    for part in [
        own.as_str(),
        "1  Production  ",
        "1  billing     CloudHub 2.0 or Runtime Fabric",
        "2  orders-api  CloudHub 2.0 or Runtime Fabric",
        "secure properties of the application: db.password, db.user",
        "[db.password=password db.user=username]",
    ] {
        assert!(run.err.contains(part), "no {part:?} in {}", run.err);
    }
    let written = std::fs::read_to_string(&file).unwrap();
    for part in [
        bench.anypoint.environment().as_str(),
        "    deployment: orders-api\n",
        "      db.user: { secret: prod/orders/db, field: username }\n",
        "      db.password: { secret: prod/orders/db, field: password }\n",
    ] {
        assert!(written.contains(part), "no {part:?} in {written}");
    }
    Run::of(bench.binary().arg("check").arg(&file)).await.ended(0);
    Run::of(bench.binary().args(["check", "--online"]).arg(&file)).await.ended(0);
    Run::of(bench.binary().arg("plan").arg(&file)).await.ended(2);

    let value: serde_json::Value = serde_json::from_str(ORDERS_SECRET).unwrap();
    let said = format!("{}{}{written}", run.out, run.err);
    for hidden in [value["password"].as_str().unwrap(), &bench.anypoint.client_secret()] {
        assert!(!said.contains(hidden), "{said}");
    }
    assert_eq!(bench.anypoint.requests().of(Endpoint::DeploymentPatch), 0);
}

#[tokio::test]
async fn an_environment_is_chosen_by_name_and_shows_its_own_applications() {
    let bench = Bench::with_orders().await;
    let test = bench.anypoint.add_environment(false);
    test.deploy("orders-test", NONE, NONE);
    let run = asked(&bench, &SECRET, "\ntest\n1\nrtf\n").await.ended(0);
    assert!(run.out.contains(test.id()) && run.out.contains("deployment: orders-test"), "{}", run.out);
    assert!(run.out.contains("platform: rtf"), "{}", run.out);
    // What is not known yet is not said.
    let [me] = &bench.anypoint.log().matching(|request| request.path == "/accounts/api/me")[..] else {
        panic!()
    };
    assert!(!me.headers.contains_key("x-anypnt-org-id") && !me.headers.contains_key("x-anypnt-env-id"));
    assert!(!run.err.contains("orders-api"), "{}", run.err);
}

#[tokio::test]
async fn of_a_hybrid_application_the_list_tells_the_platform_and_which_of_two_it_is() {
    let bench = Bench::with_orders().await;
    bench.anypoint.deploy_hybrid("ledger", "east", NONE);
    let west = bench.anypoint.deploy_hybrid("ledger", "west", NONE);
    let run = asked(&bench, &SECRET, "\n\nledger\n2\n").await.ended(0);
    assert!(run.err.contains("2  ledger  hybrid, on west"), "{}", run.err);
    assert!(!run.err.contains("cloudhub2"), "nothing to ask: {}", run.err);
    for part in ["platform: hybrid", &format!("deployment: \"{}\"", west.id()), "    properties:\n"] {
        assert!(run.out.contains(part), "no {part:?} in {}", run.out);
    }
    let file = text(&bench.write("hybrid.yaml", &run.out));
    Run::plain(["check", &file]).await.ended(0);
}

#[tokio::test]
async fn a_refused_app_costs_one_line_and_the_questions_are_asked() {
    let bench = Bench::with_orders().await;
    bench.anypoint.set_client_secret("another");
    let (organization, environment) = (bench.anypoint.organization(), bench.anypoint.environment());
    let lines = format!("{organization}\n{environment}\n\norders-api\n");
    let run = asked(&bench, &SECRET, &lines).await.ended(0);
    let told: Vec<&str> = run.err.lines().filter(|line| line.contains("not listed")).collect();
    let [line] = told[..] else { panic!("{}", run.err) };
    assert!(line.starts_with("environments and applications are not listed: the connected app"), "{line}");
    assert!(line.contains("401") && line.contains("to mend it: compare client id"), "{line}");
    assert!(run.out.contains("deployment: orders-api"), "{}", run.out);
}

#[tokio::test]
async fn a_missing_scope_is_named_with_what_is_not_listed_for_want_of_it() {
    let bench = Bench::with_orders().await;
    bench.anypoint.grant("view:environment", false);
    bench.anypoint.grant("read:applications", false);
    let lines = format!("\n{}\n\norders-api\n", bench.anypoint.environment());
    let run = asked(&bench, &SECRET, &lines).await.ended(0);
    let organization = bench.anypoint.organization();
    let of = |what: &str| {
        let start = format!("{what} are not listed: ");
        let line = run.err.lines().find(|line| line.contains(&start));
        line.unwrap_or_else(|| panic!("no {start:?} in {}", run.err))
    };
    let line = of("environments");
    assert!(line.contains("the scope View Environment (view:environment)"), "{line}");
    assert!(line.ends_with(&format!("in organization {organization}")), "{line}");
    for what in ["applications of CloudHub 2.0 and Runtime Fabric", "applications of hybrid servers"] {
        assert!(of(what).contains("the scope Read Applications (read:applications)"), "{}", of(what));
    }
    assert!(!run.err.contains("no application there"), "nobody knows: {}", run.err);
    assert!(run.out.contains("deployment: orders-api"), "{}", run.out);
}

#[tokio::test]
async fn where_there_is_no_list_or_nothing_in_it_that_is_said() {
    let bench = Bench::new().await;
    let run = asked(&bench, &SECRET, "\n1\n\norders-api\n").await.ended(0);
    assert!(run.err.contains("Anypoint lists no application there\n"), "{}", run.err);
    let options = [&SECRET[..], &["--platform", "cloudhub"]].concat();
    let run = asked(&bench, &options, "\n1\norders-api\n").await.ended(0);
    assert!(
        run.err.contains("applications are not listed: the relay knows of no list for this"),
        "{}",
        run.err
    );
    assert!(run.out.contains("platform: cloudhub\n"), "{}", run.out);
}

#[tokio::test]
async fn without_credentials_the_missing_one_is_named_and_nothing_is_called() {
    let bench = Bench::with_orders().await;
    let url = bench.anypoint.base_url();
    let (organization, environment) = (bench.anypoint.organization(), bench.anypoint.environment());
    let mut command = bench.binary();
    command.env_remove("ANYPOINT_CLIENT_SECRET");
    let arguments = [&["-", "--base-url", url.as_str()], &SECRET[..]].concat();
    let lines = format!("{organization}\n{environment}\n\norders-api\n");
    let run = answered_in(command, &arguments, &lines).await.ended(0);
    let expected = "environments and applications are not listed: environment variable ANYPOINT_CLIENT_SECRET: \
                    it is not set\n";
    assert!(run.err.starts_with(expected), "{}", run.err);
    assert_eq!(bench.anypoint.requests().total(), 0);
}

#[tokio::test]
async fn a_host_that_looks_like_a_slip_of_the_pen_gets_no_credential() {
    let bench = Bench::new().await;
    let arguments = [&["-", "--host", "anypoint.mulesoft.co"], &SECRET[..]].concat();
    let run = answered_in(bench.binary(), &arguments, "").await.ended(1);
    assert!(
        run.err.contains("are not listed: ") && run.err.contains("no known control plane"),
        "{}",
        run.err
    );
    assert!(run.err.contains("no answer came; give --organization"), "{}", run.err);
}
