//! Photograph → labelled answer, calibrated, or "not sure".
//!
//! Owns the reply that the server, the command line and the batch scorer all give. Does not know HTTP,
//! queues or registries. Start at [`Predictor`]; [`predict_files`] answers files in their order, [`scoring`] turns
//! folders and S3 prefixes of any size into a table.

mod engine_choice;
mod error;
mod files;
mod golden;
mod names;
mod prediction;
mod predictor;
mod reading;
mod reply;
pub mod scoring;
mod stored;

pub use engine_choice::{ChosenBy, EngineChoice, EngineChooser, Occasion, TuneOptions, Tuned};
pub use error::PredictError;
pub use files::{AnsweredFile, PredictFiles, predict_files};
pub use golden::{GOLDEN_TOLERANCE, GoldenMiss, GoldenReport};
pub use names::ClassNames;
pub use prediction::Prediction;
pub use predictor::{Predictor, PredictorOptions};
pub use reply::{Candidate, Circumstances, Reply};
