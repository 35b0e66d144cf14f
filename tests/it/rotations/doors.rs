//! What others show to the relay: keys, passwords, tokens. Two places are configured. One holds what is in use;
//! the next value is written into the other, the senders move over, and then the first place is overwritten.

use std::collections::BTreeMap;
use std::time::Duration;

use anypoint_sandbox::ask_for;
use anypoint_sandbox::aws::{Auth, Secret};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::interval;

use super::{Bus, PACE, Rotating, arrives, bench, targets};
use crate::support::{Answer, Bench, EVENTBRIDGE_KEY, LIMIT, TRIGGER_KEY, answer, pass, signed_with};

/// The places are read at most this often when something is refused.
const REREAD: Duration = Duration::from_secs(5);
/// And behind a request at least this often.
const FORGOTTEN: Duration = Duration::from_mins(1);

const NEXT: &str = "next-value-0123456789abcdefghij";
const SPARE: &str = "spare-value-0123456789abcdefghi";

/// A relay that takes what is in either of two places, the second of which is not in use yet.
async fn two_places(one: &str, two: &str) -> Bench {
    let mut bench = bench().await;
    bench.set_credential("OTHER_PLACE", "never-used-0123456789abcdefghijk");
    let file = bench.tuned(&targets(), &[(one, two)]);
    bench.start_with(&file).await;
    arrives(&bench, "password-0").await;
    // The start read them a moment ago.
    pass(REREAD).await;
    bench
}

/// A value that was overwritten is let in no more, although nobody was refused.
async fn ends(shown: impl AsyncFn() -> u16, refused: u16) {
    pass(FORGOTTEN).await;
    ask_for("the end of the old value", LIMIT, async || (shown().await == refused).then_some(())).await;
}

#[tokio::test]
async fn the_api_key_of_eventbridge_rotates_and_no_event_is_refused() {
    let api_key = |value: &str| Auth::ApiKey { header: "x-api-key".to_owned(), value: value.to_owned() };
    eventbridge(
        "api_key: { header: x-api-key, value: { env: EVENTBRIDGE_KEY } }",
        "api_key: { header: x-api-key, values: [{ env: EVENTBRIDGE_KEY }, { env: OTHER_PLACE }] }",
        api_key,
    )
    .await;
}

#[tokio::test]
async fn the_password_of_eventbridge_rotates_and_no_event_is_refused() {
    let basic = |value: &str| Auth::Basic { user: "bus".to_owned(), password: value.to_owned() };
    eventbridge(
        "api_key: { header: x-api-key, value: { env: EVENTBRIDGE_KEY } }",
        "basic: { username: bus, passwords: [{ env: EVENTBRIDGE_KEY }, { env: OTHER_PLACE }] }",
        basic,
    )
    .await;
}

async fn eventbridge(one: &str, two: &str, auth: impl Fn(&str) -> Auth) {
    let mut bench = two_places(one, two).await;
    let bus = Bus::open(&bench, bench.hooks(), auth(EVENTBRIDGE_KEY));
    let folder = bench.path("");
    let write = |place: &str, value: &str| std::fs::write(folder.join(place), value).unwrap();
    let mut rotating = Rotating::new(&bench).await;
    rotating.for_a_second(|_| {}).await;
    write("OTHER_PLACE", NEXT);
    rotating.for_a_second(|_| {}).await;
    bus.0.set_auth(auth(NEXT));
    rotating.for_a_second(|_| {}).await;
    write("EVENTBRIDGE_KEY", SPARE);
    rotating.for_a_second(|_| {}).await;
    bus.was_never_refused(rotating.rotations).await;
    rotating.arrive().await;

    bench.aws.stop_emitting();
    let late = Bus::open(&bench, bench.hooks(), auth(EVENTBRIDGE_KEY));
    bench.aws.stop_emitting();
    let shown = async || {
        let before = late.0.attempts().len();
        late.0.send(bench.aws.secret("prod/orders-api/db").map(|secret| event(&secret)).unwrap());
        anypoint_sandbox::wait_until("an attempt", LIMIT, || late.0.attempts().len() > before).await;
        late.0.attempts()[before].outcome.status().unwrap()
    };
    assert_eq!(shown().await, 202, "nothing has made the relay look again");
    ends(shown, 401).await;
    bench.stop().await.unwrap();
}

fn event(secret: &Secret) -> serde_json::Value {
    anypoint_sandbox::aws::events::label_updated(secret.arn(), "AWSCURRENT", &secret.current_version())
}

