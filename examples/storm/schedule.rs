//! What happens, and when: all of it drawn in advance from one seed, so that a seed repeats it.

use std::time::Duration;

use fastrand::Rng;

use crate::options::Options;

/// How AWSCURRENT moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// A new version in one step.
    Put,
    /// A new version that is pending first.
    Staged,
    /// A version that was pending and is given up: AWSCURRENT stays.
    Abandoned,
    /// Back to the version before.
    Back,
}

/// How the relay is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    /// Not at all: the notification is lost.
    Nobody,
    EventBridge,
    Sns,
    Trigger,
    /// By all three.
    All,
}

/// What a pipeline does to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redeploy {
    /// The same, but with a password from before; the relay's receipt is carried over.
    OldValues,
    /// As it was first deployed; the receipt is gone.
    Original,
    /// With another value of a property of its own.
    Own,
    /// With a secure property of its own that the relay does not know.
    Visitor,
}

/// A fault of a whole service, or of everything behind one of its doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gust {
    /// Anypoint says "too many requests", and perhaps for how long.
    TooMany { says_when: bool },
    /// Anypoint is down.
    Outage,
    /// Every token has expired.
    TokensExpired,
    /// Fresh tokens are refused.
    TokensRefused,
    /// Nobody gets a token.
    NoTokens,
    /// AWS says "slow down".
    Throttled,
    /// AWS says that the relay's credentials have expired.
    CredentialsExpired,
    /// The host of SNS's certificates is down, and SNS signs with a new one.
    NoCertificates,
    /// The endpoints are down.
    NoEndpoint,
    /// The next write to an application is lost, or lands late.
    LostWrite,
}

const GUSTS: [Gust; 10] = [
    Gust::TooMany { says_when: true },
    Gust::TooMany { says_when: false },
    Gust::Outage,
    Gust::TokensExpired,
    Gust::TokensRefused,
    Gust::NoTokens,
    Gust::Throttled,
    Gust::CredentialsExpired,
    Gust::NoCertificates,
    Gust::NoEndpoint,
];

/// How the relay is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Kill,
    Term,
}

/// One thing that happens. Numbers are drawn for whatever they choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Rotate {
        secret: usize,
        how: Rotation,
        tell: Tell,
        copies: usize,
    },
    Redeploy {
        target: usize,
        how: Redeploy,
    },
    /// The next roll of an application fails.
    FailRoll {
        target: usize,
    },
    /// With a number to draw its details from.
    Gust(Gust, u64),
    /// The writes that were held back land.
    Land,
    /// What was held back on its way to the relay goes out, in another order.
    Shuffle(u64),
    Kill {
        signal: Signal,
        down: Duration,
    },
}

/// An act and its time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) act: Act,
}

/// Everything that happens during the storm, in order of time.
pub(crate) fn draw(options: &Options, secrets: usize, targets: usize, rng: &mut Rng) -> Vec<Planned> {
    let mut plan = Vec::new();
    let length = options.duration;
    let seconds = length.as_secs_f64();
    let mut spread = |times: f64, rng: &mut Rng, draw: &mut dyn FnMut(&mut Rng) -> Act| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
        let count = times.round() as u64;
        plan.extend((0..count).map(|_| Planned { at: length.mul_f64(rng.f64()), act: draw(rng) }));
    };
    #[expect(clippy::cast_precision_loss, reason = "a count of thousands")]
    let rotations = options.rotations() as f64;
    spread(rotations, rng, &mut |rng| rotate(secrets, rng));
    // A pipeline redeploys now and then: one for five rotations.
    spread(rotations / 5.0, rng, &mut |rng| redeploy(targets, rng));
    spread(options.faults * rotations / 30.0, rng, &mut |rng| Act::FailRoll { target: rng.usize(..targets) });
    spread(options.faults * seconds * 1.5, rng, &mut |rng| {
        Act::Gust(GUSTS[rng.usize(..GUSTS.len())], rng.u64(..))
    });
    spread(options.faults * seconds, rng, &mut |rng| Act::Gust(Gust::LostWrite, rng.u64(..)));
    spread(seconds / 5.0, rng, &mut |_| Act::Land);
    spread(seconds * 2.0, rng, &mut |rng| Act::Shuffle(rng.u64(..)));
    plan.extend(kills(options, rng));
    plan.sort_by_key(|planned| planned.at);
    plan
}

