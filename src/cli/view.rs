//! The relay's status pages as lines for people. Times are told by the relay's own clock, as spans.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::Context;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::trigger::plain;

/// How it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// What is on the screen may be drawn over.
    pub(super) redraws: bool,
    /// With colours.
    pub(super) colours: bool,
}

/// `GET /status`, as far as it is shown.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Fleet {
    pub(super) at: Timestamp,
    not_ready: Vec<String>,
    pub(super) targets: Vec<Target>,
}

/// `GET /targets/{target}`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Page {
    pub(super) at: Timestamp,
    pub(super) target: Target,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Target {
    #[serde(rename = "target")]
    pub(super) name: String,
    state: String,
    next_step: String,
    paused: Option<Pause>,
    held_back: bool,
    since: Option<Timestamp>,
    failure: Option<Failure>,
    running_since: Option<Timestamp>,
    stale_since: Option<Timestamp>,
    wanted: BTreeMap<String, String>,
    delivered: BTreeMap<String, String>,
    next_try: Option<Timestamp>,
    notes: Vec<String>,
    delivery: Option<Delivery>,
    history: Vec<Run>,
}

#[derive(Clone, Debug, Deserialize)]
struct Pause {
    since: Timestamp,
    until: Option<Timestamp>,
    reason: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Failure {
    code: String,
    message: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Delivery {
    notified: Option<Timestamp>,
    read: Timestamp,
    written: Timestamp,
    confirmed: Option<Timestamp>,
}

#[derive(Clone, Debug, Deserialize)]
struct Run {
    at: Timestamp,
    outcome: String,
    did: String,
    duration_seconds: f64,
    reasons: Vec<String>,
    failure: Option<Failure>,
}

/// Reads a page.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(body).context("the answer is not that of a relay of this version")
}

impl Target {
    /// The worst are first.
    fn rank(&self) -> usize {
        const WORST_FIRST: [&str; 8] =
            ["parked", "retrying", "paused", "confirming", "due", "stopped", "accepted", "in_sync"];
        WORST_FIRST.iter().position(|state| *state == self.state).unwrap_or(0)
    }

    fn stale(&self, at: Timestamp) -> String {
        self.stale_since.map_or("-".to_owned(), |since| span(since, at))
    }

    /// What AWS serves, behind what is delivered where that differs.
    fn versions(&self) -> String {
        let Some((secret, wanted)) = self
            .wanted
            .iter()
            .find(|(secret, wanted)| self.delivered.get(*secret) != Some(wanted))
            .or(self.wanted.iter().next())
        else {
            return "-".to_owned();
        };
        let held = self.delivered.get(secret).map_or("none", String::as_str);
        let more = if self.wanted.len() > 1 { format!(" +{}", self.wanted.len() - 1) } else { String::new() };
        if held == wanted {
            format!("{}{more}", plain(wanted))
        } else {
            format!("{}>{}{more}", plain(held), plain(wanted))
        }
    }

    fn last(&self, at: Timestamp) -> String {
        if let Some(since) = self.running_since {
            return format!("running for {}", span(since, at));
        }
        let Some(run) = self.history.first() else { return "no run yet".to_owned() };
        let word = run.failure.as_ref().map_or(&run.outcome, |failure| &failure.code);
        format!("{} {} ago", plain(&word.replace('_', " ")), span(run.at, at))
    }

    fn next(&self, at: Timestamp) -> String {
        match (self.next_try, self.held_back) {
            (Some(next), _) => format!("in {}", span(at, next)),
            (None, true) => "after the pause".to_owned(),
            (None, false) => "-".to_owned(),
        }
    }

