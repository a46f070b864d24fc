//! Named float tensors, and which of them a network needs.

use std::collections::BTreeMap;

use super::plan::Network;

/// Numbers and their shape, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Sides.
    pub shape: Vec<usize>,
    /// As many numbers as the product of the sides.
    pub values: Vec<f32>,
}

/// Tensors by timm's names.
pub type Tensors = BTreeMap<String, Tensor>;

/// What a tensor is for; decides how random weights fill it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Kernels of a convolution over several channels.
    Kernel,
    /// One kernel per channel.
    DepthwiseKernel,
    /// Weights of a gate's dense layers, as 1×1 convolutions.
    GateKernel,
    /// Bias of a gate's dense layers.
    GateBias,
    /// Factor of a normalisation.
    Scale(Place),
    /// Offset of a normalisation.
    Offset(Place),
    /// Running mean.
    Mean,
    /// Running variance.
    Variance,
}

/// Which normalisation a tensor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Inside the network.
    Inside,
    /// The last one of a block with a skip.
    ResidualEnd,
    /// The one behind the head convolution.
    Head,
}

/// A tensor that has to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// timm's name.
    pub name: String,
    /// Sides.
    pub shape: Vec<usize>,
    pub(super) role: Role,
}

impl Network {
    /// Every tensor of the network, in the order a photograph meets them. The ImageNet classifier is not among them.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut specs = Vec::new();
        let mut add = |name: String, shape: &[usize], role| {
            specs.push(TensorSpec {
                name,
                shape: shape.to_vec(),
                role,
            });
        };
        let mut add_conv = |conv: &super::plan::ConvShape, place| {
            let role = if conv.is_depthwise {
                Role::DepthwiseKernel
            } else {
                Role::Kernel
            };
            add(format!("{}.weight", conv.name), &conv.weight_shape(), role);
            let roles = [
                ("weight", Role::Scale(place)),
                ("bias", Role::Offset(place)),
                ("running_mean", Role::Mean),
                ("running_var", Role::Variance),
            ];
            for (part, role) in roles {
                add(format!("{}.{part}", conv.norm), &[conv.output], role);
            }
        };
        add_conv(&self.stem, Place::Inside);
        for block in &self.blocks {
            if let Some(expand) = &block.expand {
                add_conv(expand, Place::Inside);
            }
            add_conv(&block.depthwise, Place::Inside);
            let end = if block.has_skip {
                Place::ResidualEnd
            } else {
                Place::Inside
            };
            add_conv(&block.project, end);
        }
        add_conv(&self.head, Place::Head);
        for gate in self.blocks.iter().map(|block| &block.gate) {
            let (wide, narrow) = (gate.channels, gate.squeezed);
            let layers = [("conv_reduce", narrow, wide), ("conv_expand", wide, narrow)];
            for (layer, output, input) in layers {
                let name = |part: &str| format!("{}.{layer}.{part}", gate.name);
                add(name("weight"), &[output, input, 1, 1], Role::GateKernel);
                add(name("bias"), &[output], Role::GateBias);
            }
        }
        specs
    }
}
