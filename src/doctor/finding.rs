//! What one check found, apart from how it is shown.
//!
//! No value is in a finding: what it says comes from failures, which hold none, and from names.

use serde::Serialize;
use serde_json::Value;

use crate::model::Failure;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and deserves a look; or it could not be looked at without being needed.
    Warning,
    /// The relay would not work with it.
    Failed,
    /// It was left alone: it depends on something that failed, or cannot be tried without a trace.
    NotTried,
}

impl Verdict {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "failed",
            Verdict::NotTried => "not tried",
        }
    }
}

/// A policy statement that would mend something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// The policy that it belongs into.
    pub policy_of: String,
    /// The statement.
    pub statement: Value,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found, in one line.
    pub found: String,
    /// What mends it, where that is for somebody to do.
    pub mend: Option<String>,
    /// The statements that are missing in policies of AWS.
    pub statements: Vec<Statement>,
}

impl Finding {
    /// With this verdict.
    pub fn new(verdict: Verdict, subject: impl Into<String>, found: impl Into<String>) -> Self {
        let (subject, found) = (subject.into(), found.into());
        Self { subject, verdict, found, mend: None, statements: Vec::new() }
    }

    /// As it should be.
    pub fn ok(subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, subject, found)
    }

    /// A failure, with its next step.
    pub fn failed(subject: impl Into<String>, failure: &Failure) -> Self {
        Self::new(Verdict::Failed, subject, failure.message.clone()).mend(failure.next_step.clone())
    }

    /// What mends it.
    pub fn mend(self, step: impl Into<String>) -> Self {
        Self { mend: Some(step.into()), ..self }
    }

    /// The same, as a warning.
    pub fn as_warning(self) -> Self {
        Self { verdict: Verdict::Warning, ..self }
    }

    /// With statements that are missing.
    pub fn missing(self, statements: Vec<Statement>) -> Self {
        Self { statements, ..self }
    }

    /// Whether it failed.
    pub fn is_failed(&self) -> bool {
        self.verdict == Verdict::Failed
    }
}
