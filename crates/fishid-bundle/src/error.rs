//! What can be wrong with a bundle, in words that name the file and the remedy.

use std::io;
use std::path::{Path, PathBuf};

/// Why a bundle could not be written, opened or verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The folder is no bundle at all.
    #[error("{} is not a model bundle: it has no fishid.json. Name a folder made by `fishid train --out`", .dir.display())]
    NotABundle {
        /// The folder that was asked for.
        dir: PathBuf,
    },
    /// A file that every bundle has is not there.
    #[error("the bundle {} is incomplete: {file} is missing. Copy the bundle again or train it anew", .dir.display())]
    MissingFile {
        /// The bundle.
        dir: PathBuf,
        /// The missing file, relative to the bundle.
        file: String,
    },
    /// The bundle was written by a newer fishid.
    #[error("{} has schema_version {found}, this fishid reads up to {supported}. Use a newer fishid, or train the bundle with this one", .path.display())]
    UnknownSchema {
        /// The manifest.
        path: PathBuf,
        /// The version found.
        found: u64,
        /// The newest version this build reads.
        supported: u32,
    },
    /// A file is there but is not what it should be.
    #[error("{} cannot be read: {reason}. Copy the bundle again or train it anew", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Two files of the bundle contradict each other.
    #[error("{} does not fit the rest of the bundle: {reason}. Copy the bundle again or train it anew", .path.display())]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// The contradiction.
        reason: String,
    },
    /// The parts handed to the writer make no valid bundle.
    #[error("cannot write a bundle: {reason}")]
    InvalidParts {
        /// What is wrong with them.
        reason: String,
    },
    /// The golden photographs are larger than a bundle may carry.
    #[error(
        "the golden photographs take {bytes} bytes, a bundle carries at most {limit}. Choose fewer or encode them smaller"
    )]
    GoldenTooLarge {
        /// Size of the folder `golden/`.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The target of a write is already taken.
    #[error("{} already exists and is not an empty folder. Choose another --out or remove it first", .path.display())]
    TargetNotEmpty {
        /// The target.
        path: PathBuf,
    },
    /// A folder of another program holds no ONNX model that could be adopted.
    #[error("{}: {reason}", .path.display())]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// What is missing, with the remedy.
        reason: String,
    },
    /// The operating system refused.
    #[error("{action} {}: {source}", .path.display())]
    Io {
        /// What was being done, such as `cannot read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl BundleError {
    /// A closure for `map_err` that adds the path and what was being done.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn inconsistent(path: &Path, reason: impl Into<String>) -> Self {
        Self::Inconsistent {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
