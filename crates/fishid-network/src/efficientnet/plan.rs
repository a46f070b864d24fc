//! The table of blocks, scaled to a size: every convolution with its shape and its name.
//!
//! Names are timm's (`blocks.3.1.conv_dw`), since those weights are the ones published as safetensors. ONNX writer,
//! Burn module, weight import and random weights all walk this plan, so none of them knows the network by itself.

use super::architecture::{Architecture, Flavour};

/// `(repeats, kernel, stride, expansion, channels)` of each stage of B0: Table 1 of the paper.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
];
const STEM_CHANNELS: usize = 32;
const HEAD_CHANNELS: usize = 1280;
/// Widths are multiples of this.
const DIVISOR: usize = 8;
/// Squeezed channels per input channel of a block.
const SQUEEZE: usize = 4;

/// A convolution followed by batch normalisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvShape {
    /// Name of the convolution; its tensor is `{name}.weight`.
    pub name: String,
    /// Name of the normalisation; its tensors are `{norm}.weight`, `.bias`, `.running_mean`, `.running_var`.
    pub norm: String,
    /// Input channels.
    pub input: usize,
    /// Output channels.
    pub output: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Whether each channel has a kernel of its own (`input` equals `output`).
    pub is_depthwise: bool,
}

impl ConvShape {
    /// Shape of the weights: `[output, input / groups, kernel, kernel]`.
    pub fn weight_shape(&self) -> [usize; 4] {
        let per_group = if self.is_depthwise { 1 } else { self.input };
        [self.output, per_group, self.kernel, self.kernel]
    }

    /// Groups of the convolution.
    pub fn groups(&self) -> usize {
        if self.is_depthwise { self.input } else { 1 }
    }

    /// Padding `(before, after)` along one axis of an input of `side` pixels.
    pub fn padding(&self, flavour: Flavour, side: usize) -> (usize, usize) {
        match flavour {
            Flavour::PyTorch => (self.kernel / 2, self.kernel / 2),
            Flavour::TensorFlow => {
                let output = side.div_ceil(self.stride);
                let needed = (output - 1) * self.stride + self.kernel;
                let missing = needed.saturating_sub(side);
                (missing / 2, missing - missing / 2)
            }
        }
    }

    /// Side of the output for an input of `side` pixels; the same in both flavours for odd kernels.
    pub fn output_side(&self, side: usize) -> usize {
        side.div_ceil(self.stride)
    }
}

/// The gate of a block: mean over the photograph, two dense layers, a factor per channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqueezeExcite {
    /// Name; its tensors are `{name}.conv_reduce.{weight,bias}` and `{name}.conv_expand.{weight,bias}`.
    pub name: String,
    /// Channels that are weighted.
    pub channels: usize,
    /// Channels in between.
    pub squeezed: usize,
}

/// An inverted residual block; without `expand` it is the depthwise-separable one of the first stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Stage, from 0 to 6.
    pub stage: usize,
    /// Widening 1×1 convolution, followed by `SiLU`.
    pub expand: Option<ConvShape>,
    /// Depthwise convolution, followed by `SiLU`.
    pub depthwise: ConvShape,
    /// The gate after it.
    pub gate: SqueezeExcite,
    /// Narrowing 1×1 convolution, with nothing after it.
    pub project: ConvShape,
    /// Whether the block's input is added to its output.
    pub has_skip: bool,
}

/// The whole network without its ImageNet classifier: stem, blocks, head convolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Which one.
    pub architecture: Architecture,
    /// First convolution, followed by `SiLU`.
    pub stem: ConvShape,
    /// The blocks in order.
    pub blocks: Vec<Block>,
    /// Last convolution, followed by `SiLU`; its output are the features.
    pub head: ConvShape,
}

impl Network {
    /// Number of stages of blocks. Stage 7 is the head convolution where parts are frozen.
    pub const N_STAGES: usize = STAGES.len();

    /// The plan of `architecture`.
    pub fn new(architecture: Architecture) -> Self {
        let (width, depth) = architecture.size.coefficients();
        let stem = conv(
            "conv_stem",
            "bn1",
            3,
            round_width(STEM_CHANNELS, width),
            3,
            2,
        );
        let mut blocks = Vec::new();
        let mut input = stem.output;
        for (stage, (repeats, kernel, first_stride, expansion, channels)) in
            STAGES.into_iter().enumerate()
        {
            let output = round_width(channels, width);
            for index in 0..(depth * repeats as f64).ceil() as usize {
                let stride = if index == 0 { first_stride } else { 1 };
                let sides = [input, output];
                blocks.push(block(stage, index, sides, expansion, (kernel, stride)));
                input = output;
            }
        }
        let head = conv(
            "conv_head",
            "bn2",
            input,
            round_width(HEAD_CHANNELS, width),
            1,
            1,
        );
        Self {
            architecture,
            stem,
            blocks,
            head,
        }
    }

    /// Width of the embedding.
    pub fn embedding_width(&self) -> usize {
        self.head.output
    }

    /// Side of the feature maps for square photographs of `side` pixels.
    pub fn feature_side(&self, side: usize) -> usize {
        self.convolutions()
            .fold(side, |side, convolution| convolution.output_side(side))
    }

