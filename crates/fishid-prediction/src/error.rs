//! What can go wrong between a photograph and its answer.

use std::io;
use std::path::PathBuf;

use fishid_bundle::BundleError;
use fishid_engine::EngineError;
use fishid_image::PhotoError;

/// Why there is no answer, or no predictor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredictError {
    /// The photograph's own fault; the message can be shown to whoever sent it.
    #[error(transparent)]
    Photo(#[from] PhotoError),
    /// The bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The engine cannot load or run the model.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder, a device, a pipe: reading it might never end.
    #[error("{} is no regular file; copy the photograph into one", .path.display())]
    NotAFile {
        /// What it was to be read from.
        path: PathBuf,
    },
    /// No photograph is that large.
    #[error("{} is larger than {} MB, which no photograph is", .path.display(), .limit >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that are read at most.
        limit: u64,
    },
    /// The bundle's manifest and its network do not fit together.
    #[error("the bundle {} does not fit together: {reason}; train or publish it again", .bundle.display())]
    Mismatch {
        /// The bundle.
        bundle: PathBuf,
        /// What differs.
        reason: String,
    },
    /// The network's output is no distribution over the classes.
    #[error("the model gave no probabilities: {reason}")]
    BadOutput {
        /// What it gave.
        reason: String,
    },
    /// The model does not answer its golden photographs as it did when it was made.
    #[error("the model does not answer its golden photographs as expected: {report}")]
    Golden {
        /// The misses in words.
        report: String,
    },
    /// A bug met while this photograph was worked on; the others are not concerned.
    #[error("the photograph made the program stumble: {message}")]
    Panicked {
        /// The panic's own words.
        message: String,
    },
}

impl PredictError {
    /// Of an error met while a bundle was opened or proven: whether the bundle is at fault, and not the engine's
    /// library or the disk. Its golden photographs are its own.
    pub fn is_the_bundles_fault(&self) -> bool {
        match self {
            // A file that is not there is the bundle's fault, one that cannot be read the disk's.
            Self::Bundle(BundleError::Io { source, .. }) => {
                source.kind() == io::ErrorKind::NotFound
            }
            Self::Engine(error) => matches!(
                error,
                EngineError::Model { .. }
                    | EngineError::PixelCount { .. }
                    | EngineError::NoSuchOutput { .. }
                    | EngineError::Inference { .. }
            ),
            Self::Bundle(_)
            | Self::Photo(_)
            | Self::Mismatch { .. }
            | Self::BadOutput { .. }
            | Self::Golden { .. } => true,
            Self::Read { .. }
            | Self::NotAFile { .. }
            | Self::TooLarge { .. }
            | Self::Panicked { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: impl Into<PredictError>, is_the_bundles_fault: bool) {
        let error = error.into();
        assert_eq!(
            error.is_the_bundles_fault(),
            is_the_bundles_fault,
            "{error:?}"
        );
    }

    #[test]
    fn an_engine_that_is_not_there_and_a_full_disk_are_not_the_bundles_fault() {
        let text = || "text".to_owned();
        check(
            EngineError::LibraryMissing {
                searched: Vec::new(),
            },
            false,
        );
        check(
            EngineError::LibraryBroken {
                path: PathBuf::new(),
                reason: text(),
            },
            false,
        );
        check(
            BundleError::Io {
                action: "cannot read",
                path: PathBuf::new(),
                source: io::ErrorKind::StorageFull.into(),
            },
            false,
        );
        check(
            EngineError::Model {
                model: text(),
                reason: text(),
            },
            true,
        );
        check(EngineError::Inference { reason: text() }, true);
        check(
            BundleError::NotABundle {
                dir: PathBuf::new(),
            },
            true,
        );
        check(PredictError::Golden { report: text() }, true);
    }
}
