//! The CPU kernels against Burn's own operations: values and gradients.
#![allow(clippy::unwrap_used)]

use burn::tensor::{Distribution, TensorData, Tolerance};

use super::*;

fn device() -> Device {
    Device::flex().autodiff()
}

fn random<const D: usize>(sides: [usize; D]) -> Tensor<D> {
    Tensor::random(sides, Distribution::Normal(0.3, 1.0), &device()).require_grad()
}

#[track_caller]
fn assert_close(found: &TensorData, expected: &TensorData) {
    found.assert_approx_eq::<f32>(expected, Tolerance::rel_abs(1e-4, 1e-4));
}

/// Runs both ways, weighs the output at random, and compares output and gradients of both inputs.
#[track_caller]
fn check<const D: usize, const E: usize>(
    sides: [usize; D],
    parameter: [usize; E],
    kernel: impl Fn(Tensor<D>, Tensor<E>) -> Tensor<4>,
    burn: impl Fn(Tensor<D>, Tensor<E>) -> Tensor<4>,
) {
    let (x, p) = (random(sides), random(parameter));
    let (found, expected) = (kernel(x.clone(), p.clone()), burn(x.clone(), p.clone()));
    let weights = Tensor::<4>::random(expected.dims(), Distribution::Default, &device());
    assert_close(&found.to_data(), &expected.to_data());
    let found = (found * weights.clone()).sum().backward();
    let expected = (expected * weights).sum().backward();
    assert_close(
        &x.grad(&found).unwrap().to_data(),
        &x.grad(&expected).unwrap().to_data(),
    );
    assert_close(
        &p.grad(&found).unwrap().to_data(),
        &p.grad(&expected).unwrap().to_data(),
    );
}

#[test]
fn depthwise_convolutions_equal_burns() {
    for kernel in [3, 5] {
        for (stride, padding) in [
            (1, (1, 1)),
            (1, (2, 2)),
            (2, (1, 1)),
            (2, (0, 1)),
            (2, (1, 2)),
        ] {
            for [height, width] in [[7, 7], [12, 19], [9, 34]] {
                let placement = Placement {
                    stride,
                    padding: [padding; 2],
                };
                check(
                    [3, 4, height, width],
                    [4, 1, kernel, kernel],
                    |x, weight| depthwise(x, weight, placement),
                    |x, weight| convolution(x, weight, placement, 4),
                );
            }
        }
    }
}

#[test]
fn products_equal_burns_pointwise_convolution() {
    let placement = Placement {
        stride: 1,
        padding: [(0, 0); 2],
    };
    // Few kernels for large maps, and many for small ones.
    for (sides, weight) in [
        ([3, 5, 6, 7], [4, 5, 1, 1]),
        ([3, 12, 2, 2], [16, 12, 1, 1]),
    ] {
        check(sides, weight, pointwise, |x, weight| {
            convolution(x, weight, placement, 1)
        });
    }
}

#[test]
fn gates_equal_burns() {
    check([3, 5, 6, 7], [3, 5], gate, |x, logits| {
        x * sigmoid(logits).reshape([3, 5, 1, 1])
    });
}

#[test]
fn normalisations_equal_burns() {
    for activation in [Activation::None, Activation::Silu] {
        let other: Tensor<1> = Tensor::random([5], Distribution::Default, &device());
        let burn = |x: Tensor<4>, scale: Tensor<1>, offset: Tensor<1>| {
            activation.of(batch_norm_train(x, scale, offset, 1e-3).output)
        };
        let kernel = |x, scale, offset| normalise_by_batch(x, scale, offset, 1e-3, activation).0;
        check(
            [3, 5, 6, 7],
            [5],
            |x, scale| kernel(x, scale, other.clone()),
            |x, scale| burn(x, scale, other.clone()),
        );
        check(
            [3, 5, 6, 7],
            [5],
            |x, offset| kernel(x, other.clone(), offset),
            |x, offset| burn(x, other.clone(), offset),
        );
    }
}

#[test]
fn moments_equal_burns_far_from_zero() {
    let x = random([3, 5, 6, 7]) + 1000.0;
    let ones = Tensor::<1>::ones([5], &device());
    let (_, found) = normalise_by_batch(x.clone(), ones.clone(), ones, 1e-3, Activation::None);
    let by_channel = x.inner().swap_dims(0, 1).reshape([5, 126]);
    let mean = by_channel.clone().mean_dim(1);
    let variance = (by_channel - mean.clone()).powi_scalar(2).mean_dim(1);
    assert_close(&found.mean.into_data(), &mean.reshape([5]).into_data());
    found.variance.into_data().assert_approx_eq::<f32>(
        &variance.reshape([5]).into_data(),
        Tolerance::relative(1e-3),
    );
}

#[test]
fn scaling_and_shifting_equals_burns() {
    let x = random([2, 5, 6, 7]).inner();
    let [scale, shift] = [random([5]), random([5])].map(Tensor::inner);
    for activation in [Activation::None, Activation::Silu] {
        let maps = |values: &Tensor<1>| values.clone().reshape([1, 5, 1, 1]);
        let expected = activation.of(x.clone() * maps(&scale) + maps(&shift));
        let found = affine(x.clone(), scale.clone(), shift.clone(), activation);
        assert_close(&found.into_data(), &expected.into_data());
    }
}
