//! A small seeded network that embeds a photograph in a millisecond, for tests of everything around a backbone.
//!
//! Its filters are random, but its shape is not: colour filters and edge filters, rectified, are looked at
//! through five windows (middle of the body, a lengthwise stripe, back, belly, ends) before the average.
//! A plain average lets the background drown the fish: with it a linear head reached 0.66 of unseen synthetic
//! fish, with the windows 0.93 (15 species, 24 training photographs each). The windows are symmetric under
//! mirroring, since fish look both ways. It knows nothing about photographs.

use std::fs;
use std::path::{Path, PathBuf};

use fishid_network::onnx::{Dimension, ValueInfoProto, element};
use fishid_network::{Convolution, GraphBuilder, Pooling};
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

const NAME: &str = "fishid-small";
/// Side of its square input in pixels.
const SIDE: usize = 112;
const OPSET: i64 = 13;
const N_COLOURS: usize = 64;
const N_EDGES: usize = 48;
const EDGE_KERNEL: usize = 5;
/// Of the edge filters, this share answers to contrast only; the others see brightness too.
const ZERO_MEAN_SHARE: f64 = 0.6;
/// Spread of the colour filters' thresholds, in deviations of a pixel.
const COLOUR_THRESHOLD_SPREAD: f64 = 0.6;
/// Side of the feature maps: two halvings of the input.
const MAP_SIDE: usize = SIDE / 4;
const N_MAPS: usize = N_COLOURS + N_EDGES;
/// Mean and deviation the pixels are normalised with, per channel.
const MEAN: f64 = 0.45;
const DEVIATION: f64 = 0.25;

/// A soft window: `(centre, width)` across, in |x| from the middle, and `(centre, height)` down, both in
/// half-sides of the picture.
type Window = ([f64; 2], [f64; 2]);

const WINDOWS: [Window; 5] = [
    ([0.0, 0.75], [0.0, 0.5]),
    ([0.0, 0.7], [0.0, 0.18]),
    ([0.0, 0.6], [-0.4, 0.2]),
    ([0.0, 0.6], [0.4, 0.2]),
    ([0.75, 0.25], [0.0, 0.35]),
];

/// The network as an ONNX file and the JSON beside it; the same seed gives the same bytes.
pub fn small_backbone(seed: u64) -> (Vec<u8>, String) {
    let sidecar = json!({
        "name": NAME,
        "weights": format!("random:{seed}"),
        "licence": "MIT",
        "source": "written by fishid from a seed; it never saw a photograph",
        "input": {
            "name": "input", "layout": "NCHW", "dtype": "float32", "size": [SIDE, SIDE], "channel_order": "RGB",
            "scale": 1.0 / 255.0, "mean": ([MEAN; 3]), "std": ([DEVIATION; 3]),
        },
    });
    (network(seed), format!("{sidecar:#}\n"))
}

/// [`small_backbone`] as a file in `folder`, the JSON beside it.
pub fn write_small_backbone(folder: &Path, seed: u64) -> PathBuf {
    let (onnx, sidecar) = small_backbone(seed);
    let path = folder.join("small_backbone.onnx");
    fs::write(path.with_extension("json"), sidecar).expect("the test's folder can be written to");
    fs::write(&path, onnx).expect("the test's folder can be written to");
    path
}

fn network(seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut builder = GraphBuilder::new(NAME, "");
    let side = || Dimension::fixed(SIDE);
    let dims = vec![
        Dimension::symbolic("n"),
        Dimension::fixed(3),
        side(),
        side(),
    ];
    let input = builder.input(ValueInfoProto::tensor("input", element::FLOAT, dims));

    let halve = Pooling {
        kernel: 2,
        stride: 2,
        padding: 0,
    };
    let small = builder.average_pool(&input, halve);
    let colour_shape = Convolution {
        filters: N_COLOURS,
        channels: 3,
        kernel: 1,
        stride: 1,
        padding: (0, 0),
        groups: 1,
    };
    let (weights, bias) = colour_filters(&mut rng);
    let colours = builder.conv(&small, colour_shape, &weights, &bias);
    let edge_shape = Convolution {
        filters: N_EDGES,
        channels: 3,
        kernel: EDGE_KERNEL,
        stride: 2,
        padding: (EDGE_KERNEL / 2, EDGE_KERNEL / 2),
        groups: 1,
    };
    let edges = builder.conv(&input, edge_shape, &edge_filters(&mut rng), &[0.0; N_EDGES]);

    let both = builder.concat(&[&colours, &edges], 1);
    let rectified = builder.relu(&both);
    let maps = builder.average_pool(&rectified, halve);
    let seen: Vec<String> = WINDOWS
        .iter()
        .map(|window| {
            let weights = builder.floats(&[1, 1, MAP_SIDE, MAP_SIDE], &window_weights(window));
            builder.binary("Mul", &maps, &weights)
        })
        .collect();
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    let features = builder.concat(&seen, 1);
    let pooled = builder.global_average_pool(&features);
    let embedding = builder.flatten(&pooled);

    let width = || Dimension::fixed(N_MAPS * WINDOWS.len());
    let map_side = || Dimension::fixed(MAP_SIDE);
    builder.output(
        "features",
        &features,
        vec![Dimension::symbolic("n"), width(), map_side(), map_side()],
    );
    builder.output(
        "embedding",
        &embedding,
        vec![Dimension::symbolic("n"), width()],
    );
    builder.into_model(OPSET).save()
}

