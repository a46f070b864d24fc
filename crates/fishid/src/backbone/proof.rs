//! Asks ONNX Runtime before a written network takes its place: weights that overflow or a graph that the engine
//! refuses must not wait for the middle of a training run.

use anyhow::Context as _;
use fishid_engine::{EngineError, EngineOptions, ImageModel};
use fishid_network::efficientnet::BackboneFiles;
use fishid_network::{BackboneFile, embedder};

use crate::exit::InputError;

/// Lets the network embed one drawn picture. `what` names the weights in the refusal; an engine that is not there
/// is not their fault.
pub fn prove(files: &BackboneFiles, what: &str) -> anyhow::Result<()> {
    let refused = |reason: String| InputError(format!("{what} cannot be used: {reason}"));
    let backbone = BackboneFile::from_parts(&files.onnx, Some(&files.sidecar), what)?;
    let graph = embedder(&backbone)?;
    let model = match ImageModel::load(&graph, &EngineOptions::single_threaded()) {
        Ok(model) => model,
        Err(EngineError::Model { reason, .. }) => {
            anyhow::bail!(refused(format!(
                "ONNX Runtime refuses the network: {reason}"
            )))
        }
        Err(error) => {
            return Err(error).context("a written network is proven in ONNX Runtime");
        }
    };
    let n_values = model.width() * model.height() * 3;
    let pixels: Vec<u8> = (0..n_values).map(|n| (n * 37 % 251) as u8).collect();
    let outputs = model.run(&pixels, 1, &["embedding"])?;
    let embedding = &outputs["embedding"];
    if backbone.embedding_width() != Some(embedding.width()) {
        anyhow::bail!(refused(format!(
            "its embedding has {} values",
            embedding.width()
        )));
    }
    if !embedding.values.iter().all(|value| value.is_finite()) {
        anyhow::bail!(refused(
            "its embedding of a picture is not finite, so the file is damaged or belongs to another network".to_owned()
        ));
    }
    Ok(())
}
