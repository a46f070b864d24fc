//! Running statistics of a network that was never trained, from photographs.
//!
//! With random weights the neutral statistics let activations die or explode within a few blocks. Deliberately does
//! not know where the photographs come from.

use burn::tensor::{Device, Tensor, TensorData};

use super::{EfficientNet, Mode, N_PARTS};
use crate::efficientnet::card::Card;
use crate::efficientnet::checkpoint::Checkpoint;

/// Photographs normalised together: the moments of fewer are noisy, the maps of more leave the cache.
const BATCH: usize = 16;

/// Sets every running mean and variance to those of `photographs` in one pass, each batch normalised by its own
/// moments on the way. Photographs are uint8 RGB of the card's side, row-major; returns how many there were. None
/// leave the checkpoint as it was.
///
/// # Panics
/// For a photograph of another size.
pub fn estimate_statistics(
    checkpoint: &mut Checkpoint,
    photographs: impl IntoIterator<Item = Vec<u8>>,
) -> usize {
    let device = Device::flex();
    let network = EfficientNet::from_checkpoint(checkpoint, &device);
    let mut photographs = photographs.into_iter();
    let mut n_seen = 0;
    loop {
        let batch: Vec<u8> = photographs.by_ref().take(BATCH).flatten().collect();
        if batch.is_empty() {
            break;
        }
        let batch = normalised(&checkpoint.card, &batch, &device);
        let [n, ..] = batch.dims();
        n_seen += n;
        let share = n as f64 / n_seen as f64;
        network.through(0..N_PARTS, batch, |_| Mode::Estimation { share });
    }
    if n_seen > 0 {
        network.store(checkpoint);
    }
    n_seen
}

/// Photographs as the network takes them, `[n, 3, side, side]`, from uint8 RGB `[n, side, side, 3]`, row-major.
///
/// # Panics
/// When `pixels` are no whole number of photographs of the card's side.
pub fn normalised(card: &Card, pixels: &[u8], device: &Device) -> Tensor<4> {
    let side = card.side as usize;
    let per_photograph = side * side * 3;
    assert_eq!(
        pixels.len() % per_photograph,
        0,
        "photographs are {side}×{side} RGB"
    );
    let mut values = Vec::with_capacity(pixels.len());
    for photograph in pixels.chunks_exact(per_photograph) {
        for channel in 0..3 {
            let (mean, deviation) = (card.mean[channel], card.std[channel]);
            let own = photograph.iter().skip(channel).step_by(3);
            values.extend(own.map(|&pixel| (f32::from(pixel) / 255.0 - mean) / deviation));
        }
    }
    let n = pixels.len() / per_photograph;
    Tensor::from_data(TensorData::new(values, [n, 3, side, side]), device)
}
