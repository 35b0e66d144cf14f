//! What those who watch are told.

use futures_util::StreamExt;

use super::*;
use crate::status::Notice;

/// A stream as its client reads it: the name and the data of each event.
struct Stream {
    body: axum::body::BodyDataStream,
    text: String,
}

impl Stream {
    async fn open(state: &AdminState) -> Self {
        let response =
            router(state.clone()).answer(request("GET", "/events").body(Body::empty()).unwrap()).await;
        assert_eq!(
            (response.status(), &response.headers()["content-type"]),
            (StatusCode::OK, &"text/event-stream".parse().unwrap())
        );
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; none when the stream has ended.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let line =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                match (line("event: "), line("data: ")) {
                    (Some(name), Some(data)) => return Some((name, serde_json::from_str(&data).unwrap())),
                    _ => continue,
                }
            }
            self.text.push_str(std::str::from_utf8(&self.body.next().await?.unwrap()).unwrap());
        }
    }

    async fn expect(&mut self, name: &str) -> Value {
        let (found, data) = self.next().await.expect("the stream goes on");
        assert_eq!(found, name, "{data}");
        data
    }
}

fn fits(schema: &str, value: &Value) {
    let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
    assert_eq!(Spec::get().mismatch(&schema, value), None);
}

fn notice(secret: &str) -> Notice {
    let (route, verdict, secret) = ("sns", "accepted", Some(secret.to_owned()));
    Notice { route, verdict, secret, count: 1, ..Notice::default() }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_greeted_and_told_of_changes_in_the_form_of_the_status() {
    let state = state().await;
    let mut stream = Stream::open(&state).await;
    assert_eq!(stream.expect("hello").await["keep_alive_seconds"], 15);
    state.board.set_stale(&name("billing-api"), state.clock.timestamp());
    let told = stream.expect("target").await;
    fits("TargetPage", &told);
    assert_eq!(
        (&told["target"]["target"], &told["target"]["phase"]),
        (&json!("billing-api"), &json!("queued"))
    );
    state.board.heard(notice("prod/orders/db"));
    let told = stream.expect("notification").await;
    fits("Notice", &told);
    assert_eq!(told["secret"], "prod/orders/db");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_lags_sees_the_newest_state_and_is_told_to_look_again() {
    let state = state().await;
    let mut stream = Stream::open(&state).await;
    stream.expect("hello").await;
    for number in 0..1000 {
        state.board.heard(notice(&number.to_string()));
        state.board.changed(&name("orders-api"));
    }
    stream.expect("resync").await;
    state.board.changed(&name("billing-api"));
    assert_eq!(stream.expect("target").await["target"]["target"], "billing-api");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_ends_by_itself_is_told_as_well() {
    let clock = TestClock::at("2027-03-01T09:00:00Z".parse().unwrap());
    let plain = state().await;
    let door = door_for(&Arc::default(), 0, &clock).await;
    let parts = behind(&plain, door).parts;
    let parts = Arc::into_inner(parts).unwrap();
    let state = AdminState::new(Parts { clock: Arc::new(clock.clone()), ..parts });
    let mut stream = Stream::open(&state).await;
    stream.expect("hello").await;
    let now = clock.timestamp();
    let pause =
        crate::model::Pause { since: now, until: Some(now + Duration::from_mins(1)), reason: "a".to_owned() };
    state.board.set_pause(&name("orders-api"), Some(pause));
    assert_eq!(stream.expect("target").await["target"]["state"], "paused");
    clock.advance(Duration::from_mins(1));
    assert_eq!(stream.expect("target").await["target"]["state"], "parked");
}

#[tokio::test(start_paused = true)]
async fn so_many_may_watch_and_a_place_is_free_again_when_one_goes() {
    let state = state().await;
    let mut streams = Vec::new();
    for _ in 0..crate::admin::events::WATCHERS {
        streams.push(Stream::open(&state).await);
    }
    let (status, _, body) = ask(&state, "GET", "/events").await;
    assert_eq!((status, json_of(&body)["code"].clone()), (503, json!("overloaded")));
    streams.pop();
    Stream::open(&state).await.expect("hello").await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_drain_ends_the_stream() {
    let state = state().await;
    let mut stream = Stream::open(&state).await;
    stream.expect("hello").await;
    let taken = state.queue.next().await.unwrap();
    state.queue.close();
    state.board.changed(&taken.key);
    stream.expect("target").await;
    state.queue.finish(&taken.key, Next::Done);
    assert_eq!(stream.next().await, None);
}
