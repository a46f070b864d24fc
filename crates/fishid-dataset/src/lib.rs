//! Photographs on disk or in S3: their layout, `manifest.csv`, checks, groups, splits, import, synthetic fish.
//!
//! Knows no models and no training. Start at [`Dataset::open`]; one pass over the pixels is [`inspect()`],
//! and [`check()`], [`groups_of`] and [`write_split`] read its result.

mod arrangement;
mod check;
mod content;
mod dataset;
mod duplicates;
mod error;
mod groups;
mod import;
mod inspection;
mod layout;
mod lock;
mod manifest;
mod near_duplicates;
mod perceptual_hash;
mod photograph;
mod problem;
mod split;
mod split_folder;
pub mod synth;

pub use arrangement::SplitFolderSummary;
pub use check::{CheckOptions, check, problems_of};
pub use content::{Content, data_digest};
pub use dataset::{Dataset, OpenOptions, SYNTHETIC_MARKER};
pub use duplicates::Duplicates;
pub use error::DatasetError;
pub use groups::groups_of;
pub use import::{ImportSummary, import};
pub use inspection::{Inspection, Seen, inspect, inspect_paths};
pub use lock::{
    ClassCount, DataChanges, DataLock, FieldChange, LOCK_SCHEMA_VERSION, LockedPhotograph, Moved,
};
pub use perceptual_hash::{MAX_DISTANCE, PerceptualHash};
pub use photograph::{Origin, Photograph, Split, UnknownSplit};
pub use problem::{Problem, ProblemKind, Severity};
pub use split::{GroupedPhoto, Ratios, assign_splits, assign_splits_after};
pub use split_folder::{SplitRequest, write_split};

/// Called with (done, total) while work goes on, from any thread; it must not block for long.
pub type Progress<'a> = dyn Fn(usize, usize) + Sync + 'a;
