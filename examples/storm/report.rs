//! Lines for people: progress while it blows, and the report at the end.

use std::io::{self, Write};

use tokio::time::Instant;

use crate::driver::{Calm, Done};
use crate::gauges::Gauges;
use crate::history::History;
use crate::options::Options;
use crate::relay::{Lives, Relay};
use crate::tell::Tally;
use crate::verdict::{self, Finding};
use crate::world::{Target, World};

/// Findings of one kind that are shown.
const SHOWN: usize = 8;

/// A line to standard output. A reader that closes the pipe early is not an error.
pub(crate) fn say(text: &str) {
    writeln!(io::stdout(), "{text}").ok();
}

/// What happened since when.
pub(crate) struct Progress {
    started: Instant,
}

impl Progress {
    pub(crate) fn new(started: Instant) -> Self {
        Self { started }
    }

    pub(crate) fn line(&self, world: &World, relay: &Relay, tally: &Tally, done: &Done, behind: usize) {
        let (lives, counts) = (relay.lives(), tally.counts());
        let answers: u64 = counts.answers.values().sum();
        say(&format!(
            "{:>6.0} s  rotations {:>5}  told {:>5}  answers {:>5}  kills {:>3}  rolls {:>6}  behind {:>4}  peak {:>3} MiB",
            self.started.elapsed().as_secs_f64(),
            done.forward + done.back,
            counts.sent,
            answers,
            lives.kills + lives.terms,
            rolls(world),
            behind,
            relay.gauges().peak_kib() / 1024,
        ));
    }
}

fn rolls(world: &World) -> usize {
    world.targets.iter().filter_map(Target::app).map(|app| app.history().rolls()).sum()
}

/// All that there is to say at the end.
pub(crate) struct Report<'r> {
    pub(crate) options: &'r Options,
    pub(crate) world: &'r World,
    pub(crate) history: &'r History,
    pub(crate) done: &'r Done,
    pub(crate) tally: &'r Tally,
    pub(crate) lives: &'r Lives,
    pub(crate) gauges: &'r Gauges,
    pub(crate) calm: Calm,
    pub(crate) leaks: Vec<String>,
}

impl Report<'_> {
    /// Prints it; true if everything is as it has to be.
    pub(crate) fn print(&self) -> bool {
        self.numbers();
        self.verdict()
    }

    fn numbers(&self) {
        let Self { options, world, done, lives, gauges, history, .. } = self;
        let pair = |name: &str, text: &str| say(&format!("  {name:<26}{text}"));
        let counts = self.tally.counts();
        let counters = gauges.counters();
        say("");
        say(&format!(
            "Storm of {:?} over {} targets and {} secrets, {:.0} % faults, seed {}",
            options.duration,
            world.targets.len(),
            world.secrets.len(),
            options.faults * 100.0,
            options.seed()
        ));
        pair(
            "rotations",
            &format!(
                "{} forward, {} back, {} abandoned while pending",
                done.forward, done.back, done.abandoned
            ),
        );
        pair("notifications", &format!("{} sent, {} rotations untold", counts.sent, counts.dropped));
        let mut routes: Vec<&str> = counts.answers.keys().map(|(route, _)| *route).collect();
        routes.dedup();
        for route in routes {
            let of_route = counts.answers.iter().filter(|((each, _), _)| *each == route);
            let shown = of_route.map(|((_, status), count)| match status {
                0 => format!("no answer {count}"),
                status => format!("{status}: {count}"),
            });
            pair(&format!("  answers to {route}"), &shown.collect::<Vec<_>>().join(", "));
        }
        pair(
            "foreign redeploys",
            &format!("{}, of which the relay found {}", done.redeploys, counters.foreign),
        );
        pair("gusts", &done.gusts.to_string());
        pair(
            "relay",
            &format!(
                "{} lives, {} by SIGKILL, {} by SIGTERM; {} reconciles completed",
                lives.starts,
                lives.kills,
                lives.terms,
                gauges.reconciled()
            ),
        );
        pair(
            "  by its own word",
            &format!(
                "{} runs, {} of them to be tried again; {} writes, {} of them unsure",
                counters.runs, counters.retries, counters.writes, counters.unsure
            ),
        );
        let started: usize = history.targets.iter().map(|target| target.started.len()).sum();
        let landed: usize = history.targets.iter().map(|target| target.landed.len()).sum();
        pair("writes", &format!("{started} requests arrived, {landed} took effect (others' included)"));
        pair("rolls", &rolls(world).to_string());
        pair(
            "  for a person",
            &if done.asked.is_empty() {
                "none".to_owned()
            } else {
                let each = done.asked.iter().map(|(code, count)| format!("{code} {count}"));
                each.collect::<Vec<_>>().join(", ")
            },
        );
        pair("peak memory", &format!("{:.1} MiB", gauges_mib(gauges)));
        pair(
            "oldest start",
            &format!(
                "{:.1?} after its version had ceased to be current ({:.1?} allowed: {:.1?} for reads that lag, \
                 the rest for requests on their way)",
                verdict::oldest(history),
                history.allowance,
                options.stale
            ),
        );
        let on_their_way = verdict::older_than(history, options.stale).len();
        pair("later than reads lag", &format!("{on_their_way} writes"));
        pair("landed late", &format!("{} writes, over one of a newer version", verdict::late(history)));
        pair("raced", &format!("{} writes met a deployment between look and write", verdict::raced(history)));
        pair(
            "in sync",
            &match self.calm.after {
                Some(after) => format!("{:.1} s after the faults had stopped", after.as_secs_f64()),
                None => format!("NOT within {:?}", options.converge),
            },
        );
    }

    fn verdict(&self) -> bool {
        let history = self.history;
        let leaked: Vec<Finding> = self
            .leaks
            .iter()
            .map(|place| Finding { target: place.clone(), what: "has a secret value".to_owned() })
            .collect();
        let numbers = [
            ("lost", verdict::lost(history)),
            ("older-over-newer", verdict::older_over_newer(history)),
            ("wrong-value", verdict::wrong_value(history)),
            ("neighbour-lost", verdict::neighbour_lost(history)),
            ("leaked", leaked),
        ];
        for (name, findings) in &numbers {
            for Finding { target, what } in findings.iter().take(SHOWN) {
                say(&format!("  {name}: {target}: {what}"));
            }
        }
        for end in &self.lives.bad_ends {
            say(&format!("  the relay: {end}"));
        }
        let line: Vec<String> =
            numbers.iter().map(|(name, found)| format!("{name} {}", found.len())).collect();
        say("");
        say(&line.join(", "));
        let none = numbers.iter().all(|(_, findings)| findings.is_empty());
        let good = none && self.calm.after.is_some() && self.lives.bad_ends.is_empty();
        if !good {
            say(&format!("repeat the schedule with --seed {}", self.options.seed()));
        }
        good
    }
}

fn gauges_mib(gauges: &Gauges) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count of kibibytes")]
    let peak = gauges.peak_kib() as f64;
    peak / 1024.0
}
