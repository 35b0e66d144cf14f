//! The five numbers that have to be 0, as pure functions of the fakes' histories.

use std::time::Duration;

use jiff::Timestamp;

use crate::history::{By, Held, History, Part, Target, Tenure, Wants, Write};

/// Something that must not be. Names targets and times, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) target: String,
    pub(crate) what: String,
}

fn finding(target: &Target, what: impl Into<String>) -> Finding {
    Finding { target: target.name.clone(), what: what.into() }
}

/// Targets that do not hold what AWS serves as current.
pub(crate) fn lost(history: &History) -> Vec<Finding> {
    let targets = history.targets.iter();
    targets.filter_map(|target| Some(finding(target, missing(history, target)?))).collect()
}

fn missing(history: &History, target: &Target) -> Option<String> {
    if target.held.is_empty() {
        return Some("nothing of it runs".to_owned());
    }
    let current = |secret: usize| history.secrets.get(secret).and_then(|tenures| tenures.last());
    let behind = |held: &Held| match &target.wants {
        Wants::Values => target.parts.iter().find_map(|part| {
            let wanted = current(part.secret)?.field(part.field);
            (held.value(&part.name) != Some(wanted)).then(|| format!("{} is not the current one", part.name))
        }),
        // It has read what was current when it started: that may have gone and come back since.
        Wants::Restart(secrets) => secrets.iter().find_map(|secret| {
            let tenures = history.secrets.get(*secret)?;
            let read = tenures.iter().rfind(|tenure| tenure.from <= held.since);
            let right = read.is_some_and(|read| read.version == tenures.last().unwrap_or(read).version);
            (!right).then(|| format!("it has read another version of secret {secret} when it started"))
        }),
    };
    target.held.iter().find_map(behind)
}

/// Writes of the relay that started although their version had ceased to be current for longer than reads may
/// lag.
pub(crate) fn older_over_newer(history: &History) -> Vec<Finding> {
    older_than(history, history.allowance)
}

/// Writes of the relay that arrived longer than `limit` after their version had ceased to be current. The fakes see
/// when a request comes, not when it was begun.
pub(crate) fn older_than(history: &History, limit: Duration) -> Vec<Finding> {
    let each = history.targets.iter().flat_map(|target| {
        let outdated = ours(&target.started).filter_map(|write| {
            let age = age(history, target, write).filter(|age| *age > limit)?;
            Some(finding(target, format!("{} carried a version superseded {age:.1?} before", write.at)))
        });
        outdated.collect::<Vec<_>>()
    });
    each.collect()
}

/// How many writes of the relay landed over one of a newer version: they were held up on their way, or came
/// from a relay that was dead by then. Whether they were healed is what [`lost`] tells at the end.
pub(crate) fn late(history: &History) -> usize {
    let late = |target: &Target| {
        let writes: Vec<&Write> = ours(&target.landed).collect();
        let pairs = writes.iter().zip(writes.iter().skip(1));
        pairs.filter(|(before, write)| is_over_newer(history, target, before, write)).count()
    };
    history.targets.iter().map(late).sum()
}

/// Whether the versions of a secret in `write` had ceased to be current before those in `before` began to be.
fn is_over_newer(history: &History, target: &Target, before: &Write, write: &Write) -> bool {
    secrets(target).into_iter().any(|secret| {
        let last = |write: &Write| {
            let until = |tenure: &Tenure| tenure.until.unwrap_or(Timestamp::MAX);
            let tenures = matching(history, target, write, secret).filter(|tenure| tenure.from <= write.at);
            tenures.map(|tenure| (tenure.from, until(tenure))).max()
        };
        last(write).zip(last(before)).is_some_and(|((_, until), (from, _))| until <= from)
    })
}

/// How long before a write started its version had ceased to be current, at most over all writes.
pub(crate) fn oldest(history: &History) -> Duration {
    let each = history.targets.iter().flat_map(|target| {
        ours(&target.started).filter_map(|write| age(history, target, write)).collect::<Vec<_>>()
    });
    each.max().unwrap_or_default()
}

/// For how long the oldest of a write's versions had not been current.
fn age(history: &History, target: &Target, write: &Write) -> Option<Duration> {
    let secrets = secrets(target);
    let ages = secrets.into_iter().filter_map(|secret| {
        let tenures = matching(history, target, write, secret).filter(|tenure| tenure.from <= write.at);
        let until = tenures.map(|tenure| tenure.until.unwrap_or(Timestamp::MAX)).max()?;
        Duration::try_from(write.at.duration_since(until)).ok()
    });
    ages.max()
}

