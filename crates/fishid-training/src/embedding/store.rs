//! The store: a folder of Parquet part files per [`StoreKey`], only ever added to.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use fishid_storage::Storage;

use super::key::StoreKey;
use super::part::{self, Row};
use super::shared::Shared;
use crate::error::TrainingError;

/// (photo digest, view name)
type RowKey = (String, String);

/// Embeddings kept between runs.
#[derive(Debug)]
pub struct EmbeddingStore {
    dir: PathBuf,
    folder: String,
    width: Option<usize>,
    pending: Vec<Row>,
    shared: Option<Shared>,
    warnings: Vec<String>,
}

impl EmbeddingStore {
    /// Opens the folder of `key` under `cache_dir`, making it when it is not there.
    pub fn open(cache_dir: &Path, key: &StoreKey) -> Result<Self, TrainingError> {
        let folder = key.folder();
        let dir = cache_dir.join(&folder);
        fs::create_dir_all(&dir).map_err(TrainingError::file("cannot create", &dir))?;
        let description = dir.join("key.json");
        if !description.exists() {
            let text = serde_json::to_vec_pretty(key).expect("three strings are JSON");
            fs::write(&description, text)
                .map_err(TrainingError::file("cannot write", &description))?;
        }
        Ok(Self {
            dir,
            folder,
            width: None,
            pending: Vec::new(),
            shared: None,
            warnings: Vec::new(),
        })
    }

    /// The same store with embeddings of this width alone: part files with others are set aside.
    #[must_use]
    pub fn of_width(mut self, width: usize) -> Self {
        self.width = Some(width);
        self
    }

    /// The same store with a place that other machines use too; trouble with that place is a warning.
    #[must_use]
    pub fn shared_in(mut self, place: Option<&Storage>) -> Self {
        match place.map(|place| Shared::open(place, &self.folder)) {
            Some(Ok(shared)) => self.shared = Some(shared),
            Some(Err(error)) => self.warnings.push(error.to_string()),
            None => {}
        }
        self
    }

    /// The embeddings that are there among those `wanted`, by photograph digest. A part file that cannot be read is
    /// set aside and reported by [`Self::take_warnings`]; its embeddings are computed again.
    pub(super) fn load(
        &mut self,
        wanted_views: &HashSet<String>,
    ) -> Result<HashMap<RowKey, Vec<f32>>, TrainingError> {
        let mut found = HashMap::new();
        self.read_parts(&parts_in(&self.dir)?, wanted_views, &mut found)?;
        // Met after the damaged ones were set aside, so that they are fetched whole and never brought.
        if let Some(shared) = &mut self.shared {
            let here = parts_in(&self.dir)?;
            self.warnings.extend(shared.meet(&self.dir, &here));
            let here: HashSet<PathBuf> = here.into_iter().collect();
            let mut fetched = parts_in(&self.dir)?;
            fetched.retain(|path| !here.contains(path));
            let refused = self.read_parts(&fetched, wanted_views, &mut found)?;
            if let Some(shared) = &self.shared {
                self.warnings.extend(shared.refuse(&refused));
            }
        }
        Ok(found)
    }

    /// Gives those that were set aside, by the paths they had.
    fn read_parts(
        &mut self,
        parts: &[PathBuf],
        wanted_views: &HashSet<String>,
        found: &mut HashMap<RowKey, Vec<f32>>,
    ) -> Result<Vec<PathBuf>, TrainingError> {
        let mut damaged = Vec::new();
        for path in parts {
            match part::read(path, self.width, |view| wanted_views.contains(view)) {
                Ok(rows) => {
                    found.extend(
                        rows.into_iter()
                            .map(|row| ((row.photo_digest, row.view), row.embedding)),
                    );
                }
                Err(reason) => {
                    let aside = path.with_extension("parquet.damaged");
                    fs::rename(path, &aside).map_err(TrainingError::file("cannot rename", path))?;
                    self.warnings.push(format!(
                        "{} is damaged ({reason}); it was set aside and its embeddings are computed again",
                        path.display()
                    ));
                    damaged.push(path.clone());
                }
            }
        }
        Ok(damaged)
    }

    /// One sentence for each thing that a person should know and that stops nothing, each told once.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Waits until the shared place has what is here; what it could not take is a warning.
    pub(super) fn finish(&mut self) {
        self.warnings
            .extend(self.shared.as_mut().and_then(Shared::finish));
    }

    /// Adds a row; it is on disk after the next [`Self::flush`].
    pub(super) fn push(&mut self, row: Row) {
        self.pending.push(row);
    }

    pub(super) fn n_pending(&self) -> usize {
        self.pending.len()
    }

    /// Writes what is pending as one new part file, visible only when it is whole.
    pub(super) fn flush(&mut self) -> Result<(), TrainingError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let path = self.dir.join(part::name(&self.pending));
        part::write(&path, &self.pending)?;
        self.pending.clear();
        if let Some(shared) = &mut self.shared {
            shared.bring(path);
        }
        Ok(())
    }
}

fn parts_in(dir: &Path) -> Result<Vec<PathBuf>, TrainingError> {
    let entries = fs::read_dir(dir).map_err(TrainingError::file("cannot list", dir))?;
    let mut parts: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "parquet")
        })
        .collect();
    parts.sort();
    Ok(parts)
}

#[cfg(test)]
mod tests;
