//! Writing a bundle so that the target is either absent or complete, whatever happens meanwhile.
//!
//! Everything goes to a folder beside the target, each file and folder is flushed to disk, and one
//! rename makes the bundle appear. A killed write leaves such a folder behind; the next write to
//! the same target removes it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::bundle::Bundle;
use crate::error::BundleError;
use crate::example::{EXAMPLE_FILE, example_json};
use crate::golden::{self, EXPECTED_FILE, GoldenPhoto};
use crate::manifest::Manifest;
use crate::mlmodel::MlModel;
use crate::{
    GOLDEN_FOLDER, MANIFEST_FILE, MLMODEL_FILE, MODEL_CARD_FILE, MODEL_FILE, REPORT_FILE,
    environment, validation,
};

/// A partial folder this old has no living writer: writing takes seconds.
const ABANDONED_AFTER: Duration = Duration::from_hours(1);

/// What a bundle is made of.
#[derive(Clone, Debug)]
pub struct BundleParts {
    /// The network as an ONNX file.
    pub model_onnx: Vec<u8>,
    /// The content of `fishid.json`.
    pub manifest: Manifest,
    /// Photographs and the probabilities expected of them: 2 per class and 8 near the decision
    /// boundary, as far as the data have them.
    pub golden: Vec<GoldenPhoto>,
    /// One photograph as the network takes it, uint8 RGB of the manifest's size, for `MLflow`'s input example.
    pub input_example: Option<Vec<u8>>,
    /// The report as one self-contained page.
    pub report_html: String,
    /// The model card as Markdown.
    pub model_card: String,
}

/// Writes a bundle to `dir`, which must not exist or be an empty folder, and opens it.
///
/// # Errors
/// `InvalidParts`, `GoldenTooLarge` and `TargetNotEmpty` before anything is written; `Io` later,
/// with `dir` untouched.
pub fn write(dir: &Path, parts: BundleParts) -> Result<Bundle, BundleError> {
    if let Some(reason) = validation::first_problem(&parts.manifest) {
        return Err(BundleError::InvalidParts { reason });
    }
    if parts.model_onnx.is_empty() {
        return Err(BundleError::InvalidParts {
            reason: "the network is empty".to_owned(),
        });
    }
    golden::check_parts(&parts.golden, &parts.manifest.classes)?;
    refuse_taken(dir)?;

    let partial = PartialFolder::beside(dir)?;
    for (file, content) in files_of(parts)? {
        write_durably(&partial.path.join(file), &content)?;
    }
    sync_folder(&partial.path.join(GOLDEN_FOLDER))?;
    sync_folder(&partial.path)?;
    partial.become_target(dir)?;
    Bundle::open(dir)
}

/// Every file of the bundle, in the order it is written.
fn files_of(parts: BundleParts) -> Result<Vec<(String, Vec<u8>)>, BundleError> {
    let manifest = &parts.manifest;
    let invalid = |reason: String| BundleError::InvalidParts { reason };
    let mut mlmodel = MlModel::describing(manifest);
    if parts.input_example.is_some() {
        mlmodel = mlmodel.with_example();
    }
    let mlmodel = serde_yaml_ng::to_string(&mlmodel).map_err(|error| invalid(error.to_string()))?;
    let manifest_json = manifest_json(manifest).map_err(|error| invalid(error.to_string()))?;
    let expected = golden::expected_json(&parts.golden, &manifest.classes);
    let mut files: Vec<(String, Vec<u8>)> = vec![
        (MODEL_FILE.to_owned(), parts.model_onnx),
        (MANIFEST_FILE.to_owned(), manifest_json),
        (MLMODEL_FILE.to_owned(), mlmodel.into_bytes()),
        (
            environment::CONDA_FILE.to_owned(),
            environment::conda().into_bytes(),
        ),
        (
            environment::PYTHON_ENV_FILE.to_owned(),
            environment::python_env().into_bytes(),
        ),
        (
            environment::REQUIREMENTS_FILE.to_owned(),
            environment::requirements().into_bytes(),
        ),
        (REPORT_FILE.to_owned(), parts.report_html.into_bytes()),
        (MODEL_CARD_FILE.to_owned(), parts.model_card.into_bytes()),
        (
            format!("{GOLDEN_FOLDER}/{EXPECTED_FILE}"),
            expected.into_bytes(),
        ),
    ];
    if let Some(pixels) = &parts.input_example {
        let example = example_json(pixels, &manifest.preprocessing)?;
        files.push((EXAMPLE_FILE.to_owned(), example));
    }
    let photographs = parts.golden.into_iter();
    files.extend(photographs.map(|p| (format!("{GOLDEN_FOLDER}/{}", p.file_name), p.bytes)));
    Ok(files)
}

