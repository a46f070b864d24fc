//! What an experiment tracker is: runs with parameters, metrics and artifacts.

mod folder;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::RegistryError;
pub use folder::FolderTracker;

/// Records what runs were made, with which settings and with which results.
pub trait Tracker: Send + Sync {
    /// Starts a run of `experiment`, called `name` for people.
    fn start_run(
        &self,
        experiment: &str,
        name: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<RunId, RegistryError>;

    /// Adds parameters. One that is there already must have the same value.
    fn log_params(
        &self,
        run: &RunId,
        params: &BTreeMap<String, String>,
    ) -> Result<(), RegistryError>;

    /// Adds measurements.
    fn log_metrics(&self, run: &RunId, metrics: &[Metric]) -> Result<(), RegistryError>;

    /// Keeps a file with the run under `path`, relative and with `/`; one that is there is replaced.
    fn log_artifact(
        &self,
        run: &RunId,
        path: &str,
        content: Artifact<'_>,
    ) -> Result<(), RegistryError>;

    /// Adds tags; one that is there is replaced.
    fn set_tags(&self, run: &RunId, tags: &BTreeMap<String, String>) -> Result<(), RegistryError>;

    /// Ends the run.
    fn finish(&self, run: &RunId, status: RunStatus) -> Result<(), RegistryError>;
}

/// Names a run within its tracker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name, such as `macro_f1` or `recall/esox_lucius`: `MLflow`'s rule, so slugs only.
    pub name: String,
    /// Its value; not-a-number and infinities are kept.
    pub value: f64,
    /// The epoch or step it was measured at, 0 for what is measured once.
    pub step: u64,
}

/// The content of an artifact.
#[derive(Clone, Copy, Debug)]
pub enum Artifact<'a> {
    /// From memory.
    Bytes(&'a [u8]),
    /// A copy of this file.
    File(&'a Path),
}

/// How a run ended, in `MLflow`'s words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunStatus {
    /// It is under way, or was cut off.
    Running,
    /// It did what it was to do.
    Finished,
    /// It met an error.
    Failed,
    /// It was stopped.
    Killed,
}
