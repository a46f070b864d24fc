//! Seeded weights for a network nobody could download: useful for demonstrations and tests, for nothing else.
//!
//! The usual initialisation makes a deep network chaotic: two views of one photograph come out as far apart as two
//! photographs, and a linear head on top reaches 0.1 of unseen synthetic fish. Here every part is drawn so that
//! likeness survives: smooth depthwise kernels with an off-centre peak, gates and residual branches that
//! whisper, and normalisation that shifts activations into the bent but not flat part of `SiLU`. The
//! shift also makes the zero padding visible, which is how such a network knows where on the photograph it looks.
//! The running statistics are left at mean 0 and variance 1: they are estimated from photographs afterwards.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::architecture::Architecture;
use super::card::Card;
use super::checkpoint::Checkpoint;
use super::plan::Network;
use super::tensors::{Place, Role, Tensor, TensorSpec, Tensors};

/// Deviation of a depthwise kernel's peak, in kernel sides.
const PEAK_WIDTH: f64 = 0.2;
/// Share of noise on a depthwise kernel.
const KERNEL_NOISE: f64 = 0.2;
/// Factor of a normalisation: below 1, `SiLU` is closer to a line.
const SCALE: f64 = 0.4;
/// The same on the last normalisation of a residual branch.
const RESIDUAL_SCALE: f64 = 0.2;
/// The same behind the head convolution: the features are to be told apart, not passed on.
const HEAD_SCALE: f64 = 2.0;
/// Mean of a normalisation's offset; behind the head convolution it is 0.
const OFFSET: f64 = 2.0;
/// Deviation of a normalisation's offset.
const OFFSET_SPREAD: f64 = 0.2;
/// Gates that hardly move: at full strength they multiply everything by the mood of the whole photograph.
const GATE_SCALE: f64 = 0.1;

/// Draws the weights of `architecture`; the same seed gives the same numbers, whatever else the network holds.
pub fn random_checkpoint(architecture: Architecture, seed: u64) -> Checkpoint {
    let network = Network::new(architecture);
    let tensors: Tensors = network
        .tensors()
        .into_iter()
        .map(|spec| {
            let values = draw(&spec, seed);
            let shape = spec.shape;
            (spec.name, Tensor { shape, values })
        })
        .collect();
    let weights = format!("random:{seed}");
    let mut checkpoint = Checkpoint::new(
        network,
        Card::native(architecture, "random"),
        weights,
        tensors,
    );
    checkpoint.source =
        Some("drawn by fishid from a seed; it never saw a photograph with a name".to_owned());
    checkpoint
}

fn draw(spec: &TensorSpec, seed: u64) -> Vec<f32> {
    let n: usize = spec.shape.iter().product();
    let mut rng = generator(&spec.name, seed);
    let mut normals = |mean: f64, deviation: f64| -> Vec<f32> {
        (0..n)
            .map(|_| (mean + deviation * normal(&mut rng)) as f32)
            .collect()
    };
    match spec.role {
        Role::Kernel => normals(0.0, unit_gain(&spec.shape)),
        Role::GateKernel => normals(0.0, GATE_SCALE * unit_gain(&spec.shape)),
        Role::DepthwiseKernel => (0..spec.shape[0])
            .flat_map(|_| peaked_kernel(spec.shape[2], &mut rng))
            .collect(),
        Role::Offset(Place::Head) => normals(0.0, OFFSET_SPREAD),
        Role::Offset(_) => normals(OFFSET, OFFSET_SPREAD),
        Role::Scale(place) => {
            let scale = match place {
                Place::Inside => SCALE,
                Place::ResidualEnd => RESIDUAL_SCALE,
                Place::Head => HEAD_SCALE,
            };
            vec![scale as f32; n]
        }
        Role::Variance => vec![1.0; n],
        Role::GateBias | Role::Mean => vec![0.0; n],
    }
}

/// Deviation at which a kernel keeps the variance of what it is given.
fn unit_gain(shape: &[usize]) -> f64 {
    let fan_in: usize = shape[1..].iter().product();
    (fan_in as f64).recip().sqrt()
}

/// A Gaussian bump somewhere in the kernel, with a little noise.
fn peaked_kernel(side: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let reach = (side / 2) as f64;
    let [row0, column0] = [0, 1].map(|_| (2.0 * rng.random::<f64>() - 1.0) * reach);
    let spread = side as f64 * PEAK_WIDTH;
    let place = |i: usize| i as f64 - reach;
    let mut values: Vec<f64> = (0..side * side)
        .map(|i| {
            let (row, column) = (place(i / side) - row0, place(i % side) - column0);
            (-(row * row + column * column) / (2.0 * spread * spread)).exp()
        })
        .collect();
    let length = values.iter().map(|x| x * x).sum::<f64>().sqrt();
    for value in &mut values {
        *value = *value / length + KERNEL_NOISE * normal(rng) / side as f64;
    }
    values.into_iter().map(|value| value as f32).collect()
}

/// A generator per tensor, so that one tensor's size does not shift the numbers of the next.
fn generator(name: &str, seed: u64) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// A standard normal number (Box and Muller, 1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let u: f64 = rng.random();
    let v: f64 = rng.random();
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
