//! Checks a chain: whether every line is as the relay wrote it, and whether any is missing.
//!
//! Found without more than the key: a byte that was changed, a line that was removed, added, repeated or moved,
//! a last line that was cut. Not found without a head: lines that were cut off at the end, and a whole file
//! that was put back to an earlier state. A head is what tells the two apart; it is believed as it is given.

use std::io::{self, BufRead, Read};

use jiff::Timestamp;
use serde::Serialize;

use super::chain::{Head, Key, Line};

/// Longest line that is read; the relay writes none that comes near.
const MAX_LINE: u64 = 1024 * 1024;
/// Bytes between two lines that are kept, so that a start can vouch for them.
const MAX_TORN: usize = 2 * 1024 * 1024;
/// Problems that are listed.
pub const MAX_PROBLEMS: usize = 20;

/// Something at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 for what is of no line.
    pub line: u64,
    /// What it is.
    pub message: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Lines that hold.
    pub entries: u64,
    /// The end of the chain, as text; none without a line that holds.
    pub head: Option<String>,
    /// The times of the first and the last line.
    pub from: Option<Timestamp>,
    /// See `from`.
    pub to: Option<Timestamp>,
    /// Entries that the relay itself says it could not write.
    pub lost: u64,
    /// What is not wrong but worth knowing.
    pub notes: Vec<Finding>,
    /// What is wrong, the first [`MAX_PROBLEMS`].
    pub problems: Vec<Finding>,
    /// All that is wrong.
    pub problem_count: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn intact(&self) -> bool {
        self.problem_count == 0
    }
}

/// What is expected of the chain.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The line before the first; none: the first is the beginning of a chain.
    pub after: Option<Head>,
    /// Heads that were noted at some time: each must be in the chain.
    pub heads: Vec<Head>,
    /// New chains may begin behind the first, as they do with `to: stdout`.
    pub restarts: bool,
}

/// A check under way, over one file or several.
pub struct Verifier<'a> {
    key: &'a Key,
    expected: &'a Expected,
    previous: Head,
    /// What lies behind the previous line and is none.
    between: Vec<u8>,
    between_line: u64,
    /// Heads that no line has been yet.
    missing: Vec<Head>,
    file: String,
    line: u64,
    report: Report,
}

impl<'a> Verifier<'a> {
    /// A check with nothing read yet.
    pub fn new(key: &'a Key, expected: &'a Expected) -> Self {
        Self {
            key,
            expected,
            previous: expected.after.unwrap_or(Head::NONE),
            between: Vec::new(),
            between_line: 0,
            missing: expected.heads.iter().copied().filter(|head| Some(*head) != expected.after).collect(),
            file: String::new(),
            line: 0,
            report: Report::default(),
        }
    }