/// Writes of the relay that hold a value, or a mix of fields, that no version had by then.
pub(crate) fn wrong_value(history: &History) -> Vec<Finding> {
    let each = history.targets.iter().flat_map(|target| {
        let writes = ours(&target.started).chain(ours(&target.landed));
        let wrong = writes.filter_map(|write| {
            let of_none = |secret: &usize| {
                matching(history, target, write, *secret).all(|tenure| tenure.from > write.at)
            };
            let secret = secrets(target).into_iter().find(of_none)?;
            Some(finding(target, format!("{} carried what no version of secret {secret} had", write.at)))
        });
        wrong.collect::<Vec<_>>()
    });
    each.collect()
}

/// Writes of the relay that changed a clear property of others, or lost a secure one, although the look before
/// them showed it.
pub(crate) fn neighbour_lost(history: &History) -> Vec<Finding> {
    deployments(history).filter(|(_, harm)| *harm == Harm::Avoidable).map(|(finding, _)| finding).collect()
}

/// The same where somebody deployed between the look and the write: Anypoint has no conditional write.
pub(crate) fn raced(history: &History) -> usize {
    deployments(history).filter(|(_, harm)| *harm == Harm::Raced).count()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    None,
    Raced,
    Avoidable,
}

fn deployments(history: &History) -> impl Iterator<Item = (Finding, Harm)> {
    let with_others = history.targets.iter().filter(|target| target.original.is_some());
    with_others.flat_map(|target| {
        let writes = target.landed.iter().enumerate().filter(|(_, write)| write.by == By::Relay);
        writes
            .map(|(place, write)| {
                let what = format!("{} is without what others had set", write.at);
                (finding(target, what), harm(target, place, write))
            })
            .collect::<Vec<_>>()
    })
}

/// Compares a write with each state that the relay may have looked at, and with the one that it replaced.
fn harm(target: &Target, place: usize, write: &Write) -> Harm {
    let states = states(target);
    let keeps = |state: &State<'_>| {
        target.foreign(state.clear) == target.foreign(&write.clear) && target.foreign(state.secure).is_empty()
    };
    let (looked, arrived) = write.made.unwrap_or((Timestamp::MIN, write.at));
    // The first state is the original; so the state before this write has the write's own place.
    let seen = states.iter().take(place + 1).filter(|state| state.from <= arrived && state.until > looked);
    if !seen.into_iter().any(keeps) {
        Harm::Avoidable
    } else if states.get(place).is_some_and(|state| !keeps(state)) {
        Harm::Raced
    } else {
        Harm::None
    }
}

/// A specification while it was in force.
struct State<'a> {
    from: Timestamp,
    until: Timestamp,
    clear: &'a anypoint_sandbox::anypoint::Map,
    secure: &'a anypoint_sandbox::anypoint::Map,
}

fn states(target: &Target) -> Vec<State<'_>> {
    let original = target.original.iter().map(|(clear, secure)| (Timestamp::MIN, clear, secure));
    let writes = target.landed.iter().map(|write| (write.at, &write.clear, &write.secure));
    let all: Vec<_> = original.chain(writes).collect();
    let ends: Vec<_> = all.iter().skip(1).map(|(from, ..)| *from).chain([Timestamp::MAX]).collect();
    let each = all.into_iter().zip(ends);
    each.map(|((from, clear, secure), until)| State { from, until, clear, secure }).collect()
}

fn ours(writes: &[Write]) -> impl Iterator<Item = &Write> {
    writes.iter().filter(|write| write.by == By::Relay)
}

/// The secrets that a target's writes carry.
fn secrets(target: &Target) -> Vec<usize> {
    let mut secrets: Vec<usize> = target.parts.iter().map(|part| part.secret).collect();
    secrets.sort_unstable();
    secrets.dedup();
    secrets
}

/// The tenures of a secret whose version has all that a write carries of it.
fn matching<'a>(
    history: &'a History,
    target: &'a Target,
    write: &'a Write,
    secret: usize,
) -> impl Iterator<Item = &'a Tenure> {
    let parts = move || target.parts.iter().filter(move |part: &&Part| part.secret == secret);
    let tenures = history.secrets.get(secret).into_iter().flatten();
    tenures
        .filter(move |tenure| parts().all(|part| write.value(&part.name) == Some(tenure.field(part.field))))
}

#[cfg(test)]
mod tests;
