//! A 255-bit perceptual hash of a photograph, and the distance under mirroring and quarter turns.
//!
//! The hash holds the signs of the low frequencies of a cosine transform (the pHash idea), so mirroring
//! flips the signs of odd frequencies and a quarter turn swaps the axes: all eight views of a photograph are
//! computed from one transform, and distance is the least over them. A canonical view (the smallest hash of
//! the eight, say) would be cheaper and was rejected: one noisy bit may change which view is canonical.
//!
//! Measured on the 839 fishcam photographs, which are small and share one camera (the hardest case): see
//! [`MAX_DISTANCE`].

use fishid_image::{Filter, Fit, Preprocessing, RgbPhoto};

/// Two photographs at most this many of 255 bits apart are near-duplicates.
///
/// On fishcam the nearest two photographs of different species are 39 bits apart and the nearest two
/// different fish of one species 37, so none is taken for another. JPEG at quality 60 moves a photograph by at
/// most 23 bits, halving it by at most 26, mirroring by at most 1: all 839 are found. Halved and then encoded
/// at quality 60, all from 120 pixels up are found (at most 27 bits) and 816 of all 839: the smallest have
/// 15 rows then.
pub const MAX_DISTANCE: u32 = 31;

/// Side of the grey square the transform sees.
const SIDE: usize = 64;
/// Frequencies kept per axis.
const FREQUENCIES: usize = 16;
/// Below this standard deviation of grey levels the signs are noise and no hash is given.
const LEAST_CONTRAST: f32 = 1.5;

/// Signs of the 16 × 16 lowest frequencies, row by vertical frequency; the bit of the mean is always 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct PerceptualHash(pub(crate) [u64; 4]);

impl PerceptualHash {
    /// Hash of a photograph, at best decoded with a shorter side of at least 64 pixels; none for a picture
    /// without contrast, about which nothing can be said.
    pub fn of(photo: &RgbPhoto) -> Option<Self> {
        let small = Preprocessing {
            width: SIDE as u32,
            height: SIDE as u32,
            fit: Fit::Stretch,
            filter: Filter::Bilinear,
        }
        .apply(photo);
        // ITU-R BT.601 luma.
        let grey: Vec<f32> = small
            .pixels()
            .chunks_exact(3)
            .map(|rgb| {
                0.299 * f32::from(rgb[0]) + 0.587 * f32::from(rgb[1]) + 0.114 * f32::from(rgb[2])
            })
            .collect();
        (contrast(&grey) >= LEAST_CONTRAST).then(|| Self::from_signs(&low_frequencies(&grey)))
    }

    fn from_signs(coefficients: &[f32]) -> Self {
        let mut words = [0u64; 4];
        for (bit, &coefficient) in coefficients.iter().enumerate().skip(1) {
            words[bit / 64] |= u64::from(coefficient > 0.0) << (bit % 64);
        }
        Self(words)
    }

    /// The hashes of the eight views: as it is, mirrored, flipped, turned by quarters.
    pub fn views(self) -> [Self; 8] {
        let turned = self.transposed();
        let mut views = [self; 8];
        for (index, view) in views.iter_mut().enumerate() {
            let base = if index & 4 == 0 { self } else { turned };
            for (word, base) in view.0.iter_mut().zip(base.0) {
                // Each word holds four rows of 16: odd columns flip under mirroring, odd rows under flipping.
                let mirror = if index & 1 == 0 {
                    0
                } else {
                    0xAAAA_AAAA_AAAA_AAAA
                };
                let flip = if index & 2 == 0 {
                    0
                } else {
                    0xFFFF_0000_FFFF_0000
                };
                *word = base ^ mirror ^ flip;
            }
        }
        // The mean has no sign to flip.
        for view in &mut views {
            view.0[0] &= !1;
        }
        views
    }

    fn transposed(self) -> Self {
        let mut words = [0u64; 4];
        for bit in 0..256 {
            let to = (bit % FREQUENCIES) * FREQUENCIES + bit / FREQUENCIES;
            words[to / 64] |= ((self.0[bit / 64] >> (bit % 64)) & 1) << (to % 64);
        }
        Self(words)
    }

    /// Number of differing bits, as the photographs stand.
    pub fn hamming(self, other: Self) -> u32 {
        self.0
            .iter()
            .zip(other.0)
            .map(|(a, b)| (a ^ b).count_ones())
            .sum()
    }

    /// Number of differing bits in the best of the eight views.
    pub fn distance(self, other: Self) -> u32 {
        self.views()
            .into_iter()
            .map(|view| view.hamming(other))
            .min()
            .unwrap_or(0)
    }
}

fn contrast(grey: &[f32]) -> f32 {
    let n = grey.len() as f32;
    let mean = grey.iter().sum::<f32>() / n;
    (grey.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / n).sqrt()
}

/// The lowest 16 × 16 coefficients of the two-dimensional DCT-II of a 64 × 64 picture, up to a factor.
fn low_frequencies(grey: &[f32]) -> Vec<f32> {
    let cosine = |frequency: usize, at: usize| {
        (std::f32::consts::PI * ((2 * at + 1) * frequency) as f32 / (2 * SIDE) as f32).cos()
    };
    let table: Vec<f32> = (0..FREQUENCIES)
        .flat_map(|frequency| (0..SIDE).map(move |at| cosine(frequency, at)))
        .collect();
    let wave = |frequency: usize| &table[frequency * SIDE..(frequency + 1) * SIDE];
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    // Rows first, stored by horizontal frequency so that the second pass runs along memory too.
    let mut columns = vec![0.0; FREQUENCIES * SIDE];
    for (y, row) in grey.chunks_exact(SIDE).enumerate() {
        for u in 0..FREQUENCIES {
            columns[u * SIDE + y] = dot(row, wave(u));
        }
    }
    (0..FREQUENCIES)
        .flat_map(|v| (0..FREQUENCIES).map(move |u| (v, u)))
        .map(|(v, u)| dot(&columns[u * SIDE..(u + 1) * SIDE], wave(v)))
        .collect()
}
