//! Secrets to choose from, and what happens where AWS lists none.

use anypoint_sandbox::faults::Rule;
use serde_json::json;

use super::{answered, answered_in, options};
use crate::support::{Bench, ORDERS_SECRET, Run, binary, text};

/// All options but that of the secret and, if `fields` are asked for, those of the properties.
fn without_secret(bench: &Bench, fields: bool) -> Vec<String> {
    let mut options = options(bench);
    let end = options.iter().position(|option| option == "--property").unwrap();
    if fields {
        options.truncate(end);
    }
    options.drain(end - 2..end);
    options
}

async fn asked(bench: &Bench, fields: bool, lines: &str) -> Run {
    let options = without_secret(bench, fields);
    let mut arguments = vec!["-"];
    arguments.extend(options.iter().map(String::as_str));
    answered_in(bench.binary(), &arguments, lines).await
}

#[tokio::test]
async fn a_secret_is_chosen_by_its_number_and_those_that_rotate_come_first() {
    let bench = Bench::new().await;
    bench.aws.create_secret("a/static", "x");
    bench.aws.create_secret("rds!cluster", "x").set_owning_service("rds");
    let rotating = bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
    rotating.set_rotation(true);
    rotating.start_pending("{}");
    rotating.finish_rotation();
    let run = asked(&bench, false, "1\n").await.ended(0);
    assert!(run.err.contains("Secrets of AWS in eu-west-1:"), "{}", run.err);
    assert!(run.err.contains("1  prod/orders/db  rotates, last on 2"), "{}", run.err);
    assert!(run.err.contains("2  a/static        no rotation\n"), "{}", run.err);
    assert!(run.err.contains("no rotation, kept by rds"), "{}", run.err);
    assert!(run.out.contains("db.password: { secret: prod/orders/db, field: password }"), "{}", run.out);
    assert!(run.out.contains("\naws:\n  region: eu-west-1\n"), "{}", run.out);
    assert_eq!(rotating.reads().get, 0, "a list needs no value");
}

#[tokio::test]
async fn among_a_thousand_secrets_one_is_found_by_part_of_its_name() {
    let bench = Bench::new().await;
    for number in 0..1000 {
        bench.aws.create_secret(&format!("prod/team-{number:03}/db"), "x");
    }
    let run = asked(&bench, false, "TEAM-12\nteam-127\n").await.ended(0);
    assert!(run.err.contains("20 of 1000; type part of a name"), "{}", run.err);
    assert!(run.err.contains("10 of 10 that have it"), "{}", run.err);
    assert_eq!(run.err.matches("prod/team-").count(), 20 + 10 + 1, "{}", run.err);
    assert!(run.out.contains("secret: prod/team-127/db"), "{}", run.out);
    assert_eq!(bench.aws.lists(), 10, "a hundred in a page");
}

#[tokio::test]
async fn a_list_without_an_end_is_ended_and_said_to_be_partial() {
    let bench = Bench::new().await;
    let page = json!({"SecretList": [{"Name": "prod/db", "ARN": "arn:of-it"}], "NextToken": "again"});
    let rule = Rule::status(200).header("content-type", "application/x-amz-json-1.1");
    bench.aws.faults().add(rule.body(page.to_string()).tag("ListSecrets"));
    let run = asked(&bench, false, "1\n").await.ended(0);
    assert!(
        run.err.contains("Secrets of AWS in eu-west-1; there are more than AWS told in time:"),
        "{}",
        run.err
    );
    assert!(run.err.contains("20 of 100; type part of a name"), "{}", run.err);
    assert_eq!(bench.aws.log().count(), 100);
}

#[tokio::test]
async fn a_secret_of_another_account_is_taken_when_it_is_given_twice() {
    let bench = Bench::with_orders().await;
    let arn = "arn:aws:secretsmanager:us-east-1:210987654321:secret:db-AbC123";
    let run = asked(&bench, false, &format!("{arn}\n{arn}\n")).await.ended(0);
    assert!(run.err.contains("none of 1 has it; give it again"), "{}", run.err);
    assert!(run.out.contains(&format!("secret: \"{arn}\"")), "{}", run.out);
    assert!(!run.out.contains("\naws:"), "its ARN tells its region: {}", run.out);
}

