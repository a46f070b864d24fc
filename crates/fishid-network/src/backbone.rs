//! A backbone file: any ONNX image network with an output `embedding` [n, d] or `features` [n, d, h, w].
//!
//! Owns reading it, the JSON beside it, and what may be concluded from the graph's structure. What is built around
//! it is `assemble`'s.

mod batch;
mod input;
mod pooling;
mod sidecar;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub(crate) use batch::symbolic_batch;
pub use input::{BackboneInput, ChannelOrder, Layout};
pub use pooling::pooled_features;

use crate::NetworkError;
use crate::onnx::{GraphProto, ModelProto, ValueInfoProto, visit_tensors};
pub(crate) use input::SIDES;
pub(crate) use sidecar::{Sidecar, Size};

/// A backbone, read and checked.
#[derive(Debug, Clone)]
pub struct BackboneFile {
    /// The network as it stands in the file.
    pub model: ModelProto,
    /// What it wants to be fed.
    pub input: BackboneInput,
    /// Its name: the sidecar's, else the file's.
    pub name: String,
    /// SHA-256 of the file, hex.
    pub digest: String,
    /// Where the weights come from: `imagenet`, `random:SEED`, or `file` when the sidecar does not say.
    pub weights: String,
    /// Licence of the weights, when stated.
    pub licence: Option<String>,
    /// Where the file comes from, when stated.
    pub source: Option<String>,
    /// Name of the published set of weights, when stated.
    pub weights_set: Option<String>,
    /// Digest of the weights themselves, when stated: it stays when the graph is written anew.
    pub weights_digest: Option<String>,
    /// The file it was read from; `None` where it came as bytes.
    pub path: Option<PathBuf>,
    /// What was assumed for lack of a sidecar, one sentence each, to be said aloud.
    pub assumed: Vec<String>,
}

