//! Which picture of a photograph a model is shown.

use serde::{Deserialize, Serialize};

use crate::Augmentation;

/// The photograph itself or a changed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// As it is.
    Original,
    /// Left and right swapped.
    Mirror,
    /// Changed by chance.
    Augmented {
        /// Number of the change: another number, another picture.
        index: u32,
    },
}

impl View {
    /// The view's part of a content key: whatever, beside photograph and preprocessing, decides its pixels.
    pub fn key(&self, seed: u64, augmentation: &Augmentation) -> String {
        match self {
            Self::Original => "original".to_owned(),
            Self::Mirror => "mirror".to_owned(),
            Self::Augmented { index } => {
                let settings = augmentation.digest();
                format!("augmented-{index}-seed-{seed}-{}", &settings[..16])
            }
        }
    }
}
