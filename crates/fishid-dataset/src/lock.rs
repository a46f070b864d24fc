//! The lock of a data set: which photographs it consists of, by content, in a file that is the same on every
//! machine and wherever the data lie. `docs/DATA_VERSIONS.md` describes the format.
//!
//! Owns the file; what differs between two data sets is [`changes`]' to say. Start at [`DataLock::of`].

mod changes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use changes::{ClassCount, DataChanges, FieldChange, Moved};

use crate::content::{Content, class_counts, data_digest};
use crate::inspection::{Inspection, each};
use crate::{Dataset, DatasetError, Problem, ProblemKind, Progress};

/// The format this program writes and the newest it reads.
pub const LOCK_SCHEMA_VERSION: u32 = 1;

/// One photograph of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedPhotograph {
    /// Where it stands and what it is.
    #[serde(flatten)]
    pub content: Content,
    /// Size of the file in bytes.
    pub size: u64,
}

/// A content manifest: every photograph with its digest, and one digest for the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataLock {
    digest: String,
    group_column: String,
    photographs: Vec<LockedPhotograph>,
}

/// What stands above the photographs in the file; all but the group column follows from them.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    schema_version: u32,
    digest: String,
    group_column: String,
    n_photographs: usize,
    n_bytes: u64,
    classes: BTreeMap<String, usize>,
}

/// Read beside [`Header`] and not with it: `serde(flatten)` would hold every photograph twice.
#[derive(Deserialize)]
struct Entries {
    photographs: Vec<LockedPhotograph>,
}

/// Read first, so that a file of another format is called that and not damaged.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

/// What every format of a lock has, and no other file of this program.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only that they are there matters")]
struct Recognised {
    schema_version: u32,
    digest: String,
    photographs: serde::de::IgnoredAny,
}

impl DataLock {
    /// Reads every file of the data set once. `group_column` is the one it was opened with.
    ///
    /// # Errors
    /// A file or folder that cannot be read, and data that change meanwhile: a lock does not vouch for what it has
    /// not seen.
    pub fn of(
        dataset: &Dataset,
        group_column: &str,
        progress: &Progress<'_>,
    ) -> Result<Self, DatasetError> {
        refuse_partial(dataset)?;
        let photographs = dataset.photographs();
        let locked = each(
            photographs.len(),
            dataset.n_readers(),
            progress,
            &|index| -> Result<LockedPhotograph, DatasetError> {
                let bytes = dataset.read(&photographs[index])?;
                Ok(LockedPhotograph {
                    content: Content::of(&photographs[index], &hex::encode(Sha256::digest(&bytes))),
                    size: bytes.len() as u64,
                })
            },
        );
        let n_failed = locked.iter().filter(|it| it.is_err()).count();
        let locked: Result<Vec<_>, _> = locked.into_iter().collect();
        // Before the failures: a file that is gone by now was not unreadable.
        refuse_changed(dataset, group_column)?;
        let locked = locked.map_err(|error| and_more(error, n_failed - 1, dataset.location()))?;
        Ok(Self::new(group_column, locked))
    }

    /// The lock of a data set whose photographs have been inspected; one that could not be read has the
    /// empty digest, which no photograph has.
    pub fn of_inspections(
        dataset: &Dataset,
        group_column: &str,
        inspections: &[Inspection],
    ) -> Self {
        let locked = dataset
            .photographs()
            .iter()
            .zip(inspections)
            .map(|(photograph, seen)| LockedPhotograph {
                content: Content::of(photograph, seen.sha256.as_deref().unwrap_or_default()),
                size: seen.size,
            })
            .collect();
        Self::new(group_column, locked)
    }

    fn new(group_column: &str, photographs: Vec<LockedPhotograph>) -> Self {
        Self {
            digest: data_digest(photographs.iter().map(|locked| &locked.content)),
            group_column: group_column.to_owned(),
            photographs,
        }
    }

