//! What can go wrong between photographs and a bundle, worded for the person at the terminal.

use std::path::PathBuf;

/// An error of training, evaluation or assembly.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The data set cannot be trained on as it is.
    #[error("{0}")]
    Data(String),
    /// Too many photographs could not be read for the result to mean anything.
    #[error(
        "{n_rejected} of {n_photographs} photographs cannot be used (more than {limit_percent} %); \
         the first is {first_path}: {first_reason}. Run `fishid data check` and repair or remove them"
    )]
    TooManyRejected {
        /// Photographs that failed.
        n_rejected: usize,
        /// Photographs asked for.
        n_photographs: usize,
        /// The limit, in percent.
        limit_percent: usize,
        /// Path of the first failed photograph.
        first_path: String,
        /// Why it failed.
        first_reason: String,
    },
    /// A file of the embedding cache or the output could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was being done, e.g. "cannot write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Parquet refused to encode or write embeddings.
    #[error("cannot write embeddings to {}: {reason}", path.display())]
    Store {
        /// The part file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// A setting is outside its range.
    #[error("{name} = {value} is not acceptable: {reason}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// The given value.
        value: String,
        /// What would be acceptable.
        reason: String,
    },
    /// The assembled ONNX file does not answer as the trained head does.
    #[error(
        "the assembled model differs from the trained head by up to {difference:.2e} in probability \
         (limit {limit:.0e}) on photograph {path}; nothing was published"
    )]
    NotTheSameModel {
        /// Largest absolute difference of a probability.
        difference: f32,
        /// The tolerance.
        limit: f32,
        /// Where it was seen.
        path: String,
    },
    /// The report template failed: a mistake in this crate.
    #[error("the report template failed: {0}")]
    Template(#[from] minijinja::Error),
    /// From the data set.
    #[error(transparent)]
    Dataset(#[from] fishid_dataset::DatasetError),
    /// From the place that machines share.
    #[error(transparent)]
    Storage(#[from] fishid_storage::StorageError),
    /// From the backbone or the ONNX assembly.
    #[error(transparent)]
    Network(#[from] fishid_network::NetworkError),
    /// From the engine.
    #[error(transparent)]
    Engine(#[from] fishid_engine::EngineError),
    /// From writing the bundle.
    #[error(transparent)]
    Bundle(#[from] fishid_bundle::BundleError),
}

impl TrainingError {
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}