/// Directions in colour space of length 1, with thresholds spread over the range of pixels.
fn colour_filters(rng: &mut ChaCha8Rng) -> (Vec<f32>, Vec<f32>) {
    let (mut weights, mut bias) = (Vec::new(), Vec::new());
    for _ in 0..N_COLOURS {
        let direction = [normal(rng), normal(rng), normal(rng)];
        let length = direction
            .iter()
            .map(|x| x * x)
            .sum::<f64>()
            .sqrt()
            .max(1e-6);
        weights.extend(direction.map(|x| (x / length) as f32));
        bias.push((COLOUR_THRESHOLD_SPREAD * normal(rng)) as f32);
    }
    (weights, bias)
}

/// Random kernels whose response to unit noise has deviation 1.
fn edge_filters(rng: &mut ChaCha8Rng) -> Vec<f32> {
    let n = 3 * EDGE_KERNEL * EDGE_KERNEL;
    let mut weights = Vec::with_capacity(N_EDGES * n);
    for _ in 0..N_EDGES {
        let mut kernel: Vec<f64> = (0..n).map(|_| normal(rng)).collect();
        if rng.random_bool(ZERO_MEAN_SHARE) {
            let mean = kernel.iter().sum::<f64>() / n as f64;
            for x in &mut kernel {
                *x -= mean;
            }
        }
        let length = kernel.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-6);
        weights.extend(kernel.iter().map(|x| (x / length) as f32));
    }
    weights
}

/// The window's values over the map, scaled to a mean of 1 so that no window outweighs another.
fn window_weights(([x0, width], [y0, height]): &Window) -> Vec<f32> {
    let from_middle = |i: usize| 2.0 * (i as f64 + 0.5) / MAP_SIDE as f64 - 1.0;
    let bump = |distance: f64, spread: f64| (-(distance / spread).powi(2)).exp();
    let mut values = Vec::with_capacity(MAP_SIDE * MAP_SIDE);
    for row in 0..MAP_SIDE {
        for column in 0..MAP_SIDE {
            let across = bump(from_middle(column).abs() - x0, *width);
            values.push(across * bump(from_middle(row) - y0, *height));
        }
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value / mean) as f32).collect()
}

/// A standard normal number (Box and Muller, 1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let u: f64 = rng.random();
    let v: f64 = rng.random();
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The end-to-end tests, which know no Rust, take the file that is kept; `UPDATE_GOLDEN=1` writes it anew.
    #[test]
    fn the_kept_file_is_what_seed_0_gives() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(&folder).unwrap();
            write_small_backbone(&folder, 0);
        }
        let (onnx, sidecar) = small_backbone(0);
        let path = folder.join("small_backbone.onnx");
        assert_eq!(
            fs::read_to_string(path.with_extension("json")).unwrap(),
            sidecar
        );
        assert!(
            fs::read(&path).unwrap() == onnx,
            "UPDATE_GOLDEN=1 renews {}",
            path.display()
        );
    }

    #[test]
    fn one_seed_gives_one_file_and_another_seed_another() {
        assert_eq!(network(3), network(3));
        assert_ne!(network(3), network(4));
    }

    #[test]
    fn every_window_is_its_own_mirror_image() {
        for window in &WINDOWS {
            let values = window_weights(window);
            for row in values.chunks(MAP_SIDE) {
                let mirrored: Vec<f32> = row.iter().rev().copied().collect();
                assert!(row.iter().zip(&mirrored).all(|(a, b)| (a - b).abs() < 1e-6));
            }
        }
    }
}