/// `fishid.json` as text: the manifest's fields in their own order, free-form sections by key.
fn manifest_json(manifest: &Manifest) -> Result<Vec<u8>, serde_json::Error> {
    let mut manifest = manifest.clone();
    sort_keys(&mut manifest.training);
    manifest.evaluation.values_mut().for_each(sort_keys);
    let mut text = serde_json::to_vec_pretty(&manifest)?;
    text.push(b'\n');
    Ok(text)
}

/// Sorts the keys of every object, because a crate elsewhere in the build can switch `serde_json`
/// to insertion order.
fn sort_keys(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = std::mem::take(map).into_iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            for (_, value) in &mut entries {
                sort_keys(value);
            }
            map.extend(entries);
        }
        Value::Array(items) => items.iter_mut().for_each(sort_keys),
        _ => {}
    }
}

fn refuse_taken(dir: &Path) -> Result<(), BundleError> {
    let taken = || {
        Err(BundleError::TargetNotEmpty {
            path: dir.to_owned(),
        })
    };
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BundleError::io("cannot look at", dir)(error)),
        Ok(metadata) if !metadata.is_dir() => taken(),
        Ok(_) => {
            let mut entries = fs::read_dir(dir).map_err(BundleError::io("cannot list", dir))?;
            if entries.next().is_some() {
                taken()
            } else {
                Ok(())
            }
        }
    }
}

fn write_durably(path: &Path, content: &[u8]) -> Result<(), BundleError> {
    let mut file = File::create_new(path).map_err(BundleError::io("cannot create", path))?;
    file.write_all(content)
        .map_err(BundleError::io("cannot write", path))?;
    file.sync_all()
        .map_err(BundleError::io("cannot flush", path))
}

fn sync_folder(path: &Path) -> Result<(), BundleError> {
    let folder = File::open(path).map_err(BundleError::io("cannot open", path))?;
    folder
        .sync_all()
        .map_err(BundleError::io("cannot flush", path))
}

/// The folder a bundle is built in; removed again unless it became the target.
struct PartialFolder {
    path: PathBuf,
    parent: PathBuf,
}

impl PartialFolder {
    fn beside(target: &Path) -> Result<Self, BundleError> {
        static SEQUENCE: AtomicU32 = AtomicU32::new(0);
        let Some(name) = target.file_name().and_then(|name| name.to_str()) else {
            return Err(BundleError::InvalidParts {
                reason: format!("{} is no name for a new folder", target.display()),
            });
        };
        let parent = match target.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent).map_err(BundleError::io("cannot create", &parent))?;
        let prefix = format!(".{name}.partial-");
        remove_abandoned(&parent, &prefix);
        let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{prefix}{}-{sequence}", std::process::id()));
        // A folder of this very name can only be of a dead process whose number came round again.
        if path.exists() {
            fs::remove_dir_all(&path).map_err(BundleError::io("cannot remove", &path))?;
        }
        let golden = path.join(GOLDEN_FOLDER);
        fs::create_dir_all(&golden).map_err(BundleError::io("cannot create", &golden))?;
        Ok(Self { path, parent })
    }

    fn become_target(self, target: &Path) -> Result<(), BundleError> {
        fs::rename(&self.path, target).map_err(|error| match error.kind() {
            // Somebody else put something there since it was checked.
            io::ErrorKind::DirectoryNotEmpty
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotADirectory => BundleError::TargetNotEmpty {
                path: target.to_owned(),
            },
            _ => BundleError::io("cannot move the finished bundle to", target)(error),
        })?;
        sync_folder(&self.parent)
    }
}

impl Drop for PartialFolder {
    fn drop(&mut self) {
        // Gone already when it became the target; otherwise what cannot be removed now is removed
        // by a later write.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what killed writes to the same target left behind. Failing to is harmless.
fn remove_abandoned(parent: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let is_partial = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(prefix));
        let age = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if is_partial && age.is_some_and(|age| age > ABANDONED_AFTER) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