/// Sends a trigger for a secret, signed with this key; gives the status.
fn trigger(bench: &Bench, secret: &Secret, key: &str) -> impl Future<Output = Answer> + Send + 'static {
    let body = json!({ "secret": secret.name() }).to_string();
    let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
    let mut request = bench.client.post(format!("{}/hooks/trigger", bench.hooks()));
    for (name, value) in signed_with(&id, &body, key) {
        request = request.header(name, value);
    }
    answer("POST", "/hooks/trigger", request.body(body))
}

#[tokio::test]
async fn the_key_of_triggers_rotates_and_no_trigger_is_refused() {
    let one = "{ id: ops, value: { env: TRIGGER_KEY } }";
    let two = format!("{one}, {{ id: other, value: {{ env: OTHER_PLACE }} }}");
    let bench = two_places(one, &two).await;
    let write = |place: &str, value: &str| std::fs::write(bench.path(place), value).unwrap();
    let mut rotating = Rotating::new(&bench).await;
    let mut triggers = JoinSet::new();
    let mut send = |secret: &Secret, key: &str| drop(triggers.spawn(trigger(&bench, secret, key)));
    rotating.for_a_second(|secret| send(secret, TRIGGER_KEY)).await;
    write("OTHER_PLACE", NEXT);
    rotating.for_a_second(|secret| send(secret, TRIGGER_KEY)).await;
    rotating.for_a_second(|secret| send(secret, NEXT)).await;
    write("TRIGGER_KEY", SPARE);
    rotating.for_a_second(|secret| send(secret, NEXT)).await;
    let answers = triggers.join_all().await;
    assert!(answers.iter().all(|answer| answer.status == 202), "{answers:#?}");
    assert_eq!(answers.len(), rotating.rotations);
    rotating.arrive().await;

    let secret = &rotating.secrets[0];
    assert_eq!(
        trigger(&bench, secret, TRIGGER_KEY).await.status,
        202,
        "nothing has made the relay look again"
    );
    ends(async || trigger(&bench, secret, TRIGGER_KEY).await.status, 401).await;
    assert_eq!(trigger(&bench, secret, NEXT).await.status, 202);
}

#[tokio::test]
async fn the_token_of_the_admin_listener_rotates_and_nobody_is_refused() {
    let two = "admin: { listen: 127.0.0.1:0, tokens: [{ env: ADMIN_TOKEN }, { env: OTHER_PLACE }] }";
    let mut bench = bench().await;
    bench.set_credential("ADMIN_TOKEN", "admin-token-0123456789abcdefghij");
    bench.set_credential("OTHER_PLACE", "never-used-0123456789abcdefghijk");
    let file = bench.tuned(&targets(), &[("admin: { listen: 127.0.0.1:0 }", two)]);
    bench.start_with(&file).await;
    arrives(&bench, "password-0").await;
    pass(REREAD).await;

    let write = |place: &str, value: &str| std::fs::write(bench.path(place), value).unwrap();
    let bus = Bus::open(
        &bench,
        bench.hooks(),
        Auth::ApiKey { header: "x-api-key".to_owned(), value: EVENTBRIDGE_KEY.to_owned() },
    );
    let ask = async |token: &str| {
        let request = bench.client.get(format!("{}/metrics", bench.admin())).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    let old = "admin-token-0123456789abcdefghij";
    let mut rotating = Rotating::new(&bench).await;
    let (shown, token) = watch::channel(old);
    let steps = async {
        rotating.for_a_second(|_| {}).await;
        write("OTHER_PLACE", NEXT);
        rotating.for_a_second(|_| {}).await;
        shown.send_replace(NEXT);
        rotating.for_a_second(|_| {}).await;
        write("ADMIN_TOKEN", SPARE);
        rotating.for_a_second(|_| {}).await;
        drop(shown);
    };
    // As a scraper asks, which waits for its answer, but as often as notifications come.
    let scraper = async {
        let (mut statuses, mut pace) = (BTreeMap::new(), interval(PACE));
        while token.has_changed().is_ok() {
            pace.tick().await;
            let token = *token.borrow();
            *statuses.entry((token, ask(token).await)).or_insert(0) += 1;
        }
        statuses
    };
    let ((), statuses) = tokio::join!(steps, scraper);
    assert!(statuses.keys().eq([&(old, 200), &(NEXT, 200)]), "{statuses:?}");
    bus.was_never_refused(rotating.rotations).await;
    rotating.arrive().await;
    assert_eq!(ask(old).await, 200, "nothing has made the relay look again");
    ends(async || ask(old).await, 401).await;
    assert_eq!(ask(NEXT).await, 200);
}