#[tokio::test]
async fn a_refused_list_says_which_permission_is_missing_and_the_question_is_asked() {
    let bench = Bench::with_orders().await;
    bench.aws.deny_lists(true);
    let run = asked(&bench, false, "prod/orders/db\n").await.ended(0);
    let line = run.err.lines().next().unwrap();
    assert!(line.starts_with("secrets are not listed: "), "{}", run.err);
    assert!(line.contains("AccessDeniedException"), "{line}");
    assert!(
        line.ends_with("to mend it: the relay's identity needs secretsmanager:ListSecrets on *"),
        "{line}"
    );
    assert!(run.err.contains("Name or ARN of the secret in AWS: "), "{}", run.err);
    assert!(run.out.contains("secret: prod/orders/db"), "{}", run.out);
}

#[tokio::test]
async fn without_credentials_it_is_said_and_asked_and_offline_not_even_said() {
    let bench = Bench::with_orders().await;
    let options = without_secret(&bench, true);
    let mut arguments = vec!["-"];
    arguments.extend(options.iter().map(String::as_str));
    let lines = "prod/orders/db\ndb.password=password\n";
    let run = answered(&arguments, lines).await.ended(0);
    assert!(run.err.contains("secrets are not listed: no credentials for AWS were found"), "{}", run.err);
    assert!(!run.err.contains("Read the value"), "{}", run.err);
    arguments.push("--offline");
    let run = answered_in(bench.binary(), &arguments, lines).await.ended(0);
    assert!(!run.err.contains("listed"), "{}", run.err);
    assert_eq!((bench.aws.lists(), bench.anypoint.requests().total()), (0, 0));
}

#[tokio::test]
async fn fields_are_proposed_by_name_and_the_value_is_read_only_where_somebody_agrees() {
    let bench = Bench::new().await;
    let canary = "canary-4f1c";
    let value =
        format!(r#"{{"engine":"postgres","username":"{canary}-u","password":"{canary}-p","port":5432}}"#);
    let secret = bench.aws.create_secret("prod/orders/db", value);
    let pairs = "[password=password username=username]";
    let run = asked(&bench, true, "1\nyes\n\n").await.ended(0);
    assert!(
        run.err.contains("read and dropped; its fields: engine, password, port, username"),
        "{}",
        run.err
    );
    assert!(run.err.contains(pairs), "{}", run.err);
    assert!(run.out.contains("      username: { secret: prod/orders/db, field: username }"), "{}", run.out);
    assert!(!format!("{run:?}").contains(canary), "{run:?}");
    assert_eq!(secret.reads().get, 1);

    for no in ["no", ""] {
        let run = asked(&bench, true, &format!("1\n{no}\ndb.password=password\n")).await.ended(0);
        assert!(!run.err.contains(pairs) && run.err.contains("[no]"), "{}", run.err);
    }
    assert_eq!(secret.reads().get, 1, "nobody agreed");
    secret.rotate(format!("{canary} is no JSON"));
    let run = asked(&bench, true, "1\ny\ndb.password=password\n").await.ended(0);
    assert!(run.err.contains("fields are not listed: secret prod/orders/db is not JSON"), "{}", run.err);
    assert!(!format!("{run:?}").contains(canary), "{run:?}");
}

#[tokio::test]
async fn an_emulator_is_asked_and_written_where_an_option_names_it() {
    let bench = Bench::with_orders().await;
    let (url, file) = (bench.aws.endpoint_url(), text(&bench.path("emulated.yaml")));
    let options = without_secret(&bench, false);
    let mut arguments = vec![file.as_str(), "--aws-endpoint", &url, "--aws-region", "eu-west-1"];
    arguments.extend(options.iter().map(String::as_str));
    let mut command = binary();
    command.envs(bench.aws.environment()).env_remove("AWS_ENDPOINT_URL").env_remove("AWS_REGION");
    answered_in(command, &arguments, "orders\n").await.ended(0);
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains(&format!("aws:\n  region: eu-west-1\n  endpoint: \"{url}\"\n")), "{written}");
    let check = Run::plain(["check", &file]).await.ended(0);
    assert!(check.out.contains("endpoint") || check.err.contains("endpoint"), "{check:?}");
}