    fn cells(&self, at: Timestamp) -> [String; 6] {
        let state = plain(&self.state.replace('_', " "));
        [plain(&self.name), state, self.stale(at), self.versions(), self.last(at), self.next(at)]
    }
}

/// A line for each target.
pub(super) fn fleet(page: &Fleet, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if !page.not_ready.is_empty() {
        writeln!(out, "not ready: {}", plain(&page.not_ready.join(", ")))?;
    }
    let mut targets: Vec<&Target> = page.targets.iter().collect();
    targets.sort_by_key(|target| (target.rank(), Reverse(target.stale_since.map(Reverse)), &target.name));
    let head = ["TARGET", "STATE", "STALE", "VERSION", "LAST", "NEXT"].map(str::to_owned);
    let rows: Vec<[String; 6]> =
        std::iter::once(head).chain(targets.iter().map(|target| target.cells(page.at))).collect();
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let states = std::iter::once("").chain(targets.iter().map(|target| target.state.as_str()));
    for (row, state) in rows.iter().zip(states) {
        write_row(row, widths, state, style, out)?;
    }
    Ok(())
}

/// One line for one target, for those who read on as it changes.
pub(super) fn line(target: &Target, at: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let [name, state, behind, versions, last, next] = target.cells(at);
    writeln!(out, "{at:.0}  {name}  {state}  stale {behind}  {versions}  {last}  next {next}")
}

fn write_row(
    row: &[String; 6],
    widths: [usize; 6],
    state: &str,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut line = String::new();
    for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
        let padded = format!("{cell:width$}");
        line.push_str(&if index == 1 { painted(&padded, state, style) } else { padded });
        line.push_str("  ");
    }
    writeln!(out, "{}", line.trim_end())
}

/// One target at length.
pub(super) fn target(page: &Page, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let (target, at) = (&page.target, page.at);
    let state = painted(&plain(&target.state.replace('_', " ")), &target.state, style);
    let since =
        target.since.map(|since| format!(", last outcome for {}", span(since, at))).unwrap_or_default();
    writeln!(out, "{}  {state}{since}", plain(&target.name))?;
    let mut say = |name: &str, text: &str| writeln!(out, "  {name:9}  {}", plain(text));
    if let Some(pause) = &target.paused {
        let until = pause
            .until
            .map_or("until it is resumed".to_owned(), |until| format!("for another {}", span(at, until)));
        say("paused", &format!("for {}, {until}: {}", span(pause.since, at), pause.reason))?;
    }
    if let Some(failure) = &target.failure {
        say("why", &format!("{} ({})", failure.message, failure.code))?;
    }
    say("do", &target.next_step)?;
    say("stale", &target.stale(at))?;
    for (name, versions) in [("wanted", &target.wanted), ("delivered", &target.delivered)] {
        for (secret, version) in versions {
            say(name, &format!("{version}  {secret}"))?;
        }
    }
    say("next", &target.next(at))?;
    if let Some(steps) = &target.delivery {
        let first = steps.notified.unwrap_or(steps.read);
        let notified = steps.notified.map(|at| format!("notified {at:.0}, ")).unwrap_or_default();
        let confirmed = steps
            .confirmed
            .map_or("not confirmed".to_owned(), |at| format!("confirmed after {}", exactly(first, at)));
        let (read, written) = (exactly(first, steps.read), exactly(first, steps.written));
        say("delivery", &format!("{notified}read after {read}, written after {written}, {confirmed}"))?;
    }
    for note in &target.notes {
        say("note", note)?;
    }
    for run in &target.history {
        let why = run.failure.as_ref().map(|failure| format!(", {}", failure.code)).unwrap_or_default();
        let (ago, outcome) = (span(run.at, at), run.outcome.replace('_', " "));
        let reasons = run.reasons.join("+");
        say(
            "run",
            &format!(
                "{ago} ago, {outcome}{why}; {} in {:.2}s, because of {reasons}",
                run.did, run.duration_seconds
            ),
        )?;
    }
    Ok(())
}

