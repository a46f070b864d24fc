//! Which photographs go into a bundle to prove it later, and in which bytes.
//!
//! Two per class show that every class is alive; those nearest the decision boundary are the first to
//! change when something in the chain of pixels or precision does.

use std::collections::BTreeSet;

use fishid_bundle::{GoldenPhoto, MAX_GOLDEN_BYTES};
use fishid_engine::ImageModel;
use fishid_image::{Filter, Fit, Limits, Preprocessing, RgbPhoto, encode_jpeg};

use crate::error::TrainingError;

const N_PER_CLASS: usize = 2;
const N_NEAR_BOUNDARY: usize = 8;
const N_IN_ALL: usize = 32;
/// Left for `expected.json`.
const BYTES_FOR_EXPECTATIONS: u64 = 200_000;

/// A photograph that could be golden.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GoldenCandidate {
    /// The caller's number for it.
    pub photograph: usize,
    /// Class index.
    pub class: usize,
    /// First minus second probability: small near the decision boundary.
    pub margin: f32,
}

/// Chooses two per class, the eight of smallest margin, and more per class up to 32 in all, as far as
/// the candidates go. Earlier candidates are preferred within a class. Returns the callers' numbers.
pub fn select_golden(candidates: &[GoldenCandidate], n_classes: usize) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    let mut taken = BTreeSet::new();
    let mut take = |place: usize, chosen: &mut Vec<usize>| {
        let is_new = taken.insert(place);
        if is_new {
            chosen.push(candidates[place].photograph);
        }
        is_new
    };
    let of_class: Vec<Vec<usize>> = (0..n_classes)
        .map(|class| {
            (0..candidates.len())
                .filter(|i| candidates[*i].class == class)
                .collect()
        })
        .collect();
    for places in &of_class {
        for place in places.iter().take(N_PER_CLASS) {
            take(*place, &mut chosen);
        }
    }
    let mut by_margin: Vec<usize> = (0..candidates.len()).collect();
    by_margin.sort_by(|a, b| {
        candidates[*a]
            .margin
            .total_cmp(&candidates[*b].margin)
            .then(a.cmp(b))
    });
    let mut n_near = 0;
    for place in by_margin {
        if n_near == N_NEAR_BOUNDARY {
            break;
        }
        n_near += usize::from(take(place, &mut chosen));
    }
    let longest = of_class.iter().map(Vec::len).max().unwrap_or(0);
    for round in N_PER_CLASS..longest {
        for places in &of_class {
            if chosen.len() >= N_IN_ALL {
                return chosen;
            }
            if let Some(place) = places.get(round) {
                take(*place, &mut chosen);
            }
        }
    }
    chosen
}

/// First minus second probability.
pub(crate) fn margin(row: &[f32]) -> f32 {
    let mut sorted = row.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    sorted.first().copied().unwrap_or(0.0) - sorted.get(1).copied().unwrap_or(0.0)
}

/// Golden photographs as a bundle keeps them: small enough, and answered by the model. `classes` are the
/// slugs of each, for the files' names.
pub(crate) fn answered_golden(
    originals: &[Vec<u8>],
    classes: &[&str],
    preprocessing: &Preprocessing,
    model: &ImageModel,
) -> Result<Vec<GoldenPhoto>, TrainingError> {
    golden_bytes(originals, preprocessing)?
        .into_iter()
        .zip(classes)
        .enumerate()
        .map(|(i, (bytes, class))| {
            let photo = preprocessing
                .load(&bytes, &Limits::default())
                .map_err(|error| TrainingError::Data(format!("a golden photograph: {error}")))?;
            let answer = model.run(photo.pixels(), 1, &["probabilities"])?;
            let class: String = class.chars().take(40).collect();
            Ok(GoldenPhoto {
                file_name: format!("{i:02}_{class}.jpg"),
                bytes,
                probabilities: answer["probabilities"].values.clone(),
            })
        })
        .collect()
}

