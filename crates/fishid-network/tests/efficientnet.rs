//! EfficientNet against timm and torchvision: weights drawn alike on both sides, answers compared with float64.
#![allow(clippy::unwrap_used)]

#[path = "efficientnet/seeded.rs"]
mod seeded;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::Device;
use fishid_engine::{EngineOptions, ImageModel};
use fishid_network::efficientnet::{
    Architecture, Card, Checkpoint, EfficientNet, ImportError, Naming, Network, Size, normalised,
    random_checkpoint, write_backbone,
};
use fishid_network::{BackboneFile, embedder};
use safetensors::tensor::{SafeTensors, TensorView};
use safetensors::{Dtype, serialize};

/// Relative L2 error allowed to the ONNX graph; the issue's own.
const ONNX_TOLERANCE: f64 = 1e-4;
/// The same for the Burn module.
const BURN_TOLERANCE: f64 = 1e-3;

/// A file of `tests/golden/efficientnet`.
struct Golden {
    architecture: Architecture,
    seed: u64,
    side: usize,
    gain: f64,
    /// The library's own names and shapes.
    shapes: BTreeMap<String, Vec<usize>>,
    outputs: HashMap<String, Vec<f32>>,
}

impl Golden {
    fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/efficientnet");
        let bytes = std::fs::read(folder.join(format!("{name}.safetensors"))).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let text = metadata.metadata().clone().unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let floats = |view: &TensorView<'_>| {
            let numbers = view.data().as_chunks::<4>().0.iter();
            numbers.map(|b| f32::from_le_bytes(*b)).collect()
        };
        Self {
            architecture: text["architecture"].parse().unwrap(),
            seed: text["seed"].parse().unwrap(),
            side: text["side"].parse().unwrap(),
            gain: text["gain"].parse().unwrap(),
            shapes: serde_json::from_str(&text["tensors"]).unwrap(),
            outputs: file
                .tensors()
                .into_iter()
                .map(|(name, view)| (name, floats(&view)))
                .collect(),
        }
    }

    /// The file the library would save, its counters and classifier included.
    fn weights(&self) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
        let drawn = |(name, shape): (&String, &Vec<usize>)| {
            let values = seeded::tensor(name, shape, self.seed, self.gain);
            (name.clone(), (shape.clone(), values))
        };
        self.shapes.iter().map(drawn).collect()
    }

    fn card(&self) -> Card {
        Card {
            side: self.side as u32,
            ..Card::native(self.architecture, "golden")
        }
    }
}

fn safetensors(tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>) -> Vec<u8> {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| {
            (
                name,
                shape,
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            )
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        (
            name.as_str(),
            TensorView::new(Dtype::F32, (*shape).clone(), bytes).unwrap(),
        )
    });
    serialize(views, None).unwrap()
}

fn distance(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |x: f64| x * x;
    let error: f64 = found
        .iter()
        .zip(expected)
        .map(|(a, b)| square(f64::from(*a) - f64::from(*b)))
        .sum();
    (error / expected.iter().map(|b| square(f64::from(*b))).sum::<f64>()).sqrt()
}

#[track_caller]
fn check(name: &str, naming: Naming) {
    let golden = Golden::read(name);
    let bytes = safetensors(&golden.weights());
    assert_eq!(Checkpoint::naming(&bytes), Some(naming));
    let checkpoint = Checkpoint::import(golden.architecture, &bytes, Some(golden.card())).unwrap();
    let files = write_backbone(&checkpoint);
    let backbone = BackboneFile::from_parts(&files.onnx, Some(&files.sidecar), name).unwrap();
    assert!(backbone.assumed.is_empty(), "{:?}", backbone.assumed);
    assert!(
        backbone.pooled_features().is_some(),
        "an activation map can be given"
    );
    let model = ImageModel::load(
        &embedder(&backbone).unwrap(),
        &EngineOptions::single_threaded(),
    )
    .unwrap();
    let pixels = seeded::photograph(golden.seed, golden.side);
    let outputs = model.run(&pixels, 1, &["features", "embedding"]).unwrap();
    for (output, expected) in &golden.outputs {
        let error = distance(&outputs[output].values, expected);
        assert!(
            error < ONNX_TOLERANCE,
            "{name}: {output} is off by {error:.2e}"
        );
    }

    let device = Device::flex();
    let photographs = normalised(&checkpoint.card, &pixels, &device);
    let features =
        EfficientNet::from_checkpoint(&checkpoint, &device).forward_features(photographs);
    let features: Vec<f32> = features.into_data().try_into_vec().unwrap();
    let error = distance(&features, &golden.outputs["features"]);
    assert!(
        error < BURN_TOLERANCE,
        "{name}: Burn's features are off by {error:.2e}"
    );
}

#[test]
fn b0_answers_as_timm_does() {
    check("efficientnet-b0.timm", Naming::Timm);
}

#[test]
fn b4_answers_as_timm_does() {
    check("efficientnet-b4.timm", Naming::Timm);
}

#[test]
fn b0_of_tensorflow_answers_as_timm_does() {
    check("tf-efficientnet-b0.timm", Naming::Timm);
}

#[test]
fn b4_of_tensorflow_answers_as_timm_does() {
    check("tf-efficientnet-b4.timm", Naming::Timm);
}

#[test]
fn b0_answers_as_torchvision_does() {
    check("efficientnet-b0.torchvision", Naming::Torchvision);
}

/// Imports torchvision's B0 after a change and gives what is said about it.
#[track_caller]
fn refused(change: impl FnOnce(&mut BTreeMap<String, (Vec<usize>, Vec<f32>)>)) -> String {
    let golden = Golden::read("efficientnet-b0.torchvision");
    let mut weights = golden.weights();
    change(&mut weights);
    let error = Checkpoint::import(golden.architecture, &safetensors(&weights), None).unwrap_err();
    error.to_string()
}