    /// All convolutions with a normalisation, in the order a photograph meets them.
    pub fn convolutions(&self) -> impl Iterator<Item = &ConvShape> {
        let of_blocks = self.blocks.iter().flat_map(|block| {
            block
                .expand
                .iter()
                .chain([&block.depthwise, &block.project])
        });
        std::iter::once(&self.stem)
            .chain(of_blocks)
            .chain(std::iter::once(&self.head))
    }

    /// Learned numbers, with an ImageNet classifier of `n_classes` on top. Running statistics do not count.
    pub fn n_parameters(&self, n_classes: usize) -> usize {
        let convolutions: usize = self
            .convolutions()
            .map(|c| c.weight_shape().iter().product::<usize>() + 2 * c.output)
            .sum();
        let gates: usize = self
            .blocks
            .iter()
            .map(|block| {
                2 * block.gate.channels * block.gate.squeezed
                    + block.gate.channels
                    + block.gate.squeezed
            })
            .sum();
        convolutions + gates + n_classes * (self.embedding_width() + 1)
    }
}

fn block(
    stage: usize,
    index: usize,
    [input, output]: [usize; 2],
    expansion: usize,
    (kernel, stride): (usize, usize),
) -> Block {
    let name = format!("blocks.{stage}.{index}");
    let wide = input * expansion;
    let is_expanded = expansion != 1;
    let (wide_norm, project, narrow_norm) = if is_expanded {
        ("bn2", "conv_pwl", "bn3")
    } else {
        ("bn1", "conv_pw", "bn2")
    };
    let part = |suffix: &str| format!("{name}.{suffix}");
    Block {
        stage,
        expand: is_expanded.then(|| conv(&part("conv_pw"), &part("bn1"), input, wide, 1, 1)),
        depthwise: ConvShape {
            is_depthwise: true,
            ..conv(
                &part("conv_dw"),
                &part(wide_norm),
                wide,
                wide,
                kernel,
                stride,
            )
        },
        gate: SqueezeExcite {
            name: part("se"),
            channels: wide,
            squeezed: input / SQUEEZE,
        },
        project: conv(&part(project), &part(narrow_norm), wide, output, 1, 1),
        has_skip: stride == 1 && input == output,
    }
}

fn conv(
    name: &str,
    norm: &str,
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
) -> ConvShape {
    ConvShape {
        name: name.to_owned(),
        norm: norm.to_owned(),
        input,
        output,
        kernel,
        stride,
        is_depthwise: false,
    }
}

/// The nearest multiple of 8, never more than a tenth below. Source: `round_filters` of the authors' code.
fn round_width(channels: usize, factor: f64) -> usize {
    let wanted = channels as f64 * factor;
    let nearest = (wanted + DIVISOR as f64 / 2.0) as usize / DIVISOR * DIVISOR;
    let nearest = nearest.max(DIVISOR);
    if (nearest as f64) < 0.9 * wanted {
        nearest + DIVISOR
    } else {
        nearest
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::architecture::Size;
    use super::*;

    fn network(name: &str) -> Network {
        Network::new(name.parse().unwrap())
    }

    /// Source of the counts: `num_params` of torchvision's `EfficientNet_B*_Weights.IMAGENET1K_V1`.
    #[test]
    fn parameter_counts_are_the_published_ones() {
        let published = [
            5_288_548, 7_794_184, 9_109_994, 12_233_232, 19_341_616, 30_389_784, 43_040_704,
            66_347_960,
        ];
        for flavour in ["", "tf-"] {
            for (size, count) in published.into_iter().enumerate() {
                let network = network(&format!("{flavour}efficientnet-b{size}"));
                assert_eq!(network.n_parameters(1000), count, "{flavour}b{size}");
            }
        }
    }

    #[test]
    fn b4_gives_1792_values_from_maps_of_12_by_12() {
        let network = network("tf-efficientnet-b4");
        assert_eq!(network.embedding_width(), 1792);
        assert_eq!(network.feature_side(380), 12);
        assert_eq!(network.blocks.len(), 32);
    }

    #[test]
    fn same_padding_puts_the_odd_pixel_behind() {
        let network = network("tf-efficientnet-b0");
        assert_eq!(network.stem.padding(Flavour::TensorFlow, 224), (0, 1));
        assert_eq!(network.stem.padding(Flavour::TensorFlow, 225), (1, 1));
        assert_eq!(network.stem.padding(Flavour::PyTorch, 224), (1, 1));
        let strided = network
            .blocks
            .iter()
            .find(|b| b.depthwise.stride == 2 && b.depthwise.kernel == 5);
        assert_eq!(
            strided.unwrap().depthwise.padding(Flavour::TensorFlow, 56),
            (1, 2)
        );
    }

    #[test]
    fn names_are_used_once_and_first_blocks_have_no_skip() {
        for size in Size::ALL {
            let network = Network::new(Architecture {
                flavour: Flavour::PyTorch,
                size,
            });
            let mut names: Vec<_> = network.convolutions().map(|c| &c.name).collect();
            let n = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), n);
            assert!(network.blocks.iter().all(|b| b.gate.squeezed > 0));
            // From B1 on the first stage repeats, and its second block may add its input.
            let first = network
                .blocks
                .iter()
                .filter(|b| b.stage == 0 && b.has_skip)
                .count();
            assert_eq!(
                first,
                network.blocks.iter().filter(|b| b.stage == 0).count() - 1
            );
        }
    }
}
