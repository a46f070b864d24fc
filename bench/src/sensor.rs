//! Photographs as a phone would write them: a drawn fish, enlarged as demosaicing does, with a sensor's noise of
//! just the strength at which the JPEG has the size asked for.

use anyhow::{Context, Result, ensure};
use fishid_image::{Filter, RgbPhoto, resize};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::ops::RangeInclusive;
use turbojpeg::{Image, PixelFormat, Subsamp};

const QUALITY: i32 = 90;
/// Drawn this much smaller in each direction: single pixels of a camera are never sharp.
const ENLARGEMENT: u32 = 2;
const MOST_NOISE: f32 = 48.0;
/// Halvings of the interval of noise before giving up.
const TRIES: usize = 12;
const TABLE: usize = 1 << 16;

/// What to take.
#[derive(Debug, Clone)]
pub struct Shot {
    /// Slug of the species.
    pub species: String,
    /// Number within the species.
    pub index: u32,
    /// Columns and rows.
    pub size: (u32, u32),
    /// Bytes that the file may have.
    pub bytes: RangeInclusive<usize>,
}

/// Takes a photograph: JPEG of quality 90, colour at half the resolution. The same seed gives the same bytes.
pub fn take(shot: &Shot, seed: u64) -> Result<Vec<u8>> {
    let (width, height) = shot.size;
    let small = fishid_dataset::synth::render(
        &shot.species,
        seed,
        shot.index,
        width / ENLARGEMENT,
        height / ENLARGEMENT,
    )
    .context("the fish cannot be drawn at that size")?;
    let clean = resize(&small, width, height, Filter::CatmullRom);
    let noise = Noise::new(seed, shot.index);
    let (mut low, mut high) = (0.0, MOST_NOISE);
    for _ in 0..TRIES {
        let strength = f32::midpoint(low, high);
        let jpeg = encode(&noise.over(&clean, strength)?)?;
        if shot.bytes.contains(&jpeg.len()) {
            return Ok(jpeg);
        }
        if jpeg.len() < *shot.bytes.start() {
            low = strength;
        } else {
            high = strength;
        }
    }
    ensure!(
        low > 0.0,
        "{} {}: without any noise it has more than {} bytes",
        shot.species,
        shot.index,
        shot.bytes.end()
    );
    anyhow::bail!(
        "{} {}: no noise gives {:?} bytes",
        shot.species,
        shot.index,
        shot.bytes
    )
}

fn encode(photo: &RgbPhoto) -> Result<Vec<u8>> {
    let image = Image {
        pixels: photo.pixels(),
        width: photo.width() as usize,
        pitch: photo.width() as usize * 3,
        height: photo.height() as usize,
        format: PixelFormat::RGB,
    };
    Ok(turbojpeg::compress(image, QUALITY, Subsamp::Sub2x2)?.to_vec())
}

/// Standard normal numbers out of a table, picked by a seeded generator.
struct Noise {
    table: Vec<f32>,
    seed: u64,
}

impl Noise {
    fn new(seed: u64, index: u32) -> Self {
        let seed = seed ^ (u64::from(index) << 32);
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        // The sum of twelve even numbers: near enough, and the same on every machine.
        let table = (0..TABLE)
            .map(|_| {
                let sum: u64 = (0..12).map(|_| u64::from(generator.next_u32() >> 8)).sum();
                sum as f32 / (1 << 24) as f32 - 6.0
            })
            .collect();
        Self { table, seed }
    }

    /// Noise grows with the root of the light, and there is some in the dark.
    fn over(&self, clean: &RgbPhoto, strength: f32) -> Result<RgbPhoto> {
        let by_light: Vec<f32> = (0..=255u8)
            .map(|value| strength * (0.2 + 0.8 * f32::from(value) / 255.0).sqrt())
            .collect();
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(1));
        let mut pixels = clean.pixels().to_vec();
        let (triples, _) = pixels.as_chunks_mut::<3>();
        for pixel in triples {
            let drawn = generator.next_u64();
            for (channel, value) in pixel.iter_mut().enumerate() {
                let at = (drawn >> (16 * channel)) as usize % TABLE;
                let seen = f32::from(*value) + self.table[at] * by_light[usize::from(*value)];
                *value = seen.round().clamp(0.0, 255.0) as u8;
            }
        }
        Ok(RgbPhoto::new(clean.width(), clean.height(), pixels)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_photograph_has_the_size_asked_for_and_can_be_taken_again() {
        let shot = Shot {
            species: fishid_dataset::synth::species_slugs()
                .next()
                .unwrap()
                .to_owned(),
            index: 3,
            size: (640, 480),
            bytes: 90_000..=110_000,
        };
        let first = take(&shot, 5).unwrap();
        assert!(shot.bytes.contains(&first.len()), "{}", first.len());
        assert!(first == take(&shot, 5).unwrap());
        assert!(first != take(&shot, 6).unwrap());
        let photo = fishid_image::decode(&first, &fishid_image::Limits::default(), None).unwrap();
        assert_eq!((photo.width(), photo.height()), (640, 480));
    }
}
