//! A classifier that another program made becomes the graph of a bundle: plain uint8 photographs in,
//! `probabilities` and `logits` out.
//!
//! Owns what may be concluded from the file and from what its owner states. Whether that is true is proven
//! by whoever runs the graph. Start at [`ForeignClassifier::open`], then [`ForeignClassifier::wrapped`].

mod input;
mod output;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

pub use input::{InputElement, InputStatement};
pub use output::AnswerKind;

use crate::assemble::{OLDEST_IR, Pixels, batch, check_opset, prepare_pixels};
use crate::backbone::{BackboneInput, symbolic_batch};
use crate::graph::GraphBuilder;
use crate::onnx::{
    Dimension, GraphProto, MAX_INLINE_BYTES, ModelProto, TensorProto, check_functions_inside,
    inline_external, prefix_names, visit_tensors,
};
use crate::{ChannelOrder, NetworkError};
use output::Answer;

const PREFIX: &str = "adopted/";
/// Photographs that an exported batch may ask for at once: each is fed that many times over.
const MAX_FIXED_BATCH: usize = 256;
/// Added before the logarithm of a probability that may be 0; far below what f32 tells apart near 1.
const SMALLEST_PROBABILITY: f32 = 1e-30;

/// What the owner of a classifier says about it, where the file does not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statement {
    /// About its input.
    pub input: InputStatement,
    /// Name of the output with one number a class.
    pub output: Option<String>,
    /// What these numbers are.
    pub kind: Option<AnswerKind>,
}

/// A classifier in the ONNX format, read and described.
#[derive(Debug, Clone)]
pub struct ForeignClassifier {
    model: ModelProto,
    /// Name of the file, for people.
    pub name: String,
    /// SHA-256 of the model file, hex.
    pub digest: String,
    /// SHA-256 over the weights by name, wherever they stood, hex.
    pub weights_digest: String,
    /// How it wants to be fed.
    pub input: BackboneInput,
    /// Element type of its input.
    pub element: InputElement,
    /// The batch its input was exported for, where it was for one only.
    pub fixed_batch: Option<usize>,
    /// What was assumed because neither statement nor file says it, one sentence each.
    pub assumed: Vec<String>,
    answer: Answer,
}

