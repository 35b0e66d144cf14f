//! Asks a person, line by line. An end of the answers is never an answer.

use std::io::{BufRead, Write};

use anyhow::bail;

use crate::model::Failure;

/// Where questions go and answers come from.
pub(super) struct Questions<'a> {
    answers: &'a mut dyn BufRead,
    ask: &'a mut dyn Write,
}

impl<'a> Questions<'a> {
    pub(super) fn new(answers: &'a mut dyn BufRead, ask: &'a mut dyn Write) -> Self {
        Self { answers, ask }
    }

    /// What an option gave, or else the answer to a question; an empty one is the default.
    pub(super) fn answer(
        &mut self,
        given: Option<&String>,
        option: &str,
        question: &str,
        default: Option<&str>,
    ) -> anyhow::Result<String> {
        if let Some(given) = given {
            return Ok(given.clone());
        }
        let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
        loop {
            let Some(line) = self.line(&format!("{question}{shown}"))? else { return unanswered(option) };
            match (line.as_str(), default) {
                ("", Some(default)) => return Ok(default.to_owned()),
                ("", None) => self.tell("  an answer is needed here")?,
                (answer, _) => return Ok(answer.to_owned()),
            }
        }
    }

    /// Whether somebody agrees. Only a yes is one.
    pub(super) fn agrees(&mut self, question: &str) -> anyhow::Result<bool> {
        let line = self.line(&format!("{question} (yes or no) [no]"))?.unwrap_or_default();
        Ok(["y", "yes"].iter().any(|yes| line.eq_ignore_ascii_case(yes)))
    }

    /// One line without the blanks around it; none where there are no more.
    pub(super) fn line(&mut self, question: &str) -> anyhow::Result<Option<String>> {
        write!(self.ask, "{}: ", printable(question))?;
        self.ask.flush()?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            writeln!(self.ask)?;
            return Ok(None);
        }
        Ok(Some(line.trim().to_owned()))
    }

    /// Says something.
    pub(super) fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        Ok(writeln!(self.ask, "{}", printable(line))?)
    }

    /// Says why something is not listed, and what would mend it.
    pub(super) fn tell_not_listed(&mut self, what: &str, failure: &Failure) -> anyhow::Result<()> {
        let Failure { message, next_step, .. } = failure;
        // What passes by itself needs nobody, and the question comes at once.
        let mend = if ["none", "nothing"].iter().any(|word| next_step.starts_with(word)) {
            String::new()
        } else {
            format!("; to mend it: {next_step}")
        };
        self.tell(&format!("{what} are not listed: {message}{mend}"))
    }
}

/// The end of the command, for want of an answer.
pub(super) fn unanswered<T>(option: &str) -> anyhow::Result<T> {
    bail!("no answer came; give {option}, or run it where you can answer")
}

/// Names come from elsewhere, and a terminal obeys some characters.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one_and_no_name_reaches_the_terminal_as_a_command() {
        let mut asked = Vec::new();
        let mut answers: &[u8] = b"yes\n Y \nyesterday\n\n";
        let mut questions = Questions::new(&mut answers, &mut asked);
        let agreed: Vec<bool> = (0..5).map(|_| questions.agrees("\u{1b}[2Jname").unwrap()).collect();
        assert_eq!(agreed, [true, true, false, false, false]);
        assert!(!String::from_utf8(asked).unwrap().contains('\u{1b}'));
    }
}
