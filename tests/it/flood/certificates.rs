//! Genuine messages that are said to be signed with a certificate that nobody has: the field is not
//! part of what is signed, so whoever has seen one message can send these.

use std::time::Duration;

use anypoint_sandbox::faults::{Action, Gate, Rule};

use super::notifications::{asks, signed, sns};
use super::siege::Siege;

/// More than the requests that are worked on at once.
const CLIENTS: usize = 300;
/// New names that are asked for in a minute. No attack takes longer.
const FETCHES: usize = 20;

/// A genuine envelope with another name of its certificate.
fn envelopes(siege: &Siege) -> impl Fn(usize) -> Vec<u8> + Clone + Send + 'static {
    let body = signed(&siege.bench, &siege.bench.event().to_string()).body();
    let end = body.find(".pem").unwrap();
    let (before, after) = (body[..end - 32].to_owned(), body[end..].to_owned());
    move |name| sns(&format!("{before}{name:032x}{after}"))
}

fn fetches(siege: &Siege) -> usize {
    siege.bench.aws.sns_log().count_of(|request| request.tag == "certificate")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a quiet machine"]
async fn invented_certificates_by_the_thousand_keep_no_sender_out() {
    let mut siege = Siege::new().await;
    let (envelopes, before) = (envelopes(&siege), fetches(&siege));
    siege
        .under("invented certificates", |ground| {
            ground.swarm(CLIENTS, Duration::ZERO, move |ground, number| {
                let envelopes = envelopes.clone();
                asks(ground, move |turn| envelopes(number * 1_000_000 + turn))
            })
        })
        .await;
    assert_eq!(siege.statuses(), [503]);
    let fetched = fetches(&siege) - before;
    assert!(fetched <= FETCHES, "{fetched} fetches");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a quiet machine"]
async fn certificates_that_never_come_keep_no_sender_out() {
    let mut siege = Siege::new().await;
    let (envelopes, before) = (envelopes(&siege), fetches(&siege));
    siege.bench.aws.sns_faults().add(Rule::new(Action::Hang(Gate::new())).tag("certificate"));
    siege
        .under("few invented certificates, and a host that never answers", |ground| {
            ground.swarm(CLIENTS, Duration::ZERO, move |ground, number| {
                let envelopes = envelopes.clone();
                asks(ground, move |_| envelopes(number % 8))
            })
        })
        .await;
    assert_eq!(siege.statuses(), [503]);
    let fetched = fetches(&siege) - before;
    assert!(fetched <= FETCHES, "{fetched} fetches");
}
