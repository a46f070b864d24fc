//! A backbone becomes a model: uint8 photographs in, embedding or class probabilities out.
//!
//! Scaling, normalisation, layout and calibration are nodes of the graph, so every consumer of the file computes
//! the same numbers from plain pixels. Does not know how the head was trained.

use sha2::{Digest, Sha256};

use crate::backbone::{Layout, symbolic_batch};
use crate::graph::{Convolution, GraphBuilder, image_input};
use crate::onnx::{Dimension, ModelProto, prefix_names};
use crate::{BackboneFile, BackboneInput, ChannelOrder, NetworkError};

/// The oldest standard operator set in which all added nodes are valid (broadcasting of `Mul`, `Add`, `Gemm`).
const OLDEST_OPSET: i64 = 7;
/// The first IR version in which weights need not be inputs too.
pub(crate) const OLDEST_IR: i64 = 4;
const BACKBONE_PREFIX: &str = "backbone/";

/// A linear classifier over embeddings: `logits = weights * embedding + bias`.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// `[n_classes, embedding width]`, row-major; standardisation of the embeddings folded in.
    pub weights: Vec<f32>,
    /// One per class.
    pub bias: Vec<f32>,
    /// `probabilities = softmax(logits / temperature)`; 1 leaves the logits as they are.
    pub temperature: f64,
    /// Number of classes.
    pub n_classes: usize,
}

impl Head {
    /// The embedding width, after checking that all parts agree.
    fn width(&self, backbone: &BackboneFile) -> Result<usize, NetworkError> {
        let wrong = |reason: String| Err(NetworkError::Head { reason });
        let n = self.n_classes;
        if n == 0 || self.weights.is_empty() || !self.weights.len().is_multiple_of(n) {
            return wrong(format!(
                "{} weights cannot be shared out among {n} classes",
                self.weights.len()
            ));
        }
        let width = self.weights.len() / n;
        if self.bias.len() != n {
            return wrong(format!("{} biases for {n} classes", self.bias.len()));
        }
        if let Some(expected) = backbone
            .embedding_width()
            .filter(|&expected| expected != width)
        {
            return wrong(format!(
                "it takes embeddings of width {width}, but {} gives width {expected}",
                backbone.name
            ));
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return wrong(format!(
                "the temperature is {}, it has to be above 0",
                self.temperature
            ));
        }
        if self
            .weights
            .iter()
            .chain(&self.bias)
            .any(|value| !value.is_finite())
        {
            return wrong("a weight is not a finite number; training has diverged".to_owned());
        }
        Ok(width)
    }
}

/// The graph training embeds with: `image` uint8 `[n, H, W, 3]` to `embedding` `[n, d]`, and `features`
/// `[n, d, h, w]` where the backbone has them. Returns the bytes of the ONNX file.
///
/// # Errors
/// The backbone's operator set is too old.
pub fn embedder(backbone: &BackboneFile) -> Result<Vec<u8>, NetworkError> {
    Ok(embedder_model(backbone)?.save())
}

fn embedder_model(backbone: &BackboneFile) -> Result<ModelProto, NetworkError> {
    let mut wrapped = Wrapped::around(backbone)?;
    let width = backbone.embedding_width();
    wrapped.builder.output(
        "embedding",
        &wrapped.embedding,
        vec![batch(), side(width, "d")],
    );
    if let Some(features) = &wrapped.features {
        wrapped
            .builder
            .output("features", features, feature_dims(backbone, width));
    }
    Ok(wrapped.finish(backbone, "embedder"))
}

/// SHA-256 of what [`embedder`] computes, hex: the name under which embeddings may be kept.
///
/// The digest of the backbone's file would not do: the sidecar's size, layout, mean and deviation are nodes of
/// this graph. Names and versions in the metadata are left out, they change no number.
///
/// # Errors
/// As [`embedder`].
pub fn graph_digest(backbone: &BackboneFile) -> Result<String, NetworkError> {
    let mut model = embedder_model(backbone)?;
    model.producer_version = None;
    model.metadata_props.clear();
    Ok(hex::encode(Sha256::digest(model.save())))
}

/// The graph of a bundle: `image` uint8 `[n, H, W, 3]` to `probabilities` `[n, classes]` (calibrated),
/// `logits` (before the temperature), `embedding` `[n, d]`, and, where the embedding is the global average of
/// feature maps, `activation` `[n, classes, h, w]`, whose spatial mean is the logits. Returns the file's bytes.
///
/// # Errors
/// The head does not fit the backbone, or the backbone's operator set is too old.
pub fn classifier(backbone: &BackboneFile, head: &Head) -> Result<Vec<u8>, NetworkError> {
    let width = head.width(backbone)?;
    let n_classes = head.n_classes;
    let mut wrapped = Wrapped::around(backbone)?;
    let builder = &mut wrapped.builder;

    let logits = builder.gemm(
        &wrapped.embedding,
        [n_classes, width],
        &head.weights,
        &head.bias,
    );
    let inverse = builder.floats(&[1], &[(1.0 / head.temperature) as f32]);
    let calibrated = builder.binary("Mul", &logits, &inverse);
    let probabilities = builder.softmax(&calibrated);
    builder.output(
        "probabilities",
        &probabilities,
        vec![batch(), Dimension::fixed(n_classes)],
    );
    builder.output(
        "logits",
        &logits,
        vec![batch(), Dimension::fixed(n_classes)],
    );
    builder.output(
        "embedding",
        &wrapped.embedding,
        vec![batch(), Dimension::fixed(width)],
    );

    if let Some(pooled) = &wrapped.pooled {
        let point = Convolution {
            filters: n_classes,
            channels: width,
            kernel: 1,
            stride: 1,
            padding: (0, 0),
            groups: 1,
        };
        let activation = builder.conv(pooled, point, &head.weights, &head.bias);
        let [_, h, w] = backbone.feature_shape();
        let dims = vec![
            batch(),
            Dimension::fixed(n_classes),
            side(h, "h"),
            side(w, "w"),
        ];
        builder.output("activation", &activation, dims);
    }
    let mut model = wrapped.finish(backbone, "classifier");
    model.set_metadata("fishid.temperature", &head.temperature.to_string());
    Ok(model.save())
}

