//! Backbones that fishid wrote, kept under `FISHID_HOME/backbones`: the ONNX file and the JSON beside it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fishid_network::BackboneFile;
use fishid_network::efficientnet::{Architecture, BackboneFiles, Checkpoint, write_backbone};

use super::proof::prove;

/// Which way of drawing random weights is in a file's name: another way must not find the files of this one.
const RANDOM_WAY: u32 = 1;

/// Writes weights as a backbone, unless the very same files are there, and opens it. What is there is compared and
/// not trusted: a corrected card or writer gives other files for the same weights.
pub fn keep_pretrained(folder: &Path, checkpoint: &Checkpoint) -> anyhow::Result<BackboneFile> {
    let digest = checkpoint.digest();
    let name = format!("{}-{}.onnx", checkpoint.architecture(), &digest[..12]);
    let path = folder.join(name);
    let files = write_backbone(checkpoint);
    let is_there =
        |path: &Path, bytes: &[u8]| std::fs::read(path).is_ok_and(|there| there == bytes);
    if is_there(&path.with_extension("json"), files.sidecar.as_bytes())
        && is_there(&path, &files.onnx)
    {
        return Ok(BackboneFile::open(&path)?);
    }
    put(folder, &path, &files, &checkpoint.weights)
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
    put(
        folder,
        &path,
        &write_backbone(checkpoint),
        &checkpoint.weights,
    )
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

fn put(
    folder: &Path,
    path: &Path,
    files: &BackboneFiles,
    weights: &str,
) -> anyhow::Result<BackboneFile> {
    prove(files, weights)?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    files.save(path)?;
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
        "{architecture}-{weights}-way{RANDOM_WAY}-{}.onnx",
        &photographs[..12]
    ))
}
