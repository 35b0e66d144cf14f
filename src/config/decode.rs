//! A small decoder over the tree: it goes on after a problem, so that one reading finds them all.
//!
//! A reader is a function from [`Value`] to `Option`: `None` means that it has reported why. Whoever
//! assembles a section may therefore fill a failed part with anything, or give the section up; nothing
//! of it is used once [`Findings`] holds a problem.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write};

use super::document::{Entry, Kind, Node};
use super::problem::{Place, Problem};

/// More problems than these are counted and not kept: nobody reads them, and a hostile file cannot
/// make the list grow.
const MAX_PROBLEMS: usize = 200;
/// Longest piece of the file that a message quotes, in characters.
const MAX_QUOTE: usize = 60;

/// The way from the top to a setting, as it is printed.
#[derive(Clone)]
pub(super) struct Path(String);

impl Path {
    pub(super) fn root() -> Self {
        Self(String::new())
    }

    pub(super) fn key(&self, key: &str) -> Self {
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push('.');
        }
        if key.is_empty() || key.chars().any(|c| c.is_control() || c.is_whitespace()) {
            path.push_str(&quoted(key));
        } else {
            path.extend(key.chars().take(MAX_QUOTE));
        }
        Self(path)
    }

    pub(super) fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `text` in quotes, escaped and cut to a length that fits a line.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", &text[..end]),
    }
}

/// What the reading of one file has found so far.
#[derive(Default)]
pub(super) struct Findings {
    problems: RefCell<Vec<Problem>>,
    unlisted: Cell<usize>,
    warnings: RefCell<Vec<Problem>>,
    /// (mapping, key, whether it was given): lets a test hold the example file complete.
    #[cfg(test)]
    pub(super) keys: RefCell<std::collections::BTreeSet<(&'static str, &'static str, bool)>>,
}

impl Findings {
    pub(super) fn refuse(&self, at: Place, path: &Path, message: impl Into<String>) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MAX_PROBLEMS {
            problems.push(problem(at, path, message.into()));
        } else {
            self.unlisted.set(self.unlisted.get() + 1);
        }
    }

    /// Refuses the file as a whole.
    pub(super) fn refuse_file(&self, message: &str) {
        let message = message.to_owned();
        self.problems.borrow_mut().push(Problem { place: None, path: String::new(), message });
    }

    pub(super) fn warn(&self, at: Place, path: &Path, message: impl Into<String>) {
        self.warnings.borrow_mut().push(problem(at, path, message.into()));
    }

    /// Whether a problem at exactly this place is known.
    pub(super) fn refused_at(&self, at: Place) -> bool {
        self.problems.borrow().iter().any(|problem| problem.place == Some(at))
    }

    /// The problems, how many more there were, and the warnings.
    pub(super) fn into_parts(self) -> (Vec<Problem>, usize, Vec<Problem>) {
        let mut warnings = self.warnings.into_inner();
        warnings.sort_by_key(|warning| warning.place);
        (self.problems.into_inner(), self.unlisted.get(), warnings)
    }
}

fn problem(at: Place, path: &Path, message: String) -> Problem {
    Problem { place: Some(at), path: path.to_string(), message }
}

/// A node together with what a message about it needs.
#[derive(Clone)]
pub(super) struct Value<'a> {
    node: &'a Node<'a>,
    at: Place,
    path: Path,
    findings: &'a Findings,
}

impl<'a> Value<'a> {
    /// The top of a document.
    pub(super) fn root(node: &'a Node<'a>, findings: &'a Findings) -> Self {
        Self { node, at: node.at, path: Path::root(), findings }
    }

    fn of_entry(&self, entry: &'a Entry<'a>) -> Self {
        // A scalar stands for itself; a problem of a collection is looked for at its key.
        let at = if matches!(entry.value.kind, Kind::Text(_)) { entry.value.at } else { entry.at };
        Self { node: &entry.value, at, path: self.path.key(entry.key), findings: self.findings }
    }

    /// Reports a problem with this value; `None`, so that a reader can return it.
    pub(super) fn refuse<T>(&self, message: impl Into<String>) -> Option<T> {
        self.findings.refuse(self.at, &self.path, message);
        None
    }

    /// Notes something that is allowed but deserves a look.
    pub(super) fn warn(&self, message: impl Into<String>) {
        self.findings.warn(self.at, &self.path, message);
    }

    /// Reports that something else was expected here.
    pub(super) fn expected<T>(&self, what: &str) -> Option<T> {
        self.refuse(format!("expected {what}, found {}", self.found()))
    }