/// A backbone with the pixel preparation in front, open for more nodes behind.
struct Wrapped {
    builder: GraphBuilder,
    /// The embedding as `[n, d]`.
    embedding: String,
    /// What the backbone offers as `features`.
    features: Option<String>,
    /// The feature maps whose global average the embedding is.
    pooled: Option<String>,
}

impl Wrapped {
    fn around(backbone: &BackboneFile) -> Result<Self, NetworkError> {
        check_opset(&backbone.model).map_err(|reason| NetworkError::Backbone {
            name: backbone.name.clone(),
            reason,
        })?;
        let mut graph = backbone.graph().clone();
        symbolic_batch(&mut graph, &backbone.input.name);
        prefix_names(&mut graph, BACKBONE_PREFIX);
        let inner = |name: &str| format!("{BACKBONE_PREFIX}{name}");

        let mut builder = GraphBuilder::new("fishid", "fishid/");
        let prepared = prepare_pixels(&mut builder, &backbone.input, Pixels::Float);
        builder.alias(&prepared, &inner(&backbone.input.name));
        builder.append(graph);

        let features = backbone.has_output("features").then(|| inner("features"));
        let (embedding, pooled) = if backbone.has_output("embedding") {
            let own = inner("embedding");
            let flat = backbone.embedding_rank() == Some(2);
            (
                if flat { own } else { builder.flatten(&own) },
                backbone.pooled_features().map(|name| inner(&name)),
            )
        } else {
            let features = inner("features");
            let average = builder.global_average_pool(&features);
            (builder.flatten(&average), Some(features))
        };
        Ok(Self {
            builder,
            embedding,
            features,
            pooled,
        })
    }

    fn finish(self, backbone: &BackboneFile, kind: &str) -> ModelProto {
        let mut model = backbone.model.clone();
        model.graph = Some(self.builder.into_graph());
        model.ir_version = Some(model.ir_version.unwrap_or(OLDEST_IR).max(OLDEST_IR));
        model.producer_name = Some("fishid".to_owned());
        model.producer_version = Some(env!("CARGO_PKG_VERSION").to_owned());
        model.doc_string = None;
        model.set_metadata("fishid.kind", kind);
        model.set_metadata("fishid.backbone", &backbone.name);
        model.set_metadata("fishid.backbone_digest", &backbone.digest);
        model.set_metadata("fishid.weights", &backbone.weights);
        model
    }
}

/// Why this model's operators are too old to put nodes around them.
pub(crate) fn check_opset(model: &ModelProto) -> Result<(), String> {
    let opset = model.opset().unwrap_or(1);
    if opset >= OLDEST_OPSET {
        return Ok(());
    }
    Err(format!(
        "its operator set is version {opset}; version {OLDEST_OPSET} or newer is needed, export the network again"
    ))
}

/// What a network wants its pixels as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pixels {
    /// 32-bit floats, scaled and normalised.
    Float,
    /// The bytes of the photograph; whatever has to be done to them the network does itself.
    Bytes,
}

/// Nodes from `image` to what the backbone takes. Channels and layout change while the pixels are still bytes,
/// a quarter of the memory traffic; scale, mean and deviation fold into one product and one sum per channel.
pub(crate) fn prepare_pixels(
    builder: &mut GraphBuilder,
    input: &BackboneInput,
    wanted: Pixels,
) -> String {
    let mut value = builder.input(image_input(input.height as usize, input.width as usize));
    if input.channel_order == ChannelOrder::Bgr {
        value = builder.gather(&value, &[2, 1, 0], 3);
    }
    let dims = match input.layout {
        Layout::Nchw => {
            value = builder.transpose(&value, &[0, 3, 1, 2]);
            [1, 3, 1, 1]
        }
        Layout::Nhwc => [1, 1, 1, 3],
    };
    if wanted == Pixels::Bytes {
        return value;
    }
    value = builder.to_float(&value);
    let (factor, offset) = folded(input.scale, input.mean, input.std);
    let factor = builder.floats(&dims, &factor);
    let offset = builder.floats(&dims, &offset);
    let scaled = builder.binary("Mul", &value, &factor);
    builder.binary("Add", &scaled, &offset)
}

/// `(x * scale - mean) / std` as `x * factor + offset`, worked out in f64.
fn folded(scale: f32, mean: [f32; 3], std: [f32; 3]) -> ([f32; 3], [f32; 3]) {
    let factor = std.map(|deviation| (f64::from(scale) / f64::from(deviation)) as f32);
    let offset = [0, 1, 2].map(|c| (-f64::from(mean[c]) / f64::from(std[c])) as f32);
    (factor, offset)
}

pub(crate) fn batch() -> Dimension {
    Dimension::symbolic("n")
}

fn side(value: Option<usize>, name: &str) -> Dimension {
    value.map_or_else(|| Dimension::symbolic(name), Dimension::fixed)
}

fn feature_dims(backbone: &BackboneFile, width: Option<usize>) -> Vec<Dimension> {
    let [d, h, w] = backbone.feature_shape();
    vec![batch(), side(d.or(width), "d"), side(h, "h"), side(w, "w")]
}
