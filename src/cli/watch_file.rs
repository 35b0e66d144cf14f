//! The configuration file of a relay that runs: gives what it says once it says something else.
//!
//! Guarantees: only a whole configuration without a problem is given; what can't be used is told once, with
//! every problem, and changes nothing; a file that is being written is not taken for a shorter one, because
//! two looks have to find the same. It is the content that is compared: a symbolic link that leads elsewhere
//! (as a ConfigMap of Kubernetes is changed) is a change, a new date is none. SIGHUP gives what the file says
//! even if that is the same: so that what it refers to is read again.
//!
//! A file that the system calls unchanged is not read again and again: with many targets it has many megabytes. Of
//! what was read only a digest is kept.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Interval;

use crate::app::Reload;
use crate::config;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// After so many looks that found the same it is not read until the system calls it changed. At the second one, what
/// was first found is older than what two changes have to be apart to have different times.
const ENOUGH: u8 = 2;

/// The digest of a text.
type Content = [u8; 32];

fn content(text: &str) -> Content {
    Sha256::digest(text).into()
}

/// What the system says of a file, and what is another with each change.
type Stat = (u64, u64, u64, i64, i64);

fn stat(file: &Metadata) -> Stat {
    (file.dev(), file.ino(), file.size(), file.ctime(), file.ctime_nsec())
}

/// The file, and what of it is known.
pub(super) struct WatchedFile {
    path: PathBuf,
    /// What was given last or was told to be unusable.
    known: Content,
    /// What the last look found, if it was something else.
    found: Option<Content>,
    /// What the system said of the file that held what is known, and at how many looks.
    still: (Option<Stat>, u8),
    /// What keeps it from being read, if that was told.
    unreadable: Option<String>,
    looks: Interval,
    hangup: Signal,
}

