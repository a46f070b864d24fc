//! Names of content: the bundle digest over all files, the model digest over what answers.
//!
//! Both are defined in `FORMAT.md` to the byte and can be recomputed with `sha256sum` and a JSON
//! library; changing either definition breaks every registry and cache, so tests pin them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::BundleError;

/// The sections of `fishid.json` that change an answer.
const ANSWERING_SECTIONS: [&str; 4] = ["calibration", "classes", "outputs", "preprocessing"];

/// One file of a bundle and its content's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileDigest {
    /// Path relative to the bundle, with `/`.
    pub path: String,
    /// SHA-256 of the content, lower-case hexadecimal.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// SHA-256 of bytes as lower-case hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// SHA-256 (lower-case hexadecimal) and size of a file, read in pieces.
pub fn sha256_file(path: &Path) -> Result<(String, u64), BundleError> {
    let mut file = File::open(path).map_err(BundleError::io("cannot open", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut bytes = 0;
    loop {
        let n = file
            .read(&mut buffer)
            .map_err(BundleError::io("cannot read", path))?;
        if n == 0 {
            return Ok((hex::encode(hasher.finalize()), bytes));
        }
        hasher.update(&buffer[..n]);
        bytes += n as u64;
    }
}

/// The bundle digest of these files: SHA-256 of `sha256`, two spaces, path, newline for each,
/// sorted by the bytes of the path.
pub fn digest_of_lines(files: &[FileDigest]) -> String {
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut hasher = Sha256::new();
    for file in files {
        hasher.update(format!("{}  {}\n", file.sha256, file.path));
    }
    hex::encode(hasher.finalize())
}

/// JSON with object keys sorted by their bytes, no white space, and text kept as UTF-8.
///
/// It does not rely on the map's own order, because a crate elsewhere in the build can switch
/// `serde_json` to insertion order.
pub fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    append_canonical(value, &mut text);
    text
}

fn append_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (i, (key, value)) in entries.into_iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                append_canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                append_canonical(item, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

/// The model digest: SHA-256 of the canonical JSON of the sections of `manifest` that change an
/// answer, together with `model_onnx`, the SHA-256 of the network.
///
/// It takes the manifest as it stands in the file, so that a reader that does not know an added
/// field still computes the digest its writer computed.
pub(crate) fn model_digest(manifest: &Value, model_onnx: &str) -> String {
    let mut sections = serde_json::Map::new();
    for name in ANSWERING_SECTIONS {
        sections.insert(
            name.to_owned(),
            manifest.get(name).cloned().unwrap_or(Value::Null),
        );
    }
    sections.insert("model_onnx".to_owned(), Value::from(model_onnx));
    sha256_hex(canonical_json(&Value::Object(sections)).as_bytes())
}

/// Paths of all files under `dir`, relative, with `/`, sorted. Links and names that are not UTF-8
/// are errors: neither survives a copy to another store.
pub(crate) fn list_files(dir: &Path) -> Result<Vec<String>, BundleError> {
    let mut files = Vec::new();
    let mut folders: Vec<(PathBuf, String)> = vec![(dir.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(BundleError::io("cannot list", &folder))? {
            let entry = entry.map_err(BundleError::io("cannot list", &folder))?;
            let path = entry.path();
            let kind = entry
                .file_type()
                .map_err(BundleError::io("cannot read", &path))?;
            let Ok(name) = entry.file_name().into_string() else {
                return Err(BundleError::malformed(&path, "its name is not UTF-8"));
            };
            let relative = format!("{prefix}{name}");
            if kind.is_dir() {
                folders.push((path, format!("{relative}/")));
            } else if kind.is_file() {
                files.push(relative);
            } else {
                return Err(BundleError::malformed(
                    &path,
                    "a bundle holds files and folders only, no links",
                ));
            }
        }
    }
    files.sort();
    Ok(files)
}
