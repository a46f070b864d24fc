//! What a data set consists of, photograph by photograph, and the one digest of the whole that bundles, runs
//! and locks carry. Knows no files: whoever has read the photographs hands in their digests.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::photograph::{Photograph, Split};

/// One photograph as the data digest sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Path relative to the data set.
    pub path: String,
    /// SHA-256 of the file in hex; empty for a file that could not be read.
    pub sha256: String,
    /// Name of the class folder.
    pub class: String,
    /// The group of its row in `manifest.csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The split folder it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

impl Content {
    pub(crate) fn of(photograph: &Photograph, sha256: &str) -> Self {
        Self {
            path: photograph.path.clone(),
            sha256: sha256.to_owned(),
            class: photograph.class.clone(),
            group: photograph.group.clone(),
            split: photograph.split,
        }
    }
}

/// Data digest: SHA-256 over path, photograph digest, class, group and split of every photograph, in the
/// order of the paths. Each field stands behind its length in bytes (64 bits, little-endian), so that no
/// field can pass for two; a photograph without group or split has the empty text there.
pub fn data_digest<C: Borrow<Content>>(contents: impl IntoIterator<Item = C>) -> String {
    let mut hasher = Sha256::new();
    for content in contents {
        let content = content.borrow();
        let (group, split) = (
            content.group.as_deref().unwrap_or_default(),
            content.split.map_or("", Split::as_str),
        );
        for field in [
            content.path.as_str(),
            &content.sha256,
            &content.class,
            group,
            split,
        ] {
            hasher.update((field.len() as u64).to_le_bytes());
            hasher.update(field.as_bytes());
        }
    }
    hex::encode(hasher.finalize())
}

/// Class → photographs.
pub(crate) fn class_counts<'a>(
    contents: impl IntoIterator<Item = &'a Content>,
) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for content in contents {
        *counts.entry(content.class.clone()).or_default() += 1;
    }
    counts
}
