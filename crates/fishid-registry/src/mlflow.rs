//! A registry and a tracker on an `MLflow` server, over its REST interface.
//!
//! Each folder's worth of files is the artifacts of a run; a version names that run; what the server does not
//! keep, who moved which alias and why, stands in tags. Start at [`MlflowRegistry`], then `publication` and
//! `aliases` for the order of calls, `history` for what a stop leaves, `client` for one call.

mod address;
mod aliases;
mod artifacts;
mod client;
mod deletion;
mod digests;
mod download;
mod error;
mod events;
mod experiment;
mod foreign;
mod history;
mod model;
mod publication;
mod registry;
mod retry;
mod runtime;
mod settings;
mod stages;
mod tombstone;
mod tracker;
mod transfer;
mod wire;

pub(crate) use address::is_mlflow;
pub use address::without_secrets;
pub use error::MlflowError;
pub use registry::MlflowRegistry;
pub use settings::{Credentials, MlflowSettings, Secret, Timing};
pub use tracker::MlflowTracker;
