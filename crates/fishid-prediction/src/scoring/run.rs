//! A run that can be killed at any instant: what it has, for what it was begun, and how it ends.
//!
//! Beside the table-to-be lies a folder with `run.json` (what the answers depend on), `journal.jsonl` (the answers)
//! and, towards the end, the whole table and then the mark `finished`. The table takes its place by a rename.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::journal::{Counts, Finished, Journal};
use super::{Output, Row, table};

/// What the answers of a run depend on: one that goes on must be for the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunIdentity {
    /// Digest of the model.
    pub model_digest: String,
    /// Digest of engine library, provider and precision.
    pub engine_digest: String,
    /// Language of the labels.
    pub language: String,
    /// Folders, prefixes and files, each as one absolute path or address.
    pub inputs: Vec<String>,
}

impl RunIdentity {
    /// In words, what is different.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        [
            (
                self.model_digest != other.model_digest,
                "with another model",
            ),
            (
                self.engine_digest != other.engine_digest,
                "with another engine or precision",
            ),
            (
                self.language != other.language,
                "with labels in another language",
            ),
            (self.inputs != other.inputs, "for other photographs"),
        ]
        .into_iter()
        .find_map(|(differs, words)| differs.then_some(words))
    }
}

/// Why a run cannot begin, go on or end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A table is there, and no run that belongs to it.
    #[error("{} exists already; name another table, or give --restart to make it anew", .out.display())]
    Exists {
        /// The table.
        out: PathBuf,
    },
    /// The run that is there is not this one.
    #[error(
        "{} was begun {difference}; give --restart to begin anew, or name another table", .folder.display()
    )]
    Other {
        /// The working folder.
        folder: PathBuf,
        /// What is different.
        difference: &'static str,
    },
    /// Two processes would write one table.
    #[error("{} is being written by another process; wait for it, or name another table", .folder.display())]
    Busy {
        /// The working folder.
        folder: PathBuf,
    },
    /// The disk refused.
    #[error("cannot {action} {}: {source}; what was answered is kept, the same command goes on", .path.display())]
    Io {
        /// Such as `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> RunError + 'a {
    move |source| RunError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// A run under way.
pub struct Run {
    output: Output,
    folder: PathBuf,
    journal: Journal,
    finished: Arc<Finished>,
    /// Held as long as the run lives.
    _lock: File,
}

impl Run {
    /// Begins a run, or goes on with the one that was begun for the same table. `restart` forgets what is there;
    /// a table of that name stays until the new one takes its place. None when the run was over already, and only
    /// its end had been cut off.
    pub fn open(
        output: &Output,
        identity: &RunIdentity,
        restart: bool,
    ) -> Result<Option<Self>, RunError> {
        let folder = output.working_folder();
        let was_begun = folder.join(IDENTITY).exists() || folder.join(FINISHED).exists();
        if output.path.exists() && !was_begun && !restart {
            return Err(RunError::Exists {
                out: output.path.clone(),
            });
        }
        fs::create_dir_all(&folder).map_err(failed("make", &folder))?;
        let lock_path = folder.join(LOCK);
        let lock = File::create(&lock_path).map_err(failed("make", &lock_path))?;
        if lock.try_lock().is_err() {
            return Err(RunError::Busy { folder });
        }
        if folder.join(FINISHED).exists() {
            if !restart {
                end(output, &folder)?;
                return Ok(None);
            }
            remove(&folder.join(FINISHED))?;
        }
        let journal_path = folder.join(JOURNAL);
        if restart {
            remove(&journal_path)?;
        } else if let Some(before) = read_identity(&folder)
            && let Some(difference) = before.difference(identity)
        {
            return Err(RunError::Other { folder, difference });
        }
        write_identity(&folder, identity)?;
        let (journal, finished) =
            Journal::open(&journal_path).map_err(failed("read", &journal_path))?;
        Ok(Some(Self {
            output: output.clone(),
            folder,
            journal,
            finished: Arc::new(finished),
            _lock: lock,
        }))
    }

    /// What was done before this run went on.
    pub fn finished(&self) -> &Arc<Finished> {
        &self.finished
    }

    /// Keeps an answer.
    pub fn add(&mut self, row: &Row) -> Result<(), RunError> {
        let added = self.journal.add(row);
        added.map_err(|error| failed("write", &self.folder.join(JOURNAL))(error))
    }

    /// Rows so far.
    pub fn n_rows(&self) -> usize {
        self.journal.counts().n
    }

    /// Of them, photographs without an answer.
    pub fn n_refused(&self) -> usize {
        self.journal.counts().n_refused
    }

    /// Where the answers are kept until the table is whole.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Has everything on the disk, to be gone on with.
    pub fn pause(mut self) -> Result<(), RunError> {
        let synced = self.journal.sync();
        synced.map_err(failed("write", &self.folder.join(JOURNAL)))
    }

    /// Nothing was found to be answered: leaves nothing behind.
    pub fn abandon(self) -> Result<(), RunError> {
        debug_assert_eq!(self.journal.counts(), Counts::default());
        fs::remove_dir_all(&self.folder).map_err(failed("remove", &self.folder))
    }

    /// Makes the table and puts it in its place.
    pub fn finish(mut self) -> Result<(), RunError> {
        let journal_path = self.folder.join(JOURNAL);
        self.journal
            .sync()
            .map_err(failed("write", &journal_path))?;
        let made = self.folder.join(TABLE);
        remove(&made)?;
        table::write(&journal_path, &made, self.output.format).map_err(failed("write", &made))?;
        let mark = self.folder.join(FINISHED);
        write_durably(&mark, b"").map_err(failed("write", &mark))?;
        end(&self.output, &self.folder)
    }
}

const IDENTITY: &str = "run.json";
const JOURNAL: &str = "journal.jsonl";
const TABLE: &str = "table";
const FINISHED: &str = "finished";
const LOCK: &str = "lock";

/// From the mark on: may be cut off anywhere, and done again.
fn end(output: &Output, folder: &Path) -> Result<(), RunError> {
    let made = folder.join(TABLE);
    if made.exists() {
        fs::rename(&made, &output.path).map_err(failed("put in place", &output.path))?;
    }
    // The mark goes last but the lock: a journal without it would be taken for a run to go on with.
    for name in [JOURNAL, IDENTITY, FINISHED] {
        remove(&folder.join(name))?;
    }
    fs::remove_dir_all(folder).map_err(failed("remove", folder))
}

fn remove(path: &Path) -> Result<(), RunError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// None where it was never written; it is written whole or not at all.
fn read_identity(folder: &Path) -> Option<RunIdentity> {
    serde_json::from_slice(&fs::read(folder.join(IDENTITY)).ok()?).ok()
}

fn write_identity(folder: &Path, identity: &RunIdentity) -> Result<(), RunError> {
    let path = folder.join(IDENTITY);
    let text = serde_json::to_vec_pretty(identity).map_err(io::Error::from);
    text.and_then(|text| write_durably(&path, &text))
        .map_err(failed("write", &path))
}

fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".writing");
    let temporary = PathBuf::from(name);
    fs::write(&temporary, content)?;
    File::open(&temporary)?.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests;
