//! The configuration file of a relay that runs: gives what it says once it says something else.
//!
//! Guarantees: only a whole configuration without a problem is given; what can't be used is told once, with
//! every problem, and changes nothing; a file that is being written is not taken for a shorter one, because
//! two looks have to find the same. It is the content that is compared: a symbolic link that leads elsewhere
//! (as a ConfigMap of Kubernetes is changed) is a change, a new date is none. SIGHUP gives what the file says
//! even if that is the same: so that what it refers to is read again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Interval;

use crate::app::Reload;
use crate::config;

/// Between two looks. The file has at most 1 MiB.
const LOOK: Duration = Duration::from_secs(1);

/// The file, and what of it is known.
pub(super) struct WatchedFile {
    path: PathBuf,
    /// What was given last or was told to be unusable.
    known: String,
    /// What the last look found, if it was something else.
    found: Option<String>,
    /// What keeps it from being read, if that was told.
    unreadable: Option<String>,
    looks: Interval,
    hangup: Signal,
}

impl WatchedFile {
    /// Watches the file at `path`, of which `known` is in force. SIGHUP ends the process no more.
    pub(super) fn new(path: &Path, known: String) -> std::io::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        let (path, looks) = (path.to_owned(), tokio::time::interval(LOOK));
        Ok(Self { path, known, found: None, unreadable: None, looks, hangup })
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
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || config::read(&path)).await.ok()?;
        let text = match read {
            Ok(text) => text,
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
            if text == self.known {
                self.found = None;
                return None;
            }
            if self.found.as_ref() != Some(&text) {
                self.found = Some(text);
                return None;
            }
        }
        self.found = None;
        let read = config::parse_here(&text, &self.path);
        self.known = text;
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
            Self { file: WatchedFile::new(&path, text.to_owned()).unwrap(), folder }
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
        assert_eq!(fixture.file.known, "queue: { workers: many }");
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