fn painted(text: &str, state: &str, style: Style) -> String {
    let colour = match state {
        "in_sync" | "accepted" => "32",
        "confirming" | "due" | "paused" => "33",
        "parked" => "31;1",
        "retrying" => "31",
        _ => return text.to_owned(),
    };
    if style.colours { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// So long, in the two largest units.
fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().max(0);
    match (seconds, seconds / 60, seconds / 3600) {
        (..60, ..) => format!("{seconds}s"),
        (_, ..60, _) => format!("{}m{:02}s", seconds / 60, seconds % 60),
        (_, _, hours @ ..48) => format!("{hours}h{:02}m", seconds / 60 % 60),
        (_, _, hours) => format!("{}d{:02}h", hours / 24, hours % 24),
    }
}

fn exactly(from: Timestamp, to: Timestamp) -> String {
    format!("{:.1}s", to.duration_since(from).as_secs_f64().max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { redraws: false, colours: false };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn shown(name: &str, state: &str, behind: Option<i64>) -> serde_json::Value {
        serde_json::json!({
            "target": name, "state": state, "next_step": "do this", "paused": null, "held_back": state == "paused",
            "since": at(-60), "failure": null, "running_since": null, "stale_since": behind.map(|ago| at(-ago)),
            "wanted": {"prod/db": "22222222"}, "delivered": {"prod/db": "11111111"}, "next_try": null, "notes": [],
            "delivery": {"notified": at(-90), "read": at(-89), "written": at(-88), "confirmed": null},
            "history": [{
                "at": at(-75), "outcome": state, "did": "wrote", "duration_seconds": 0.25, "reasons": ["notification"],
                "failure": {"code": "roll_failed", "message": "it did not start\u{1b}[2J", "next_step": "look"},
            }],
        })
    }

    #[test]
    fn the_worst_come_first_and_of_equals_those_that_are_stale_for_longest() {
        let targets = [
            ("a", "in_sync", None),
            ("b", "parked", Some(5)),
            ("c", "paused", Some(7200)),
            ("d", "parked", Some(3700)),
            ("e", "confirming", Some(10)),
            ("f", "retrying", None),
        ];
        let targets: Vec<_> = targets.iter().map(|(name, state, stale)| shown(name, state, *stale)).collect();
        let page = serde_json::json!({"at": at(0), "not_ready": [], "targets": targets});
        let mut out = Vec::new();
        fleet(&read(page.to_string().as_bytes()).unwrap(), PLAIN, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let order: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(order, ["TARGET", "d", "b", "f", "c", "e", "a"]);
        assert_eq!(
            text.lines().nth(1).unwrap(),
            "d       parked      1h01m  11111111>22222222  roll failed 1m15s ago  -"
        );
        assert!(text.lines().nth(4).unwrap().ends_with("after the pause"), "{text}");
    }

    #[test]
    fn one_target_is_told_with_why_what_to_do_and_how_its_last_write_went() {
        let mut target_json = shown("orders", "parked", Some(90));
        target_json["failure"] = target_json["history"][0]["failure"].clone();
        let page = serde_json::json!({"at": at(0), "target": target_json});
        let mut out = Vec::new();
        target(&read(page.to_string().as_bytes()).unwrap(), PLAIN, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for part in [
            "orders  parked, last outcome for 1m00s\n",
            "  why        it did not start\u{fffd}[2J (roll_failed)\n",
            "  do         do this\n",
            "  stale      1m30s\n",
            "read after 1.0s, written after 2.0s, not confirmed\n",
            "  run        1m15s ago, parked, roll_failed; wrote in 0.25s, because of notification\n",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
    }

    #[test]
    fn colours_are_around_the_state_alone() {
        let style = Style { colours: true, ..PLAIN };
        assert_eq!(painted("parked  ", "parked", style), "\u{1b}[31;1mparked  \u{1b}[0m");
        assert_eq!(painted("parked", "parked", PLAIN), "parked");
    }

    #[test]
    fn spans_have_the_two_largest_units_and_are_never_negative() {
        for (seconds, text) in [(-5, "0s"), (59, "59s"), (61, "1m01s"), (7199, "1h59m"), (200_000, "2d07h")] {
            assert_eq!(span(at(0), at(seconds)), text);
        }
    }
}
