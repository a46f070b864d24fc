//! Chance for the synthetic fish: a seeded stream per purpose and a lattice noise.
//! Owns every random number of `synth`, so that a photograph depends on its name and seed alone,
//! never on the order or the thread it is drawn in.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// A stream of random numbers that belongs to one purpose of one species.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of (`seed`, `slug`, `purpose`, `number`): the same four give the same stream.
    pub(super) fn new(seed: u64, slug: &str, purpose: &str, number: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(number.to_le_bytes());
        hash.update(purpose.as_bytes());
        hash.update([0]);
        hash.update(slug.as_bytes());
        Self(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / 16_777_216.0
    }

    /// Uniform between `low` and `high`.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Bell-shaped around `middle`, never further than `reach` from it.
    pub(super) fn around(&mut self, middle: f32, reach: f32) -> f32 {
        middle + reach * ((self.unit() + self.unit() + self.unit()) / 1.5 - 1.0)
    }

    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// A whole number in `0..n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f32) as usize).min(n.saturating_sub(1))
    }

    /// A seed for [`Noise`].
    pub(super) fn noise(&mut self) -> Noise {
        Noise(self.0.next_u32())
    }
}

/// Smooth value noise on the integer lattice.
#[derive(Clone, Copy)]
pub(super) struct Noise(u32);

impl Noise {
    /// Noise that is independent of `self` but fixed by it.
    pub(super) fn sibling(self, number: u32) -> Self {
        Self(mix_bits(self.0 ^ number.wrapping_mul(0x85eb_ca6b)))
    }

    /// Uniform in [0, 1) for each lattice cell.
    pub(super) fn cell(self, x: i32, y: i32) -> f32 {
        let h = mix_bits(
            self.0 ^ (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x7feb_352d),
        );
        (h >> 8) as f32 / 16_777_216.0
    }

    /// Bell-shaped in (-1, 1) for each lattice cell.
    pub(super) fn grain(self, x: i32, y: i32) -> f32 {
        let h = mix_bits(
            self.0 ^ (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x7feb_352d),
        );
        ((h >> 16) + (h & 0xffff)) as f32 / 65_535.0 - 1.0
    }

    /// Smoothly interpolated cells, in [0, 1).
    pub(super) fn at(self, x: f32, y: f32) -> f32 {
        let (i, j) = (whole(x), whole(y));
        let (fx, fy) = (ease(x - i as f32), ease(y - j as f32));
        let top = lerp(self.cell(i, j), self.cell(i.wrapping_add(1), j), fx);
        let j = j.wrapping_add(1);
        let low = lerp(self.cell(i, j), self.cell(i.wrapping_add(1), j), fx);
        lerp(top, low, fy)
    }

    /// Three octaves, in [0, 1).
    pub(super) fn cloud(self, x: f32, y: f32) -> f32 {
        (self.at(x, y) * 4.0
            + self.at(x * 2.03 + 7.1, y * 2.03 + 3.3) * 2.0
            + self.at(x * 4.1 + 1.7, y * 4.1 + 9.2))
            / 7.0
    }
}

/// The floor; `f32::floor` is a library call on processors without SSE 4.1.
fn whole(x: f32) -> i32 {
    let i = x as i32;
    if (i as f32) > x { i.wrapping_sub(1) } else { i }
}

/// Finaliser of `MurmurHash3` (Appleby, public domain): every input bit reaches every output bit.
fn mix_bits(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

pub(super) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

fn ease(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// 0 at `from`, 1 at `to`, eased between; `from` may be the larger.
pub(super) fn ramp(from: f32, to: f32, x: f32) -> f32 {
    ease(((x - from) / (to - from)).clamp(0.0, 1.0))
}

/// 1 at the middle, falling to 0 at twice `width` like a bell. A polynomial, because `exp` for every
/// pixel costs more than the rest of the skin.
pub(super) fn bell(x: f32, width: f32) -> f32 {
    let d = x / width;
    let rest = (1.0 - d * d / 4.0).max(0.0);
    rest * rest * rest
}
