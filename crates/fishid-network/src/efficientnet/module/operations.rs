//! The few operations the network is made of, on any device that Burn has.
//!
//! Deliberately does not know weights, names or stages.

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::activation::{sigmoid, silu};
use burn::tensor::module::{batch_norm_train, conv2d};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};

use super::kernels::{NetworkOps, Window};

/// Whether a value goes through `SiLU` after its normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    None,
    Silu,
}

impl Activation {
    fn of(self, value: Tensor<4>) -> Tensor<4> {
        match self {
            Self::None => value,
            Self::Silu => silu(value),
        }
    }
}

/// Mean and biased variance of each channel over a batch.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    pub(super) mean: Tensor<1>,
    pub(super) variance: Tensor<1>,
}

/// Stride and padding of a convolution: `[(top, bottom), (left, right)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) stride: usize,
    pub(super) padding: [(usize, usize); 2],
}

/// Whether a tensor of this device goes through [`NetworkOps`].
fn has_kernels(device: &Device) -> bool {
    match device.as_dispatch() {
        DispatchDevice::Flex(_) => true,
        DispatchDevice::Autodiff(_) => has_kernels(&device.clone().inner()),
        #[allow(unreachable_patterns)] // reachable as soon as a second backend is compiled in
        _ => false,
    }
}

/// Any convolution without bias.
pub(super) fn convolution(
    input: Tensor<4>,
    weight: Tensor<4>,
    placement: Placement,
    groups: usize,
) -> Tensor<4> {
    let options =
        ConvOptions::new_with_padding([placement.stride; 2], placement.padding, [1, 1], groups);
    conv2d(input, weight, None, options)
}

/// A convolution with one kernel per channel.
pub(super) fn depthwise(input: Tensor<4>, weight: Tensor<4>, placement: Placement) -> Tensor<4> {
    let [_, channels, height, width] = input.dims();
    if !has_kernels(&input.device()) {
        return convolution(input, weight, placement, channels);
    }
    let [_, _, kernel, _] = weight.dims();
    let [(top, bottom), (left, right)] = placement.padding;
    let side = |length: usize, padding: usize| (length + padding - kernel) / placement.stride + 1;
    let window = Window {
        stride: placement.stride,
        top,
        left,
        out_height: side(height, top + bottom),
        out_width: side(width, left + right),
    };
    let output = Dispatch::depthwise(input.into_dispatch(), weight.into_dispatch(), window);
    Tensor::from_dispatch(output)
}

/// A convolution with kernels of 1×1 and stride 1.
pub(super) fn pointwise(input: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
    if has_kernels(&input.device()) {
        let output = Dispatch::pointwise(input.into_dispatch(), weight.into_dispatch());
        return Tensor::from_dispatch(output);
    }
    let placement = Placement {
        stride: 1,
        padding: [(0, 0); 2],
    };
    convolution(input, weight, placement, 1)
}

/// `activation(input * scale + shift)` per channel.
pub(super) fn affine(
    input: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    activation: Activation,
) -> Tensor<4> {
    if has_kernels(&input.device()) {
        let [scale, shift] = [scale, shift].map(Tensor::into_dispatch);
        let has_silu = activation == Activation::Silu;
        let output = Dispatch::affine(input.into_dispatch(), scale, shift, has_silu);
        return Tensor::from_dispatch(output);
    }
    let [channels] = scale.dims();
    let maps = |values: Tensor<1>| values.reshape([1, channels, 1, 1]);
    activation.of(input * maps(scale) + maps(shift))
}

/// Normalises by the statistics of the batch itself.
pub(super) fn normalise_by_batch(
    input: Tensor<4>,
    scale: Tensor<1>,
    offset: Tensor<1>,
    epsilon: f64,
    activation: Activation,
) -> (Tensor<4>, Moments) {
    if has_kernels(&input.device()) {
        let [scale, offset] = [scale, offset].map(Tensor::into_dispatch);
        let has_silu = activation == Activation::Silu;
        let input = input.into_dispatch();
        let (output, mean, variance) = Dispatch::normalise(input, scale, offset, epsilon, has_silu);
        let [mean, variance] = [mean, variance].map(Tensor::from_dispatch);
        return (Tensor::from_dispatch(output), Moments { mean, variance });
    }
    let result = batch_norm_train(input, scale, offset, epsilon);
    let moments = Moments {
        mean: result.mean.detach(),
        variance: result.variance.detach(),
    };
    (activation.of(result.output), moments)
}

/// Mean over the positions: `[n, d, h, w]` to `[n, d]`.
pub(super) fn mean_over_positions(input: Tensor<4>) -> Tensor<2> {
    let [n, channels, height, width] = input.dims();
    let mean = input.reshape([n, channels, height * width]).mean_dim(2);
    mean.reshape([n, channels])
}

/// `input * sigmoid(logits)` with one factor per photograph and channel.
pub(super) fn gate(input: Tensor<4>, logits: Tensor<2>) -> Tensor<4> {
    if has_kernels(&input.device()) {
        let output = Dispatch::gate(input.into_dispatch(), logits.into_dispatch());
        return Tensor::from_dispatch(output);
    }
    let [n, channels] = logits.dims();
    input * sigmoid(logits).reshape([n, channels, 1, 1])
}

/// The numbers of a tensor, row-major.
pub(super) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data: TensorData = tensor.into_data();
    data.try_into_vec().expect("all tensors here hold f32")
}

#[cfg(test)]
mod tests;