#[test]
fn a_missing_tensor_is_named_as_the_file_would_call_it() {
    let error = refused(|weights| {
        weights
            .remove("features.4.1.block.0.1.running_var")
            .unwrap();
    });
    assert!(
        error.contains("efficientnet-b0")
            && error.contains("missing: features.4.1.block.0.1.running_var"),
        "{error}"
    );
}

#[test]
fn an_extra_tensor_is_named() {
    let error = refused(|weights| {
        weights.insert("features.9.0.weight".to_owned(), (vec![2], vec![0.0; 2]));
    });
    assert!(error.contains("left over: features.9.0.weight"), "{error}");
}

#[test]
fn a_tensor_of_another_shape_is_named_with_both_shapes() {
    let error = refused(|weights| {
        weights.get_mut("features.0.0.weight").unwrap().0 = vec![32, 3, 9];
    });
    assert!(
        error.contains("features.0.0.weight is [32, 3, 9] where [32, 3, 3, 3] is needed"),
        "{error}"
    );
}

#[test]
fn a_number_that_is_not_finite_is_told_with_its_tensor() {
    let error = refused(|weights| {
        weights.get_mut("features.0.1.bias").unwrap().1[3] = f32::NAN;
    });
    assert!(
        error.contains("features.0.1.bias holds a number that is not finite"),
        "{error}"
    );
}

#[test]
fn weights_of_another_size_are_refused_with_the_network_that_was_asked_for() {
    let golden = Golden::read("efficientnet-b0.timm");
    let bytes = safetensors(&golden.weights());
    let error = Checkpoint::import("efficientnet-b1".parse().unwrap(), &bytes, None).unwrap_err();
    assert!(
        matches!(&error, ImportError::Tensors { architecture, .. } if architecture == "efficientnet-b1")
    );
    assert!(error.to_string().contains("missing: blocks.0.1"), "{error}");
}

#[test]
fn torchvisions_names_are_refused_for_the_flavour_it_does_not_have() {
    let golden = Golden::read("efficientnet-b0.torchvision");
    let bytes = safetensors(&golden.weights());
    let error =
        Checkpoint::import("tf-efficientnet-b0".parse().unwrap(), &bytes, None).unwrap_err();
    assert!(
        error.to_string().contains("belong to efficientnet-b0"),
        "{error}"
    );
}

#[test]
fn files_of_another_kind_are_refused() {
    let import = |bytes: &[u8]| {
        Checkpoint::import(Architecture::DEFAULT, bytes, None)
            .unwrap_err()
            .to_string()
    };
    assert!(import(b"PK\x03\x04 a pickled checkpoint").contains("not a safetensors file"));
    let stranger = BTreeMap::from([("layer1.weight".to_owned(), (vec![1], vec![0.5]))]);
    assert!(import(&safetensors(&stranger)).contains("such as layer1.weight"));
    let golden = Golden::read("efficientnet-b0.timm");
    let whole = safetensors(&golden.weights());
    assert!(import(&whole[..whole.len() / 2]).contains("is the download whole"));
}

#[test]
fn half_precision_files_are_read_as_the_numbers_they_hold() {
    let golden = Golden::read("efficientnet-b0.timm");
    let weights = golden.weights();
    let halves: Vec<(&String, &Vec<usize>, Vec<u8>)> = weights
        .iter()
        .map(|(name, (shape, values))| {
            let bytes = values
                .iter()
                .flat_map(|v| half::bf16::from_f32(*v).to_le_bytes())
                .collect();
            (name, shape, bytes)
        })
        .collect();
    let views = halves.iter().map(|(name, shape, bytes)| {
        (
            name.as_str(),
            TensorView::new(Dtype::BF16, (*shape).clone(), bytes).unwrap(),
        )
    });
    let bytes = serialize(views, None).unwrap();
    let checkpoint = Checkpoint::import(golden.architecture, &bytes, None).unwrap();
    let stem = "conv_stem.weight";
    let expected: Vec<f32> = weights[stem]
        .1
        .iter()
        .map(|v| half::bf16::from_f32(*v).to_f32())
        .collect();
    assert_eq!(checkpoint.tensor(stem).values, expected);
}

#[test]
fn both_flavours_of_b0_to_b2_become_graphs_that_the_engine_takes() {
    // Larger ones take many seconds to draw; their depths and widths are checked by their parameter counts.
    for architecture in Architecture::all().filter(|a| a.size <= Size::B2) {
        let mut checkpoint = random_checkpoint(architecture, 3);
        checkpoint.card.side = 48;
        let files = write_backbone(&checkpoint);
        let backbone = BackboneFile::from_parts(&files.onnx, Some(&files.sidecar), "net").unwrap();
        assert_eq!(backbone.weights, "random:3");
        let network = Network::new(architecture);
        assert_eq!(backbone.embedding_width(), Some(network.embedding_width()));
        let model = ImageModel::load(
            &embedder(&backbone).unwrap(),
            &EngineOptions::single_threaded(),
        )
        .unwrap();
        let outputs = model
            .run(&seeded::photograph(1, 48), 1, &["features", "embedding"])
            .unwrap();
        let side = network.feature_side(48);
        assert_eq!(
            outputs["features"].shape,
            [1, network.embedding_width(), side, side]
        );
        assert!(
            outputs["embedding"]
                .values
                .iter()
                .all(|value| value.is_finite())
        );
    }
}

#[test]
fn one_seed_gives_one_checkpoint_and_another_seed_another() {
    let b0: Architecture = "efficientnet-b0".parse().unwrap();
    let digest = |seed| random_checkpoint(b0, seed).digest();
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}
