//! Backbones that fishid wrote, kept under `FISHID_HOME/backbones`: the ONNX file and the JSON beside it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fishid_network::BackboneFile;
use fishid_network::efficientnet::{Architecture, Checkpoint, write_backbone};

/// Writes published weights as a backbone, unless that was done before, and opens it.
pub fn keep_pretrained(folder: &Path, checkpoint: &Checkpoint) -> anyhow::Result<BackboneFile> {
    let digest = checkpoint.digest();
    let name = format!("{}-{}.onnx", checkpoint.architecture(), &digest[..12]);
    let path = folder.join(name);
    let is_there = |there: &BackboneFile| {
        there.weights == checkpoint.weights
            && there.weights_set.as_ref() == Some(&checkpoint.card.set)
    };
    match BackboneFile::open(&path) {
        Ok(there) if is_there(&there) => Ok(there),
        _ => write(folder, &path, checkpoint),
    }
}

/// Writes random weights whose statistics are of the photographs with this digest.
pub fn keep_random(
    folder: &Path,
    checkpoint: &Checkpoint,
    photographs: &str,
) -> anyhow::Result<BackboneFile> {
    let path = random_path(
        folder,
        checkpoint.architecture(),
        &checkpoint.weights,
        photographs,
    );
    write(folder, &path, checkpoint)
}

/// The random backbone of these photographs, if it was written before.
pub fn find_random(
    folder: &Path,
    architecture: Architecture,
    seed: u64,
    photographs: &str,
) -> Option<BackboneFile> {
    let path = random_path(folder, architecture, &format!("random:{seed}"), photographs);
    BackboneFile::open(&path).ok()
}

fn write(folder: &Path, path: &Path, checkpoint: &Checkpoint) -> anyhow::Result<BackboneFile> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    write_backbone(checkpoint).save(path)?;
    Ok(BackboneFile::open(path)?)
}

fn random_path(
    folder: &Path,
    architecture: Architecture,
    weights: &str,
    photographs: &str,
) -> PathBuf {
    let weights = weights.replace(':', "-");
    folder.join(format!(
        "{architecture}-{weights}-{}.onnx",
        &photographs[..12]
    ))
}
