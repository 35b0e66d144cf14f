//! What the relay shows to others: the secret of its connected app, its keys at AWS. They are read again once they
//! are refused, so nothing has to be told to the relay; what is due meanwhile waits.

use std::path::Path;

use anypoint_sandbox::aws::{Auth, Failure};
use anypoint_sandbox::wait_until;

use super::{Bus, Rotating, arrives, bench, targets};
use crate::support::{EVENTBRIDGE_KEY, LIMIT, Relay};

fn api_key() -> Auth {
    Auth::ApiKey { header: "x-api-key".to_owned(), value: EVENTBRIDGE_KEY.to_owned() }
}

#[tokio::test]
async fn the_secret_of_the_connected_app_rotates_and_no_rotation_is_lost() {
    let mut bench = bench().await;
    bench.start(&targets()).await;
    let bus = Bus::open(&bench, bench.hooks(), api_key());
    let mut rotating = Rotating::new(&bench).await;
    rotating.for_a_second(|_| {}).await;
    // Worse than Anypoint: it lets tokens live on, and here those end as well.
    bench.anypoint.set_client_secret("rotated");
    bench.anypoint.expire_tokens();
    rotating.for_a_second(|_| {}).await;
    let refused = || {
        bench.anypoint.log().count_of(|request| {
            request.tag == "token" && request.status.is_some_and(|status| status.is_client_error())
        })
    };
    wait_until("the old secret to be refused", LIMIT, || refused() > 0).await;
    std::fs::write(bench.path("ANYPOINT_CLIENT_SECRET"), "rotated").unwrap();
    rotating.for_a_second(|_| {}).await;
    bus.was_never_refused(rotating.rotations).await;
    rotating.arrive().await;
}

fn write_profile(file: &Path, key: &str) {
    let text =
        format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = sandbox/secret/access/key\n");
    std::fs::write(file, text).unwrap();
}

/// As a process, because the files of a profile are named in its environment.
#[tokio::test]
async fn the_keys_of_an_aws_profile_rotate_and_no_rotation_is_lost() {
    let bench = bench().await;
    let profile = bench.path("credentials");
    write_profile(&profile, "AKIAPRESENT");
    let file = bench.write("relay.yaml", bench.file(&targets()));
    let mut command = bench.binary();
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command.env("AWS_SHARED_CREDENTIALS_FILE", &profile).env("AWS_CONFIG_FILE", bench.path("none"));
    let relay = Relay::start(command.arg("serve").arg(file)).await;
    arrives(&bench, "password-0").await;
    let bus = Bus::open(&bench, &relay.hooks, api_key());
    let mut rotating = Rotating::new(&bench).await;
    rotating.for_a_second(|_| {}).await;
    write_profile(&profile, "AKIANEXT");
    rotating.for_a_second(|_| {}).await;
    let refusal = Failure::sender("UnrecognizedClientException", "The security token is invalid.");
    bench.aws.refuse_key("AKIAPRESENT", Some(refusal));
    rotating.for_a_second(|_| {}).await;
    bus.was_never_refused(rotating.rotations).await;
    rotating.arrive().await;
    let by = |key: &str, status: u16| {
        bench.aws.log().count_of(|request| {
            let signed = request.headers.get("authorization").is_some_and(|header| {
                header.to_str().is_ok_and(|text| text.contains(&format!("Credential={key}/")))
            });
            signed && request.status.is_some_and(|answered| answered.as_u16() == status)
        })
    };
    assert!(by("AKIAPRESENT", 400) > 0, "the old key was never refused");
    assert!(by("AKIANEXT", 200) > 0, "the new key was never used");
}
