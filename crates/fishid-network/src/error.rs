//! What can be wrong with a backbone or a head, in words for a person.

use std::path::PathBuf;

/// Why a graph could not be read, wrapped or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The file could not be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The bytes are no ONNX model.
    #[error("{name} is not an ONNX file: {reason}")]
    NotOnnx {
        /// The backbone's name.
        name: String,
        /// What was found instead.
        reason: String,
    },
    /// The model is ONNX, but not a backbone this program can use.
    #[error("the backbone {name} cannot be used: {reason}")]
    Backbone {
        /// The backbone's name.
        name: String,
        /// What is missing and what helps.
        reason: String,
    },
    /// The JSON file beside the backbone is wrong.
    #[error("the file beside the backbone {name}, which describes its input, is wrong: {reason}")]
    Sidecar {
        /// The backbone's name.
        name: String,
        /// The field and the reason.
        reason: String,
    },
    /// A classifier that another program made cannot be wrapped.
    #[error("{name} cannot be adopted: {reason}")]
    Foreign {
        /// The model's name.
        name: String,
        /// What is missing or unknown, with the flag or remedy.
        reason: String,
    },
    /// The weights of the head do not fit.
    #[error("the classifier head does not fit: {reason}")]
    Head {
        /// What does not fit.
        reason: String,
    },
}
