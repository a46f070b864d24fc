//! The folder in which measurements, proofs and compiled graphs are kept; shared by all processes of one home, and not
//! always writable.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use fishid_engine::Records;

use super::kept::forget_oldest;
use super::proofs::Proofs;

/// Compiled graphs kept: each is about as large as its model, and a server meets a few models a month.
const MOST_COMPILED: usize = 8;
/// A compiled graph younger than this may be what another process is about to load.
const YOUNG: Duration = Duration::from_mins(10);
/// How long a process waits for another that loads or compiles; afterwards both do.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
    is_writable: Arc<OnceLock<bool>>,
}

/// Held while a graph is loaded; given back when it is dropped.
pub(super) struct Turn(
    #[allow(dead_code, reason = "the lock lasts as long as the file is open")] Option<File>,
);

impl Folder {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            is_writable: Arc::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether anything can be kept; the first time it cannot, that is told.
    pub(super) fn is_writable(&self) -> bool {
        *self.is_writable.get_or_init(|| {
            let tried = self.try_to_write();
            if let Err(error) = &tried {
                tracing::warn!(
                    folder = %self.path.display(), %error,
                    "nothing can be kept there, so every start measures, compiles and proves again; set FISHID_HOME to a folder that can be written to"
                );
            }
            tried.is_ok()
        })
    }

    /// What stands in the way of keeping something.
    pub(super) fn try_to_write(&self) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        tempfile::tempfile_in(&self.path).map(drop)
    }

    /// Where compiled graphs are kept.
    pub(super) fn compiled(&self) -> Option<PathBuf> {
        self.is_writable().then(|| self.path.join("compiled"))
    }

    pub(super) fn proofs(&self) -> Proofs {
        Proofs::new(self.path.join("proofs"))
    }

    pub(super) fn records(&self) -> Records {
        Records::new(self.path.join("tuning"))
    }

    /// Waits until no other process of this home loads a graph: one would read what the other is still writing, or both
    /// would compile the same.
    pub(super) fn take_turn(&self) -> Turn {
        if !self.is_writable() {
            return Turn(None);
        }
        let file = match File::create(self.path.join("loading.lock")) {
            Ok(file) => file,
            Err(error) => {
                tracing::debug!(%error, "graphs are loaded without a lock");
                return Turn(None);
            }
        };
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Turn(Some(file)),
                Err(TryLockError::WouldBlock) if started.elapsed() < LONGEST_WAIT => {
                    thread::sleep(LOOK_EVERY);
                }
                // A file system without locks, or a process that takes long.
                Err(_) => return Turn(None),
            }
        }
    }

    pub(super) fn forget_old_graphs(&self) {
        forget_oldest(&self.path.join("compiled"), MOST_COMPILED, YOUNG);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_at_a_time_loads_a_graph() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::new(home.path().join("engine"));
        let first = folder.take_turn();
        assert!(first.0.is_some());
        let waiting = {
            let folder = folder.clone();
            thread::spawn(move || {
                let turn = folder.take_turn();
                (turn.0.is_some(), Instant::now())
            })
        };
        thread::sleep(5 * LOOK_EVERY);
        let given_back = Instant::now();
        drop(first);
        let (has_turn, since) = waiting.join().unwrap();
        assert!(has_turn);
        assert!(since >= given_back, "both had the turn");
    }

    #[test]
    fn a_folder_that_cannot_be_made_keeps_nothing() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let folder = Folder::new(home.path().join("file/engine"));
        assert!(!folder.is_writable());
        assert_eq!(folder.compiled(), None);
        assert!(folder.take_turn().0.is_none());
    }
}
