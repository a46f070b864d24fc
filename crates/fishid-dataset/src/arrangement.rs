//! Writes a tree `{train,val,test}/<slug>/…` with its `manifest.csv`, whole or not at all.
//!
//! Everything is written into a hidden folder beside the target and renamed when complete; a run that was
//! killed leaves the old state, and the next one clears up. Does not decide who goes where.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use fishid_storage::Storage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::layout::is_photograph;
use crate::manifest::{self, Manifest};
use crate::photograph::Split;
use crate::problem::Problem;
use crate::split::Ratios;
use crate::{DatasetError, Progress};

/// File in the target that says it was written here and how; only such a folder is ever replaced.
const MARKER: &str = "split.json";

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SplitFolderSummary {
    /// Folder that holds `train`, `val`, `test` and `manifest.csv`.
    pub out: PathBuf,
    /// Photographs by split and species.
    pub counts: BTreeMap<Split, BTreeMap<String, usize>>,
    /// Groups that were kept together.
    pub n_groups: usize,
    /// Photographs that stayed in the split an earlier run gave them.
    pub n_kept: usize,
    /// Photographs of an earlier run that the source no longer has; they are gone from the result too.
    pub n_gone: usize,
    /// Photographs left out because they cannot be read, and why.
    pub left_out: Vec<Problem>,
}

/// How a tree was made, kept in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Marker {
    pub schema_version: u32,
    pub ratios: Ratios,
    pub seed: u64,
    pub group_column: String,
}

/// One photograph of the tree.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub split: Split,
    pub slug: String,
    /// Path below the class folder.
    pub name: String,
    pub group: String,
    pub sha256: String,
    /// Cells of the further columns.
    pub further: Vec<String>,
}

/// The target of an arrangement, checked and recovered.
pub(crate) struct Target {
    out: PathBuf,
    staging: PathBuf,
    old: PathBuf,
    /// Held as long as this lives: two runs into one folder would remove each other's work.
    _lock: Option<fs::File>,
    /// Photograph digest → split of an earlier run.
    pub earlier: BTreeMap<String, Split>,
}

impl Target {
    /// Checks that `out` is missing, empty or an earlier result made the same way. Waits for another run
    /// that writes beside it.
    pub(crate) fn open(out: &Path, marker: &Marker) -> Result<Self, DatasetError> {
        // A link is followed now: the renames at the end would replace the link itself.
        let out = &out.canonicalize().unwrap_or_else(|_| out.to_owned());
        let refused = |reason: String| DatasetError::Output {
            path: out.to_owned(),
            reason,
        };
        let name = out
            .file_name()
            .ok_or_else(|| refused("it has no name of its own; give a new folder".to_owned()))?
            .to_string_lossy();
        let (staging, old) = (
            out.with_file_name(format!(".{name}.fishid-partial")),
            out.with_file_name(format!(".{name}.fishid-old")),
        );
        let lock = lock_parent(out)?;
        // Killed between the two renames: the old tree is whole, the new one is made again.
        if old.exists() && !out.exists() {
            fs::rename(&old, out).map_err(|source| write_error(&old, source))?;
        }
        remove(&old)?;
        remove(&staging)?;
        let mut earlier = BTreeMap::new();
        if out.exists() && !is_empty(out)? {
            let text = fs::read_to_string(out.join(MARKER)).map_err(|_| {
                refused("it is not empty and was not written by `fishid data split` or `fishid data import`; give a new folder".to_owned())
            })?;
            let before: Marker = serde_json::from_str(&text).map_err(|error| {
                refused(format!(
                    "its {MARKER} is broken ({error}); give a new folder"
                ))
            })?;
            if before != *marker {
                return Err(refused(format!(
                    "it was split with ratios {}, seed {} and group column `{}`; use the same to let it grow, or give a new folder",
                    before.ratios, before.seed, before.group_column
                )));
            }
            earlier = earlier_splits(out)?;
        }
        Ok(Self {
            out: out.to_owned(),
            staging,
            old,
            _lock: lock,
            earlier,
        })
    }

    /// A folder inside the hidden one, for what has to be unpacked first.
    pub(crate) fn scratch(&self) -> Result<PathBuf, DatasetError> {
        let scratch = self.staging.join("scratch");
        create_folder(&scratch)?;
        Ok(scratch)
    }

    /// Writes the tree: `fill(index, path)` writes the photograph of an item.
    pub(crate) fn write(
        &self,
        marker: &Marker,
        items: &[Item],
        further_columns: &[String],
        fill: &(dyn Fn(usize, &Path) -> Result<(), DatasetError> + Sync),
        progress: &Progress<'_>,
    ) -> Result<(), DatasetError> {
        for split in Split::ALL {
            create_folder(&self.staging.join(split.as_str()))?;
        }
        let paths = distinct_paths(items);
        let folders: BTreeSet<PathBuf> = paths
            .iter()
            .filter_map(|path| self.staging.join(path).parent().map(Path::to_owned))
            .collect();
        folders
            .iter()
            .try_for_each(|folder| create_folder(folder))?;
        let done = AtomicUsize::new(0);
        paths.par_iter().enumerate().try_for_each(|(index, path)| {
            fill(index, &self.staging.join(path))?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, items.len());
            Ok::<(), DatasetError>(())
        })?;
        write_manifest(
            &self.staging.join(manifest::FILE_NAME),
            items,
            &paths,
            further_columns,
        )?;
        let text = serde_json::to_string_pretty(marker)
            .map_err(|error| write_error(&self.staging, error.into()))?;
        self.write_beside(MARKER, text.as_bytes())
    }

    /// Writes a further file beside the split folders.
    pub(crate) fn write_beside(&self, name: &str, bytes: &[u8]) -> Result<(), DatasetError> {
        let path = self.staging.join(name);
        fs::write(&path, bytes).map_err(|source| write_error(&path, source))
    }

    /// Makes what was written the target.
    pub(crate) fn publish(self) -> Result<(), DatasetError> {
        remove(&self.staging.join("scratch"))?;
        if self.out.exists() {
            if is_empty(&self.out)? {
                fs::remove_dir(&self.out).map_err(|source| write_error(&self.out, source))?;
            } else {
                fs::rename(&self.out, &self.old)
                    .map_err(|source| write_error(&self.out, source))?;
            }
        }
        fs::rename(&self.staging, &self.out).map_err(|source| write_error(&self.out, source))?;
        remove(&self.old)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // After a failure nothing is left lying about; after `publish` there is nothing to remove. What
        // cannot be removed now, the next run removes.
        let _ = fs::remove_dir_all(&self.staging);
    }
}

