//! The list of a version's files: `sha256  path`, a line each, sorted by path. It lies beside the folder of
//! the files, and its own SHA-256 is the bundle digest, so the version's tag vouches for every file.

use fishid_bundle::FileDigest;
use sha2::{Digest as _, Sha256};

use crate::names::check_artifact;

/// The list as text.
pub(crate) fn write(files: &[FileDigest]) -> String {
    let mut files: Vec<&FileDigest> = files.iter().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
        .iter()
        .map(|file| format!("{}  {}\n", file.sha256, file.path))
        .collect()
}

/// Path and digest of every file in a list whose own digest is `expected`.
pub(crate) fn read(text: &[u8], expected: &str) -> Result<Vec<(String, String)>, String> {
    let found = hex::encode(Sha256::digest(text));
    if found != expected {
        return Err("its list of files is not the one that was published".to_owned());
    }
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    text.lines()
        .map(|line| {
            let (sha256, path) = line
                .split_once("  ")
                .ok_or_else(|| format!("its list of files has the line {line:?}"))?;
            // The list vouches for content, not for the good will of who made it.
            check_artifact(path).map_err(|error| error.to_string())?;
            Ok((path.to_owned(), sha256.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fishid_bundle::digest_of_lines;

    use super::*;

    fn file(path: &str) -> FileDigest {
        FileDigest {
            path: path.to_owned(),
            sha256: hex::encode(Sha256::digest(path)),
            bytes: 1,
        }
    }

    #[test]
    fn the_digest_of_the_list_is_the_bundle_digest() {
        let files = [file("model.onnx"), file("MLmodel"), file("golden/a.png")];
        let text = write(&files);
        let digest = digest_of_lines(&files);
        let read = read(text.as_bytes(), &digest).unwrap();
        let paths: Vec<&str> = read.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["MLmodel", "golden/a.png", "model.onnx"]);
    }

    #[test]
    fn another_list_and_paths_that_leave_the_folder_are_refused() {
        let files = [file("a")];
        let error = read(write(&files).as_bytes(), &digest_of_lines(&[file("b")])).unwrap_err();
        assert!(error.contains("not the one that was published"), "{error}");
        let files = [file("../a")];
        let error = read(write(&files).as_bytes(), &digest_of_lines(&files)).unwrap_err();
        assert!(error.contains("../a"), "{error}");
    }
}