    /// Reads the next file of the chain.
    pub fn file(&mut self, name: &str, mut from: impl BufRead) -> io::Result<()> {
        name.clone_into(&mut self.file);
        self.line = 0;
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            from.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes)?;
            if bytes.is_empty() {
                break;
            }
            self.line += 1;
            self.piece(&bytes);
        }
        if !self.between.is_empty() {
            let line = self.between_line;
            self.problem(
                line,
                "no entry: a line that was cut off, or added; no start of the relay follows that tells of it",
            );
            self.between.clear();
        }
        Ok(())
    }

    /// What was found in all.
    pub fn finish(mut self) -> Report {
        for head in std::mem::take(&mut self.missing) {
            let Head { seq, .. } = self.previous;
            let message = match head.seq.checked_sub(seq) {
                Some(0) | None => format!(
                    "the chain does not hold the head {}: it was cut off before that and went on, or the head is of another chain",
                    shown(&head)
                ),
                Some(missing) => {
                    format!(
                        "ends at entry {seq}, and the head is {}: {missing} cut off at the end",
                        shown(&head)
                    )
                }
            };
            let line = self.line;
            self.problem(line, &message);
        }
        if self.report.entries == 0 && self.report.intact() {
            self.problem(0, "no entry: a relay writes one when it starts");
        }
        self.report.head = (self.report.entries > 0).then(|| self.previous.to_string());
        self.report
    }

    fn piece(&mut self, bytes: &[u8]) {
        let (text, ended) = match bytes.strip_suffix(b"\n") {
            Some(text) => (text, true),
            None => (bytes, false),
        };
        match Line::parse(text) {
            Some(line) => self.line(&line, ended),
            None => self.no_line(bytes),
        }
    }

    fn no_line(&mut self, bytes: &[u8]) {
        if self.between.is_empty() {
            self.between_line = self.line;
        }
        if self.between.len() + bytes.len() > MAX_TORN {
            // Too much for a line that was cut off. What is kept cannot be vouched for any more.
            self.between.truncate(1);
        } else {
            self.between.extend_from_slice(bytes);
        }
    }

    fn line(&mut self, line: &Line<'_>, ended: bool) {
        let between = std::mem::take(&mut self.between);
        let vouched = line.entry.what == "start" && line.entry.torn == between.len() as u64;
        let begins = line.entry.seq == 1 && self.expected.restarts && self.report.entries > 0;
        if begins && line.follows(&Head::NONE, &[], self.key) {
            self.note(
                self.line,
                "a new chain begins; only a head of the chain before tells whether that is complete",
            );
            self.previous = Head::NONE;
        }
        let holds = if vouched && !between.is_empty() {
            let holds = line.follows(&self.previous, &between, self.key);
            if holds {
                let message = format!(
                    "{} bytes that a crash cut off, or that somebody added; the start in line {} tells of them",
                    between.len(),
                    self.line
                );
                self.note(self.between_line, &message);
            }
            holds
        } else {
            if !between.is_empty() {
                let line = self.between_line;
                self.problem(
                    line,
                    "no entry, and the line behind it does not tell of it: it was added or changed",
                );
            }
            line.follows(&self.previous, &[], self.key)
        };
        if holds {
            self.take(line);
        } else {
            let message = self.what_is_wrong(line);
            self.problem(self.line, &message);
        }
        if !ended {
            self.problem(self.line, "its line end is missing: it was cut, or the relay was killed just then");
        }
        // Behind a line that does not hold the check goes on from what that line says, to find the next change.
        self.previous = line.head();
    }

    fn take(&mut self, line: &Line<'_>) {
        self.report.entries += 1;
        self.report.from.get_or_insert(line.entry.time);
        self.report.to = Some(line.entry.time);
        self.missing.retain(|head| *head != line.head());
        let lost = line.entry.lost;
        if lost > 0 {
            self.report.lost = self.report.lost.saturating_add(lost);
            self.note(
                self.line,
                &format!("{lost} before it lost: the relay could not write them, and says so here"),
            );
        }
    }

    fn what_is_wrong(&self, line: &Line<'_>) -> String {
        let (seq, before) = (line.entry.seq, self.previous.seq);
        let next = before.saturating_add(1);
        if seq == next {
            return format!(
                "entry {seq} does not hold: it was changed, or does not belong behind the line before"
            );
        }
        if before == 0 {
            return format!(
                "begins with entry {seq}: what is before it is missing; give the earlier files first, or --after"
            );
        }
        match seq.checked_sub(next) {
            Some(missing) => format!("entry {seq} follows entry {before}: {missing} missing between them"),
            None if seq == 1 => {
                "a new chain begins here: nothing tells whether the one before it is complete; check \
                 them one by one, or with --restarts"
                    .to_owned()
            }
            None => format!("entry {seq} follows entry {before}: repeated, or out of its place"),
        }
    }

    fn note(&mut self, line: u64, message: &str) {
        if self.report.notes.len() < 1000 {
            self.report.notes.push(Finding { file: self.file.clone(), line, message: message.to_owned() });
        }
    }

    fn problem(&mut self, line: u64, message: &str) {
        self.report.problem_count += 1;
        if self.report.problems.len() < MAX_PROBLEMS {
            self.report.problems.push(Finding { file: self.file.clone(), line, message: message.to_owned() });
        }
    }
}

/// A head in a message: the number tells which, the mac need not be repeated.
fn shown(head: &Head) -> String {
    let text = head.to_string();
    text.get(..text.len().saturating_sub(52)).unwrap_or(&text).to_owned() + "..."
}