    /// Reads a lock and proves that it is whole.
    ///
    /// # Errors
    /// [`DatasetError::Lock`] for a file that is no lock, is of a later format or was changed by hand.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let failed = |reason: String| DatasetError::Lock {
            path: path.to_owned(),
            reason,
        };
        let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
        let not_a_lock = |error: serde_json::Error| {
            failed(format!(
                "it is not a lock ({error}); `fishid data lock DATA` writes one"
            ))
        };
        let version: Version = serde_json::from_slice(&bytes).map_err(not_a_lock)?;
        if version.schema_version != LOCK_SCHEMA_VERSION {
            return Err(failed(format!(
                "it is a lock of format {}, this program reads {LOCK_SCHEMA_VERSION}; use the version of fishid that wrote it, or lock the data again: `fishid data lock DATA --out {}`",
                version.schema_version,
                path.display()
            )));
        }
        let header: Header = serde_json::from_slice(&bytes).map_err(not_a_lock)?;
        let Entries { photographs } = serde_json::from_slice(&bytes).map_err(not_a_lock)?;
        let sizes = photographs.iter().map(|locked| locked.size);
        let has_size = sizes
            .into_iter()
            .try_fold(0_u64, u64::checked_add)
            .is_some();
        let lock = Self::new(&header.group_column, photographs);
        let is_sorted = lock
            .photographs
            .is_sorted_by(|a, b| a.content.path < b.content.path);
        if !has_size || !is_sorted || lock.header() != header {
            return Err(failed(format!(
                "it is damaged: its digest or counts are not those of the photographs it lists; take it from version control again, or lock the data again: `fishid data lock DATA --out {}`",
                path.display()
            )));
        }
        Ok(lock)
    }

    /// Writes the file: beside its place, then renamed, so that there is never half a lock. An earlier lock
    /// is replaced; another file is not.
    pub fn write(&self, path: &Path) -> Result<(), DatasetError> {
        Self::refuse_taken(path)?;
        let write_error = |source| DatasetError::Write {
            path: path.to_owned(),
            source,
        };
        let text = self.to_text();
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = Path::new(&name);
        let written = fs::File::create(temporary).and_then(|mut file| {
            std::io::Write::write_all(&mut file, text.as_bytes())?;
            file.sync_all()?;
            fs::rename(temporary, path)
        });
        written.map_err(|source| {
            let _ = fs::remove_file(temporary);
            write_error(source)
        })
    }

    /// Whether a lock can be written there; known before the photographs are read.
    ///
    /// # Errors
    /// A folder, a folder that is missing, or a file that is no lock.
    pub fn refuse_taken(path: &Path) -> Result<(), DatasetError> {
        let refuse = |reason: &str| {
            Err(DatasetError::Lock {
                path: path.to_owned(),
                reason: reason.to_owned(),
            })
        };
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            return refuse("its folder does not exist; make it, or name another file with --out");
        }
        if path.is_dir() {
            return refuse("it is a folder; name a file with --out");
        }
        // A lock of another format, or a damaged one, may be replaced: its error advises that.
        let is_lock = |bytes: Vec<u8>| serde_json::from_slice::<Recognised>(&bytes).is_ok();
        if path.exists() && !fs::read(path).is_ok_and(is_lock) {
            return refuse(
                "it exists and is no lock, so it is not replaced; remove it, or name another file with --out",
            );
        }
        Ok(())
    }

    /// The file's text: the header, then one line a photograph, so that `git diff` shows photographs.
    pub fn to_text(&self) -> String {
        let header =
            serde_json::to_value(self.header()).expect("numbers and texts are always JSON");
        let mut text = String::from("{\n");
        // In the order of the fields, not of the alphabet: what it is stands first.
        for name in [
            "schema_version",
            "digest",
            "group_column",
            "n_photographs",
            "n_bytes",
            "classes",
        ] {
            let _ = writeln!(text, "  \"{name}\": {},", header[name]);
        }
        text.push_str("  \"photographs\": [");
        for (index, photograph) in self.photographs.iter().enumerate() {
            let line =
                serde_json::to_string(photograph).expect("texts and numbers are always JSON");
            text.push_str(if index == 0 { "\n    " } else { ",\n    " });
            text.push_str(&line);
        }
        text.push_str("\n  ]\n}\n");
        text
    }

    fn header(&self) -> Header {
        Header {
            schema_version: LOCK_SCHEMA_VERSION,
            digest: self.digest.clone(),
            group_column: self.group_column.clone(),
            n_photographs: self.photographs.len(),
            n_bytes: self.n_bytes(),
            classes: self.classes(),
        }
    }

    /// The data digest, the same that `fishid.json` of a bundle trained on these data carries.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The column of `manifest.csv` that the groups are from.
    pub fn group_column(&self) -> &str {
        &self.group_column
    }

    /// The photographs, sorted by path.
    pub fn photographs(&self) -> &[LockedPhotograph] {
        &self.photographs
    }

    /// Bytes of all photographs.
    pub fn n_bytes(&self) -> u64 {
        self.photographs.iter().map(|locked| locked.size).sum()
    }

    /// Class → photographs.
    pub fn classes(&self) -> BTreeMap<String, usize> {
        class_counts(self.photographs.iter().map(|locked| &locked.content))
    }

    /// What is different in `after`.
    pub fn changes_to(&self, after: &Self) -> DataChanges {
        DataChanges::between(self, after)
    }
}

/// A folder without permission or a name that is not text: training would go on without it.
fn refuse_partial(dataset: &Dataset) -> Result<(), DatasetError> {
    let unlisted = |problem: &&Problem| problem.kind == ProblemKind::Unlisted;
    match dataset.problems().iter().find(unlisted) {
        None => Ok(()),
        Some(problem) => Err(DatasetError::NotWhole {
            location: dataset.location().to_owned(),
            reason: problem.detail.clone(),
        }),
    }
}

/// Refuses data that were written since they were listed: what was read then belongs to no one state.
fn refuse_changed(dataset: &Dataset, group_column: &str) -> Result<(), DatasetError> {
    let now = dataset.listed_again(group_column)?;
    if now.listing_digest() == dataset.listing_digest() {
        return Ok(());
    }
    let paths = |dataset: &Dataset| -> BTreeSet<String> {
        let photographs = dataset.photographs().iter();
        photographs.map(|photo| photo.path.clone()).collect()
    };
    let (before, after) = (paths(dataset), paths(&now));
    let example = before.symmetric_difference(&after).next();
    Err(DatasetError::Changing {
        location: dataset.location().to_owned(),
        example: example.map_or_else(String::new, |path| format!(" (for example {path})")),
    })
}

/// The first of several failures, with how many there are.
fn and_more(error: DatasetError, n_more: usize, location: &str) -> DatasetError {
    match error {
        DatasetError::Read { path, reason } if n_more > 0 => DatasetError::Read {
            path,
            reason: format!(
                "{reason}, nor {n_more} more photographs; `fishid data check {location}` names all"
            ),
        },
        other => other,
    }
}
