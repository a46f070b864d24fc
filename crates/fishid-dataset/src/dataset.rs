//! A data set that has been opened: its photographs, classes, groups and what its layout gets wrong.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use csv::StringRecord;
use fishid_storage::{Listed, Storage};
use sha2::{Digest, Sha256};

use crate::content::{Content, data_digest};
use crate::layout::Layout;
use crate::manifest::{self, Manifest};
use crate::photograph::{Origin, Photograph, Split};
use crate::problem::Problem;
use crate::{DatasetError, layout};

/// File beside the class folders that says the fish were drawn by [`crate::synth`].
pub const SYNTHETIC_MARKER: &str = layout::SYNTHETIC_MARKER;

/// How a data set is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// Column of `manifest.csv` that names the group. `group` may be missing there; another may not.
    pub group_column: String,
    /// Settings of S3 that go before the environment, by the names of the environment variables
    /// (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, …).
    pub storage: BTreeMap<String, String>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            group_column: manifest::DEFAULT_GROUP_COLUMN.to_owned(),
            storage: BTreeMap::new(),
        }
    }
}

/// The rows of `manifest.csv`, kept so that a split can carry their columns along.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub columns: Vec<String>,
    /// Per photograph.
    pub records: Vec<Option<StringRecord>>,
}

/// A data set in a folder or under an S3 prefix.
#[derive(Debug, Clone)]
pub struct Dataset {
    storage: Storage,
    photographs: Vec<Photograph>,
    is_presplit: bool,
    origin: Origin,
    problems: Vec<Problem>,
    rows: Rows,
    listing_digest: String,
}

impl Dataset {
    /// Opens a folder, `file:///folder` or `s3://bucket/prefix`.
    ///
    /// Stops only at what leaves nothing to work with: no photographs, no class folders, a manifest that
    /// cannot be used at all, a group column that was asked for and is not there. Everything else is kept
    /// in [`Dataset::problems`], because whoever has 200 000 photographs wants the whole list at once.
    pub fn open(location: &str, options: &OpenOptions) -> Result<Self, DatasetError> {
        Self::of_storage(Storage::open(location, &options.storage)?, options)
    }

    pub(crate) fn of_storage(
        storage: Storage,
        options: &OpenOptions,
    ) -> Result<Self, DatasetError> {
        let listing = storage.list()?;
        let Layout {
            mut photographs,
            is_presplit,
            origin,
            mut problems,
        } = Layout::of(&listing, storage.location())?;
        let mut rows = Rows::default();
        if let Some(bytes) = storage.read_if_present(manifest::FILE_NAME)? {
            let full_path = storage.full_path(manifest::FILE_NAME);
            let manifest = Manifest::parse(&bytes, &full_path, &options.group_column)?;
            let (found, row_of) = manifest.attach(&mut photographs, &full_path)?;
            problems.extend(found);
            let records = row_of
                .into_iter()
                .map(|row| row.map(|row| manifest.rows[row].record.clone()))
                .collect();
            rows = Rows {
                columns: manifest.columns,
                records,
            };
        }
        let listing_digest = listing_digest(&listing.files, &photographs);
        Ok(Self {
            storage,
            photographs,
            is_presplit,
            origin,
            problems,
            rows,
            listing_digest,
        })
    }

    /// The photographs, sorted by path.
    pub fn photographs(&self) -> &[Photograph] {
        &self.photographs
    }

    /// Names of the class folders that hold photographs, sorted.
    pub fn classes(&self) -> Vec<String> {
        let classes: BTreeSet<&str> = self
            .photographs
            .iter()
            .map(|photo| photo.class.as_str())
            .collect();
        classes.into_iter().map(str::to_owned).collect()
    }

    /// Reads the file of a photograph; from S3 with retries.
    pub fn read(&self, photograph: &Photograph) -> Result<Bytes, DatasetError> {
        Ok(self.storage.read(&photograph.path)?)
    }

    /// What was opened, as it was written.
    pub fn location(&self) -> &str {
        self.storage.location()
    }

    /// Whether the photographs stand in `train`, `val` and `test`.
    pub fn is_presplit(&self) -> bool {
        self.is_presplit
    }

    /// The photographs of one split alone.
    ///
    /// # Errors
    /// The data set is not split, or that split has no photographs.
    pub fn only(mut self, split: Split) -> Result<Self, DatasetError> {
        let flags: Vec<bool> = self
            .photographs
            .iter()
            .map(|photo| photo.split == Some(split))
            .collect();
        if !flags.contains(&true) {
            return Err(DatasetError::NoSuchSplit {
                location: self.location().to_owned(),
                split,
            });
        }
        let mut flag = flags.iter();
        self.photographs.retain(|_| flag.next() == Some(&true));
        let mut flag = flags.iter();
        self.rows.records.retain(|_| flag.next() == Some(&true));
        Ok(self)
    }

    /// Whether these are photographs or drawings of [`crate::synth`].
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// What the layout and the manifest get wrong, found without opening a photograph. [`crate::check()`]
    /// includes it.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether the photographs are on another machine.
    pub fn is_remote(&self) -> bool {
        self.storage.is_remote()
    }

    /// Threads that read at once: the cores for a folder; more for S3, where reading is mostly waiting.
    pub fn n_readers(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if self.storage.is_remote() {
            (4 * cores).max(16)
        } else {
            cores
        }
    }

    /// The data digest, as [`data_digest`] defines it.
    ///
    /// `photo_digests` are the SHA-256 of the files in the order of [`Dataset::photographs`]; the digest of a
    /// file that could not be read is the empty text.
    pub fn digest(&self, photo_digests: &[String]) -> String {
        let photographs = self.photographs.iter().zip(photo_digests);
        data_digest(photographs.map(|(photograph, digest)| Content::of(photograph, digest)))
    }

    /// Changes whenever a file is added, removed or written, or a group changes; known without reading a
    /// photograph. For skipping work whose inputs are the same; it says nothing across machines.
    pub fn listing_digest(&self) -> &str {
        &self.listing_digest
    }

    /// The same data set listed again; `group_column` is the one it was opened with.
    pub(crate) fn listed_again(&self, group_column: &str) -> Result<Self, DatasetError> {
        let options = OpenOptions {
            group_column: group_column.to_owned(),
            ..OpenOptions::default()
        };
        Self::of_storage(self.storage.clone(), &options)
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }

    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Class folders as they are on disk, empty ones included: (path, class).
    pub(crate) fn class_folders(&self) -> Vec<(String, String)> {
        let top = self.storage.folders("");
        if !self.is_presplit {
            return top
                .into_iter()
                .map(|folder| (folder.clone(), folder))
                .collect();
        }
        top.iter()
            .filter(|folder| layout::split_of_folder(folder).is_some())
            .flat_map(|split| {
                self.storage
                    .folders(split)
                    .into_iter()
                    .map(move |class| (format!("{split}/{class}"), class))
            })
            .collect()
    }
}

fn listing_digest(files: &[Listed], photographs: &[Photograph]) -> String {
    let versions: BTreeMap<&str, &Listed> = files
        .iter()
        .map(|file| (file.path.as_str(), file))
        .collect();
    let mut hasher = Sha256::new();
    for photo in photographs {
        let (size, version) = versions
            .get(photo.path.as_str())
            .map_or((0, ""), |file| (file.size, file.version.as_str()));
        hasher.update(format!(
            "{:?} {size} {version:?} {:?}\n",
            photo.path, photo.group
        ));
    }
    hex::encode(hasher.finalize())
}
