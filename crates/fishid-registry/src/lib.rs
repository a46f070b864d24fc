//! Model registry and experiment tracker.
//!
//! Owns the traits [`ModelRegistry`] and [`Tracker`], their implementations in a folder, and the
//! suite in [`conformance`] that every implementation passes. It knows neither how a bundle came
//! to be nor who serves it. Start reading at [`ModelRegistry`], then [`FolderRegistry`].

pub mod conformance;
mod error;
mod folder;
mod location;
mod names;
mod registry;
mod tracker;

pub use error::RegistryError;
pub use folder::FolderRegistry;
pub use location::open;
pub use registry::{Action, Event, ModelRegistry, Note, PublishNote, Version, VersionRef};
pub use tracker::{Artifact, FolderTracker, Metric, RunId, RunStatus, Tracker};

/// The alias that servers follow unless told otherwise.
pub const PRODUCTION: &str = "production";
