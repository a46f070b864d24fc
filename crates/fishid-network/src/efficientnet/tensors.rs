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
    /// Factor of a normalisation; on the last one of a block with a skip, `true`.
    Scale { closes_residual: bool },
    /// Offset of a normalisation.
    Offset,
    /// Running mean.
    Mean,
    /// Running variance.
    Variance,
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
        let mut add_conv = |conv: &super::plan::ConvShape, closes_residual| {
            let role = if conv.is_depthwise {
                Role::DepthwiseKernel
            } else {
                Role::Kernel
            };
            add(format!("{}.weight", conv.name), &conv.weight_shape(), role);
            let roles = [
                ("weight", Role::Scale { closes_residual }),
                ("bias", Role::Offset),
                ("running_mean", Role::Mean),
                ("running_var", Role::Variance),
            ];
            for (part, role) in roles {
                add(format!("{}.{part}", conv.norm), &[conv.output], role);
            }
        };
        add_conv(&self.stem, false);
        for block in &self.blocks {
            if let Some(expand) = &block.expand {
                add_conv(expand, false);
            }
            add_conv(&block.depthwise, false);
            add_conv(&block.project, block.has_skip);
        }
        add_conv(&self.head, false);
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
