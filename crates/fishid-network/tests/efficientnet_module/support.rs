//! Seeded weights with statistics that are not the neutral ones, photographs, and both ways to run a network.

use burn::tensor::{Device, Tensor};
use fishid_engine::{EngineOptions, ImageModel};
use fishid_network::efficientnet::{
    Checkpoint, EfficientNet, estimate_statistics, normalised, random_checkpoint, write_backbone,
};
use fishid_network::{BackboneFile, embedder};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Random weights for photographs of `side`, with statistics some way off those of random photographs: neutral or
/// freely drawn ones make a deep network chaotic, so that no two ways of rounding agree.
pub fn checkpoint(name: &str, side: usize, seed: u64) -> Checkpoint {
    let mut checkpoint = random_checkpoint(name.parse().unwrap(), seed);
    checkpoint.card.side = side as u32;
    let pixels = photographs(8, side);
    estimate_statistics(
        &mut checkpoint,
        pixels.chunks(side * side * 3).map(<[u8]>::to_vec),
    );
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let norms: Vec<String> = checkpoint
        .network()
        .convolutions()
        .map(|c| c.norm.clone())
        .collect();
    for norm in norms {
        for (part, low, high) in [("running_mean", 0.8, 1.2), ("running_var", 0.7, 1.4)] {
            let name = format!("{norm}.{part}");
            let mut values = checkpoint.tensor(&name).values.clone();
            for value in &mut values {
                *value = (*value * rng.random_range(low..high)) + 1e-3;
            }
            checkpoint.set(&name, values);
        }
    }
    checkpoint
}

/// uint8 RGB, `[n, side, side, 3]`.
pub fn photographs(n: usize, side: usize) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(side as u64);
    (0..n * side * side * 3).map(|_| rng.random()).collect()
}

pub fn embed_with_engine(checkpoint: &Checkpoint, pixels: &[u8]) -> Vec<f32> {
    let files = write_backbone(checkpoint);
    let backbone = BackboneFile::from_parts(&files.onnx, Some(&files.sidecar), "test").unwrap();
    let graph = embedder(&backbone).unwrap();
    let model = ImageModel::load(&graph, &EngineOptions::single_threaded()).unwrap();
    let side = checkpoint.card.side as usize;
    let n = pixels.len() / (side * side * 3);
    model.run(pixels, n, &["embedding"]).unwrap()["embedding"]
        .values
        .clone()
}

pub fn module_embedding(checkpoint: &Checkpoint, pixels: &[u8]) -> Vec<f32> {
    let device = Device::flex();
    let module = EfficientNet::from_checkpoint(checkpoint, &device);
    numbers(module.embed(normalised(&checkpoint.card, pixels, &device)))
}

pub fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// Distance over length.
pub fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |x: f64| x * x;
    let distance: f64 = found
        .iter()
        .zip(expected)
        .map(|(a, b)| square(f64::from(*a) - f64::from(*b)))
        .sum();
    let length: f64 = expected.iter().map(|b| square(f64::from(*b))).sum();
    (distance / length).sqrt()
}