impl WatchedFile {
    /// Watches the file at `path`, of which `known` is in force. SIGHUP ends the process no more.
    pub(super) fn new(path: &Path, known: &str) -> std::io::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        let (path, looks) = (path.to_owned(), tokio::time::interval(LOOK));
        let known = content(known);
        Ok(Self { path, known, found: None, still: (None, 0), unreadable: None, looks, hangup })
    }

    /// Waits for what is to be in force next.
    pub(super) async fn next(&mut self) -> Reload {
        loop {
            let asked = tokio::select! {
                _ = self.looks.tick() => false,
                _ = self.hangup.recv() => true,
            };
            if let Some(reload) = self.look(asked).await {
                return reload;
            }
        }
    }

    async fn look(&mut self, asked: bool) -> Option<Reload> {
        let (path, still) = (self.path.clone(), self.still);
        let read = move || {
            let stat = std::fs::metadata(&path).ok().as_ref().map(stat);
            if !asked && stat.is_some() && still == (stat, ENOUGH) {
                return None;
            }
            Some((stat, config::read(&path).map(|text| (content(&text), text))))
        };
        let (stat, read) = tokio::task::spawn_blocking(read).await.ok()??;
        let (content, text) = match read {
            Ok(read) => read,
            Err(errors) => {
                let told = errors.to_string();
                if asked || self.unreadable.as_ref() != Some(&told) {
                    tracing::error!(error = %told, "the configuration cannot be read; the last one stays in force");
                    self.unreadable = Some(told);
                }
                return None;
            }
        };
        self.unreadable = None;
        if !asked {
            if content == self.known {
                let looks = if self.still.0 == stat { self.still.1 } else { 0 };
                self.still = (stat, (looks + 1).min(ENOUGH));
                self.found = None;
                return None;
            }
            if self.found != Some(content) {
                self.found = Some(content);
                return None;
            }
        }
        self.found = None;
        let read = config::parse_here(&text, &self.path);
        self.known = content;
        match read {
            Ok(config) => Some(Reload { config, asked }),
            Err(errors) => {
                tracing::error!(
                    problems = errors.count(),
                    "the changed configuration cannot be used, the last one stays in force; mend it:\n{errors}"
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct Fixture {
        folder: tempfile::TempDir,
        file: WatchedFile,
    }

    impl Fixture {
        fn new(text: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("relay.yaml");
            std::fs::write(&path, text).unwrap();
            Self { file: WatchedFile::new(&path, text).unwrap(), folder }
        }

        fn write(&self, text: &str) {
            std::fs::write(self.folder.path().join("relay.yaml"), text).unwrap();
        }

        /// The workers of what is to be in force next.
        async fn next(&mut self) -> usize {
            timeout(10 * SECOND, self.file.next()).await.expect("another configuration").config.queue.workers
        }
    }

    #[tokio::test]
    async fn another_content_is_given_and_an_unusable_one_is_passed_over() {
        let mut fixture = Fixture::new("queue: { workers: 1 }");
        fixture.write("queue: { workers: 2 }");
        assert_eq!(fixture.next().await, 2);
        fixture.write("queue: { workers: many }");
        assert!(fixture.file.look(false).await.is_none());
        assert!(fixture.file.look(false).await.is_none());
        assert_eq!(fixture.file.known, content("queue: { workers: many }"));
        fixture.write("queue: { workers: 3 }");
        assert_eq!(fixture.next().await, 3);
    }

    #[tokio::test]
    async fn a_file_that_is_being_written_is_not_taken_for_a_shorter_one() {
        let mut fixture = Fixture::new("queue: { workers: 16 }\nlog: { format: json }\n");
        // Each of these would be a whole configuration.
        for part in ["", "queue: { workers: 1 }\n", "queue: { workers: 2 }\n"] {
            fixture.write(part);
            assert!(fixture.file.look(false).await.is_none());
        }
        assert_eq!(fixture.file.look(false).await.unwrap().config.queue.workers, 2);
    }

    #[tokio::test]
    async fn what_comes_back_to_what_is_in_force_is_no_change() {
        let mut fixture = Fixture::new("queue: { workers: 1 }");
        fixture.write("queue: { workers: 2 }");
        assert!(fixture.file.look(false).await.is_none());
        fixture.write("queue: { workers: 1 }");
        for _ in 0..3 {
            assert!(fixture.file.look(false).await.is_none());
        }
    }

    #[tokio::test]
    async fn a_file_that_stays_the_same_is_not_read_for_ever_and_a_change_is_seen_all_the_same() {
        let mut fixture = Fixture::new("queue: { workers: 1 }");
        for _ in 0..3 {
            assert!(fixture.file.look(false).await.is_none());
        }
        assert_eq!(fixture.file.still.1, ENOUGH);
        // As an editor or a ConfigMap puts another file in its place: here one of the same size.
        let other = fixture.file.path.with_extension("new");
        std::fs::write(&other, "queue: { workers: 2 }").unwrap();
        std::fs::rename(&other, &fixture.file.path).unwrap();
        assert_eq!(fixture.next().await, 2);
    }

    #[tokio::test]
    async fn a_file_that_goes_away_and_comes_back_changes_nothing() {
        let mut fixture = Fixture::new("queue: { workers: 1 }");
        std::fs::remove_file(&fixture.file.path).unwrap();
        assert!(fixture.file.look(false).await.is_none());
        assert!(fixture.file.unreadable.as_ref().unwrap().contains("No such file"));
        fixture.write("queue: { workers: 1 }");
        for _ in 0..3 {
            assert!(fixture.file.look(false).await.is_none());
        }
        assert!(fixture.file.unreadable.is_none());
    }

    #[tokio::test]
    async fn who_asks_is_given_what_the_file_says_at_once_and_though_it_is_the_same() {
        let mut fixture = Fixture::new("queue: { workers: 1 }");
        assert_eq!(fixture.file.look(true).await.unwrap().config.queue.workers, 1);
        fixture.write("queue: { workers: 2 }");
        assert_eq!(fixture.file.look(true).await.unwrap().config.queue.workers, 2);
        assert!(fixture.file.look(false).await.is_none());
    }
}