impl ForeignClassifier {
    /// Reads the file, and the files beside it that hold its weights.
    ///
    /// # Errors
    /// [`NetworkError::Foreign`] with what is missing or contradicts itself, and the flag that would say it.
    pub fn open(path: &Path, statement: &Statement) -> Result<Self, NetworkError> {
        let failed = |source| NetworkError::File {
            path: path.to_owned(),
            source,
        };
        let name = path
            .file_name()
            .map_or_else(|| "model".into(), |name| name.to_string_lossy());
        // Bounded by what is read, not by what the system says of the file: a pipe has no length.
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        let mut within = file.take(MAX_INLINE_BYTES + 1);
        within.read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_INLINE_BYTES {
            return Err(NetworkError::NotOnnx {
                name: name.into_owned(),
                reason: format!("it is larger than {MAX_INLINE_BYTES} bytes, and no ONNX file is"),
            });
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::from_bytes(&bytes, folder, &name, statement)
    }

    fn from_bytes(
        bytes: &[u8],
        folder: &Path,
        name: &str,
        statement: &Statement,
    ) -> Result<Self, NetworkError> {
        let not_onnx = |reason: &str| NetworkError::NotOnnx {
            name: name.to_owned(),
            reason: reason.to_owned(),
        };
        let refused = |reason: String| NetworkError::Foreign {
            name: name.to_owned(),
            reason,
        };
        let mut model =
            ModelProto::load(bytes).map_err(|_| not_onnx("its bytes are not an ONNX model"))?;
        check_functions_inside(&model.functions).map_err(refused)?;
        let graph = model.graph.as_mut().filter(|graph| !graph.node.is_empty());
        let graph = graph.ok_or_else(|| not_onnx("it holds no network"))?;
        inline_external(graph, folder).map_err(refused)?;
        let (input, element, assumed) =
            input::describe(graph, &statement.input).map_err(refused)?;
        let answer = output::describe(graph, statement).map_err(refused)?;
        let fixed_batch = input::fixed_batch(graph, &input.name);
        if let Some(n) = fixed_batch.filter(|&n| n > MAX_FIXED_BATCH) {
            return Err(refused(format!(
                "it was exported for batches of {n} photographs; export it with an open batch"
            )));
        }
        let weights_digest = weights_digest(graph);
        check_opset(&model).map_err(refused)?;
        Ok(Self {
            digest: hex::encode(Sha256::digest(bytes)),
            name: name.to_owned(),
            weights_digest,
            input,
            element,
            fixed_batch,
            assumed,
            answer,
            model,
        })
    }

    /// The classifier as it was, its weights inside: the bytes of an ONNX file.
    pub fn original(&self) -> Vec<u8> {
        self.model.save()
    }

    /// Name of the output with one number a class.
    pub fn output(&self) -> &str {
        &self.answer.name
    }

    /// Number of classes, where the file states it.
    pub fn n_classes(&self) -> Option<usize> {
        self.answer.n_classes
    }

    /// What the numbers are, where the graph's structure or the statement says it.
    pub fn kind(&self) -> Option<AnswerKind> {
        self.answer.kind
    }

    /// The graph of a bundle: `image` uint8 `[n, H, W, 3]` to `probabilities` and `logits` `[n, n_classes]`.
    /// `kind` says what the classifier's own numbers are. Returns the file's bytes.
    pub fn wrapped(&self, n_classes: usize, kind: AnswerKind) -> Vec<u8> {
        let mut graph = self.model.graph.clone().unwrap_or_default();
        symbolic_batch(&mut graph, &self.input.name);
        prefix_names(&mut graph, PREFIX);

        let mut builder = GraphBuilder::new("fishid", "fishid/");
        let pixels = match self.element {
            InputElement::Float => Pixels::Float,
            InputElement::Bytes => Pixels::Bytes,
        };
        let prepared = prepare_pixels(&mut builder, &self.input, pixels);
        builder.alias(&prepared, &format!("{PREFIX}{}", self.input.name));
        builder.append(graph);

        let logits = self.logits(&mut builder, kind);
        let probabilities = builder.softmax(&logits);
        let dims = || vec![batch(), Dimension::fixed(n_classes)];
        builder.output("probabilities", &probabilities, dims());
        builder.output("logits", &logits, dims());

        let mut model = self.model.clone();
        model.graph = Some(builder.into_graph());
        model.ir_version = Some(model.ir_version.unwrap_or(OLDEST_IR).max(OLDEST_IR));
        model.producer_name = Some("fishid".to_owned());
        model.producer_version = Some(env!("CARGO_PKG_VERSION").to_owned());
        model.doc_string = None;
        model.set_metadata("fishid.kind", "adopted classifier");
        model.set_metadata("fishid.adopted_digest", &self.digest);
        model.save()
    }

    /// `[n, classes]` whose softmax the classifier's probabilities are.
    fn logits(&self, builder: &mut GraphBuilder, kind: AnswerKind) -> String {
        let inner = |name: &str| format!("{PREFIX}{name}");
        let flat = |builder: &mut GraphBuilder, name: String| {
            if self.answer.has_positions {
                builder.flatten(&name)
            } else {
                name
            }
        };
        match (kind, &self.answer.before_softmax) {
            (AnswerKind::Logits, _) => flat(builder, inner(&self.answer.name)),
            (AnswerKind::Probabilities, Some(logits)) => inner(logits),
            (AnswerKind::Probabilities, None) => {
                let own = flat(builder, inner(&self.answer.name));
                let smallest = builder.floats(&[1], &[SMALLEST_PROBABILITY]);
                let above_zero = builder.binary("Add", &own, &smallest);
                builder.node("Log", &[&above_zero], Vec::new())
            }
        }
    }

    /// The pixels of a photograph as a classifier fed like `input` takes them, in f32: RGB bytes `[H, W, 3]` to
    /// `(x * scale - mean) / std` in this one's layout. `input` is [`Self::input`], or that with other numbers,
    /// to see what they would do. Written apart from the graph's own nodes, to prove them.
    pub fn feed(&self, pixels: &[u8], input: &BackboneInput) -> Vec<f32> {
        self.arranged(pixels, input.channel_order)
            .into_iter()
            .enumerate()
            .map(|(index, value)| {
                let channel = self.channel_of(index);
                (f32::from(value) * input.scale - input.mean[channel]) / input.std[channel]
            })
            .collect()
    }

    /// The same for a classifier that takes bytes.
    pub fn feed_bytes(&self, pixels: &[u8], input: &BackboneInput) -> Vec<u8> {
        self.arranged(pixels, input.channel_order)
    }

    /// The shape of one photograph as it is fed: `[1, 3, H, W]` or `[1, H, W, 3]`.
    pub fn fed_shape(&self) -> [usize; 4] {
        let (height, width) = (self.input.height as usize, self.input.width as usize);
        match self.input.layout {
            crate::Layout::Nchw => [1, 3, height, width],
            crate::Layout::Nhwc => [1, height, width, 3],
        }
    }

    fn arranged(&self, pixels: &[u8], order: ChannelOrder) -> Vec<u8> {
        let n_positions = (self.input.height * self.input.width) as usize;
        let colour = |channel: usize| match order {
            ChannelOrder::Rgb => channel,
            ChannelOrder::Bgr => 2 - channel,
        };
        match self.input.layout {
            crate::Layout::Nhwc => (0..n_positions * 3)
                .map(|index| pixels[index / 3 * 3 + colour(index % 3)])
                .collect(),
            crate::Layout::Nchw => (0..3)
                .flat_map(|channel| {
                    (0..n_positions).map(move |position| pixels[position * 3 + colour(channel)])
                })
                .collect(),
        }
    }

    fn channel_of(&self, index: usize) -> usize {
        match self.input.layout {
            crate::Layout::Nhwc => index % 3,
            crate::Layout::Nchw => index / (self.input.height * self.input.width) as usize,
        }
    }

    /// Metadata of the ONNX file, such as class names that an exporter left there.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.model
            .metadata_props
            .iter()
            .find(|entry| entry.key.as_deref() == Some(key))
            .and_then(|entry| entry.value.as_deref())
    }
}

/// SHA-256 over name, type, sides and values of every constant, in the order of the names.
fn weights_digest(graph: &GraphProto) -> String {
    let mut tensors: Vec<&TensorProto> = Vec::new();
    visit_tensors(graph, &mut |tensor| tensors.push(tensor));
    tensors.sort_by_key(|tensor| tensor.label());
    let mut hasher = Sha256::new();
    for tensor in tensors {
        let bytes = prost::Message::encode_to_vec(tensor);
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    hex::encode(hasher.finalize())
}
