//! Joins copies of a photograph turned by any angle about its middle, mirrored or not, as augmentation
//! programs write them: the perceptual hash only knows quarter turns.
//!
//! Rings around the middle are read as waves; turning shifts a wave and leaves the strength of its
//! frequencies. Only used within a species: a false match there costs a little variety, never a label.

use std::collections::BTreeMap;
use std::f32::consts::TAU;

use bytes::Bytes;
use fishid_image::{Filter, Limits, RgbPhoto, decode, resize};
use rayon::prelude::*;

use crate::duplicates::Duplicates;
use crate::inspection::Inspection;
use crate::near_duplicates::DisjointSets;

/// Signatures (unit vectors) nearer than this are one photograph turned. On fishcam 98 % of photographs turned
/// by a random angle stay within it; the nearest two different fish of one species are 0.067 apart.
const NEAR: f32 = 0.06;
/// Every pair of a species is compared; beyond this many photographs that takes longer than it is worth.
const MOST_IN_CLASS: usize = 60_000;
const SHORTER_SIDE: u32 = 64;
const N_RINGS: usize = 16;
const N_ANGLES: usize = 128;
const N_FREQUENCIES: usize = 10;

/// Joins clusters of `duplicates` whose first photographs are turned copies of each other. `read` gives the
/// bytes of a photograph by index.
pub(super) fn join(
    slugs: &[&str],
    inspections: &[Inspection],
    read: &(dyn Fn(usize) -> Option<Bytes> + Sync),
    duplicates: &mut Duplicates,
) {
    let mut firsts_of_class: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, slug) in slugs.iter().enumerate() {
        if duplicates.first[index] == index && inspections[index].hash().is_some() {
            firsts_of_class.entry(slug).or_default().push(index);
        }
    }
    let mut sets = DisjointSets::new(slugs.len());
    for (index, &first) in duplicates.first.iter().enumerate() {
        sets.join(index, first);
    }
    for (slug, firsts) in firsts_of_class {
        if firsts.len() > MOST_IN_CLASS {
            tracing::warn!(
                class = slug,
                photographs = firsts.len(),
                "class too large to look for turned copies"
            );
            continue;
        }
        let signatures: Vec<Option<Vec<f32>>> = firsts
            .par_iter()
            .map(|&index| signature(&decode(&read(index)?, &Limits::default(), Some(256)).ok()?))
            .collect();
        let pairs: Vec<(usize, usize)> = (0..firsts.len())
            .into_par_iter()
            .flat_map_iter(|a| {
                let signatures = &signatures;
                (a + 1..firsts.len())
                    .filter(move |&b| is_near(signatures[a].as_ref(), signatures[b].as_ref()))
                    .map(move |b| (a, b))
            })
            .collect();
        for (a, b) in pairs {
            sets.join(firsts[a], firsts[b]);
        }
    }
    for (index, first) in duplicates.first.iter_mut().enumerate() {
        *first = sets.root(index);
    }
}

fn is_near(a: Option<&Vec<f32>>, b: Option<&Vec<f32>>) -> bool {
    let (Some(a), Some(b)) = (a, b) else {
        return false;
    };
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>() < NEAR * NEAR
}

/// Strength of the frequencies of each ring, as a unit vector; none for a picture without contrast.
fn signature(photo: &RgbPhoto) -> Option<Vec<f32>> {
    let shorter = photo.width().min(photo.height());
    let scaled = |side: u32| {
        (u64::from(side) * u64::from(SHORTER_SIDE))
            .div_ceil(u64::from(shorter))
            .min(4096) as u32
    };
    let small = resize(
        photo,
        scaled(photo.width()),
        scaled(photo.height()),
        Filter::Bilinear,
    );
    let radius =
        |ring: usize| (ring as f32 + 0.5) / N_RINGS as f32 * (SHORTER_SIDE as f32 / 2.0 - 1.0);
    let rings: Vec<Vec<f32>> = (0..N_RINGS)
        .map(|ring| read_ring(&small, radius(ring)))
        .collect();
    let means: Vec<f32> = rings
        .iter()
        .map(|ring| ring.iter().sum::<f32>() / N_ANGLES as f32)
        .collect();
    let weights: f32 = (0..N_RINGS).map(radius).sum();
    let middle = means
        .iter()
        .enumerate()
        .map(|(ring, mean)| mean * radius(ring))
        .sum::<f32>()
        / weights;

    let mut signature = Vec::with_capacity(N_RINGS * (N_FREQUENCIES + 1));
    for (ring, values) in rings.iter().enumerate() {
        // A ring counts by its length, a frequency somewhat more the finer it is.
        let weight = radius(ring).sqrt();
        signature.push((means[ring] - middle) * weight);
        signature.extend(
            (1..=N_FREQUENCIES)
                .map(|frequency| strength(values, frequency) * weight * (frequency as f32).sqrt()),
        );
    }
    let norm = signature
        .iter()
        .map(|value| value * value)
        .sum::<f32>()
        .sqrt();
    (norm > 1.0).then(|| signature.iter().map(|value| value / norm).collect())
}

fn read_ring(photo: &RgbPhoto, radius: f32) -> Vec<f32> {
    let (width, height) = (photo.width(), photo.height());
    let grey = |x: f32, y: f32| {
        let at = |value: f32, length: u32| (value.max(0.0) as u32).min(length - 1);
        let [red, green, blue] = photo.pixel(at(x, width), at(y, height));
        0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)
    };
    (0..N_ANGLES)
        .map(|step| {
            let angle = TAU * step as f32 / N_ANGLES as f32;
            let (x, y) = (
                (width - 1) as f32 / 2.0 + radius * angle.cos(),
                (height - 1) as f32 / 2.0 + radius * angle.sin(),
            );
            let (left, top) = (x.floor(), y.floor());
            let (right, down) = (x - left, y - top);
            let upper = grey(left, top) * (1.0 - right) + grey(left + 1.0, top) * right;
            let lower = grey(left, top + 1.0) * (1.0 - right) + grey(left + 1.0, top + 1.0) * right;
            upper * (1.0 - down) + lower * down
        })
        .collect()
}

/// Amplitude of one frequency of a closed wave.
fn strength(values: &[f32], frequency: usize) -> f32 {
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (step, value) in values.iter().enumerate() {
        let angle = TAU * ((step * frequency) % N_ANGLES) as f32 / N_ANGLES as f32;
        real += value * angle.cos();
        imaginary += value * angle.sin();
    }
    std::f32::consts::SQRT_2 * (real * real + imaginary * imaginary).sqrt() / N_ANGLES as f32
}
