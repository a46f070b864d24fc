//! The Burn module against the ONNX graph of the same weights, run by the real engine.
#![allow(clippy::unwrap_used)]

#[path = "efficientnet_module/support.rs"]
mod support;

use burn::module::Module as _;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Distribution, Tensor};
use fishid_network::efficientnet::{
    Checkpoint, EfficientNet, Network, estimate_statistics, normalised, random_checkpoint,
};
use support::{
    checkpoint, embed_with_engine, module_embedding, numbers, photographs, relative_error,
};

/// What the issue allows between Burn and the reference.
const TOLERANCE: f64 = 1e-3;

#[track_caller]
fn check(name: &str, side: usize) {
    let checkpoint = checkpoint(name, side, 3);
    let pixels = photographs(2, side);
    let expected = embed_with_engine(&checkpoint, &pixels);
    let found = module_embedding(&checkpoint, &pixels);
    let error = relative_error(&found, &expected);
    assert!(
        error < TOLERANCE,
        "{name} at {side}: relative error {error:e}"
    );
}

#[test]
fn b0_of_both_flavours_equals_its_graph_on_even_and_odd_sides() {
    for name in ["efficientnet-b0", "tf-efficientnet-b0"] {
        for side in [64, 75] {
            check(name, side);
        }
    }
}

#[test]
fn b4_of_both_flavours_equals_its_graph() {
    for name in ["efficientnet-b4", "tf-efficientnet-b4"] {
        check(name, 75);
    }
}

#[test]
fn weights_and_statistics_come_back_bit_for_bit() {
    for device in [Device::flex(), Device::flex().autodiff()] {
        let original = checkpoint("tf-efficientnet-b0", 32, 1);
        let mut other = checkpoint("tf-efficientnet-b0", 32, 2);
        EfficientNet::from_checkpoint(&original, &device).store(&mut other);
        for spec in original.network().tensors() {
            assert_eq!(original.tensor(&spec.name), other.tensor(&spec.name));
        }
    }
}

#[test]
fn the_network_in_two_parts_equals_the_whole() {
    let checkpoint = checkpoint("efficientnet-b0", 48, 5);
    let device = Device::flex();
    let module = EfficientNet::from_checkpoint(&checkpoint, &device);
    let images = normalised(&checkpoint.card, &photographs(2, 48), &device);
    let whole = numbers(module.forward_features(images.clone()));
    for stage in 0..=EfficientNet::HEAD_STAGE + 1 {
        let before = module.forward_before(stage, images.clone());
        assert_eq!(
            numbers(module.forward_from(stage, before)),
            whole,
            "{stage}"
        );
    }
}

/// All tensors but the offsets after a projection: the next normalisation takes those out again, so their gradient is
/// nothing but rounding.
fn names_with_gradients(network: &Network) -> Vec<String> {
    let projections = network.blocks.iter().map(|block| &block.project);
    let offsets: Vec<String> = projections.map(|c| format!("{}.bias", c.norm)).collect();
    let names = network.tensors().into_iter().map(|spec| spec.name);
    names.filter(|name| !offsets.contains(name)).collect()
}

/// Tensors that one step of training changes, by name.
fn changed_by_a_step(frozen_before: Option<usize>) -> Vec<String> {
    // Large enough that the last maps are more than one position.
    let side = 64;
    let before = checkpoint("efficientnet-b0", side, 4);
    let device = Device::flex().autodiff();
    let mut module = EfficientNet::from_checkpoint(&before, &device);
    if let Some(stage) = frozen_before {
        module = module.freeze_before(stage);
    }
    let images = normalised(&before.card, &photographs(4, side), &device);
    let target = Tensor::random([4, 1280], Distribution::Default, &device);
    let loss = (module.embed(images) - target).powi_scalar(2).mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &module);
    let module = SgdConfig::new().init().step(1.0, module, gradients);
    let mut after = before.clone();
    module.store(&mut after);
    let names = names_with_gradients(before.network()).into_iter();
    names
        .filter(|name| before.tensor(name) != after.tensor(name))
        .collect()
}