/// Waits for the folder that holds `out` and locks it. A file system without locks is written to all the same.
fn lock_parent(out: &Path) -> Result<Option<fs::File>, DatasetError> {
    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    create_folder(parent)?;
    let folder = fs::File::open(parent).map_err(|source| write_error(parent, source))?;
    Ok(folder.lock().is_ok().then_some(folder))
}

/// Path of each item; where two would be one, all but the first get the start of their digest.
fn distinct_paths(items: &[Item]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    items
        .iter()
        .map(|item| {
            let plain = format!("{}/{}/{}", item.split, item.slug, item.name);
            let mut path = plain.clone();
            let mut n = 0;
            // Names that differ in case only are one file on the disks of Windows and macOS.
            while !taken.insert(path.to_lowercase()) {
                n += 1;
                let (stem, extension) = plain.rsplit_once('.').unwrap_or((&plain, "jpg"));
                let tag = if n == 1 {
                    item.sha256[..8].to_owned()
                } else {
                    format!("{}-{n}", &item.sha256[..8])
                };
                path = format!("{stem}-{tag}.{extension}");
            }
            path
        })
        .collect()
}

fn write_manifest(
    path: &Path,
    items: &[Item],
    paths: &[String],
    further_columns: &[String],
) -> Result<(), DatasetError> {
    let failed = |error: csv::Error| write_error(path, error.into());
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|a, b| paths[*a].cmp(&paths[*b]));
    let mut writer = csv::Writer::from_path(path).map_err(failed)?;
    let header = ["path", "class", "group", "split", "sha256"]
        .into_iter()
        .chain(further_columns.iter().map(String::as_str));
    writer.write_record(header).map_err(failed)?;
    for index in order {
        let item = &items[index];
        let cells = [
            paths[index].as_str(),
            &item.slug,
            &item.group,
            item.split.as_str(),
            &item.sha256,
        ];
        writer
            .write_record(
                cells
                    .into_iter()
                    .chain(item.further.iter().map(String::as_str)),
            )
            .map_err(failed)?;
    }
    writer.flush().map_err(|source| write_error(path, source))
}

/// Which split each photograph of an earlier tree is in. Refuses a tree with photographs that its manifest
/// does not name: somebody put them there, and replacing the tree would lose them.
fn earlier_splits(out: &Path) -> Result<BTreeMap<String, Split>, DatasetError> {
    let storage = Storage::open(&out.to_string_lossy(), &BTreeMap::new())?;
    let manifest = Manifest::parse(
        &storage.read(manifest::FILE_NAME)?,
        &storage.full_path(manifest::FILE_NAME),
        manifest::DEFAULT_GROUP_COLUMN,
    )?;
    let column = |name: &str| manifest.columns.iter().position(|column| column == name);
    let (Some(split), Some(digest)) = (column("split"), column("sha256")) else {
        return Err(DatasetError::Output {
            path: out.to_owned(),
            reason: "its manifest.csv has no columns split and sha256; give a new folder"
                .to_owned(),
        });
    };
    let named: BTreeSet<&str> = manifest.rows.iter().map(|row| row.path.as_str()).collect();
    if let Some(stray) = storage
        .list()?
        .files
        .into_iter()
        .find(|file| is_photograph(&file.path) && !named.contains(file.path.as_str()))
    {
        let reason = format!(
            "{} was put there by hand and would be lost; move it to the photographs that are split",
            stray.path
        );
        return Err(DatasetError::Output {
            path: out.to_owned(),
            reason,
        });
    }
    let cells = manifest.rows.iter().filter_map(|row| {
        Some((
            row.record.get(digest)?.to_owned(),
            row.record.get(split)?.parse().ok()?,
        ))
    });
    Ok(cells.collect())
}

fn is_empty(folder: &Path) -> Result<bool, DatasetError> {
    let mut entries = fs::read_dir(folder).map_err(|source| write_error(folder, source))?;
    Ok(entries.next().is_none())
}

fn remove(folder: &Path) -> Result<(), DatasetError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(write_error(folder, error))
        }
        _ => Ok(()),
    }
}

fn create_folder(folder: &Path) -> Result<(), DatasetError> {
    fs::create_dir_all(folder).map_err(|source| write_error(folder, source))
}

pub(crate) fn write_error(path: &Path, source: std::io::Error) -> DatasetError {
    DatasetError::Write {
        path: path.to_owned(),
        source,
    }
}
