//! The place that several machines share their embeddings in: parts are fetched from it and brought to it.
//!
//! The local folder stays the working copy, and what happens to the shared place never stops a run: it is said,
//! and the next run brings what is missing there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, unbounded};
use fishid_storage::{Storage, StorageError};

/// A key's folder in the shared place.
#[derive(Debug)]
pub(super) struct Shared {
    storage: Storage,
    /// Its part files at the last listing, with what changes when they do.
    there: BTreeMap<String, String>,
    /// It did not answer, so that this run asks nothing more of it.
    is_left_out: bool,
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
            there: BTreeMap::new(),
            is_left_out: false,
            bringing: None,
        })
    }

    /// Makes the local folder and the shared one alike: fetches the parts that are missing here, and starts to
    /// bring those that are missing there. Gives a sentence for each thing that did not work.
    pub(super) fn meet(&mut self, dir: &Path, here: &[PathBuf]) -> Vec<String> {
        let listing = match self.storage.list() {
            Ok(listing) => listing,
            Err(error) => {
                self.is_left_out = true;
                return vec![format!(
                    "the shared embeddings are left out of this run: {error}. What it computes is kept here, and the next run brings it"
                )];
            }
        };
        let is_part = |path: &String| path.ends_with(".parquet") && !path.contains('/');
        let files = listing.files.into_iter();
        self.there = files
            .filter(|file| is_part(&file.path))
            .map(|file| (file.path, file.version))
            .collect();
        let mut failures = listing.failures;
        for name in self.there.keys() {
            let local = dir.join(name);
            // What was set aside as damaged may be whole there, unless it was fetched from there.
            if local.exists() || self.is_refused(&local) {
                continue;
            }
            if let Err(error) = self.storage.get_file(name, &local, None) {
                failures.push(format!(
                    "shared embeddings were not fetched and are computed again: {error}"
                ));
                // One that was stored damaged says nothing of the others; a dead network does.
                if matches!(error, StorageError::Corrupted { .. }) {
                    failures.extend(self.refuse(&[local]));
                } else {
                    self.is_left_out = true;
                    break;
                }
            }
        }
        for path in here {
            let is_there = name_of(path).is_some_and(|name| self.there.contains_key(name));
            if !is_there || self.is_refused(path) {
                self.bring(path.clone());
            }
        }
        failures
    }

    /// Remembers that what is there under these names is not to be fetched again, until it is replaced.
    pub(super) fn refuse(&self, parts: &[PathBuf]) -> Vec<String> {
        let mut failures = Vec::new();
        for path in parts {
            let version = name_of(path).and_then(|name| self.there.get(name));
            let note = refusal(path);
            if let Err(error) = version.map_or(Ok(()), |version| fs::write(&note, version)) {
                failures.push(format!("cannot write {}: {error}", note.display()));
            }
        }
        failures
    }

    /// Whether what is there under this part's name was found damaged here.
    fn is_refused(&self, part: &Path) -> bool {
        let version = name_of(part).and_then(|name| self.there.get(name));
        version.is_some_and(|version| {
            fs::read_to_string(refusal(part)).is_ok_and(|refused| refused == *version)
        })
    }

    /// Brings a part to the shared place, behind the run's back.
    pub(super) fn bring(&mut self, path: PathBuf) {
        if self.is_left_out {
            return;
        }
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

/// The file that says which content of the shared place was found damaged.
fn refusal(part: &Path) -> PathBuf {
    part.with_extension("parquet.refused")
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn put(storage: &Storage, path: &Path) -> Result<(), String> {
    let name = name_of(path).ok_or("its name is no text")?;
    let stored = storage.put_file(name, path);
    stored.map(drop).map_err(|error| error.to_string())
}
