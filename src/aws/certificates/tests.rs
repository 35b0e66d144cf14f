use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use futures_util::future::join_all;
use futures_util::stream;
use jiff::Timestamp;

use super::*;
use crate::clock::TestClock;
use crate::config::SnsEmulator;
use crate::outbound::SystemLookup;
use crate::outbound::testing::{Authority, Seen, Server, nobody, reply};

const HOST: &str = "sns.eu-west-1.amazonaws.com";

/// A store whose SNS is a server on loopback.
struct Fixture {
    server: Server,
    store: CertificateStore,
    clock: TestClock,
}

impl Fixture {
    async fn new<F, A>(answer: F) -> Self
    where
        F: Fn(Seen) -> A + Send + Sync + 'static,
        A: Future<Output = Response> + Send + 'static,
    {
        let authority = Authority::new();
        let server = Server::https(&authority, HOST, answer).await;
        let root = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(root.path(), authority.pem()).unwrap();
        let emulator = SnsEmulator {
            connect: Some(server.address),
            extra_root: Some(root.path().to_owned()),
            certificate_path: None,
        };
        let clock = TestClock::at(Timestamp::UNIX_EPOCH);
        let store = CertificateStore::new(
            SnsHttp::new(&emulator, Arc::new(SystemLookup)).unwrap(),
            Arc::new(clock.clone()),
        );
        Self { server, store, clock }
    }

    fn asked(&self) -> usize {
        self.server.seen().len()
    }

    /// Waits until so many requests were made and no fetch is under way.
    async fn landed(&self, asked: usize) {
        let flies = |entry: &Entry| matches!(entry.content, Content::Flight { .. });
        while self.asked() < asked || self.store.0.state().entries.values().any(flies) {
            tokio::task::yield_now().await;
        }
        assert_eq!(self.asked(), asked);
    }

    fn entries(&self) -> usize {
        self.store.0.state().entries.len()
    }
}

fn url(name: usize) -> String {
    format!("https://{HOST}/SimpleNotificationService-{name:032x}.pem")
}

