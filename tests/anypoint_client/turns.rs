//! How the runs of a queue share a rate limit, in a time of its own: nothing here waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anypoint_relay::anypoint::call::Family;
use anypoint_relay::clock::Clock as _;
use anypoint_relay::model::Next;
use anypoint_relay::queue::{Note, Policy, Reason, Settings, Take, WorkQueue};

use crate::world::{RATE, World};

const APPLICATIONS: usize = 200;
const WORKERS: usize = 16;
/// A read of AWS.
const AWS: Duration = Duration::from_millis(50);
/// A request to Anypoint.
const ANYPOINT: Duration = Duration::from_millis(200);

enum Step {
    Look,
    Write,
    End,
}

#[tokio::test]
async fn two_hundred_runs_leave_no_place_unused_and_are_seldom_sent_away() {
    let world = World::new();
    let connection = world.connection();
    let rates = connection.config().rates;
    let pacer = world.pacers.of(&world.fake.address.to_string(), Family::ApplicationManager, &rates);
    let start = world.clock.now();
    let minutes = Duration::from_mins(1);
    let settings = Settings { retry_base: minutes, retry_cap: minutes, slow_retry: minutes };
    let mut queue = WorkQueue::new(settings, Arc::new(|limit| limit));
    for key in 0..APPLICATIONS {
        queue.register(key, &Policy { group: Some("prod".into()), ..Policy::default() });
        queue.add(&key, Note::new(Reason::Notification, world.clock.timestamp()), start).unwrap();
    }

    let mut steps: BTreeMap<(Instant, usize), Step> = BTreeMap::new();
    let (mut sent, mut sent_away, mut ended) = (Vec::new(), 0, Vec::new());
    while ended.len() < APPLICATIONS {
        let now = world.clock.now();
        let mut wake = None;
        while steps.len() < WORKERS && wake.is_none() {
            match queue.take(now) {
                Take::Run(taken) => match connection.ready(Family::ApplicationManager) {
                    Ok(()) => drop(steps.insert((now + AWS, taken.key), Step::Look)),
                    Err(after) => {
                        sent_away += 1;
                        queue.finish(&taken.key, Next::InLine { after }, now);
                    }
                },
                Take::WaitUntil(at) => wake = Some(at),
                Take::Empty | Take::Closed => break,
            }
        }
        let first = steps.first_key_value().map(|((at, _), _)| *at);
        let next = first.into_iter().chain(wake).min().expect("something is due");
        world.clock.advance(next - now);
        if first != Some(next) {
            continue;
        }
        let ((_, key), step) = steps.pop_first().unwrap();
        let mut request = || {
            sent.push(pacer.with(|pacer| pacer.reserve(next)));
            sent[sent.len() - 1] + ANYPOINT
        };
        match step {
            Step::Look => drop(steps.insert((request() + AWS, key), Step::Write)),
            Step::Write => drop(steps.insert((request(), key), Step::End)),
            Step::End => {
                ended.push(key);
                queue.finish(&key, Next::Done, next);
            }
        }
    }

    let took = (sent[sent.len() - 1] - start).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "hundreds")]
    let bound = sent.len() as f64 / RATE;
    assert_eq!(sent.len(), 2 * APPLICATIONS);
    assert!(took < bound * 1.01, "{took} s where the rate allows {bound} s");
    assert!(sent_away <= APPLICATIONS / 2, "sent away {sent_away} times");
    assert!(ended.is_sorted(), "who was due first is served first: {ended:?}");
}
