//! What can be wrong with a data set, as data: the command line prints it, a pipeline stops on it.

use serde::{Deserialize, Serialize};

/// How bad a problem is. Warnings alone do not make a data set unacceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The data set should not be trained on before this is put right.
    Error,
    /// Worth knowing, harmless if meant.
    Warning,
}

/// What kind of problem it is; in JSON the name in `snake_case`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// Cannot be read or decoded.
    Unreadable,
    /// A side is shorter than the minimum.
    TooSmall,
    /// More pixels than are ever decoded.
    TooManyPixels,
    /// The same bytes as another photograph.
    ExactDuplicate,
    /// The same picture as another: re-encoded, resized, turned or mirrored.
    NearDuplicate,
    /// The same picture under two labels, or a manifest row that contradicts its folder.
    LabelClash,
    /// The same picture, or the same group, in two splits.
    SplitLeak,
    /// A class folder without photographs.
    EmptyClass,
    /// A class with fewer photographs than the minimum.
    SmallClass,
    /// A class of a split data set that has photographs, but none in `train`.
    NothingToTrain,
    /// A class that the species catalogue does not have.
    UnknownSpecies,
    /// Two class folders whose names mean the same species.
    SameSpeciesTwice,
    /// The file's name says one format, its bytes another.
    WrongExtension,
    /// A picture in a format that is not read.
    UnsupportedFormat,
    /// A photograph outside the class folders.
    NotInClassFolder,
    /// A file or folder that could not be listed.
    Unlisted,
    /// A row of `manifest.csv` that cannot be understood.
    ManifestRow,
    /// A row of `manifest.csv` whose photograph does not exist.
    ManifestMissingFile,
    /// A photograph that `manifest.csv` does not name.
    ManifestMissingRow,
    /// Two rows of `manifest.csv` for one photograph.
    ManifestDuplicateRow,
    /// `manifest.csv` has no group column, or a row without a group.
    ManifestNoGroup,
}

impl ProblemKind {
    /// The name used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::TooSmall => "too_small",
            Self::TooManyPixels => "too_many_pixels",
            Self::ExactDuplicate => "exact_duplicate",
            Self::NearDuplicate => "near_duplicate",
            Self::LabelClash => "label_clash",
            Self::SplitLeak => "split_leak",
            Self::EmptyClass => "empty_class",
            Self::SmallClass => "small_class",
            Self::NothingToTrain => "nothing_to_train",
            Self::UnknownSpecies => "unknown_species",
            Self::SameSpeciesTwice => "same_species_twice",
            Self::WrongExtension => "wrong_extension",
            Self::UnsupportedFormat => "unsupported_format",
            Self::NotInClassFolder => "not_in_class_folder",
            Self::Unlisted => "unlisted",
            Self::ManifestRow => "manifest_row",
            Self::ManifestMissingFile => "manifest_missing_file",
            Self::ManifestMissingRow => "manifest_missing_row",
            Self::ManifestDuplicateRow => "manifest_duplicate_row",
            Self::ManifestNoGroup => "manifest_no_group",
        }
    }
}

/// One problem of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The photograph, class folder or `manifest.csv` it is about, relative to the data set.
    pub path: String,
    /// What kind of problem it is.
    pub kind: ProblemKind,
    /// What is wrong, in words, with the remedy where it is not obvious.
    pub detail: String,
    /// The other photograph of a pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// Whether it makes the data set unacceptable.
    pub severity: Severity,
}

impl Problem {
    pub(crate) fn error(
        kind: ProblemKind,
        path: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            kind,
            detail: detail.into(),
            other: None,
            severity: Severity::Error,
        }
    }

    pub(crate) fn warning(
        kind: ProblemKind,
        path: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(kind, path, detail)
        }
    }

    pub(crate) fn with_other(self, other: impl Into<String>) -> Self {
        Self {
            other: Some(other.into()),
            ..self
        }
    }
}