    /// What stands here, in words; variables by their names.
    pub(super) fn found(&self) -> String {
        match &self.node.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::Text(text) => quoted(text.written),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
        }
    }

    /// The line it stands on.
    pub(super) fn line(&self) -> usize {
        self.at.line
    }

    /// The setting's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What stands here.
    pub(super) fn kind(&self) -> &'a Kind<'a> {
        &self.node.kind
    }

    /// Whether a mapping with one of these keys stands here.
    pub(super) fn has_any(&self, keys: &[&str]) -> bool {
        matches!(&self.node.kind, Kind::Map(entries) if entries.iter().any(|e| keys.contains(&e.key)))
    }

    /// Whether a mapping stands here.
    pub(super) fn is_mapping(&self) -> bool {
        matches!(self.node.kind, Kind::Map(_))
    }

    /// The scalar as it stands in the file, where it is one.
    pub(super) fn written(&self) -> Option<&'a str> {
        match &self.node.kind {
            Kind::Text(text) => Some(text.written),
            _ => None,
        }
    }

    /// The scalar. `what` completes "expected ...".
    pub(super) fn text(&self, what: &str) -> Option<&'a str> {
        match &self.node.kind {
            // Without a value the environment was incomplete, and that is reported.
            Kind::Text(text) => text.value,
            _ => self.expected(what),
        }
    }

    /// The items of a list.
    pub(super) fn items(&self, what: &str) -> Option<Vec<Value<'a>>> {
        let Kind::List(items) = &self.node.kind else { return self.expected(what) };
        let value = |(index, node): (usize, &'a Node<'a>)| Value {
            node,
            at: node.at,
            path: self.path.index(index),
            findings: self.findings,
        };
        Some(items.iter().enumerate().map(value).collect())
    }

    /// The keys and values of a mapping whose keys are names that people choose.
    pub(super) fn entries(&self, what: &str) -> Option<Vec<(&'a str, Value<'a>)>> {
        match &self.node.kind {
            Kind::Null => Some(Vec::new()),
            Kind::Map(entries) => {
                Some(entries.iter().map(|entry| (entry.key, self.of_entry(entry))).collect())
            }
            _ => self.expected(what),
        }
    }

    /// The settings of a mapping whose keys are fixed. `name` completes "a key of ...".
    pub(super) fn fields(&self, name: &'static str) -> Option<Fields<'a>> {
        let entries = match &self.node.kind {
            Kind::Null => &[][..],
            Kind::Map(entries) => entries,
            _ => return self.expected("a mapping (`key: value`)"),
        };
        Some(Fields { value: self.clone(), entries, name, asked: Vec::new(), refused: Vec::new() })
    }
}

/// The settings of one mapping. [`Fields::finish`] refuses those that nobody asked for.
pub(super) struct Fields<'a> {
    value: Value<'a>,
    entries: &'a [Entry<'a>],
    name: &'static str,
    asked: Vec<&'static str>,
    /// Reported already.
    refused: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The mapping itself, for messages about it.
    pub(super) fn whole(&self) -> &Value<'a> {
        &self.value
    }

    /// Takes over which keys were read from the same mapping under another name.
    pub(super) fn after(mut self, other: &Self) -> Self {
        self.asked.clone_from(&other.asked);
        self
    }

    /// The value of `key`, if it is given.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.asked.push(key);
        let found = self.entries.iter().find(|entry| entry.key == key);
        #[cfg(test)]
        self.value.findings.keys.borrow_mut().insert((self.name, key, found.is_some()));
        found.map(|entry| self.value.of_entry(entry))
    }

    /// Reads `key` if it is given.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).and_then(|value| read(&value))
    }

    /// Reads `key`, or takes `default`.
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// Refuses `key` where it is given, with a reason better than that nobody knows it.
    pub(super) fn refused(&mut self, key: &'static str, reason: &str) {
        if let Some(entry) = self.entries.iter().find(|entry| entry.key == key) {
            self.refused.push(key);
            self.value.of_entry(entry).refuse::<()>(reason);
        }
    }

    /// As [`Fields::or`], for a setting that another is checked against: none if it could not be read, so
    /// that nothing is said about a default that nobody gets.
    pub(super) fn known_or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).map_or(Some(default), |value| read(&value))
    }

    /// Reads `key`; it is a problem if it is not given. `what` says what it would be.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        what: &str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.get(key) {
            Some(value) => read(&value),
            None => self.value.refuse(format!("`{key}` is missing: {what}")),
        }
    }

    /// Reports every key that was not asked for.
    pub(super) fn finish(self) {
        for entry in self.strangers() {
            let message = format!(
                "not a key of {}{} (its keys: {})",
                self.name,
                did_you_mean(entry.key, &self.asked),
                self.asked.join(", ")
            );
            self.value.findings.refuse(entry.at, &self.value.path.key(entry.key), message);
        }
    }

    /// As [`Fields::finish`], for places where a key may be a misplaced credential: it names only keys
    /// that are plainly misspelt. Gives whether there were any.
    pub(super) fn finish_unquoted(self) -> bool {
        for entry in self.strangers() {
            let meant = did_you_mean(entry.key, &self.asked);
            let keys = self.asked.join(", ");
            let (path, message) = if meant.is_empty() {
                (
                    self.value.path.clone(),
                    format!("a key that {} does not have, not shown here (its keys: {keys})", self.name),
                )
            } else {
                let path = self.value.path.key(entry.key);
                (path, format!("not a key of {}{meant} (its keys: {keys})", self.name))
            };
            self.value.findings.refuse(entry.at, &path, message);
        }
        self.strangers().next().is_some()
    }

    fn strangers(&self) -> impl Iterator<Item = &'a Entry<'a>> {
        let known = |key: &str| self.asked.contains(&key) || self.refused.contains(&key);
        self.entries.iter().filter(move |entry| !known(entry.key))
    }
}

/// `; did you mean "..."?` where one of `known` is near enough, else nothing.
pub(super) fn did_you_mean(text: &str, known: &[&str]) -> String {
    // The distance costs the product of both lengths, and nothing long is a slip of the pen.
    if text.len() > MAX_QUOTE {
        return String::new();
    }
    let text = text.to_lowercase();
    let nearest = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&text, &candidate.to_lowercase()), *candidate))
        .min();
    let mut hint = String::new();
    if let Some((distance, candidate)) = nearest
        && distance <= (candidate.len() / 3).max(1)
    {
        // Writing to a String does not fail.
        write!(hint, "; did you mean {candidate:?}?").ok();
    }
    hint
}