#[test]
fn a_step_changes_every_tensor_that_is_not_frozen() {
    let network = checkpoint("efficientnet-b0", 32, 4).network().clone();
    let all = names_with_gradients(&network);
    let changed = changed_by_a_step(None);
    let unmoved: Vec<&String> = all.iter().filter(|name| !changed.contains(name)).collect();
    assert!(unmoved.is_empty(), "{unmoved:?}");

    let is_after_stage_4 = |name: &&String| {
        ["blocks.5.", "blocks.6.", "conv_head.", "bn2."]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    let expected: Vec<String> = all.iter().filter(is_after_stage_4).cloned().collect();
    assert!(expected.len() > 20);
    assert_eq!(changed_by_a_step(Some(5)), expected);
}

#[test]
fn a_frozen_network_has_no_gradients() {
    let checkpoint = checkpoint("efficientnet-b0", 32, 4);
    let device = Device::flex().autodiff();
    let module = EfficientNet::from_checkpoint(&checkpoint, &device);
    let n_tensors = |frozen_before: usize| {
        let module = module.clone().freeze_before(frozen_before);
        let images = normalised(&checkpoint.card, &photographs(2, 32), &device);
        // Something of the loss must be learned for a backward pass to be possible.
        let own = Tensor::<2>::ones([1, 1280], &device).require_grad();
        let loss = (module.embed(images) * own).sum();
        GradientsParams::from_grads(loss.backward(), &module).len()
    };
    assert_eq!(n_tensors(EfficientNet::HEAD_STAGE + 1), 0);
    assert_eq!(n_tensors(EfficientNet::HEAD_STAGE), 3);
    // Three layers of three tensors each, and two dense layers of two.
    assert_eq!(n_tensors(6), 3 + 3 * 3 + 2 * 2);
}

/// Mean and variance of the stem's convolution per channel, by the definition.
fn stem_moments(checkpoint: &Checkpoint, images: &Tensor<4>) -> (Vec<f64>, Vec<f64>, usize) {
    let stem = &checkpoint.network().stem;
    let [n, _, side, _] = images.dims();
    let pixels = numbers(images.clone());
    let (before, _) = stem.padding(checkpoint.architecture().flavour, side);
    let out = stem.output_side(side);
    let weights = &checkpoint.tensor("conv_stem.weight").values;
    let n_samples = n * out * out;
    let moments = (0..stem.output).map(|filter| {
        let mut values = Vec::with_capacity(n_samples);
        for place in 0..n_samples {
            let (image, y, x) = (place / (out * out), place / out % out, place % out);
            let mut sum = 0.0;
            for tap in 0..27 {
                let (channel, row, column) = (tap / 9, tap / 3 % 3, tap % 3);
                let (row, column) = (y * 2 + row, x * 2 + column);
                let inside = before..side + before;
                if inside.contains(&row) && inside.contains(&column) {
                    let row = (image * 3 + channel) * side + row - before;
                    let pixel = pixels[row * side + column - before];
                    sum += f64::from(weights[filter * 27 + tap]) * f64::from(pixel);
                }
            }
            values.push(sum);
        }
        let mean = values.iter().sum::<f64>() / n_samples as f64;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        (mean, squares / n_samples as f64)
    });
    let (means, variances) = moments.unzip();
    (means, variances, n_samples)
}

#[track_caller]
fn assert_near(found: &[f32], expected: impl Iterator<Item = f64>) {
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(
            error < 2e-5 * expected.abs().max(0.1),
            "[{index}]: {found}, not {expected}"
        );
    }
}

