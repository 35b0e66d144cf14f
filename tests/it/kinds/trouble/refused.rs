//! The other side answers, and does not take the write.

use anypoint_sandbox::faults::Rule;
use jiff::SignedDuration;

use super::subject::{Kind, Subject};

met_by! {
    not_found_is_parked_and_a_person_mends_it: application shared_secret keystore truststore certificate secret_value http;
    forbidden_is_parked_and_the_slow_timer_finds_it_mended: application shared_secret keystore truststore certificate secret_value http;
    a_conflict_passes_by_itself: application shared_secret keystore truststore certificate secret_value http;
    a_rate_limit_is_waited_for_as_long_as_was_asked: application shared_secret keystore truststore certificate secret_value http;
    a_server_error_is_tried_again: application shared_secret keystore truststore certificate secret_value http;
}

async fn not_found_is_parked_and_a_person_mends_it(mut subject: Subject) {
    let kind = subject.kind;
    subject.spoil(Rule::status(404), None);
    subject.start("4s").await;
    let failure = subject.bench.meets("not_found").await;
    subject.says(
        &failure,
        "HTTP 404 Not Found",
        match kind {
            Kind::Application => {
                "check `deployment` of target orders, and `organization` and `environment` of connection prod"
            }
            Kind::SharedSecret | Kind::Keystore | Kind::Truststore | Kind::Certificate => {
                "check `name` of target orders, and `organization` and `environment` of connection prod"
            }
            Kind::SecretValue => {
                "check `path` and `secret_id` of target orders, and `organization` and `environment` of \
                 connection prod"
            }
            Kind::Http => "check `url`, and that the receiver runs",
        },
    );
    assert_eq!(subject.written(), Vec::<String>::new());
    subject.faults().clear();
    let answer = subject.bench.insist().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    subject.heals().await;
}

async fn forbidden_is_parked_and_the_slow_timer_finds_it_mended(mut subject: Subject) {
    let kind = subject.kind;
    let scope = match kind {
        Kind::Application => Some("manage:application_settings"),
        Kind::Http => None,
        _ => Some("manage:secrets"),
    };
    match scope {
        Some(scope) => subject.bench.anypoint.grant(scope, false),
        None => subject.spoil(Rule::status(403), None),
    }
    subject.start("4s").await;
    let failure = subject.bench.meets("denied").await;
    let give = |scope: &str| {
        let (organization, environment) =
            (subject.bench.anypoint.organization(), subject.bench.anypoint.environment());
        format!(
            "give the connected app of connection prod the scope {scope} in environment {environment} of \
             organization {organization}"
        )
    };
    let next_step = match kind {
        Kind::Application => give("Manage Settings (manage:application_settings) and Read Applications"),
        Kind::SharedSecret | Kind::Keystore | Kind::Truststore | Kind::Certificate => {
            give("Write secrets (manage:secrets)")
        }
        Kind::SecretValue => give("that this API asks for (none is documented)"),
        Kind::Http => {
            "check that the receiver verifies with the same key and that the clocks agree".to_owned()
        }
    };
    subject.says(&failure, "HTTP 403 Forbidden", &next_step);
    assert_eq!(subject.bench.status().outcome, Some("parked"));
    match scope {
        Some(scope) => subject.bench.anypoint.grant(scope, true),
        None => subject.faults().clear(),
    }
    subject.heals().await;
}

async fn a_conflict_passes_by_itself(mut subject: Subject) {
    let kind = subject.kind;
    subject.spoil(Rule::status(409), Some(3));
    subject.start("4s").await;
    let failure = subject.bench.meets("conflict").await;
    subject.says(
        &failure,
        "HTTP 409 Conflict",
        match kind {
            Kind::Http => "none: it is tried again",
            _ => "usually none: it is tried again; if it stays, look at the resource in Anypoint",
        },
    );
    subject.heals().await;
    assert_eq!(subject.written().len(), 1);
}

async fn a_rate_limit_is_waited_for_as_long_as_was_asked(mut subject: Subject) {
    let kind = subject.kind;
    subject.spoil(Rule::status(429).header("retry-after", "1"), Some(1));
    subject.start("4s").await;
    let failure = subject.bench.meets("rate_limited").await;
    let next_step = match kind {
        Kind::Http => "none: it is tried again".to_owned(),
        _ => format!("none: requests to the {} are slowed down", kind.api()),
    };
    subject.says(&failure, "HTTP 429 Too Many Requests", &next_step);
    subject.heals().await;
    let tries = subject.tries();
    let [refused, taken] = &tries[..] else { panic!("{} writes", tries.len()) };
    let waited = taken.at.duration_since(refused.at);
    assert!(waited >= SignedDuration::from_millis(950), "written again after {waited}");
}

async fn a_server_error_is_tried_again(mut subject: Subject) {
    subject.spoil(Rule::status(500).body("<html>first-password</html>"), None);
    subject.start("4s").await;
    let failure = subject.bench.meets("unavailable").await;
    subject.says(&failure, "HTTP 500 Internal Server Error", "none: it is tried again");
    assert_eq!(subject.written(), Vec::<String>::new());
    subject.faults().clear();
    subject.heals().await;
}
