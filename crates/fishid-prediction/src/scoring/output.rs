//! The table that was asked for: where, and in which format.

use std::path::{Path, PathBuf};

/// The formats of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// A table and its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The file.
    pub path: PathBuf,
    /// By its ending.
    pub format: Format,
}

/// Why a table cannot be written there.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The ending says no format.
    #[error("{path}: the name of the table says its format; end it in .parquet, .csv or .jsonl")]
    Format {
        /// What was given.
        path: String,
    },
    /// An address.
    #[error(
        "{path}: the table is written to a file of this machine; name one, and carry it there afterwards"
    )]
    Remote {
        /// What was given.
        path: String,
    },
    /// The folder is missing, or the name is that of a folder.
    #[error("{path}: name a file in a folder that exists")]
    NoFolder {
        /// What was given.
        path: String,
    },
}

impl Output {
    /// Reads the format off the name, and looks whether a file can be there.
    pub fn new(path: &Path) -> Result<Self, OutputError> {
        let shown = || path.display().to_string();
        if shown().contains("://") {
            return Err(OutputError::Remote { path: shown() });
        }
        let extension = path
            .extension()
            .map(|it| it.to_string_lossy().to_lowercase());
        let format = match extension.as_deref() {
            Some("parquet") => Format::Parquet,
            Some("csv") => Format::Csv,
            Some("jsonl") => Format::JsonLines,
            _ => return Err(OutputError::Format { path: shown() }),
        };
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        if path.is_dir() || folder.is_some_and(|folder| !folder.is_dir()) {
            return Err(OutputError::NoFolder { path: shown() });
        }
        Ok(Self {
            path: path.to_owned(),
            format,
        })
    }

    /// Where a run keeps what it has until the table is whole.
    pub fn working_folder(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".unfinished");
        name.into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn check(path: &str, says: &str) {
        let told = match Output::new(Path::new(path)) {
            Ok(output) => format!("{:?}", output.format),
            Err(error) => error.to_string(),
        };
        assert!(told.contains(says), "{path}: {told}");
    }

    #[test]
    fn the_ending_says_the_format_and_what_is_none_names_the_three() {
        check("a.parquet", "Parquet");
        check("a.b.CSV", "Csv");
        check("./a.jsonl", "JsonLines");
        for none in ["-", "a", "a.json", "a.xlsx", "parquet", ".csv"] {
            check(none, "end it in .parquet, .csv or .jsonl");
        }
        check("s3://bucket/a.csv", "file of this machine");
        check("no/such/folder/a.csv", "a folder that exists");
        assert_eq!(
            Output::new(Path::new("a.csv")).unwrap().working_folder(),
            Path::new("a.csv.unfinished")
        );
    }
}
