//! The weights of the golden files, drawn as `make_goldens.py` draws them.

use sha2::{Digest, Sha256};

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// `SplitMix64` from the SHA-256 of `seed:name`, as numbers in [0, 1).
fn uniforms(name: &str, seed: u64, count: usize) -> impl Iterator<Item = f64> {
    let digest = Sha256::digest(format!("{seed}:{name}"));
    let start = digest[..8]
        .iter()
        .rev()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    (1..=count as u64).map(move |i| {
        let mut z = start.wrapping_add(GAMMA.wrapping_mul(i));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 * 2.0_f64.powi(-53)
    })
}

/// Values of the tensor `name` of a golden file.
pub fn tensor(name: &str, shape: &[usize], seed: u64, gain: f64) -> Vec<f32> {
    let numbers = uniforms(name, seed, shape.iter().product());
    let fan_in: usize = shape.iter().skip(1).product();
    let reach = (gain / fan_in as f64).sqrt();
    numbers
        .map(|u| {
            let value = if name.ends_with("running_var") {
                0.5 + u
            } else if name.ends_with("running_mean") || name.ends_with("bias") {
                0.4 * u - 0.2
            } else if shape.len() == 1 {
                0.8 + 0.4 * u
            } else {
                (2.0 * u - 1.0) * reach
            };
            value as f32
        })
        .collect()
}

/// A photograph of noise: uint8 `[side, side, 3]`.
pub fn photograph(seed: u64, side: usize) -> Vec<u8> {
    uniforms("pixels", seed, 3 * side * side)
        .map(|u| (256.0 * u) as u8)
        .collect()
}