impl BackboneFile {
    /// Reads `FILE.onnx` and, when it is there, `FILE.json` beside it.
    ///
    /// # Errors
    /// Unreadable file, not ONNX, no usable output, an input that is no image, weights in another file, or a
    /// sidecar that contradicts the graph.
    pub fn open(path: &Path) -> Result<Self, NetworkError> {
        let file_error = |path: &Path, source| NetworkError::File {
            path: path.to_path_buf(),
            source,
        };
        let bytes = std::fs::read(path).map_err(|source| file_error(path, source))?;
        let beside = path.with_extension("json");
        let sidecar = match std::fs::read_to_string(&beside) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(file_error(&beside, source)),
        };
        let stem = path
            .file_stem()
            .map_or_else(|| "backbone".into(), |stem| stem.to_string_lossy());
        let opened = Self::from_parts(&bytes, sidecar.as_deref(), &stem)?;
        Ok(Self {
            path: Some(path.to_owned()),
            ..opened
        })
    }

    /// The same from the bytes of the ONNX file and the text of its sidecar; `name` is used where that has none.
    ///
    /// # Errors
    /// As [`BackboneFile::open`].
    pub fn from_parts(
        onnx: &[u8],
        sidecar: Option<&str>,
        name: &str,
    ) -> Result<Self, NetworkError> {
        let sidecar = sidecar.map(|text| Sidecar::parse(text, name)).transpose()?;
        let not_onnx = |reason: &str| NetworkError::NotOnnx {
            name: name.to_owned(),
            reason: reason.to_owned(),
        };
        let model =
            ModelProto::load(onnx).map_err(|_| not_onnx("its bytes are not an ONNX model"))?;
        let graph = model.graph.as_ref().filter(|graph| !graph.node.is_empty());
        let graph = graph.ok_or_else(|| not_onnx("it holds no network"))?;

        let digest = hex::encode(Sha256::digest(onnx));
        let declared = sidecar.unwrap_or_default();
        declared.check_digest(&digest, name)?;
        let unusable = |reason| NetworkError::Backbone {
            name: name.to_owned(),
            reason,
        };
        check_weights_inside(graph).map_err(unusable)?;
        check_outputs(graph).map_err(unusable)?;
        let (input, assumed) = input::describe(graph, &declared).map_err(unusable)?;
        Ok(Self {
            input,
            assumed,
            digest,
            name: declared.name.unwrap_or_else(|| name.to_owned()),
            weights: declared.weights.unwrap_or_else(|| "file".to_owned()),
            licence: declared.licence,
            source: declared.source,
            weights_set: declared.weights_set,
            weights_digest: declared.weights_digest,
            path: None,
            model,
        })
    }

    /// Whether the weights were drawn from a seed; a person's file whose name begins like that was not.
    pub fn has_random_weights(&self) -> bool {
        let seed = self.weights.strip_prefix("random:");
        seed.is_some_and(|seed| seed.parse::<u64>().is_ok())
    }

    /// The network's graph.
    pub fn graph(&self) -> &GraphProto {
        // `from_parts` is the only constructor and refuses a model without a graph; the fallback keeps this total.
        static EMPTY: std::sync::LazyLock<GraphProto> =
            std::sync::LazyLock::new(GraphProto::default);
        self.model.graph.as_ref().unwrap_or(&EMPTY)
    }

    /// Whether the network has this output.
    pub fn has_output(&self, name: &str) -> bool {
        self.output(name).is_some()
    }

    /// Width `d` of the embedding, where the file states it.
    pub fn embedding_width(&self) -> Option<usize> {
        let embedding = self.output("embedding").and_then(ValueInfoProto::shape);
        let stated = embedding.and_then(|shape| side(&shape, 1));
        stated.or_else(|| self.feature_shape()[0])
    }

    /// `[d, h, w]` of the output `features`, each where the file states it.
    pub fn feature_shape(&self) -> [Option<usize>; 3] {
        let shape = self
            .output("features")
            .and_then(ValueInfoProto::shape)
            .unwrap_or_default();
        [1, 2, 3].map(|axis| side(&shape, axis))
    }

    /// The value whose global average the output `embedding` provably is, by the graph's structure.
    pub fn pooled_features(&self) -> Option<String> {
        pooled_features(self.graph())
    }

    pub(crate) fn embedding_rank(&self) -> Option<usize> {
        self.output("embedding")
            .and_then(ValueInfoProto::shape)
            .map(|shape| shape.len())
    }

    fn output(&self, name: &str) -> Option<&ValueInfoProto> {
        self.graph()
            .output
            .iter()
            .find(|output| output.label() == name)
    }
}

fn side(shape: &[Option<i64>], axis: usize) -> Option<usize> {
    shape
        .get(axis)
        .copied()
        .flatten()
        .and_then(|value| usize::try_from(value).ok())
        .filter(|&value| value > 0)
}

fn check_outputs(graph: &GraphProto) -> Result<(), String> {
    let find = |name: &str| graph.output.iter().find(|output| output.label() == name);
    let (embedding, features) = (find("embedding"), find("features"));
    if embedding.is_none() && features.is_none() {
        let names: Vec<&str> = graph.output.iter().map(ValueInfoProto::label).collect();
        return Err(format!(
            "it needs an output `embedding` [n, d] or `features` [n, d, h, w], but has {}; rename the output when \
             exporting, or cut the network before its classifier",
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        ));
    }
    for (output, ranks) in [(embedding, &[2, 4][..]), (features, &[4][..])] {
        let Some(output) = output else { continue };
        if let Some(shape) = output.shape().filter(|shape| !ranks.contains(&shape.len())) {
            return Err(format!(
                "its output `{}` has {} sides, not {ranks:?}",
                output.label(),
                shape.len()
            ));
        }
    }
    Ok(())
}

fn check_weights_inside(graph: &GraphProto) -> Result<(), String> {
    let mut outside = None;
    visit_tensors(graph, &mut |tensor| {
        if tensor.is_external() && outside.is_none() {
            outside = Some(tensor.label().to_owned());
        }
    });
    match outside {
        None => Ok(()),
        Some(tensor) => Err(format!(
            "the weights `{tensor}` are stored in another file, which is not supported; save the network with its \
             weights inside (in Python: onnx.save(onnx.load(FILE), OUT))"
        )),
    }
}
