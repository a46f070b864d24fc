//! The files of a version that another program registered: no tag says what they are to be, so all of them
//! are fetched as the server lists them. What they mean is the caller's matter.

use std::path::Path;

use super::artifacts::Artifacts;
use super::error::MlflowError;
use super::model::RemoteModel;
use super::transfer::Sink;
use super::wire::ModelVersion;
use crate::error::RegistryError;
use crate::folder::durable::create_folders;
use crate::names::check_artifact;

/// More than a model with its weights and its papers has.
const MAX_FILES: usize = 1000;
const MAX_BYTES: u64 = 8_000_000_000;

/// Downloads the files of a version into `target`, a folder that is not there yet.
pub(crate) fn fetch(
    model: &RemoteModel,
    version: &ModelVersion,
    target: &Path,
) -> Result<(), RegistryError> {
    let what = format!("version {} of {}", version.version, model.name);
    let unusable = |reason: String| MlflowError::Unusable {
        what: what.clone(),
        reason,
    };
    let folder = Artifacts::at(&model.client, &model.source_of(version)?, &what)?;
    let files = folder.list()?;
    let bytes = files.values().fold(0_u64, |sum, n| sum.saturating_add(*n));
    if files.is_empty() {
        return Err(unusable("the server lists no files of it".to_owned()).into());
    }
    if files.len() > MAX_FILES || bytes > MAX_BYTES {
        let reason = format!("{} files of {bytes} bytes are too many", files.len());
        return Err(unusable(reason).into());
    }
    // A server's names must not lead out of the folder: all are looked at before anything is made.
    for path in files.keys() {
        check_artifact(path)?;
    }
    create_folders(target)?;
    for (path, length) in &files {
        let file = target.join(path);
        if let Some(parent) = file.parent() {
            create_folders(parent)?;
        }
        let sink = Sink::file(&file).map_err(RegistryError::io("cannot write", &file))?;
        let sink = folder.download(path, sink)?;
        match sink.map(|sink| sink.length()) {
            Some(found) if found == *length => {}
            found => {
                let reason = format!(
                    "of its file {path} {} of {length} bytes came",
                    found.unwrap_or(0)
                );
                return Err(unusable(reason).into());
            }
        }
    }
    Ok(())
}