fn rotate(secrets: usize, rng: &mut Rng) -> Act {
    let how = match rng.u32(..20) {
        0..10 => Rotation::Put,
        10..16 => Rotation::Staged,
        16 => Rotation::Abandoned,
        _ => Rotation::Back,
    };
    let tell = match rng.u32(..20) {
        0..3 => Tell::Nobody,
        3..9 => Tell::EventBridge,
        9..15 => Tell::Sns,
        15..18 => Tell::Trigger,
        _ => Tell::All,
    };
    // Every fourth notification comes twice or three times.
    let copies = [1, 1, 1, 1, 1, 1, 2, 3][rng.usize(..8)];
    Act::Rotate { secret: rng.usize(..secrets), how, tell, copies }
}

fn redeploy(targets: usize, rng: &mut Rng) -> Act {
    let all =
        [Redeploy::OldValues, Redeploy::OldValues, Redeploy::Original, Redeploy::Own, Redeploy::Visitor];
    Act::Redeploy { target: rng.usize(..targets), how: all[rng.usize(..all.len())] }
}

/// One kill after the other, each after half to one and a half of the usual time.
fn kills(options: &Options, rng: &mut Rng) -> Vec<Planned> {
    let mut kills = Vec::new();
    let mut at = Duration::ZERO;
    while !options.kill_every.is_zero() {
        at += options.kill_every.mul_f64(0.5 + rng.f64());
        if at >= options.duration {
            break;
        }
        let signal = if rng.u32(..5) < 3 { Signal::Kill } else { Signal::Term };
        let down = Duration::from_millis(rng.u64(..800));
        kills.push(Planned { at, act: Act::Kill { signal, down } });
    }
    kills
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn drawn(seed: u64, arguments: &[&str]) -> Vec<Planned> {
        let options = Options::parse_from(["storm"].iter().chain(arguments));
        draw(&options, 36, 60, &mut Rng::with_seed(seed))
    }

    #[test]
    fn a_seed_repeats_the_schedule_and_another_one_does_not() {
        assert_eq!(drawn(7, &[]), drawn(7, &[]));
        assert_ne!(drawn(7, &[]), drawn(8, &[]));
    }

    #[test]
    fn a_minute_has_all_that_can_happen() {
        let plan = drawn(1, &["--rotations", "2000"]);
        let some = |pick: &dyn Fn(&Act) -> bool| plan.iter().any(|planned| pick(&planned.act));
        for how in [Rotation::Put, Rotation::Staged, Rotation::Abandoned, Rotation::Back] {
            assert!(some(&|act| matches!(act, Act::Rotate { how: drawn, .. } if *drawn == how)), "{how:?}");
        }
        for tell in [Tell::Nobody, Tell::EventBridge, Tell::Sns, Tell::Trigger, Tell::All] {
            assert!(
                some(&|act| matches!(act, Act::Rotate { tell: drawn, .. } if *drawn == tell)),
                "{tell:?}"
            );
        }
        for gust in GUSTS {
            assert!(some(&|act| matches!(act, Act::Gust(drawn, _) if *drawn == gust)), "{gust:?}");
        }
        for signal in [Signal::Kill, Signal::Term] {
            assert!(
                some(&|act| matches!(act, Act::Kill { signal: drawn, .. } if *drawn == signal)),
                "{signal:?}"
            );
        }
        assert!(some(&|act| matches!(act, Act::FailRoll { .. })) && some(&|act| *act == Act::Land));
    }

    #[test]
    fn calm_weather_has_rotations_and_nothing_that_breaks() {
        let plan = drawn(1, &["--faults", "0", "--kill-every", "0s", "--rotations", "50"]);
        let broken = |act: &Act| matches!(act, Act::Gust(..) | Act::Kill { .. } | Act::FailRoll { .. });
        assert!(!plan.iter().any(|planned| broken(&planned.act)));
        assert_eq!(plan.iter().filter(|planned| matches!(planned.act, Act::Rotate { .. })).count(), 50);
    }
}
