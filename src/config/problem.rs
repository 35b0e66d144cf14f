//! What is wrong with a configuration, in words that a person can act on.
//!
//! A problem has its place in the file, the path of the setting, and one message that says what would
//! be right. Messages never hold the value of an environment variable, nor anything that was written
//! where a credential belongs.

use std::fmt;

/// A position in the file; both count from one, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// One thing that is wrong, or deserves a look.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Problem {
    /// Where; none when the file could not be read at all.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// The setting, such as `targets.orders-api.kind`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what would be right: one line, lower case, no full stop.
    pub message: String,
}

impl Problem {
    /// The line that is printed: `relay.yaml:12:5: targets.orders-api.kind: message`.
    pub fn in_file<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        InFile { file, problem: self }
    }
}

struct InFile<'a> {
    file: &'a str,
    problem: &'a Problem,
}

impl fmt::Display for InFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file)?;
        if let Some(Place { line, column }) = self.problem.place {
            write!(f, ":{line}:{column}")?;
        }
        if !self.problem.path.is_empty() {
            write!(f, ": {}", self.problem.path)?;
        }
        write!(f, ": {}", self.problem.message)
    }
}

/// Everything that is wrong with a file. Its `Display` has one line per problem, in the file's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    file: String,
    problems: Vec<Problem>,
    unlisted: usize,
}

impl ConfigErrors {
    /// `unlisted` counts the problems that were not kept.
    pub(super) fn new(file: &str, mut problems: Vec<Problem>, unlisted: usize) -> Self {
        // Stable: what has one place stays in the order in which it was found.
        problems.sort_by_key(|problem| problem.place);
        Self { file: file.to_owned(), problems, unlisted }
    }

    /// A file that could not be read at all.
    pub(super) fn unreadable(file: &str, message: String) -> Self {
        Self::new(file, vec![Problem { place: None, path: String::new(), message }], 0)
    }

    /// The file, as it was named by whoever asked for it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The problems in the file's order.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many there are, those included that are too many to list.
    pub fn count(&self) -> usize {
        self.problems.len() + self.unlisted
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}", problem.in_file(&self.file))?;
        }
        if self.unlisted > 0 {
            write!(f, "\n{}: and {} more", self.file, self.unlisted)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
