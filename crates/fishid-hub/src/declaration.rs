//! What a hub says of a file in the headers of its answer, before any byte of the file.

use reqwest::header::HeaderMap;

use crate::digest::Sha256Hex;
use crate::error::HubError;
use crate::file::HubFile;

/// The hub's own word on a file. Every part can be missing: a plain file server says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declaration {
    /// The commit that the revision stands for.
    pub commit: Option<String>,
    /// SHA-256 of a file in large-file storage. Small files carry a Git object id instead, which is
    /// no digest of their bytes and is not taken for one.
    pub sha256: Option<Sha256Hex>,
    /// Length in bytes.
    pub size: Option<u64>,
}

impl Declaration {
    /// Reads the headers of one answer of the hub.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            commit: text("x-repo-commit").map(|commit| commit.trim().to_ascii_lowercase()),
            sha256: text("x-linked-etag").and_then(|etag| Sha256Hex::parse(opaque(etag))),
            size: text("x-linked-size").and_then(|size| size.trim().parse().ok()),
        }
    }

    /// Refuses an answer for another file than the one asked for: another commit than the pinned
    /// one, or another digest than the stated one.
    pub(crate) fn answers(&self, file: &HubFile) -> Result<(), HubError> {
        if let Some(commit) = &self.commit
            && file.is_pinned()
            && !commit.eq_ignore_ascii_case(&file.revision)
        {
            return Err(HubError::OtherCommit {
                file: file.to_string(),
                declared: commit.clone(),
            });
        }
        match (&file.sha256, &self.sha256) {
            (Some(stated), Some(declared)) if stated != declared => {
                Err(HubError::OtherDigestDeclared {
                    file: file.to_string(),
                    stated: stated.clone(),
                    declared: declared.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    /// What this answer says, and where it is silent what an earlier one said.
    pub(crate) fn or(self, earlier: Self) -> Self {
        Self {
            commit: self.commit.or(earlier.commit),
            sha256: self.sha256.or(earlier.sha256),
            size: self.size.or(earlier.size),
        }
    }
}

/// An entity tag without the mark of a weak one and without quotes.
fn opaque(etag: &str) -> &str {
    let etag = etag.trim();
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &str)], expected: &Declaration) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        assert_eq!(Declaration::read(&map), *expected, "{headers:?}");
    }

    #[test]
    fn only_sixty_four_digits_are_a_digest() {
        let digest = "ab".repeat(32);
        let known = Declaration {
            sha256: Sha256Hex::parse(&digest),
            ..Declaration::default()
        };
        check(&[("x-linked-etag", &format!("\"{digest}\""))], &known);
        check(&[("x-linked-etag", &format!("W/\"{digest}\""))], &known);
        let git_object = format!("\"{}\"", "ab".repeat(20));
        check(&[("x-linked-etag", &git_object)], &Declaration::default());
        check(&[("etag", &digest)], &Declaration::default());
    }
}