fn unavailable(answer: &Answer) -> &str {
    match answer {
        Err(CertificateError(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn fifty_callers_at_once_make_one_request() {
    let fixture = Fixture::new(|_| async { reply(200, "pem") }).await;
    let one = url(1);
    let answers = join_all((0..50).map(|_| fixture.store.fetch(&one))).await;
    assert!(answers.iter().all(|answer| answer.as_deref() == Ok(&b"pem"[..])));
    assert_eq!(fixture.asked(), 1);
}

#[tokio::test]
async fn a_certificate_is_held_for_a_day() {
    let fixture = Fixture::new(|_| async { reply(200, "pem") }).await;
    fixture.store.fetch(&url(1)).await.unwrap();
    fixture.clock.advance(Duration::from_hours(24) - Duration::from_secs(1));
    fixture.store.fetch(&url(1)).await.unwrap();
    assert_eq!(fixture.asked(), 1);
    fixture.clock.advance(Duration::from_secs(1));
    fixture.store.fetch(&url(1)).await.unwrap();
    fixture.landed(2).await;
}

/// A server that gives a certificate to the first request and `then` to all others.
async fn first_fine_then(then: fn() -> Response) -> Fixture {
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    Fixture::new(move |_| {
        let first = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        async move { if first { reply(200, "pem") } else { then() } }
    })
    .await
}

#[tokio::test]
async fn a_held_certificate_outlives_a_fetch_that_fails() {
    for then in [|| reply(503, ""), || reply(403, ""), || reply(200, "x".repeat(65_537))] {
        let fixture = first_fine_then(then).await;
        let held = fixture.store.fetch(&url(1)).await.unwrap();
        for asked in 2..4 {
            fixture.clock.advance(HOLD);
            let answers = [fixture.store.fetch(&url(1)).await, fixture.store.fetch(&url(1)).await];
            assert_eq!(answers, [Ok(Arc::clone(&held)), Ok(Arc::clone(&held))]);
            fixture.landed(asked).await;
            assert!(Arc::ptr_eq(&fixture.store.fetch(&url(1)).await.unwrap(), &held));
            assert_eq!(fixture.asked(), asked, "no sooner than after a failed fetch");
        }
    }
}

#[tokio::test]
async fn a_page_that_came_in_place_of_a_held_certificate_does_not_stick() {
    let fixture = first_fine_then(|| reply(200, "page")).await;
    let held = fixture.store.fetch(&url(1)).await.unwrap();
    for asked in 2..4 {
        fixture.clock.advance(HOLD);
        assert_eq!(fixture.store.fetch(&url(1)).await.as_ref(), Ok(&held));
        fixture.landed(asked).await;
        let page = fixture.store.fetch(&url(1)).await.unwrap();
        assert_eq!(&*page, b"page");
        fixture.store.reject(&url(1), &page);
        assert_eq!(fixture.store.fetch(&url(1)).await.as_ref(), Ok(&held));
    }
}

#[tokio::test]
async fn a_held_certificate_serves_while_a_fetch_hangs() {
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let fixture = Fixture::new(move |_| {
        let first = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        async move { if first { reply(200, "pem") } else { std::future::pending().await } }
    })
    .await;
    let held = fixture.store.fetch(&url(1)).await.unwrap();
    fixture.clock.advance(HOLD);
    for _ in 0..2 {
        assert!(Arc::ptr_eq(&fixture.store.fetch(&url(1)).await.unwrap(), &held));
    }
}

#[tokio::test]
async fn the_same_bytes_stay_the_same_certificate_and_what_aws_took_away_is_given_up() {
    let fixture = Fixture::new(|_| async { reply(200, "pem") }).await;
    let held = fixture.store.fetch(&url(1)).await.unwrap();
    fixture.clock.advance(HOLD);
    fixture.store.fetch(&url(1)).await.unwrap();
    fixture.landed(2).await;
    assert!(Arc::ptr_eq(&fixture.store.fetch(&url(1)).await.unwrap(), &held));

    let fixture = first_fine_then(|| reply(404, "")).await;
    fixture.store.fetch(&url(1)).await.unwrap();
    fixture.clock.advance(HOLD);
    fixture.store.fetch(&url(1)).await.unwrap();
    fixture.landed(2).await;
    assert_eq!(unavailable(&fixture.store.fetch(&url(1)).await), "HTTP 404");
}

#[tokio::test]
async fn a_failure_is_shared_and_remembered_for_less_than_sns_waits() {
    let fixture = Fixture::new(|_| async { reply(404, "") }).await;
    let one = url(1);
    let answers = join_all((0..10).map(|_| fixture.store.fetch(&one))).await;
    assert!(answers.iter().all(|answer| unavailable(answer) == "HTTP 404"));
    assert_eq!(fixture.asked(), 1);
    fixture.clock.advance(Duration::from_secs(14));
    assert!(fixture.store.fetch(&one).await.is_err());
    assert_eq!(fixture.asked(), 1);
    // SNS's default: 20 s after the attempt that failed.
    fixture.clock.advance(Duration::from_secs(6));
    assert!(fixture.store.fetch(&one).await.is_err());
    assert_eq!(fixture.asked(), 2);
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_end_the_fetch() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let at_server = Arc::clone(&gate);
    let fixture = Fixture::new(move |_| {
        let gate = Arc::clone(&at_server);
        async move {
            gate.acquire().await.unwrap().forget();
            reply(200, "pem")
        }
    })
    .await;
    let one = url(1);
    let hasty = tokio::time::timeout(Duration::ZERO, fixture.store.fetch(&one)).await;
    assert!(hasty.is_err());
    gate.add_permits(1);
    fixture.store.fetch(&one).await.unwrap();
    assert_eq!(fixture.asked(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fixture = Fixture::new(|_| async {
        let mut response = reply(302, "");
        response.headers_mut().insert("location", "/other.pem".parse().unwrap());
        response
    })
    .await;
    assert_eq!(unavailable(&fixture.store.fetch(&url(1)).await), "HTTP 302");
    assert_eq!(fixture.asked(), 1);
}

#[tokio::test]
async fn what_is_too_large_for_a_certificate_counts_as_a_failure() {
    let fixture = Fixture::new(|_| async { reply(200, "x".repeat(65_537)) }).await;
    assert_eq!(unavailable(&fixture.store.fetch(&url(1)).await), "the answer is longer than 65536 bytes");
    fixture.clock.advance(RETRY_AFTER);
    assert!(fixture.store.fetch(&url(1)).await.is_err());
    assert_eq!(fixture.asked(), 2);
}

#[tokio::test]
async fn what_turned_out_to_be_no_certificate_is_fetched_anew_after_a_while() {
    let fixture = Fixture::new(|_| async { reply(200, "page") }).await;
    let (one, other) = (url(1), url(2));
    let page = fixture.store.fetch(&one).await.unwrap();
    let kept = fixture.store.fetch(&other).await.unwrap();
    fixture.store.reject(&one, &page);
    assert_eq!(unavailable(&fixture.store.fetch(&one).await), "what was fetched is no certificate");
    assert!(Arc::ptr_eq(&fixture.store.fetch(&other).await.unwrap(), &kept));
    assert_eq!(fixture.asked(), 2);
    fixture.clock.advance(RETRY_AFTER);
    let fresh = fixture.store.fetch(&one).await.unwrap();
    assert_eq!(fixture.asked(), 3);
    // A caller that still has the old bytes says nothing about the new ones.
    fixture.store.reject(&one, &page);
    assert!(Arc::ptr_eq(&fixture.store.fetch(&one).await.unwrap(), &fresh));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_or_does_not_end_is_a_timeout() {
    let fixture = Fixture::new(|seen| async move {
        if seen.uri.path().ends_with("1.pem") {
            std::future::pending::<()>().await;
        }
        reply(200, Body::from_stream(stream::pending::<Result<&'static str, Infallible>>()))
    })
    .await;
    for name in [1, 2] {
        assert_eq!(unavailable(&fixture.store.fetch(&url(name)).await), "no answer within 5s");
    }
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_unavailable() {
    let emulator = SnsEmulator { connect: Some(nobody().await), ..SnsEmulator::default() };
    let clock = TestClock::at(Timestamp::UNIX_EPOCH);
    let store =
        CertificateStore::new(SnsHttp::new(&emulator, Arc::new(SystemLookup)).unwrap(), Arc::new(clock));
    let answer = store.fetch(&url(1)).await;
    assert!(unavailable(&answer).contains("refused"), "{answer:?}");
}

#[tokio::test]
async fn a_certificate_is_not_fetched_without_tls() {
    let fixture = Fixture::new(|_| async { reply(200, "pem") }).await;
    let answer = fixture.store.fetch(&format!("http://{HOST}/a.pem")).await;
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(fixture.asked(), 0);
}

#[tokio::test]
async fn invented_names_cost_a_bounded_number_of_requests_and_entries() {
    let fixture = Fixture::new(|_| async { reply(403, "") }).await;
    for name in 0..100 {
        assert!(fixture.store.fetch(&url(name)).await.is_err());
    }
    assert_eq!(fixture.asked(), NEW_PER_MINUTE);
    assert!(fixture.entries() <= MAX_ENTRIES);
    fixture.clock.advance(Duration::from_mins(1));
    assert!(fixture.store.fetch(&url(100)).await.is_err());
    assert_eq!(fixture.asked(), NEW_PER_MINUTE + 1);
}

#[tokio::test]
async fn invented_names_neither_push_out_the_real_one_nor_keep_it_from_being_renewed() {
    let real = url(0xabc);
    let path = real.trim_start_matches(&format!("https://{HOST}")).to_owned();
    let fixture = Fixture::new(move |seen| {
        let status = if seen.uri.path() == path { 200 } else { 404 };
        async move { reply(status, "pem") }
    })
    .await;
    fixture.store.fetch(&real).await.unwrap();
    fixture.clock.advance(Duration::from_hours(24));
    for name in 0..100 {
        assert!(fixture.store.fetch(&url(name)).await.is_err());
    }
    let before = fixture.asked();
    fixture.store.fetch(&real).await.unwrap();
    fixture.landed(before + 1).await;
}

#[test]
fn a_fetch_that_died_is_begun_again() {
    let (mut state, now) = (State::default(), Instant::now());
    let Next::Fetch(sender, _) = state.next("a", now) else { panic!("no fetch") };
    assert!(matches!(state.next("a", now), Next::Wait(_)));
    drop(sender);
    assert!(matches!(state.next("a", now), Next::Fetch(..)));
}

#[test]
fn fetches_under_way_are_not_pushed_out() {
    let (mut state, now) = (State::default(), Instant::now());
    let flights: Vec<_> = (0..MAX_STRANGERS).map(|name| state.next(&url(name), now)).collect();
    assert!(flights.iter().all(|next| matches!(next, Next::Fetch(..))));
    assert!(matches!(state.next(&url(99), now), Next::Now(Err(_))));
    state.land(&url(3), Got::Failed(CertificateError("gone".to_owned())), now).ok();
    assert!(matches!(state.next(&url(99), now), Next::Fetch(..)));
    assert!(!state.entries.contains_key(&url(3)));
}

#[test]
fn a_flood_of_fetches_under_way_does_not_push_out_the_real_one() {
    let (mut state, now) = (State::default(), Instant::now());
    let pem = || Got::File(Arc::from(&b"pem"[..]));
    let real = state.next("real", now);
    state.land("real", pem(), now).ok();
    let flights: Vec<_> = (0..100).map(|name| state.next(&url(name), now)).collect();
    assert_eq!(flights.iter().filter(|next| matches!(next, Next::Fetch(..))).count(), MAX_STRANGERS);
    assert!(matches!(state.next("real", now), Next::Now(Ok(_))));
    drop((real, flights));
}

#[test]
fn of_many_real_ones_the_one_that_was_not_used_for_longest_goes() {
    let (mut state, mut now) = (State::default(), Instant::now());
    for name in 0..=MAX_ENTRIES {
        now += Duration::from_mins(1);
        let flight = state.next(&url(name), now);
        assert!(matches!(flight, Next::Fetch(..)));
        state.land(&url(name), Got::File(Arc::from(&b"pem"[..])), now).ok();
    }
    assert_eq!(state.entries.len(), MAX_ENTRIES);
    assert!(!state.entries.contains_key(&url(0)) && state.entries.contains_key(&url(1)));
}
