//! The place that several machines share their embeddings in: parts are fetched from it and brought to it.
//!
//! The local folder stays the working copy, and what happens to the shared place never stops a run: it is said,
//! and the next run brings what is missing there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, unbounded};
use fishid_storage::{Storage, StorageError};

/// A key's folder in the shared place.
#[derive(Debug)]
pub(super) struct Shared {
    storage: Storage,
    bringing: Option<(Sender<PathBuf>, JoinHandle<Vec<Missing>>)>,
}

/// A part that could not be brought.
struct Missing {
    reason: String,
}

impl Shared {
    /// `folder` of the place `root`.
    pub(super) fn open(root: &Storage, folder: &str) -> Result<Self, StorageError> {
        Ok(Self {
            storage: root.below(folder)?,
            bringing: None,
        })
    }

    /// Makes the local folder and the shared one alike: fetches the parts that are missing here, and starts to
    /// bring those that are missing there. Gives a sentence for each thing that did not work.
    pub(super) fn meet(&mut self, dir: &Path, here: &[PathBuf]) -> Vec<String> {
        let listing = match self.storage.list() {
            Ok(listing) => listing,
            Err(error) => {
                return vec![format!(
                    "the shared embeddings are left out of this run: {error}"
                )];
            }
        };
        let is_part = |path: &String| path.ends_with(".parquet") && !path.contains('/');
        let there: BTreeSet<String> = listing
            .files
            .into_iter()
            .map(|file| file.path)
            .filter(is_part)
            .collect();
        let mut failures = Vec::new();
        for name in &there {
            let local = dir.join(name);
            // What was set aside as damaged may be whole there.
            if local.exists() {
                continue;
            }
            if let Err(error) = self.storage.get_file(name, &local, None) {
                failures.push(format!(
                    "shared embeddings were not fetched and are computed again: {error}"
                ));
                // One that was stored damaged says nothing of the others; a dead network does.
                if !matches!(error, StorageError::Corrupted { .. }) {
                    break;
                }
            }
        }
        for path in here {
            if !name_of(path).is_some_and(|name| there.contains(name)) {
                self.bring(path.clone());
            }
        }
        failures
    }

    /// Brings a part to the shared place, behind the run's back.
    pub(super) fn bring(&mut self, path: PathBuf) {
        let (sender, _) = self.bringing.get_or_insert_with(|| {
            let (sender, receiver) = unbounded::<PathBuf>();
            let storage = self.storage.clone();
            let thread = std::thread::spawn(move || {
                let mut missing: Vec<Missing> = Vec::new();
                for path in receiver {
                    // A place that failed once is not asked for every part of a run.
                    let reason = match missing.first() {
                        Some(first) => first.reason.clone(),
                        None => match put(&storage, &path) {
                            Ok(()) => continue,
                            Err(reason) => reason,
                        },
                    };
                    missing.push(Missing { reason });
                }
                missing
            });
            (sender, thread)
        });
        // The thread ends after its sender only.
        drop(sender.send(path));
    }

    /// Waits until everything is brought; a sentence when something is not.
    pub(super) fn finish(&mut self) -> Option<String> {
        let (sender, thread) = self.bringing.take()?;
        drop(sender);
        let missing = thread.join().unwrap_or_default();
        let reason = &missing.first()?.reason;
        Some(format!(
            "{} part files of embeddings are not in {} yet: {reason}. They are kept here, and the next run brings them",
            missing.len(),
            self.storage.location()
        ))
    }
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn put(storage: &Storage, path: &Path) -> Result<(), String> {
    let name = name_of(path).ok_or("its name is no text")?;
    let stored = storage.put_file(name, path);
    stored.map(drop).map_err(|error| error.to_string())
}
