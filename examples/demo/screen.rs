//! Lines for people, on standard output: aligned, and coloured only where a terminal shows colours.
//!
//! A reader that closes the pipe early is not an error: the show goes on, and the exit code tells.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// What a piece of text is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// What a chapter is about.
    Heading,
    /// Proved.
    Good,
    /// A failure that is being worked on.
    Trouble,
    /// Not as it should be.
    Bad,
    /// Beside the point, or a time.
    Faint,
    /// All else.
    Plain,
}

/// Standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    colours: bool,
}

impl Screen {
    /// With colours if standard output is a terminal and nobody set `NO_COLOR`.
    pub(crate) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: io::stdout().is_terminal() && !unwanted }
    }

    /// A line.
    pub(crate) fn line(self, tone: Tone, text: &str) {
        Self::put(&self.paint(tone, text));
    }

    /// An empty line.
    pub(crate) fn gap(self) {
        self.line(Tone::Plain, "");
    }

    /// The title of a chapter, and what it shows.
    pub(crate) fn chapter(self, title: &str, about: &str) {
        self.gap();
        Self::put(&format!("{}: {about}", self.paint(Tone::Heading, title)));
    }

    /// Something that happened so long after the chapter's beginning.
    pub(crate) fn step(self, after: Duration, tone: Tone, text: &str) {
        let time = format!("{:>9.3} s", after.as_secs_f64());
        Self::put(&format!("{}  {}", self.paint(Tone::Faint, &time), self.paint(tone, text)));
    }

    /// A remark on the step above it.
    pub(crate) fn remark(self, tone: Tone, text: &str) {
        Self::put(&format!("{:13}{}", "", self.paint(tone, text)));
    }

    /// A name and what belongs to it, in two columns.
    pub(crate) fn pair(self, name: &str, tone: Tone, text: &str) {
        Self::put(&format!("  {name:<15} {}", self.paint(tone, text)));
    }

    fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Heading => "1",
            Tone::Good => "32",
            Tone::Trouble => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Plain => return text.to_owned(),
        };
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn put(line: &str) {
        let mut out = io::stdout().lock();
        // A pipe is written block by block: without the flush its reader would not see things happen.
        writeln!(out, "{line}").and_then(|()| out.flush()).ok();
    }
}
