//! The network as a Burn module: the same plan and the same weights, on any device that Burn has.
//!
//! On a device without automatic differentiation it evaluates; on one with it, it trains everything that is not
//! frozen. Deliberately does not know losses, optimizers or photographs. Start reading at [`EfficientNet`].

mod block;
mod kernels;
mod layer;
mod operations;
mod statistics;

use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::checkpoint::Checkpoint;
use super::plan::Network;
use block::Residual;
use layer::{Layer, Mode, Settings};
use operations::Activation;

pub use statistics::{estimate_statistics, normalised};

/// Stem, stages, head convolution.
const N_PARTS: usize = Network::N_STAGES + 2;

/// The network with its weights. Stages are counted as in the plan: 0 to 6 are blocks, 7 is the head convolution,
/// and the stem stands before stage 0.
#[derive(Debug, Module)]
pub struct EfficientNet {
    stem: Layer,
    blocks: Vec<Residual>,
    head: Layer,
    /// How many parts are frozen, from the stem on.
    #[module(skip)]
    n_frozen: usize,
}

impl EfficientNet {
    /// Stage number of the head convolution.
    pub const HEAD_STAGE: usize = Network::N_STAGES;

    /// The checkpoint's network on `device`.
    pub fn from_checkpoint(checkpoint: &Checkpoint, device: &Device) -> Self {
        let network = checkpoint.network();
        let flavour = network.architecture.flavour;
        let settings = Settings {
            flavour,
            epsilon: checkpoint.card.epsilon,
            // Share of a batch in the running statistics: PyTorch's default, and one minus TensorFlow's 0.99. It goes
            // with the epsilon: torchvision's B5 to B7, ported from TensorFlow, have both of TensorFlow's.
            momentum: if checkpoint.card.epsilon < 5e-4 {
                0.1
            } else {
                0.01
            },
            activation: Activation::Silu,
        };
        Self {
            stem: Layer::new(checkpoint, &network.stem, settings, device),
            blocks: network
                .blocks
                .iter()
                .map(|block| Residual::new(checkpoint, block, settings, device))
                .collect(),
            head: Layer::new(checkpoint, &network.head, settings, device),
            n_frozen: 0,
        }
    }

    /// Writes weights and running statistics into a checkpoint of the same network.
    ///
    /// # Panics
    /// For a checkpoint of another architecture.
    pub fn store(&self, checkpoint: &mut Checkpoint) {
        self.stem.store(checkpoint);
        for block in &self.blocks {
            block.store(checkpoint);
        }
        self.head.store(checkpoint);
    }

    /// Freezes the stem and all stages before `stage`: they get no gradients, their statistics stand still, and
    /// nothing of them is recorded. 0 freezes the stem alone, [`Self::HEAD_STAGE`] leaves the head convolution to be
    /// trained, and one more freezes everything.
    #[must_use]
    pub fn freeze_before(self, stage: usize) -> Self {
        let Self {
            stem, blocks, head, ..
        } = self;
        let blocks = blocks.into_iter().map(|block| {
            let is_trained = block.stage() >= stage;
            block.set_require_grad(is_trained)
        });
        Self {
            stem: stem.set_require_grad(false),
            blocks: blocks.collect(),
            head: head.set_require_grad(stage <= Self::HEAD_STAGE),
            n_frozen: stage + 1,
        }
    }

    /// Stochastic depth in training: block `i` of `n` is left out with probability `rate * i / n`. Source: the
    /// paper's survival probability, with the schedule of the authors' code and timm. Without this, none is.
    #[must_use]
    pub fn with_stochastic_depth(mut self, rate: f64) -> Self {
        let n_blocks = self.blocks.len() as f64;
        for (index, block) in self.blocks.iter_mut().enumerate() {
            block.set_drop_rate(rate * index as f64 / n_blocks);
        }
        self
    }

    /// Feature maps `[n, d, h', w']` of normalised photographs `[n, 3, h, w]`.
    pub fn forward_features(&self, photographs: Tensor<4>) -> Tensor<4> {
        self.through(0..N_PARTS, photographs, |part| self.mode(part))
    }

    /// Embeddings `[n, d]` of normalised photographs `[n, 3, h, w]`.
    pub fn embed(&self, photographs: Tensor<4>) -> Tensor<2> {
        operations::mean_over_positions(self.forward_features(photographs))
    }

    /// What goes into `stage`, in evaluation mode and outside any recorded graph: the same for a photograph however
    /// often it is shown, so it may be kept while later stages are tuned. One more than [`Self::HEAD_STAGE`] gives
    /// the feature maps.
    pub fn forward_before(&self, stage: usize, photographs: Tensor<4>) -> Tensor<4> {
        self.through(0..stage + 1, photographs, |_| Mode::Evaluation)
    }

    /// Feature maps from what [`Self::forward_before`] gave for the same stage.
    pub fn forward_from(&self, stage: usize, activations: Tensor<4>) -> Tensor<4> {
        self.through(stage + 1..N_PARTS, activations, |part| self.mode(part))
    }

    /// Embeddings from what [`Self::forward_before`] gave for the same stage.
    pub fn embed_from(&self, stage: usize, activations: Tensor<4>) -> Tensor<2> {
        operations::mean_over_positions(self.forward_from(stage, activations))
    }

    fn mode(&self, part: usize) -> Mode {
        if self.stem.is_on_autodiff() && part >= self.n_frozen {
            Mode::Training
        } else {
            Mode::Evaluation
        }
    }

    /// Walks a range of parts, each in its mode.
    fn through(
        &self,
        parts: Range<usize>,
        mut value: Tensor<4>,
        mode: impl Fn(usize) -> Mode,
    ) -> Tensor<4> {
        if parts.contains(&0) {
            value = self.stem.forward(value, mode(0));
        }
        for block in &self.blocks {
            let part = block.stage() + 1;
            if parts.contains(&part) {
                value = block.forward(value, mode(part));
            }
        }
        let part = Self::HEAD_STAGE + 1;
        if parts.contains(&part) {
            value = self.head.forward(value, mode(part));
        }
        value
    }
}
