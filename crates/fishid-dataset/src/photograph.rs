//! What a data set is made of: one photograph's place in it, and the three splits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The part of a data set a photograph belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What the model learns from.
    Train,
    /// What choices are made on: settings, early stopping, calibration.
    Val,
    /// What is only measured on.
    Test,
}

impl Split {
    /// All three, in the order train, val, test.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// The folder's name: `train`, `val` or `test`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is none of `train`, `val`, `test`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a split; the splits are train, val and test")]
pub struct UnknownSplit(pub String);

impl FromStr for Split {
    type Err = UnknownSplit;

    fn from_str(name: &str) -> Result<Self, UnknownSplit> {
        Self::ALL
            .into_iter()
            .find(|split| split.as_str() == name)
            .ok_or_else(|| UnknownSplit(name.to_owned()))
    }
}

/// One photograph of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Photograph {
    /// Path relative to the data set, with `/` between folders on every system.
    pub path: String,
    /// Name of the class folder, as it is written.
    pub class: String,
    /// The group column of its row in `manifest.csv`; none without a row or with an empty cell.
    pub group: Option<String>,
    /// The folder `train`, `val` or `test` it stands in; none in a data set of plain class folders.
    pub split: Option<Split>,
}

/// Where the pixels of a data set come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Real photographs.
    Photographs,
    /// Drawn by [`crate::synth`], for demonstration and tests only.
    Synthetic,
}
