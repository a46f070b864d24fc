//! Everything that stops work on a data set. What can be lived with is a [`crate::Problem`] instead.

use std::path::PathBuf;

use fishid_storage::StorageError;

use crate::Split;

const LAYOUT: &str = "expected DIR/<species>/<photographs>, or DIR/train, DIR/val and DIR/test of such species folders \
                      (for example DIR/perca_fluviatilis/0001.jpg)";

/// Why a data set cannot be opened, read, split or imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The folder does not exist.
    #[error("{location} does not exist; give a folder of species folders, or s3://bucket/prefix")]
    Missing {
        /// What was asked for.
        location: String,
    },
    /// The path is a file.
    #[error(
        "{location} is a file, not a folder; for an archive run `fishid data import {location} DIR` first"
    )]
    NotAFolder {
        /// What was asked for.
        location: String,
    },
    /// A scheme other than a folder or `s3://`.
    #[error(
        "{location} is not a place photographs are read from; give a folder or s3://bucket/prefix"
    )]
    UnknownScheme {
        /// What was asked for.
        location: String,
    },
    /// No photograph at all.
    #[error("{location} holds no photographs (.jpg, .jpeg, .png, .webp); {LAYOUT}")]
    Empty {
        /// What was asked for.
        location: String,
    },
    /// Photographs, but no class folders.
    #[error("{location} holds photographs ({example}), but no species folders; {LAYOUT}")]
    NoClassFolders {
        /// What was asked for.
        location: String,
        /// One of the photographs.
        example: String,
    },
    /// Split folders and class folders side by side.
    #[error("{location} mixes split folders ({split}) with species folders ({class}); {LAYOUT}")]
    MixedLayout {
        /// What was asked for.
        location: String,
        /// One of the split folders.
        split: String,
        /// One of the other folders.
        class: String,
    },
    /// The data set stands one folder deeper.
    #[error("{location} is one folder too high: the splits are in {inner}; give that folder")]
    OneFolderTooHigh {
        /// What was asked for.
        location: String,
        /// The folder to give instead.
        inner: String,
    },
    /// A split that was asked for has no photographs.
    #[error(
        "{location} has no photographs in {split}/; `fishid data split` makes the folders train, val and test"
    )]
    NoSuchSplit {
        /// What was asked for.
        location: String,
        /// The split asked for.
        split: Split,
    },
    /// `manifest.csv` cannot be used at all.
    #[error("{path}, line {line}: {reason}")]
    Manifest {
        /// The manifest.
        path: String,
        /// Line in the file, from 1.
        line: u64,
        /// What is wrong, with the remedy.
        reason: String,
    },
    /// The group column asked for does not exist.
    #[error("{path} has no column `{column}`; its columns are {columns}")]
    NoGroupColumn {
        /// The manifest.
        path: String,
        /// The column asked for.
        column: String,
        /// The columns there are.
        columns: String,
    },
    /// Reading failed.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// What was read.
        path: String,
        /// Why it failed.
        reason: String,
    },
    /// Writing failed.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// What was written.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// S3 cannot be used as it is configured.
    #[error("cannot use {location}: {reason}")]
    Storage {
        /// What was asked for.
        location: String,
        /// What is wrong.
        reason: String,
    },
    /// Not all of the data set could be listed, so nobody can say what it consists of.
    #[error(
        "{location} is not locked, for not all of it can be listed: {reason}; give it a name or the permissions that let it be read, or take it out"
    )]
    NotWhole {
        /// What was asked for.
        location: String,
        /// What could not be listed.
        reason: String,
    },
    /// Files were written while they were read.
    #[error(
        "{location} changed while its photographs were read{example}; lock it again when nothing writes there"
    )]
    Changing {
        /// What was asked for.
        location: String,
        /// One of the photographs that came or went.
        example: String,
    },
    /// A lock that is none, is of another format, damaged or in the way.
    #[error("{}: {reason}", path.display())]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// What is wrong, with the remedy.
        reason: String,
    },
    /// Any other trouble with the place of the files.
    #[error(transparent)]
    Unusable(StorageError),
    /// The output cannot be used.
    #[error("cannot write into {}: {reason}", path.display())]
    Output {
        /// The folder asked for.
        path: PathBuf,
        /// What is wrong, with the remedy.
        reason: String,
    },
    /// Ratios that are not three shares.
    #[error("`{text}` is not a ratio; give three shares of train/val/test such as 80/10/10")]
    Ratios {
        /// What was given.
        text: String,
    },
    /// An archive that is broken or dangerous.
    #[error("{archive}: {reason}")]
    Archive {
        /// The archive.
        archive: String,
        /// What is wrong.
        reason: String,
    },
}

/// Said again where a data set can say more than a place for files: what is expected there.
impl From<StorageError> for DatasetError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Missing { location } => Self::Missing { location },
            StorageError::NotAFolder { location } => Self::NotAFolder { location },
            StorageError::UnknownScheme { location } => Self::UnknownScheme { location },
            StorageError::Read { path, reason } => Self::Read { path, reason },
            StorageError::S3 { path, problem } => Self::Storage {
                location: path,
                reason: problem.to_string(),
            },
            StorageError::Settings { location, reason }
            | StorageError::List { location, reason } => Self::Storage { location, reason },
            other => Self::Unusable(other),
        }
    }
}
