//! Which file of which repository at which revision, and the digest it must have.

use std::fmt;

use crate::digest::Sha256Hex;
use crate::error::HubError;

/// One file of a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFile {
    /// `owner/name`, such as `timm/tf_efficientnet_b4.ns_jft_in1k`.
    pub repository: String,
    /// A commit of 40 hex digits, or the name of a branch or tag such as `main`.
    pub revision: String,
    /// Path inside the repository, such as `model.safetensors`.
    pub file: String,
    /// The digest the file must have, where it is known from elsewhere. Without it the first
    /// download is held against what the hub itself declares.
    pub sha256: Option<Sha256Hex>,
}

impl HubFile {
    /// A file whose digest nobody stated.
    pub fn new(repository: &str, revision: &str, file: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            revision: revision.to_owned(),
            file: file.to_owned(),
            sha256: None,
        }
    }

    /// The same file, held against this digest.
    #[must_use]
    pub fn with_sha256(mut self, sha256: Sha256Hex) -> Self {
        self.sha256 = Some(sha256);
        self
    }

    /// Whether the revision is a commit, which cannot move, and not a branch or tag, which can.
    pub fn is_pinned(&self) -> bool {
        self.revision.len() == 40 && self.revision.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// Refuses names that would leave the cache folder or the repository.
    pub(crate) fn validate(&self) -> Result<(), HubError> {
        let broken = |reason: &str| HubError::InvalidFile {
            file: self.to_string(),
            reason: reason.to_owned(),
        };
        let parts = self.repository.split('/').collect::<Vec<_>>();
        if parts.len() != 2 || !parts.iter().all(|part| is_plain(part)) {
            return Err(broken("a repository is written owner/name"));
        }
        if !self.revision.split('/').all(is_plain) {
            return Err(broken("a revision is a commit, a branch or a tag"));
        }
        if !self.file.split('/').all(is_plain) {
            return Err(broken("a file is a relative path inside the repository"));
        }
        Ok(())
    }

    /// Path of the file under a hub's address, without the slash before it.
    pub(crate) fn url_path(&self) -> String {
        format!(
            "{}/resolve/{}/{}",
            self.repository,
            self.revision.replace('/', "%2F"),
            self.file
        )
    }
}

/// A path component that neither climbs nor hides nor needs escaping.
fn is_plain(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with('.')
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

impl fmt::Display for HubFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}@{}", self.file, self.repository, self.revision)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leaves_the_cache_is_refused() {
        for (repository, revision, file) in [
            ("timm", "main", "model.safetensors"),
            ("timm/../x", "main", "model.safetensors"),
            ("../x", "main", "model.safetensors"),
            ("timm/b0", "..", "model.safetensors"),
            ("timm/b0", "", "model.safetensors"),
            ("timm/b0", "main", "../../passwd"),
            ("timm/b0", "main", "/etc/passwd"),
            ("timm/b0", "main", "a?b"),
        ] {
            let refused = HubFile::new(repository, revision, file).validate();
            assert!(refused.is_err(), "{repository} {revision} {file}");
        }
    }

    #[test]
    fn a_pull_request_revision_keeps_its_slashes_out_of_the_path() {
        let file = HubFile::new("timm/b0.ra_in1k", "refs/pr/1", "onnx/model.onnx");
        file.validate().unwrap();
        let expected = "timm/b0.ra_in1k/resolve/refs%2Fpr%2F1/onnx/model.onnx";
        assert_eq!(file.url_path(), expected);
    }

    #[test]
    fn only_a_whole_commit_is_a_pin() {
        let commit = "40be4c2e3f4a91b2d9772137bfc2ea959e6e5260";
        assert!(HubFile::new("a/b", commit, "c").is_pinned());
        assert!(!HubFile::new("a/b", &commit[..12], "c").is_pinned());
        assert!(!HubFile::new("a/b", "main", "c").is_pinned());
    }
}
