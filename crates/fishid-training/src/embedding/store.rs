//! The store: a folder of Parquet part files per [`StoreKey`], only ever added to.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::key::StoreKey;
use super::part::{self, Row};
use crate::error::TrainingError;

/// (photo digest, view name)
type RowKey = (String, String);

/// Embeddings kept between runs.
#[derive(Debug)]
pub struct EmbeddingStore {
    dir: PathBuf,
    pending: Vec<Row>,
    damaged: Vec<String>,
}

impl EmbeddingStore {
    /// Opens the folder of `key` under `cache_dir`, making it when it is not there.
    pub fn open(cache_dir: &Path, key: &StoreKey) -> Result<Self, TrainingError> {
        let dir = cache_dir.join(key.folder());
        fs::create_dir_all(&dir).map_err(TrainingError::file("cannot create", &dir))?;
        let description = dir.join("key.json");
        if !description.exists() {
            let text = serde_json::to_vec_pretty(key).expect("three strings are JSON");
            fs::write(&description, text)
                .map_err(TrainingError::file("cannot write", &description))?;
        }
        Ok(Self {
            dir,
            pending: Vec::new(),
            damaged: Vec::new(),
        })
    }

    /// The embeddings that are there among those `wanted`, by photograph digest. A part file that cannot be read is
    /// set aside and reported by [`Self::damaged`]; its embeddings are computed again.
    pub(super) fn load(
        &mut self,
        wanted_views: &HashSet<String>,
    ) -> Result<HashMap<RowKey, Vec<f32>>, TrainingError> {
        let mut found = HashMap::new();
        for path in self.parts()? {
            match part::read(&path, |view| wanted_views.contains(view)) {
                Ok(rows) => {
                    found.extend(
                        rows.into_iter()
                            .map(|row| ((row.photo_digest, row.view), row.embedding)),
                    );
                }
                Err(reason) => {
                    let aside = path.with_extension("parquet.damaged");
                    fs::rename(&path, &aside)
                        .map_err(TrainingError::file("cannot rename", &path))?;
                    self.damaged.push(format!(
                        "{} is damaged ({reason}); it was set aside and its embeddings are computed again",
                        path.display()
                    ));
                }
            }
        }
        Ok(found)
    }

    /// One sentence per part file that was found damaged.
    pub fn damaged(&self) -> &[String] {
        &self.damaged
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
        let path = self
            .dir
            .join(format!("part-{}.parquet", part::name(&self.pending)));
        part::write(&path, &self.pending)?;
        self.pending.clear();
        Ok(())
    }

    fn parts(&self) -> Result<Vec<PathBuf>, TrainingError> {
        let entries =
            fs::read_dir(&self.dir).map_err(TrainingError::file("cannot list", &self.dir))?;
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
}
