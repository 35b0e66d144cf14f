//! `audit`: where the decisions of the relay are recorded, and what chains the record.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::decode::Value;
use super::scalar::{self, duration};
use super::source::credential;
use crate::credential::CredentialRef;

const HEAD_EVERY: Duration = Duration::from_hours(1);

/// The record of decisions.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Where its lines go.
    pub to: AuditTo,
    /// The key of the chain, read at the start.
    pub key: CredentialRef,
    /// Between two times that the head of the chain is shown.
    pub head_every: Duration,
}

/// Where the lines of the audit go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTo {
    /// Standard output. Each start begins a chain of its own.
    Stdout,
    /// A file, whose chain goes on after a restart.
    File(PathBuf),
}

/// `receipts` is the file that it must leave alone.
pub(super) fn audit(value: &Value<'_>, receipts: Option<&Path>) -> Option<Audit> {
    let mut fields = value.fields("`audit`")?;
    let to = fields.required("to", "stdout, or the path of a file", |value| {
        let path = scalar::path(value)?;
        if receipts == Some(path.as_path()) {
            return value.refuse("the file of `receipts`; give the audit a file of its own");
        }
        Some(if path.as_os_str() == "stdout" { AuditTo::Stdout } else { AuditTo::File(path) })
    });
    let key =
        fields.required("key", "a reference to 32 bytes or more, such as { env: AUDIT_KEY }", credential);
    // Each head is a time series of its own.
    let head_every = fields.or("head_every", HEAD_EVERY, duration(Duration::from_secs(1), 24 * HEAD_EVERY));
    fields.finish();
    Some(Audit { to: to?, key: key?, head_every })
}
