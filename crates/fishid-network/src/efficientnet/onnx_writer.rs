//! A checkpoint as an ONNX backbone: batch normalisation folded into the convolutions, `SiLU` and gates in the form
//! that ONNX Runtime and `OpenVINO` fuse, outputs `features` and `embedding`.

use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::architecture::Flavour;
use super::card::{CropMode, Interpolation};
use super::checkpoint::Checkpoint;
use super::plan::{Block, ConvShape, SqueezeExcite};
use crate::NetworkError;
use crate::file::write_whole;
use crate::graph::{Convolution, GraphBuilder};
use crate::onnx::{Dimension, ValueInfoProto, element};

const OPSET: i64 = 17;

/// A backbone as the two files it is kept in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackboneFiles {
    /// Content of `NAME.onnx`.
    pub onnx: Vec<u8>,
    /// Content of `NAME.json`: name, weights, licence, source and how it wants to be fed.
    pub sidecar: String,
}

impl BackboneFiles {
    /// Writes both, the network last, each whole or not at all.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self, onnx: &Path) -> Result<(), NetworkError> {
        write_whole(&onnx.with_extension("json"), self.sidecar.as_bytes())?;
        write_whole(onnx, &self.onnx)
    }
}

/// Writes the network for photographs of the card's side. The same checkpoint gives the same bytes.
pub fn write_backbone(checkpoint: &Checkpoint) -> BackboneFiles {
    let network = checkpoint.network();
    let side = checkpoint.card.side as usize;
    let name = checkpoint.architecture().to_string();
    let mut writer = Writer {
        checkpoint,
        builder: GraphBuilder::new(&name, ""),
        side,
    };
    let dims = vec![
        Dimension::symbolic("n"),
        Dimension::fixed(3),
        Dimension::fixed(side),
        Dimension::fixed(side),
    ];
    let input = ValueInfoProto::tensor("input", element::FLOAT, dims);
    let mut value = writer.builder.input(input);
    value = writer.conv(&value, &network.stem);
    value = writer.builder.silu(&value);
    for block in &network.blocks {
        value = writer.block(&value, block);
    }
    value = writer.conv(&value, &network.head);
    let features = writer.builder.silu(&value);
    let side = writer.side;
    let mut builder = writer.builder;
    let pooled = builder.global_average_pool(&features);
    let embedding = builder.flatten(&pooled);

    let width = || Dimension::fixed(network.embedding_width());
    let batch = || Dimension::symbolic("n");
    let maps = vec![
        batch(),
        width(),
        Dimension::fixed(side),
        Dimension::fixed(side),
    ];
    builder.output("features", &features, maps);
    builder.output("embedding", &embedding, vec![batch(), width()]);
    let onnx = builder.into_model(OPSET).save();
    let sidecar = sidecar(checkpoint, &onnx);
    BackboneFiles { onnx, sidecar }
}

struct Writer<'a> {
    checkpoint: &'a Checkpoint,
    builder: GraphBuilder,
    /// Side of the value that comes next.
    side: usize,
}

impl Writer<'_> {
    fn block(&mut self, input: &str, block: &Block) -> String {
        let mut value = input.to_owned();
        if let Some(expand) = &block.expand {
            value = self.conv(&value, expand);
            value = self.builder.silu(&value);
        }
        value = self.conv(&value, &block.depthwise);
        value = self.builder.silu(&value);
        value = self.gate(&value, &block.gate);
        value = self.conv(&value, &block.project);
        if block.has_skip {
            value = self.builder.binary("Add", &value, input);
        }
        value
    }

    fn gate(&mut self, input: &str, gate: &SqueezeExcite) -> String {
        let mean = self.builder.global_average_pool(input);
        let reduced = self.dense(
            &mean,
            &format!("{}.conv_reduce", gate.name),
            [gate.squeezed, gate.channels],
        );
        let reduced = self.builder.silu(&reduced);
        let expanded = self.dense(
            &reduced,
            &format!("{}.conv_expand", gate.name),
            [gate.channels, gate.squeezed],
        );
        let factor = self.builder.node("Sigmoid", &[&expanded], Vec::new());
        self.builder.binary("Mul", input, &factor)
    }

    fn dense(&mut self, input: &str, name: &str, [filters, channels]: [usize; 2]) -> String {
        let weights = self.checkpoint.tensor(&format!("{name}.weight"));
        let bias = self.checkpoint.tensor(&format!("{name}.bias"));
        let shape = Convolution {
            filters,
            channels,
            kernel: 1,
            stride: 1,
            padding: (0, 0),
            groups: 1,
        };
        self.builder
            .conv(input, shape, &weights.values, &bias.values)
    }

    fn conv(&mut self, input: &str, conv: &ConvShape) -> String {
        let (weights, bias) = folded(self.checkpoint, conv);
        let flavour: Flavour = self.checkpoint.architecture().flavour;
        let shape = Convolution {
            filters: conv.output,
            channels: conv.weight_shape()[1],
            kernel: conv.kernel,
            stride: conv.stride,
            padding: conv.padding(flavour, self.side),
            groups: conv.groups(),
        };
        self.side = conv.output_side(self.side);
        self.builder.conv(input, shape, &weights, &bias)
    }
}

/// Convolution and normalisation as one convolution: `w * scale / sqrt(variance + epsilon)`, worked out in f64.
fn folded(checkpoint: &Checkpoint, conv: &ConvShape) -> (Vec<f32>, Vec<f32>) {
    let of_norm = |part: &str| &checkpoint.tensor(&format!("{}.{part}", conv.norm)).values;
    let (scale, offset) = (of_norm("weight"), of_norm("bias"));
    let (mean, variance) = (of_norm("running_mean"), of_norm("running_var"));
    let kernels = &checkpoint.tensor(&format!("{}.weight", conv.name)).values;
    let factors: Vec<f64> = scale
        .iter()
        .zip(variance)
        .map(|(scale, variance)| {
            f64::from(*scale) / (f64::from(*variance) + checkpoint.card.epsilon).sqrt()
        })
        .collect();
    let per_filter = kernels.len() / conv.output;
    let weights = kernels
        .chunks_exact(per_filter)
        .zip(&factors)
        .flat_map(|(kernel, factor)| kernel.iter().map(move |w| (f64::from(*w) * factor) as f32))
        .collect();
    let bias = (0..conv.output)
        .map(|i| (f64::from(offset[i]) - f64::from(mean[i]) * factors[i]) as f32)
        .collect();
    (weights, bias)
}

fn sidecar(checkpoint: &Checkpoint, onnx: &[u8]) -> String {
    let card = &checkpoint.card;
    let filter = match card.interpolation {
        Interpolation::Bicubic => "catmull_rom",
        Interpolation::Bilinear => "bilinear",
    };
    let fit = match card.crop_mode {
        CropMode::Center => "center_crop",
        CropMode::Squash => "stretch",
    };
    let text = json!({
        "name": checkpoint.architecture().to_string(),
        "weights": checkpoint.weights,
        "weights_set": card.set,
        "weights_digest": checkpoint.digest(),
        "licence": card.licence,
        "source": checkpoint.source,
        "sha256": hex::encode(Sha256::digest(onnx)),
        "input": {
            "name": "input", "layout": "NCHW", "dtype": "float32", "size": [card.side, card.side],
            "channel_order": "RGB", "scale": 1.0 / 255.0, "mean": card.mean, "std": card.std,
            "fit": fit, "filter": filter,
        },
    });
    format!("{text:#}\n")
}
