//! One convolution with its normalisation: the layer that everything else is built from.
//!
//! Deliberately does not know where in the network it stands.

use burn::module::{Module, Param, RunningState};
use burn::tensor::{Device, Tensor, TensorData};

use super::operations::{self, Activation, Moments, Placement};
use crate::efficientnet::architecture::Flavour;
use crate::efficientnet::checkpoint::Checkpoint;
use crate::efficientnet::plan::ConvShape;

/// Which statistics a normalisation uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mode {
    /// The running ones; no gradient is recorded.
    Evaluation,
    /// Those of the batch, and the running ones move towards them.
    Training,
    /// Those of the batch, and the running ones become those of all batches so far, of which this one is `share`; no
    /// gradient is recorded.
    Estimation { share: f64 },
}

impl Mode {
    /// A value, a parameter or the state of another mode, as this mode takes it.
    pub(super) fn take<const D: usize>(self, value: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Training => value.autodiff(),
            Self::Evaluation | Self::Estimation { .. } => value.inner(),
        }
    }
}

/// Convolution, batch normalisation and, where the plan says so, `SiLU`.
#[derive(Module, Debug)]
pub(super) struct Layer {
    weight: Param<Tensor<4>>,
    scale: Param<Tensor<1>>,
    offset: Param<Tensor<1>>,
    running_mean: RunningState<Tensor<1>>,
    running_variance: RunningState<Tensor<1>>,
    #[module(skip)]
    shape: ConvShape,
    #[module(skip)]
    settings: Settings,
}

/// What all layers of a network share, apart from the activation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) flavour: Flavour,
    pub(super) epsilon: f64,
    pub(super) momentum: f64,
    pub(super) activation: Activation,
}

impl Layer {
    pub(super) fn new(
        checkpoint: &Checkpoint,
        shape: &ConvShape,
        settings: Settings,
        device: &Device,
    ) -> Self {
        let part = |name: &str| vector(checkpoint, &format!("{}.{name}", shape.norm), device);
        let statistics = |name: &str| RunningState::new(part(name).set_require_grad(false));
        let weights = checkpoint.tensor(&format!("{}.weight", shape.name));
        let weights = TensorData::new(weights.values.clone(), shape.weight_shape());
        Self {
            weight: Param::from_data(weights, device),
            scale: Param::from_tensor(part("weight")),
            offset: Param::from_tensor(part("bias")),
            running_mean: statistics("running_mean"),
            running_variance: statistics("running_var"),
            shape: shape.clone(),
            settings,
        }
    }

    /// Writes the layer's numbers into a checkpoint of the same plan.
    pub(super) fn store(&self, checkpoint: &mut Checkpoint) {
        let norm = |part: &str| format!("{}.{part}", self.shape.norm);
        let numbers = [
            (norm("weight"), operations::values(self.scale.val())),
            (norm("bias"), operations::values(self.offset.val())),
            (
                norm("running_mean"),
                operations::values(self.running_mean.value_sync()),
            ),
            (
                norm("running_var"),
                operations::values(self.running_variance.value_sync()),
            ),
            (
                format!("{}.weight", self.shape.name),
                operations::values(self.weight.val()),
            ),
        ];
        for (name, values) in numbers {
            checkpoint.set(&name, values);
        }
    }

    pub(super) fn is_on_autodiff(&self) -> bool {
        self.weight.val().is_autodiff()
    }

    pub(super) fn forward(&self, input: Tensor<4>, mode: Mode) -> Tensor<4> {
        let value = self.convolve(mode.take(input), mode.take(self.weight.val()));
        let scale = mode.take(self.scale.val());
        let offset = mode.take(self.offset.val());
        let Settings {
            epsilon,
            activation,
            ..
        } = self.settings;
        if mode == Mode::Evaluation {
            let (mean, variance) = self.statistics();
            let scale = scale / (variance + epsilon).sqrt();
            let shift = offset - mean * scale.clone();
            return operations::affine(value, scale, shift, activation);
        }
        let [n, _, height, width] = value.dims();
        let (value, moments) =
            operations::normalise_by_batch(value, scale, offset, epsilon, activation);
        match mode {
            Mode::Estimation { share } => self.pool(moments, share),
            _ => self.remember(moments, n * height * width),
        }
        value
    }

    /// Moves the running statistics towards those of a batch, with the unbiased variance, as `PyTorch` and Keras do.
    fn remember(&self, moments: Moments, n_samples: usize) {
        let correction = n_samples as f64 / (n_samples.max(2) - 1) as f64;
        let share = self.settings.momentum;
        let (mean, variance) = self.statistics();
        let blend = |old: Tensor<1>, new: Tensor<1>| old * (1.0 - share) + new * share;
        let mean = blend(mean, moments.mean.inner());
        let variance = blend(variance, moments.variance.inner() * correction);
        self.set_statistics(mean, variance);
    }

    /// Joins a batch's moments to those of the batches before. Source: Chan, Golub and `LeVeque` 1979, for the
    /// variance of two sets of samples together.
    fn pool(&self, moments: Moments, share: f64) {
        let (mean, variance) = self.statistics();
        let distance = moments.mean.inner() - mean.clone();
        let between = distance.clone().powi_scalar(2) * (share * (1.0 - share));
        let within = variance * (1.0 - share) + moments.variance.inner() * share;
        self.set_statistics(mean + distance * share, within + between);
    }

    fn statistics(&self) -> (Tensor<1>, Tensor<1>) {
        let [mean, variance] = [&self.running_mean, &self.running_variance];
        (mean.value_sync().inner(), variance.value_sync().inner())
    }

    fn set_statistics(&self, mean: Tensor<1>, variance: Tensor<1>) {
        let is_on_autodiff = self.is_on_autodiff();
        let keep = |state: &RunningState<Tensor<1>>, value: Tensor<1>| {
            state.update(if is_on_autodiff {
                value.autodiff()
            } else {
                value
            });
        };
        keep(&self.running_mean, mean);
        keep(&self.running_variance, variance);
    }

    fn convolve(&self, input: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
        let shape = &self.shape;
        if shape.kernel == 1 && shape.stride == 1 && !shape.is_depthwise {
            return operations::pointwise(input, weight);
        }
        let [_, _, height, width] = input.dims();
        let placement = Placement {
            stride: shape.stride,
            padding: [height, width].map(|side| shape.padding(self.settings.flavour, side)),
        };
        if shape.is_depthwise {
            return operations::depthwise(input, weight, placement);
        }
        operations::convolution(input, weight, placement, shape.groups())
    }
}

fn vector(checkpoint: &Checkpoint, name: &str, device: &Device) -> Tensor<1> {
    let values = &checkpoint.tensor(name).values;
    Tensor::from_data(TensorData::new(values.clone(), [values.len()]), device)
}
