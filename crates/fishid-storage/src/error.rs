//! Why files cannot be reached. Each names the place and what to do about it; none shows a secret.

use crate::s3::S3Problem;

/// Why a place cannot be opened, or a file in it read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The folder does not exist.
    #[error("{location} does not exist; create it, or give another folder or s3://bucket/prefix")]
    Missing {
        /// What was asked for.
        location: String,
    },
    /// The path is a file.
    #[error("{location} is a file, not a folder; give the folder that holds it")]
    NotAFolder {
        /// What was asked for.
        location: String,
    },
    /// A scheme other than a folder or `s3://`.
    #[error("{location} is not a place files are kept in; give a folder or s3://bucket/prefix")]
    UnknownScheme {
        /// What was asked for.
        location: String,
    },
    /// The location or a setting of it cannot be understood.
    #[error("cannot use {location}: {reason}")]
    Settings {
        /// What was asked for.
        location: String,
        /// What is wrong, with the remedy.
        reason: String,
    },
    /// Listing failed.
    #[error("cannot list {location}: {reason}")]
    List {
        /// What was listed.
        location: String,
        /// Why it failed.
        reason: String,
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
    #[error("cannot write {path}: {reason}")]
    Write {
        /// What was written.
        path: String,
        /// Why it failed.
        reason: String,
    },
    /// A file that is not what it should be.
    #[error(
        "{path} has SHA-256 {found}, expected {expected}; it was damaged or replaced: store it again"
    )]
    Corrupted {
        /// The file.
        path: String,
        /// Hex digest it should have.
        expected: String,
        /// Hex digest of what arrived.
        found: String,
    },
    /// S3 refused or did not answer, for a reason that is known.
    #[error("cannot use {path}: {problem}")]
    S3 {
        /// The object or prefix.
        path: String,
        /// What is wrong.
        problem: S3Problem,
    },
}

/// An error with its causes in one line: the outer ones of `object_store` rarely say what happened.
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
