//! The operations of the network that Burn's CPU backend does slowly, as single passes over the maps, with gradients.
//!
//! Burn composes batch normalisation, `SiLU` and the gate from elementary operations, each of which reads and writes
//! all maps, and takes the gradient of a depthwise convolution channel by channel. Other devices keep Burn's own.
//! Deliberately does not know layers. Start reading at [`NetworkOps`].

// What is not inlined is compiled without the vector unit; see `planes::vectorised`.
#![allow(clippy::inline_always)]

mod depthwise;
mod gate;
mod normalise;
mod planes;
mod pointwise;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};

pub(super) use depthwise::Window;

/// Operations on maps `[n, channels, height, width]`.
#[backend_extension(Autodiff, Flex)]
pub(super) trait NetworkOps: Backend {
    /// `activation(x * scale + shift)` per channel; not differentiable.
    fn affine(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        silu: bool,
    ) -> FloatTensor<Self>;

    /// Batch normalisation by the batch's own statistics, and `SiLU`; returns also mean and biased variance.
    fn normalise(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        offset: FloatTensor<Self>,
        epsilon: f64,
        silu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Convolution with kernels of 1×1 and stride 1.
    fn pointwise(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Convolution with one kernel of 3×3 or 5×5 per channel.
    fn depthwise(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        window: Window,
    ) -> FloatTensor<Self>;

    /// `x * sigmoid(logits)`, one factor per plane.
    fn gate(x: FloatTensor<Self>, logits: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl NetworkOps for Flex {
    fn affine(x: FlexTensor, scale: FlexTensor, shift: FlexTensor, silu: bool) -> FlexTensor {
        normalise::affine(x, &scale, &shift, silu)
    }

    fn normalise(
        x: FlexTensor,
        scale: FlexTensor,
        offset: FlexTensor,
        epsilon: f64,
        silu: bool,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let forward = normalise::forward(&x, &scale, &offset, epsilon, silu);
        (forward.output, forward.mean, forward.variance)
    }

    fn pointwise(x: FlexTensor, weight: FlexTensor) -> FlexTensor {
        pointwise::forward(&x, &weight)
    }

    fn depthwise(x: FlexTensor, weight: FlexTensor, window: Window) -> FlexTensor {
        depthwise::forward(&x, &weight, window)
    }

    fn gate(x: FlexTensor, logits: FlexTensor) -> FlexTensor {
        gate::forward(x, &logits)
    }
}

type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

impl<C: CheckpointStrategy> NetworkOps for Autodiff<Flex, C> {
    fn affine(x: Tracked<C>, scale: Tracked<C>, shift: Tracked<C>, silu: bool) -> Tracked<C> {
        let [x, scale, shift] = [x, scale, shift].map(Tracked::<C>::into_primitive);
        Tracked::<C>::new(normalise::affine(x, &scale, &shift, silu))
    }

    fn normalise(
        x: Tracked<C>,
        scale: Tracked<C>,
        offset: Tracked<C>,
        epsilon: f64,
        silu: bool,
    ) -> (Tracked<C>, Tracked<C>, Tracked<C>) {
        let nodes = [x.node(), scale.node(), offset.node()];
        let [x, scale, offset] = [x, scale, offset].map(Tracked::<C>::into_primitive);
        let forward = normalise::forward(&x, &scale, &offset, epsilon, silu);
        let statistics = [forward.mean.clone(), forward.variance.clone()];
        let output = match NormaliseBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                let saved = normalise::Saved {
                    x,
                    scale,
                    offset,
                    mean: forward.mean,
                    variance: forward.variance,
                    epsilon,
                    silu,
                };
                prep.finish(saved, forward.output)
            }
            OpsKind::UnTracked(prep) => prep.finish(forward.output),
        };
        let [mean, variance] = statistics.map(Tracked::<C>::new);
        (output, mean, variance)
    }

    fn pointwise(x: Tracked<C>, weight: Tracked<C>) -> Tracked<C> {
        let nodes = [x.node(), weight.node()];
        let [x, weight] = [x, weight].map(Tracked::<C>::into_primitive);
        let output = pointwise::forward(&x, &weight);
        match PointwiseBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((x, weight), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn depthwise(x: Tracked<C>, weight: Tracked<C>, window: Window) -> Tracked<C> {
        let nodes = [x.node(), weight.node()];
        let [x, weight] = [x, weight].map(Tracked::<C>::into_primitive);
        let output = depthwise::forward(&x, &weight, window);
        match DepthwiseBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((x, weight, window), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn gate(x: Tracked<C>, logits: Tracked<C>) -> Tracked<C> {
        let nodes = [x.node(), logits.node()];
        let [x, logits] = [x, logits].map(Tracked::<C>::into_primitive);
        match GateBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let output = gate::forward(x.clone(), &logits);
                prep.finish((x, logits), output)
            }
            OpsKind::UnTracked(prep) => prep.finish(gate::forward(x, &logits)),
        }
    }
}

#[derive(Debug)]
struct NormaliseBackward;

impl Backward<Flex, 3> for NormaliseBackward {
    type State = normalise::Saved;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<Flex>(&ops.node);
        let found = normalise::backward(&ops.state, grad);
        for (parent, grad) in ops.parents.into_iter().zip(found) {
            if let Some(node) = parent {
                grads.register::<Flex>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct PointwiseBackward;

impl Backward<Flex, 2> for PointwiseBackward {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<Flex>(&ops.node);
        let (x, weight) = ops.state;
        let [of_x, of_weight] = ops.parents;
        if let Some(node) = of_x {
            let found = pointwise::backward_input(&x, &weight, &grad);
            grads.register::<Flex>(node.id, found);
        }
        if let Some(node) = of_weight {
            let found = pointwise::backward_weight(&x, &weight, &grad);
            grads.register::<Flex>(node.id, found);
        }
    }
}

#[derive(Debug)]
struct DepthwiseBackward;

impl Backward<Flex, 2> for DepthwiseBackward {
    type State = (FlexTensor, FlexTensor, Window);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<Flex>(&ops.node);
        let (x, weight, window) = ops.state;
        let [of_x, of_weight] = ops.parents;
        if let Some(node) = of_x {
            let found = depthwise::backward_input(&x, &weight, &grad, window);
            grads.register::<Flex>(node.id, found);
        }
        if let Some(node) = of_weight {
            let found = depthwise::backward_weight(&x, &weight, &grad, window);
            grads.register::<Flex>(node.id, found);
        }
    }
}

#[derive(Debug)]
struct GateBackward;

impl Backward<Flex, 2> for GateBackward {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<Flex>(&ops.node);
        let (x, logits) = ops.state;
        let found = gate::backward(&x, &logits, grad);
        for (parent, grad) in ops.parents.into_iter().zip(found) {
            if let Some(node) = parent {
                grads.register::<Flex>(node.id, grad);
            }
        }
    }
}