/// Re-encodes photographs as JPEG so that all of them fit the bundle's limit. The shorter side stays
/// somewhat above the model's input, so that decoding and resizing are proved too.
pub(crate) fn golden_bytes(
    originals: &[Vec<u8>],
    preprocessing: &Preprocessing,
) -> Result<Vec<Vec<u8>>, TrainingError> {
    let limit = (MAX_GOLDEN_BYTES - BYTES_FOR_EXPECTATIONS) / originals.len().max(1) as u64;
    originals
        .iter()
        .map(|original| {
            let photo = preprocessing
                .decode(original, &Limits::default())
                .map_err(|error| TrainingError::Data(format!("a golden photograph: {error}")))?;
            encode_within(&photo, preprocessing, limit)
        })
        .collect()
}

fn encode_within(
    photo: &RgbPhoto,
    preprocessing: &Preprocessing,
    limit: u64,
) -> Result<Vec<u8>, TrainingError> {
    let input_side = preprocessing.width.max(preprocessing.height);
    let mut smallest = Vec::new();
    for (enlargement, quality) in [
        (1.25, 90),
        (1.25, 80),
        (1.1, 70),
        (1.0, 60),
        (0.75, 50),
        (0.5, 40),
    ] {
        let small = shrunk(photo, f64::from(input_side) * enlargement);
        smallest = encode_jpeg(&small, quality)
            .map_err(|error| TrainingError::Data(format!("a golden photograph: {error}")))?;
        if smallest.len() as u64 <= limit {
            break;
        }
    }
    Ok(smallest)
}

/// The photograph with its shorter side at most `side`, its proportions kept. A very long one is
/// cropped at the middle to four times its shorter side.
pub(crate) fn shrunk(photo: &RgbPhoto, side: f64) -> RgbPhoto {
    let shorter = photo.width().min(photo.height());
    let scale = (side / f64::from(shorter)).min(1.0);
    let scaled = |length: u32| {
        let most = side.max(16.0) * 4.0;
        (f64::from(length) * scale).round().clamp(16.0, most) as u32
    };
    let (width, height) = (scaled(photo.width()), scaled(photo.height()));
    if (width, height) == (photo.width(), photo.height()) {
        return photo.clone();
    }
    Preprocessing {
        width,
        height,
        fit: Fit::CenterCrop,
        filter: Filter::CatmullRom,
    }
    .apply(photo)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fishid_image::{Filter, Fit, Limits, Preprocessing, RgbPhoto, encode_png, probe};

    use super::{GoldenCandidate, golden_bytes, select_golden};

    fn candidates(n_per_class: usize, n_classes: usize) -> Vec<GoldenCandidate> {
        (0..n_per_class * n_classes)
            .map(|i| GoldenCandidate {
                photograph: i,
                class: i % n_classes,
                margin: ((i * 7919) % 1000) as f32 / 1000.0,
            })
            .collect()
    }

    #[test]
    fn there_are_two_per_class_and_eight_near_the_boundary() {
        let all = candidates(20, 15);
        let chosen = select_golden(&all, 15);
        assert_eq!(chosen.len(), 38);
        for class in 0..15 {
            assert!(chosen.iter().filter(|i| all[**i].class == class).count() >= 2);
        }
        let mut by_margin = all.clone();
        by_margin.sort_by(|a, b| a.margin.total_cmp(&b.margin));
        assert!(
            by_margin[..8]
                .iter()
                .all(|near| chosen.contains(&near.photograph))
        );
    }

    #[test]
    fn few_classes_are_filled_up_to_32() {
        assert_eq!(select_golden(&candidates(50, 3), 3).len(), 32);
    }

    #[test]
    fn a_small_data_set_gives_what_it_has() {
        let mut chosen = select_golden(&candidates(3, 2), 2);
        chosen.sort_unstable();
        assert_eq!(chosen, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn forty_noisy_photographs_fit_the_limit_and_stay_readable() {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let pixels = (0..900 * 700 * 3).map(|_| noise()).collect();
        let photo = encode_png(&RgbPhoto::new(900, 700, pixels).unwrap()).unwrap();
        let preprocessing = Preprocessing {
            width: 380,
            height: 380,
            fit: Fit::Stretch,
            filter: Filter::CatmullRom,
        };
        let stored = golden_bytes(&vec![photo; 40], &preprocessing).unwrap();
        assert!(stored.iter().map(Vec::len).sum::<usize>() < 2_000_000);
        assert!(probe(&stored[0]).is_ok());
        assert!(preprocessing.load(&stored[0], &Limits::default()).is_ok());
    }
}
