//! The issuer of EventBridge's tokens.

use anypoint_sandbox::aws::{Auth, Grant};
use anypoint_sandbox::faults::Rule;
use anypoint_sandbox::issuer::Issuer;

use super::{Patient, says};

const KEY: &str = "api_key: { header: x-api-key, value: { env: EVENTBRIDGE_KEY } }";
const SUBJECT: &str = "ingress.eventbridge oauth";

/// A patient whose connection uses OAuth.
async fn patient() -> (Patient, Issuer) {
    let patient = Patient::healthy().await;
    let issuer = Issuer::start(patient.bench.aws.authority(), "anypoint-relay").await;
    let (client_id, client_secret) = issuer.client();
    let grant = Grant { endpoint: issuer.token_endpoint(), client_id, client_secret };
    patient.destination.set_auth(Auth::OAuth(grant));
    let oauth = format!(
        "oauth: {{ issuer: \"{}\", audience: anypoint-relay, jwks_url: \"{}\", extra_root: \"{}\" }}",
        issuer.url(),
        issuer.jwks_url(),
        patient.bench.ca_file().display()
    );
    (patient.with(&[(KEY, &oauth)]), issuer)
}

#[tokio::test]
async fn keys_that_can_be_had_are_told_so() {
    let (patient, issuer) = patient().await;
    let report = patient.examine(0).await;
    assert_eq!(report.not_ok(), Vec::<String>::new(), "{}", report.table);
    says(report.of(SUBJECT), "ok", &["the issuer's keys can be had at", &issuer.jwks_url()]);
    patient.destination.set_connection("ConnectionState", "DEAUTHORIZED");
    let mend =
        "--authorization-type OAUTH_CLIENT_CREDENTIALS --auth-parameters 'OAuthParameters={ClientParameters=";
    says(patient.examine(0).await.of("rule secrets-to-anypoint"), "warning", &[mend]);
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_told_with_what_to_do() {
    let (patient, issuer) = patient().await;
    let had = "cannot be had: ";
    let mend = ["correct `jwks_url`", "open the way", "`extra_root`"];
    for (rule, why) in [
        (Rule::status(404), "HTTP 404; check that jwks_url"),
        (Rule::status(302).header("location", "https://localhost/"), "redirects are not followed"),
    ] {
        issuer.faults().clear();
        issuer.faults().add(rule.tag("keys"));
        let report = patient.examine(1).await;
        says(report.of(SUBJECT), "failed", &[&[had, why], &mend[..]].concat());
        says(report.of("target orders-api"), "ok", &[]);
    }
    drop(issuer);
    let report = patient.examine(1).await;
    says(report.of(SUBJECT), "failed", &[&[had][..], &mend[..]].concat());
}

#[tokio::test]
async fn what_is_no_set_of_usable_keys_is_told_with_what_to_do() {
    let (patient, issuer) = patient().await;
    let no_id = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#.to_owned();
    let many = format!(r#"{{"keys":[{}]}}"#, vec![r#"{"kty":"x"}"#; 65].join(","));
    for (file, why, mend) in [
        (
            "{}".to_owned(),
            "not a JSON object with a list `keys`",
            "the address that the issuer names as `jwks_uri`",
        ),
        (no_id, "none of its keys can check a token", "let the issuer sign with a key that has a `kid`"),
        (many, "more than 64 keys", "let the issuer withdraw the keys that it uses no more"),
    ] {
        issuer.faults().clear();
        issuer.faults().add(Rule::status(200).body(file).tag("keys"));
        let report = patient.examine(1).await;
        says(report.of(SUBJECT), "failed", &["is no set of keys for the relay: ", why, mend]);
    }
}

#[tokio::test]
async fn keys_for_other_algorithms_than_the_listed_are_told_so() {
    let (patient, _issuer) = patient().await;
    let patient = patient.with(&[("audience:", "algorithms: [ES384, EdDSA], audience:")]);
    let report = patient.examine(1).await;
    says(
        report.of(SUBJECT),
        "failed",
        &["is for a listed algorithm (ES384, EdDSA)", "add the algorithm that the issuer signs with to"],
    );
}

#[tokio::test]
async fn an_extra_root_that_cannot_be_read_is_told_so() {
    let (patient, _issuer) = patient().await;
    let (root, none) = (patient.bench.ca_file().display().to_string(), patient.path("none.pem"));
    let patient =
        patient.with(&[(&format!("\", extra_root: \"{root}"), &format!("\", extra_root: \"{none}"))]);
    let report = patient.examine(1).await;
    says(
        report.of(SUBJECT),
        "failed",
        &["extra_root: cannot read", "none.pem", "put the root certificate there as PEM"],
    );
}