#[test]
fn training_moves_the_running_statistics_by_the_flavours_share_of_the_unbiased_ones() {
    for (name, share) in [("efficientnet-b0", 0.1), ("tf-efficientnet-b0", 0.01)] {
        let before = checkpoint(name, 32, 6);
        let device = Device::flex().autodiff();
        let module = EfficientNet::from_checkpoint(&before, &device);
        let images = normalised(&before.card, &photographs(2, 32), &device);
        let (means, variances, n) = stem_moments(&before, &images);
        module.embed(images);
        let mut after = before.clone();
        module.store(&mut after);

        let old = |part: &str| before.tensor(&format!("bn1.{part}")).values.clone();
        let new = |part: &str| after.tensor(&format!("bn1.{part}")).values.clone();
        let unbiased = n as f64 / (n - 1) as f64;
        let blend = |old: Vec<f32>, batch: Vec<f64>, factor: f64| {
            let pairs = old.into_iter().zip(batch);
            pairs.map(move |(old, batch)| f64::from(old) * (1.0 - share) + batch * factor * share)
        };
        assert_near(&new("running_mean"), blend(old("running_mean"), means, 1.0));
        assert_near(
            &new("running_var"),
            blend(old("running_var"), variances, unbiased),
        );
    }
}

#[test]
fn estimated_statistics_of_the_stem_are_those_of_all_photographs() {
    let side = 32;
    let mut checkpoint = checkpoint("tf-efficientnet-b0", side, 7);
    // More than one batch, and the last one not full.
    let pixels = photographs(20, side);
    let images = normalised(&checkpoint.card, &pixels, &Device::flex());
    let (means, variances, _) = stem_moments(&checkpoint, &images);
    let each = pixels.chunks(side * side * 3).map(<[u8]>::to_vec);
    assert_eq!(estimate_statistics(&mut checkpoint, each), 20);
    let found = |part: &str| &checkpoint.tensor(&format!("bn1.{part}")).values;
    assert_near(found("running_mean"), means.into_iter());
    assert_near(found("running_var"), variances.into_iter());
}

/// Training normalises by the batch: every layer's activations have mean 0 and variance 1 there. So when evaluation
/// gives the same embeddings on the photographs of the estimate, its statistics are right in every layer.
#[test]
fn estimated_statistics_normalise_every_layer() {
    for name in ["efficientnet-b0", "tf-efficientnet-b4"] {
        let side = 64;
        let mut checkpoint = random_checkpoint(name.parse().unwrap(), 8);
        checkpoint.card.side = side as u32;
        let pixels = photographs(8, side);
        let each = pixels.chunks(side * side * 3).map(<[u8]>::to_vec);
        assert_eq!(estimate_statistics(&mut checkpoint, each), 8);

        let device = Device::flex().autodiff();
        let module = EfficientNet::from_checkpoint(&checkpoint, &device);
        let by_batch = numbers(module.embed(normalised(&checkpoint.card, &pixels, &device)));
        let error = relative_error(&module_embedding(&checkpoint, &pixels), &by_batch);
        assert!(error < 1e-3, "{name}: {error:e}");
    }
}

#[test]
fn no_photographs_leave_the_statistics_alone() {
    let mut found = checkpoint("efficientnet-b0", 32, 7);
    let before = found.clone();
    assert_eq!(estimate_statistics(&mut found, []), 0);
    assert_eq!(found, before);
}

#[test]
fn stochastic_depth_touches_training_alone() {
    let checkpoint = checkpoint("efficientnet-b0", 32, 9);
    let device = Device::flex().autodiff();
    let module = EfficientNet::from_checkpoint(&checkpoint, &device);
    let images = normalised(&checkpoint.card, &photographs(2, 32), &device);
    let whole = numbers(module.embed(images.clone()));
    assert_eq!(numbers(module.embed(images.clone())), whole);
    let module = module.with_stochastic_depth(0.9);
    assert_ne!(numbers(module.embed(images.clone())), whole);
    let evaluated = numbers(module.valid().embed(images.clone().inner()));
    assert_eq!(numbers(module.valid().embed(images.inner())), evaluated);
}
