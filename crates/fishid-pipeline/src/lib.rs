//! Steps, run record, resume.
//!
//! Owns the order of the steps from photographs to a promoted model and the memory of what was already
//! done. It does not know what a step does inside: that is the rooms' below. Start at [`run`].

mod ahead;
mod champion;
mod gate;
mod lock;
mod outputs;
pub mod record;
mod rolled_back;
mod run;
pub mod steps;
mod tracking;
mod validate;

pub use ahead::plan_ahead;
pub use run::{PipelineRequest, PipelineResult, run};
pub use tracking::EXPERIMENT;
pub use validate::{NotAcceptable, is_left_out};

use std::path::PathBuf;

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A file of the run's own state cannot be read or written.
    #[error("{path}: {source}; check the folder's permissions and free space", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the run's own state is not what was written.
    #[error("{path} is damaged: {source}; delete it, and its step is done again", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where the JSON broke.
        source: serde_json::Error,
    },
    /// A step failed; everything before it is kept.
    #[error("step {step}: {source:#}")]
    Step {
        /// The step's name.
        step: String,
        /// Why.
        source: anyhow::Error,
    },
}
