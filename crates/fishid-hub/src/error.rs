//! Why a file could not be had, in words that name it and the remedy. No message carries a token or
//! the query of an address, which on storage hosts is a signature.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::digest::Sha256Hex;

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what its fields are")]
pub enum HubError {
    #[error("{file} is no file of a hub: {reason}")]
    InvalidFile { file: String, reason: String },
    #[error("{url:?} is no address of a hub: {reason}. Write it like https://huggingface.co")]
    InvalidAddress { url: String, reason: String },
    #[error(
        "no HTTPS client can be made on this machine: {reason}. Are its certificates installed?"
    )]
    Client { reason: String },

    #[error(
        "cannot reach {host}: {reason}. Check the network, set HF_ENDPOINT to a mirror, or download {file} elsewhere and give it with --weights FILE"
    )]
    Unreachable {
        host: String,
        reason: String,
        file: String,
    },
    #[error("{host} sent nothing of {file} for {waited:?}")]
    Stalled {
        host: String,
        file: String,
        waited: Duration,
    },
    #[error("the connection to {host} was cut after {received} bytes of {file}: {reason}")]
    Cut {
        host: String,
        file: String,
        received: u64,
        reason: String,
    },
    #[error(
        "{file} did not arrive within {limit:?}; what came is kept and the next try goes on from there"
    )]
    OutOfTime { file: String, limit: Duration },
    #[error("gave up on {file} after {attempts} attempts{kept}. The last one: {last}")]
    GaveUp {
        file: String,
        attempts: u32,
        kept: String,
        last: Box<Self>,
    },

    #[error("{host} has no {file}{code}. Check the names of repository, revision and file")]
    NotFound {
        host: String,
        file: String,
        code: String,
    },
    #[error("{host} does not give {file} to {who} ({status}{code}). {remedy}")]
    Denied {
        host: String,
        file: String,
        status: u16,
        who: &'static str,
        code: String,
        remedy: &'static str,
    },
    #[error("{host} takes no more requests for now{when}; {file} was not downloaded. {remedy}")]
    TooManyRequests {
        host: String,
        file: String,
        when: String,
        remedy: &'static str,
    },
    #[error("{host} answered {status} to the request for {file}")]
    Status {
        host: String,
        file: String,
        status: u16,
    },
    #[error("{host} redirects the request for {file} {problem}")]
    Redirect {
        host: String,
        file: String,
        problem: String,
    },

    #[error(
        "{host} declares no SHA-256 for {file}, and none is known, so a download could not be verified. Use the hub itself or a mirror that passes on its X-Linked-Etag header, or give the file yourself"
    )]
    Undeclared { host: String, file: String },
    #[error(
        "the hub answers with commit {declared} where {file} was asked for. Nothing was downloaded; if a mirror is set, try the hub itself"
    )]
    OtherCommit { file: String, declared: String },
    #[error(
        "{file} must have SHA-256 {stated}, but the hub declares {declared}. Nothing was downloaded; if a mirror is set, try the hub itself"
    )]
    OtherDigestDeclared {
        file: String,
        stated: Sha256Hex,
        declared: Sha256Hex,
    },
    #[error(
        "{file} must have SHA-256 {expected}, but what arrived has {found}. It was deleted; if a mirror is set, try the hub itself"
    )]
    WrongDigest {
        file: String,
        expected: Sha256Hex,
        found: Sha256Hex,
    },
    #[error(
        "{file} was first downloaded with SHA-256 {recorded}, but {by} {now}. The cache was left as it is. If the change is meant, delete {} and the file beside it", .record.display()
    )]
    Changed {
        file: String,
        recorded: Sha256Hex,
        now: Sha256Hex,
        by: &'static str,
        record: PathBuf,
    },
    #[error(
        "{file} should have {declared} bytes, but {host} sends {served}. Nothing of it was kept; if a mirror is set, try the hub itself"
    )]
    WrongSize {
        host: String,
        file: String,
        declared: u64,
        served: u64,
    },

    #[error("the disk is full: {} could not be written{needed}. Free some space; what came is kept and the next try goes on from there", .path.display())]
    DiskFull { path: PathBuf, needed: String },
    #[error("cannot {action} {}: {source}. Is the cache folder writable?", .path.display())]
    Cache {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "{} is not what was downloaded: its SHA-256 is no longer {recorded}. Delete it, or fetch it again where there is a network", .path.display()
    )]
    Damaged { path: PathBuf, recorded: Sha256Hex },
    #[error("{} is no record of a download: {reason}. Delete it and the file beside it", .path.display())]
    BrokenRecord { path: PathBuf, reason: String },
}

impl HubError {
    /// Whether the hub could not be asked at all, as on a machine without a network.
    pub fn is_offline(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::OutOfTime { .. } | Self::Stalled { .. } => true,
            Self::GaveUp { last, .. } => last.is_offline(),
            _ => false,
        }
    }

    /// Whether the file can simply not be had here and now: no network, no hub, a hub that refuses or does not know it.
    /// Bytes or names that contradict what is known of the file are something else, and so is a disk that fails.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Client { .. }
            | Self::Unreachable { .. }
            | Self::Stalled { .. }
            | Self::Cut { .. }
            | Self::OutOfTime { .. }
            | Self::NotFound { .. }
            | Self::Denied { .. }
            | Self::TooManyRequests { .. }
            | Self::Status { .. }
            | Self::Redirect { .. }
            | Self::Undeclared { .. } => true,
            Self::GaveUp { last, .. } => last.is_unavailable(),
            Self::InvalidFile { .. }
            | Self::InvalidAddress { .. }
            | Self::OtherCommit { .. }
            | Self::OtherDigestDeclared { .. }
            | Self::WrongDigest { .. }
            | Self::Changed { .. }
            | Self::WrongSize { .. }
            | Self::DiskFull { .. }
            | Self::Cache { .. }
            | Self::Damaged { .. }
            | Self::BrokenRecord { .. } => false,
        }
    }

    /// An error of the disk at `path`.
    pub(crate) fn cache(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull {
                path: path.to_owned(),
                needed: String::new(),
            },
            _ => Self::Cache {
                action,
                path: path.to_owned(),
                source,
            },
        }
    }

    /// The same error, with the length of the file where that explains a full disk.
    #[must_use]
    pub(crate) fn for_size(self, size: Option<u64>) -> Self {
        match (self, size) {
            (Self::DiskFull { path, .. }, Some(size)) => Self::DiskFull {
                path,
                needed: format!(" (the whole file has {size} bytes)"),
            },
            (other, _) => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_with_what_the_file_needs() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = HubError::cache("write", Path::new("/cache/x.part"))(full).for_size(Some(75));
        let text = error.to_string();
        assert!(text.contains("disk is full"), "{text}");
        assert!(text.contains("/cache/x.part"), "{text}");
        assert!(text.contains("75 bytes"), "{text}");
    }

    #[test]
    fn an_unwritable_cache_is_named() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = HubError::cache("create", Path::new("/cache"))(denied);
        assert!(error.to_string().starts_with("cannot create /cache"));
    }
}
