//! What `--quiet` leaves of a command's results and of its log: nothing, unless it ends otherwise than asked.
//!
//! It is for pipelines and timers, whose reader looks only when something is wrong. Then what would have been
//! on standard output is on standard error: nothing of the reason is lost.

use std::io::{self, Write};

use crate::config::Log;

/// The most that is kept of quiet results, in bytes: enough for any table, whatever a server answers.
const KEPT: usize = 1 << 20;

/// Standard output, or what is kept of it.
#[derive(Debug)]
pub(super) struct Results {
    kept: Option<Vec<u8>>,
}

impl Results {
    pub(super) fn new(quiet: bool) -> Self {
        Self { kept: quiet.then(Vec::new) }
    }

    /// What would have been said goes to standard error.
    pub(super) fn tell_after_all(&self) -> io::Result<()> {
        io::stderr().write_all(self.kept.as_deref().unwrap_or_default())
    }
}

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(kept) = &mut self.kept else { return io::stdout().write(bytes) };
        let room = KEPT - kept.len();
        kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.kept.is_some() { Ok(()) } else { io::stdout().flush() }
    }
}

/// The log as configured; quiet, only what is a warning or worse.
pub(super) fn log(configured: &Log, quiet: bool) -> Log {
    let filter = if quiet { "warn".to_owned() } else { configured.filter.clone() };
    Log { filter, ..configured.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let mut quiet = Results::new(true);
        for _ in 0..3 {
            quiet.write_all(&vec![b'x'; KEPT / 2 + 1]).unwrap();
        }
        assert_eq!(quiet.kept.map(|kept| kept.len()), Some(KEPT));
    }
}
