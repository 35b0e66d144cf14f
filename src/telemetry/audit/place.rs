//! Where the lines go: standard output, or a file that a chain can be continued in.
//!
//! Guarantees of a file: one process writes it (it is locked); a line is in it as a whole or, after an error,
//! not at all; a file that was renamed away gets a successor under the old name, in which the chain goes on.
//! Nothing that is in it is ever taken out or written over.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::chain::{Head, Key, Line};

/// How much of the end of a file is read for its last lines. A line names each secret of one target at most.
const END: u64 = 1024 * 1024;

/// Takes lines.
pub(super) trait Place: Send {
    /// Adds a line, or fails and adds nothing.
    fn append(&mut self, line: &[u8]) -> io::Result<()>;
    /// Returns once what was added survives the machine.
    fn sync(&mut self) -> io::Result<()>;
}

/// Standard output.
pub(super) struct Stdout {
    /// It may have taken a part of a line, and nothing can be taken back.
    broken: bool,
}

impl Stdout {
    pub(super) fn new() -> Self {
        Self { broken: false }
    }
}

impl Place for Stdout {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("standard output has failed before"));
        }
        let mut out = io::stdout().lock();
        let written = out.write_all(line).and_then(|()| out.flush());
        self.broken = written.is_err();
        written
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A device, a pipe.
    #[error("it is not a regular file; `to: stdout` writes to standard output")]
    NotRegular,
    /// Two chains in one file would break both.
    #[error("another process writes to it; one relay writes an audit file")]
    InUse,
    /// It holds something else.
    #[error("it is not an audit file; name one of its own, or a file that does not exist yet")]
    Foreign,
    /// Its chain cannot be continued.
    #[error(
        "its last line does not hold under this key: it, or what is before it, was changed, or the key was; \
         look with `anypoint-relay audit verify`, then move the file away, which begins a new chain"
    )]
    Broken,
}

/// A file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// Where a line begins that was added in part and could not be taken back yet.
    torn_at: Option<u64>,
}

/// How a file ends, so that its chain can go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// The last line.
    pub(super) head: Head,
    /// What stands behind it: a line that was cut off by a crash.
    pub(super) torn: Vec<u8>,
}

impl LogFile {
    /// Opens the file, or creates it, and reads where its chain ends. A line that was cut off is ended, so that
    /// the next one has a line of its own.
    pub(super) fn open(path: &Path, key: &Key) -> Result<(Self, Ending), FileError> {
        let mut file = open(path)?;
        let length = file.metadata()?.len();
        let start = length.saturating_sub(END);
        file.seek(SeekFrom::Start(start))?;
        let mut end = Vec::new();
        (&mut file).take(END).read_to_end(&mut end)?;
        let (ending, add) = ending(&end, start == 0, key)?;
        let mut this = Self { path: path.to_owned(), file, torn_at: None };
        this.append(add)?;
        Ok((this, ending))
    }

    /// Goes to the successor of a file that was renamed away or removed.
    fn follow_name(&mut self) -> io::Result<()> {
        match std::fs::metadata(&self.path) {
            Ok(named) if is_same(&named, &self.file.metadata()?) => return Ok(()),
            Ok(named) if named.len() > 0 => {
                return Err(io::Error::other("another file that is not empty has taken its name"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.file = open(&self.path).map_err(io::Error::other)?;
        self.torn_at = None;
        Ok(())
    }
}

impl Place for LogFile {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if let Some(length) = self.torn_at {
            self.file.set_len(length)?;
            self.torn_at = None;
        }
        self.follow_name()?;
        let before = self.file.metadata()?.len();
        self.file.write_all(line).inspect_err(|_| {
            self.torn_at = self.file.set_len(before).is_err().then_some(before);
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn open(path: &Path) -> Result<File, FileError> {
    // Only what is there already can be something else, and a pipe would hold the opening up.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(FileError::NotRegular);
    }
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FileError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// How a file with this end ends, and what is to be added before the next line. `whole`: it is all of the file.
fn ending(end: &[u8], whole: bool, key: &Key) -> Result<(Ending, &'static [u8]), FileError> {
    // The line before the last is needed to check the last.
    let mut before = whole.then_some(Head::NONE);
    let mut last: Option<(Line<'_>, &[u8])> = None;
    let (mut offset, mut behind) = (0, 0);
    for piece in end.split_inclusive(|byte| *byte == b'\n') {
        let line = Line::parse(piece.strip_suffix(b"\n").unwrap_or(piece));
        if let Some(line) = line {
            before = last.as_ref().map(|(line, _)| line.head()).or(before);
            last = Some((line, &end[behind..offset]));
            behind = offset + piece.len();
        }
        offset += piece.len();
    }
    let torn = end[behind..].to_vec();
    let add: &'static [u8] = if end.is_empty() || end.ends_with(b"\n") { b"" } else { b"\n" };
    let Some((line, between)) = last else {
        // The very first line may have been cut off, more than once.
        let first: &[u8] = br#"{"seq":1,"#;
        let mut pieces = torn.split(|byte| *byte == b'\n');
        let begun = pieces.all(|piece| piece.starts_with(first) || first.starts_with(piece));
        return if whole && begun {
            Ok((Ending::of(Head::NONE, torn, add), add))
        } else {
            Err(FileError::Foreign)
        };
    };
    // The first line of a successor follows a line of another file.
    let successor = before == Some(Head::NONE) && line.entry.seq > 1 && between.is_empty();
    let holds = |before: &Head| line.follows(before, between, key);
    if !successor && !before.as_ref().is_none_or(holds) {
        return Err(FileError::Broken);
    }
    Ok((Ending::of(line.head(), torn, add), add))
}

impl Ending {
    /// A piece of a line counts with the line end that is put behind it.
    fn of(head: Head, mut torn: Vec<u8>, add: &[u8]) -> Self {
        if !torn.is_empty() {
            torn.extend_from_slice(add);
        }
        Self { head, torn }
    }
}

#[cfg(test)]
mod tests;
