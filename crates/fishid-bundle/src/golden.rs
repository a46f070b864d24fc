//! Golden photographs: a few photographs and the probabilities expected of them, kept in the
//! bundle so that whoever loads the model can prove that it answers as it did when it was made.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::GOLDEN_FOLDER;
use crate::digest::sha256_hex;
use crate::error::BundleError;
use crate::manifest::Class;

/// The most bytes `golden/` may take, photographs and expectations together.
pub const MAX_GOLDEN_BYTES: u64 = 2_000_000;

/// Name of the expectations inside `golden/`.
pub(crate) const EXPECTED_FILE: &str = "expected.json";

/// How far the probabilities of one photograph may be from summing to 1.
const SUM_TOLERANCE: f32 = 1e-3;

/// One photograph and what the model must say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct GoldenPhoto {
    /// Name inside `golden/`: letters, digits, `.`, `_`, `-`.
    pub file_name: String,
    /// The photograph as a JPEG, PNG or WebP file.
    pub bytes: Vec<u8>,
    /// Expected probabilities in the order of the manifest's classes.
    pub probabilities: Vec<f32>,
}

/// `golden/expected.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Expected {
    /// Slugs in the order of the probabilities.
    pub classes: Vec<String>,
    pub photographs: Vec<ExpectedPhoto>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExpectedPhoto {
    pub file: String,
    pub sha256: String,
    pub probabilities: Vec<f32>,
}

/// Bytes that `golden/` will take with these photographs; at most [`MAX_GOLDEN_BYTES`] is written.
pub fn golden_size(photos: &[GoldenPhoto], classes: &[Class]) -> u64 {
    let photographs: u64 = photos.iter().map(|photo| photo.bytes.len() as u64).sum();
    photographs + expected_json(photos, classes).len() as u64
}

/// The text of `expected.json`: one line per photograph, so that a difference can be read.
pub(crate) fn expected_json(photos: &[GoldenPhoto], classes: &[Class]) -> String {
    let slugs: Vec<&str> = classes.iter().map(|class| class.slug.as_str()).collect();
    let lines: Vec<String> = photos
        .iter()
        .map(|photo| {
            format!(
                "    {{\"file\": {}, \"sha256\": \"{}\", \"probabilities\": {}}}",
                serde_json::json!(photo.file_name),
                sha256_hex(&photo.bytes),
                numbers(&photo.probabilities),
            )
        })
        .collect();
    format!(
        "{{\n  \"classes\": {},\n  \"photographs\": [\n{}\n  ]\n}}\n",
        serde_json::json!(slugs),
        lines.join(",\n"),
    )
}

/// Each number in the fewest digits that read back as the same f32 (`{:?}`); by way of f64 the
/// file would be twice as long and say nothing more.
fn numbers(values: &[f32]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    format!("[{}]", values.join(", "))
}

/// Checks what a writer was given. Errors name the photograph.
pub(crate) fn check_parts(photos: &[GoldenPhoto], classes: &[Class]) -> Result<(), BundleError> {
    let invalid = |reason: String| Err(BundleError::InvalidParts { reason });
    if photos.is_empty() {
        return invalid("there are no golden photographs, and without them nothing can prove the model after loading".to_owned());
    }
    let mut seen = BTreeSet::new();
    for photo in photos {
        if let Err(reason) = check_name(&photo.file_name) {
            return invalid(reason);
        }
        if !seen.insert(photo.file_name.to_lowercase()) {
            return invalid(format!(
                "two golden photographs are called {}",
                photo.file_name
            ));
        }
        if photo.bytes.is_empty() {
            return invalid(format!(
                "the golden photograph {} is empty",
                photo.file_name
            ));
        }
        if let Err(reason) = check_probabilities(&photo.probabilities, classes.len()) {
            return invalid(format!(
                "the golden photograph {}: {reason}",
                photo.file_name
            ));
        }
    }
    let bytes = golden_size(photos, classes);
    if bytes > MAX_GOLDEN_BYTES {
        return Err(BundleError::GoldenTooLarge {
            bytes,
            limit: MAX_GOLDEN_BYTES,
        });
    }
    Ok(())
}

/// A name that is one file inside `golden/` on every system: it can neither leave the folder nor
/// hide in it.
fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 120 || name.starts_with('.') || !name.chars().all(is_plain) {
        return Err(format!(
            "{name:?} cannot be the name of a golden photograph: use up to 120 bytes of letters, digits, '.', '_' and '-', not starting with '.'"
        ));
    }
    if name.eq_ignore_ascii_case(EXPECTED_FILE) {
        return Err(format!(
            "{EXPECTED_FILE} is the name of the expectations, not of a golden photograph"
        ));
    }
    Ok(())
}

fn check_probabilities(probabilities: &[f32], n_classes: usize) -> Result<(), String> {
    if probabilities.len() != n_classes {
        return Err(format!(
            "{} probabilities for {n_classes} classes",
            probabilities.len()
        ));
    }
    if let Some(bad) = probabilities.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(format!("{bad} is not a probability"));
    }
    let sum: f32 = probabilities.iter().sum();
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        return Err(format!("the probabilities sum to {sum}, not to 1"));
    }
    Ok(())
}

/// Reads `golden/` of the bundle `dir` and checks all of it against `classes`.
pub(crate) fn read(dir: &Path, classes: &[Class]) -> Result<Vec<GoldenPhoto>, BundleError> {
    let folder = dir.join(GOLDEN_FOLDER);
    let path = folder.join(EXPECTED_FILE);
    let text = std::fs::read(&path).map_err(BundleError::io("cannot read", &path))?;
    let expected: Expected = serde_json::from_slice(&text)
        .map_err(|error| BundleError::malformed(&path, error.to_string()))?;
    if !expected
        .classes
        .iter()
        .eq(classes.iter().map(|class| &class.slug))
    {
        return Err(BundleError::inconsistent(
            &path,
            "its classes are not those of fishid.json",
        ));
    }
    let mut photos = Vec::with_capacity(expected.photographs.len());
    let mut bytes = text.len() as u64;
    for entry in expected.photographs {
        // The name is checked before it becomes a path: the file may come from anywhere.
        check_name(&entry.file).map_err(|reason| BundleError::malformed(&path, reason))?;
        check_probabilities(&entry.probabilities, classes.len()).map_err(|reason| {
            BundleError::inconsistent(&path, format!("{}: {reason}", entry.file))
        })?;
        let file = folder.join(&entry.file);
        let size = std::fs::metadata(&file)
            .map_err(BundleError::io("cannot read", &file))?
            .len();
        bytes += size;
        if bytes > MAX_GOLDEN_BYTES {
            return Err(BundleError::GoldenTooLarge {
                bytes,
                limit: MAX_GOLDEN_BYTES,
            });
        }
        let content = std::fs::read(&file).map_err(BundleError::io("cannot read", &file))?;
        if sha256_hex(&content) != entry.sha256 {
            return Err(BundleError::inconsistent(
                &file,
                format!("its content is not the one {EXPECTED_FILE} was written for"),
            ));
        }
        photos.push(GoldenPhoto {
            file_name: entry.file,
            bytes: content,
            probabilities: entry.probabilities,
        });
    }
    if photos.is_empty() {
        return Err(BundleError::inconsistent(&path, "it names no photographs"));
    }
    Ok(photos)
}
