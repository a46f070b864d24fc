//! Model registry and experiment tracker.
//!
//! Owns the traits [`ModelRegistry`] and [`Tracker`], their implementations in a folder and on an `MLflow`
//! server, and the suite in [`conformance`] that every implementation passes. It knows neither how a bundle came
//! to be nor who serves it. Start reading at [`ModelRegistry`], then [`FolderRegistry`]
//! and [`MlflowRegistry`].

pub mod conformance;
mod error;
mod folder;
mod location;
mod mlflow;
mod moves;
mod names;
pub mod prune;
mod registry;
mod tracker;

pub use error::RegistryError;
pub use folder::FolderRegistry;
pub use location::{open, open_mlflow, open_tracker, open_with};
pub use mlflow::{
    Credentials, MlflowError, MlflowRegistry, MlflowSettings, MlflowTracker, Secret, Timing,
    without_secrets,
};
pub use names::{check_model, is_metric_name};
pub use registry::{Action, Event, ModelRegistry, Note, PublishNote, Version, VersionRef};
pub use tracker::{Artifact, FolderTracker, Metric, RunId, RunStatus, Tracker};

/// The alias that servers follow unless told otherwise.
pub const PRODUCTION: &str = "production";

/// The experiment that runs are tracked under.
pub const EXPERIMENT: &str = "fish-classification";
