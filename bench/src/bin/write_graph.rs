//! Writes the ONNX graph of weights in a safetensors file, for `bench/torch_graph.py` to measure.
//!
//! `cargo run --release -p fishid-bench --bin write_graph FILE.safetensors ARCHITECTURE OUT.onnx`

use std::path::PathBuf;

use anyhow::{Context, Result};
use fishid_network::efficientnet::{Architecture, Checkpoint, write_backbone};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || {
        arguments
            .next()
            .context("FILE.safetensors ARCHITECTURE OUT.onnx")
    };
    let (weights, architecture, out) = (PathBuf::from(next()?), next()?, next()?);
    let architecture: Architecture = architecture.parse()?;
    let bytes = std::fs::read(&weights)?;
    let checkpoint = Checkpoint::import(architecture, &bytes, None)?;
    std::fs::write(out, write_backbone(&checkpoint).onnx)?;
    Ok(())
}
