//! The input example that `MLflow` shows and loads with the model: one photograph as the network takes it.
//!
//! The shape was observed with `MLflow` 3.17.2: `MLmodel` names the file and its type, the file holds the
//! tensors by the names of the signature.

use serde::Serialize;

use crate::error::BundleError;
use crate::manifest::Preprocessing;

/// Name of the example inside a bundle.
pub(crate) const EXAMPLE_FILE: &str = "input_example.json";

/// What `MLmodel` says about the example.
#[derive(Debug, Serialize)]
pub(crate) struct ExampleInfo {
    artifact_path: String,
    r#type: String,
}

impl ExampleInfo {
    pub fn of_tensors() -> Self {
        Self {
            artifact_path: EXAMPLE_FILE.to_owned(),
            r#type: "ndarray".to_owned(),
        }
    }
}

#[derive(Serialize)]
struct Example<'a> {
    /// A batch of one: rows of pixels of three values.
    image: [Vec<Vec<&'a [u8]>>; 1],
}

/// The text of the example: `{"image": [[[[r, g, b], …], …]]}` of one photograph's pixels.
pub(crate) fn example_json(pixels: &[u8], size: &Preprocessing) -> Result<Vec<u8>, BundleError> {
    let row = size.width as usize * 3;
    if pixels.len() != row * size.height as usize {
        return Err(BundleError::InvalidParts {
            reason: format!(
                "the input example has {} bytes, {}×{} pixels have three each",
                pixels.len(),
                size.width,
                size.height
            ),
        });
    }
    let rows: Vec<Vec<&[u8]>> = pixels
        .chunks_exact(row)
        .map(|row| row.chunks_exact(3).collect())
        .collect();
    serde_json::to_vec(&Example { image: [rows] }).map_err(|error| BundleError::InvalidParts {
        reason: error.to_string(),
    })
}
