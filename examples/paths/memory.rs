//! What a notification is looked up in, and where its work is put: the memory of ids, the index, the queue.
//!
//! Each at sizes that are far apart, because what they promise is that their cost hardly grows.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anypoint_relay::index::SecretIndex;
use anypoint_relay::intake::{ReplayLimits, ReplayMemory};
use anypoint_relay::model::{Next, SecretMention, SecretRef, TargetName};
use anypoint_relay::queue::{Note, Policy, Reason, Settings, Take, WorkQueue};
use jiff::Timestamp;

use crate::Turn;

/// So many look-ups differ from each other; then they begin again.
const DIFFERENT: usize = 64;

/// As many ids as a small memory holds.
const IDS: usize = 64;

/// Twice as many new ids as a memory holds, from its beginning to its end. One memory after the other, because
/// each has a table with a random seed of its own, and what is done for one id depends on it.
pub(crate) fn replay_new() -> Turn {
    let ids: Vec<String> = (0..2 * IDS).map(id).collect();
    let now = Instant::now();
    Box::new(move || {
        let mut memory = memory();
        for id in black_box(&ids) {
            assert!(!memory.knows(id, now));
            memory.remember(id, now);
        }
    })
}

/// An id that was seen before.
pub(crate) fn replay_known() -> Turn {
    let (mut memory, now) = (memory(), Instant::now());
    for number in 0..IDS {
        memory.remember(&id(number), now);
    }
    let last = id(IDS - 1);
    Box::new(move || assert!(memory.knows(black_box(&last), now)))
}

fn memory() -> ReplayMemory {
    ReplayMemory::new(ReplayLimits { ids: IDS, age: Duration::from_hours(1) })
}

fn id(number: usize) -> String {
    format!("5f7a5d0e-6a1c-4a58-9a53-{number:012}")
}

/// Secrets configured by name, and mentioned by their full ARN.
pub(crate) fn index_by_arn(secrets: usize) -> Turn {
    index(secrets, |name| format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:{name}-Ab12Cd"))
}

/// The same, mentioned by name.
pub(crate) fn index_by_name(secrets: usize) -> Turn {
    index(secrets, str::to_owned)
}

fn index(secrets: usize, mention: fn(&str) -> String) -> Turn {
    let index = SecretIndex::new((0..secrets).map(|number| {
        (SecretRef::new(&name(number), Some("eu-west-1"), None).expect("a secret"), target(number))
    }));
    let place = |text: &str| Some(text.to_owned());
    let mentions: Vec<SecretMention> = spread(secrets)
        .map(|number| SecretMention {
            text: mention(&name(number)),
            region: place("eu-west-1"),
            account: place("123456789012"),
        })
        .collect();
    let mut turns = 0;
    Box::new(move || {
        let found = index.find(black_box(&mentions[turns % mentions.len()]));
        turns += 1;
        assert!(found.secrets().count() == 1 && found.targets().len() == 1);
    })
}

fn name(number: usize) -> String {
    format!("prod/orders-{number:06}/db")
}

fn spread(size: usize) -> impl Iterator<Item = usize> {
    (0..DIFFERENT).map(move |number| number * size / DIFFERENT)
}

/// A notification for one of `keys` targets while every other one is due, and a run of the one that has
/// waited longest.
pub(crate) fn queue(keys: usize) -> Turn {
    let policy = Policy { group: Some("anypoint.mulesoft.com".into()), ..Policy::default() };
    let times = Settings {
        retry_base: Duration::from_secs(2),
        retry_cap: Duration::from_mins(5),
        slow_retry: Duration::from_mins(15),
    };
    let mut queue = WorkQueue::new(times, Arc::new(|longest| longest));
    let mut now = Instant::now();
    for number in 0..keys {
        queue.register(target(number), &policy);
        queue.add(&target(number), note(), now).expect("a key");
    }
    Box::new(move || {
        now += Duration::from_millis(1);
        let Take::Run(taken) = queue.take(now) else { unreachable!("every key is due") };
        queue.finish(&taken.key, Next::Done, now);
        queue.add(black_box(&taken.key), note(), now).expect("a key");
    })
}

fn note() -> Note {
    let at = Timestamp::UNIX_EPOCH;
    Note::new(Reason::Notification, at)
        .with_event("5f7a5d0e-6a1c-4a58-9a53-2f1f6b0a7c11")
        .with_request("d0e5f7a56a1c4a589a532f1f6b0a7c11")
}

fn target(number: usize) -> TargetName {
    TargetName::parse(&format!("orders-{number:06}")).expect("a name")
}
