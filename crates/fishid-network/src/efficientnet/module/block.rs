//! An inverted residual block: widen, filter each channel, weigh the channels, narrow, add.
//!
//! Deliberately does not know the stages. Start reading at [`Residual::forward`].

use burn::module::{Module, Param};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Distribution, Tensor, TensorData};

use super::layer::{Layer, Mode, Settings};
use super::operations::{self, Activation};
use crate::efficientnet::checkpoint::Checkpoint;
use crate::efficientnet::plan::{Block, SqueezeExcite};

/// A block of the plan with its numbers.
#[derive(Debug, Module)]
pub(super) struct Residual {
    expand: Option<Layer>,
    depthwise: Layer,
    reduce: Dense,
    excite: Dense,
    project: Layer,
    #[module(skip)]
    plan: Block,
    /// Probability that training leaves the block's branch out for a photograph.
    #[module(skip)]
    drop_rate: f64,
}

impl Residual {
    pub(super) fn new(
        checkpoint: &Checkpoint,
        plan: &Block,
        settings: Settings,
        device: &Device,
    ) -> Self {
        let layer = |shape, activation| {
            let settings = Settings {
                activation,
                ..settings
            };
            Layer::new(checkpoint, shape, settings, device)
        };
        let dense = |part: &str, gate: &SqueezeExcite| {
            Dense::new(checkpoint, format!("{}.{part}", gate.name), device)
        };
        Self {
            expand: plan
                .expand
                .as_ref()
                .map(|shape| layer(shape, Activation::Silu)),
            depthwise: layer(&plan.depthwise, Activation::Silu),
            reduce: dense("conv_reduce", &plan.gate),
            excite: dense("conv_expand", &plan.gate),
            project: layer(&plan.project, Activation::None),
            plan: plan.clone(),
            drop_rate: 0.0,
        }
    }

    pub(super) fn stage(&self) -> usize {
        self.plan.stage
    }

    pub(super) fn set_drop_rate(&mut self, rate: f64) {
        self.drop_rate = rate;
    }

    pub(super) fn store(&self, checkpoint: &mut Checkpoint) {
        for layer in self.expand.iter().chain([&self.depthwise, &self.project]) {
            layer.store(checkpoint);
        }
        self.reduce.store(checkpoint);
        self.excite.store(checkpoint);
    }

    pub(super) fn forward(&self, input: Tensor<4>, mode: Mode) -> Tensor<4> {
        let input = mode.take(input);
        let skip = self.plan.has_skip.then(|| input.clone());
        let mut value = input;
        if let Some(expand) = &self.expand {
            value = expand.forward(value, mode);
        }
        value = self.depthwise.forward(value, mode);
        value = self.weigh(value, mode);
        value = self.project.forward(value, mode);
        match skip {
            Some(input) => input + self.drop_some(value, mode),
            None => value,
        }
    }

    /// Squeeze and excitation (Hu et al. 2018, "Squeeze-and-Excitation Networks").
    fn weigh(&self, input: Tensor<4>, mode: Mode) -> Tensor<4> {
        let mean = operations::mean_over_positions(input.clone());
        let squeezed = silu(self.reduce.forward(mean, mode));
        operations::gate(input, self.excite.forward(squeezed, mode))
    }

    /// Stochastic depth (Huang et al. 2016), per photograph; the kept ones are scaled up.
    fn drop_some(&self, value: Tensor<4>, mode: Mode) -> Tensor<4> {
        if mode != Mode::Training || self.drop_rate == 0.0 {
            return value;
        }
        let [n, ..] = value.dims();
        let keep = 1.0 - self.drop_rate;
        let kept = Distribution::Bernoulli(keep);
        value.clone() * Tensor::random([n, 1, 1, 1], kept, &value.device()).div_scalar(keep)
    }
}

/// A dense layer, kept as the 1×1 convolution of the published files.
#[derive(Debug, Module)]
struct Dense {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    name: String,
}

impl Dense {
    fn new(checkpoint: &Checkpoint, name: String, device: &Device) -> Self {
        let weight = checkpoint.tensor(&format!("{name}.weight"));
        let bias = checkpoint.tensor(&format!("{name}.bias"));
        let sides = [weight.shape[0], weight.shape[1]];
        let data = |values: &[f32]| TensorData::new(values.to_vec(), [values.len()]);
        Self {
            weight: Param::from_data(TensorData::new(weight.values.clone(), sides), device),
            bias: Param::from_data(data(&bias.values), device),
            name,
        }
    }

    fn store(&self, checkpoint: &mut Checkpoint) {
        let weight = operations::values(self.weight.val());
        checkpoint.set(&format!("{}.weight", self.name), weight);
        let bias = operations::values(self.bias.val());
        checkpoint.set(&format!("{}.bias", self.name), bias);
    }

    fn forward(&self, input: Tensor<2>, mode: Mode) -> Tensor<2> {
        let weight = mode.take(self.weight.val());
        let bias = mode.take(self.bias.val());
        input.matmul(weight.transpose()) + bias.unsqueeze()
    }
}
