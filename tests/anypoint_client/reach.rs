//! An `http` target calls what is within its reach, at each connection anew: DNS is made by hand here.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use anypoint_relay::config::TargetKind;
use anypoint_relay::model::{Failure, FailureCode, Named, Reach, Retry};
use anypoint_relay::outbound::Lookup;
use anypoint_relay::sync::ports::{ApplyError, Target};

use crate::world::{CANARY, World, deliver, field};

/// Gives one answer after the other, and counts them.
#[derive(Debug)]
struct Answers(Mutex<VecDeque<Vec<IpAddr>>>);

#[async_trait::async_trait]
impl Lookup for Answers {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        assert_eq!(host, "refresh.example.com");
        self.0.lock().unwrap().pop_front().ok_or_else(|| io::Error::other("no such host"))
    }
}

/// A target that may call 127.0.0.1 beside public addresses, and what DNS says to each connection.
fn target(world: &World, answers: &[&[&str]]) -> (Arc<dyn Target>, Arc<Answers>) {
    let answers = answers.iter().map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect());
    let answers = Arc::new(Answers(Mutex::new(answers.collect())));
    let mut config = world.http_target(BTreeMap::from([("password".to_owned(), field("password"))]));
    config.url = format!("http://refresh.example.com:{}/flow", world.fake.address.port());
    config.reach = Reach::beside_public([Named::Network("127.0.0.1/32".parse().unwrap())]);
    (world.target_by(Arc::<Answers>::clone(&answers), TargetKind::Http(Arc::new(config))), answers)
}

fn denied(error: ApplyError) -> Failure {
    assert!(!error.ambiguous, "nothing was sent");
    assert_eq!((error.failure.code, error.failure.retry), (FailureCode::Denied, Retry::Slowly));
    error.failure
}

#[tokio::test]
async fn a_name_that_is_pointed_elsewhere_between_two_connections_gains_nothing() {
    let world = World::new();
    let elsewhere = [&["127.0.0.1"][..], &["127.0.0.2"], &["::1"], &["169.254.169.254"], &["127.0.0.1"]];
    let (target, answers) = target(&world, &elsewhere);
    let taken = || world.fake.seen("POST", "/flow").len();
    deliver(&target, CANARY).await.unwrap();
    for (address, kind) in [("127.0.0.2", "a loopback"), ("::1", "a loopback")] {
        let failure = denied(deliver(&target, CANARY).await.unwrap_err());
        assert_eq!(
            failure.message,
            format!(
                "calling refresh.example.com for target orders: {address} is {kind} address, and `allow` does not \
                 name it"
            )
        );
        assert_eq!(
            failure.next_step,
            format!(
                "if it is meant, name refresh.example.com or {address} under `allow`; else correct `url`, or what \
                 DNS says of it"
            )
        );
    }
    let failure = denied(deliver(&target, CANARY).await.unwrap_err());
    assert_eq!(
        failure.message,
        "calling refresh.example.com for target orders: 169.254.169.254 is where a platform hands out credentials"
    );
    assert_eq!(failure.next_step, "correct `url`, or what DNS says of it: no target may call this address");
    assert_eq!(taken(), 1);
    deliver(&target, CANARY).await.unwrap();
    assert_eq!((taken(), answers.0.lock().unwrap().len()), (2, 0), "each connection looks up for itself");
}

#[tokio::test]
async fn of_several_addresses_those_out_of_reach_are_not_tried() {
    let world = World::new();
    let (target, _) =
        target(&world, &[&["127.0.0.2", "::ffff:127.0.0.3", "127.0.0.1"], &["10.0.0.1", "::1"]]);
    deliver(&target, CANARY).await.unwrap();
    let failure = denied(deliver(&target, CANARY).await.unwrap_err());
    assert!(failure.message.contains("10.0.0.1 is a private address"), "{failure:?}");
    assert_eq!(world.fake.seen("POST", "/flow").len(), 1);
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_no_refusal() {
    let (target, _) = target(&World::new(), &[]);
    let error = deliver(&target, CANARY).await.unwrap_err();
    assert!(!error.ambiguous, "nothing was sent");
    assert_eq!((error.failure.code, error.failure.retry), (FailureCode::Unavailable, Retry::Backoff));
    assert!(error.failure.message.ends_with(": no such host"), "{}", error.failure.message);
}
