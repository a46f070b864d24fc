//! The model package on disk: write it, open it, verify it, name its content by digest.
//!
//! A bundle is a folder that is also an `MLflow` model; `FORMAT.md` beside this crate's sources
//! describes every file of it. This crate knows neither how a model was trained nor where bundles
//! are stored, and never runs one. Start reading at [`Bundle`] and [`write()`].

mod bundle;
mod digest;
mod environment;
mod error;
mod example;
mod golden;
mod manifest;
mod mlflow_folder;
mod mlmodel;
mod validation;
mod write;

pub use bundle::Bundle;
pub use digest::{FileDigest, canonical_json, digest_of_lines, sha256_file};
pub use error::BundleError;
pub use golden::{GoldenPhoto, MAX_GOLDEN_BYTES, golden_size};
pub use manifest::{
    Backbone, Calibration, Class, Data, Manifest, Output, Preprocessing, SCHEMA_VERSION,
};
pub use mlflow_folder::{MlflowOnnx, TensorSpec};
pub use write::{BundleParts, write};

/// Name of the manifest inside a bundle.
pub const MANIFEST_FILE: &str = "fishid.json";
/// Name of the network inside a bundle.
pub const MODEL_FILE: &str = "model.onnx";
/// Name of `MLflow`'s description inside a bundle.
pub const MLMODEL_FILE: &str = "MLmodel";
/// Name of the folder of golden photographs inside a bundle.
pub const GOLDEN_FOLDER: &str = "golden";
/// Name of the human-readable report inside a bundle.
pub const REPORT_FILE: &str = "report.html";
/// Name of the model card inside a bundle.
pub const MODEL_CARD_FILE: &str = "model_card.md";
