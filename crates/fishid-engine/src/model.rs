//! One loaded graph that takes uint8 photographs and gives named f32 outputs.
//!
//! Checks the graph's shape once at loading, the pixels on every run. Does not know what outputs mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::session::builder::SessionBuilder;
use ort::session::{OutputSelector, RunOptions, Session};
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};
use sha2::{Digest, Sha256};

use crate::{EngineError, EngineOptions, Precision, Provider, Runtime};

const INPUT: &str = "image";
/// Name of the input's first dimension, as the graphs of bundles have it.
const BATCH: &str = "n";

/// Where a graph comes from.
#[derive(Debug, Clone)]
pub enum ModelSource<'a> {
    /// An ONNX file.
    File(&'a Path),
    /// The bytes of an ONNX file.
    Bytes(&'a [u8]),
}

impl<'a> From<&'a Path> for ModelSource<'a> {
    fn from(path: &'a Path) -> Self {
        Self::File(path)
    }
}

impl<'a> From<&'a PathBuf> for ModelSource<'a> {
    fn from(path: &'a PathBuf) -> Self {
        Self::File(path)
    }
}

impl<'a> From<&'a [u8]> for ModelSource<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for ModelSource<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// An output of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputInfo {
    /// Its name.
    pub name: String,
    /// Its shape; -1 where it is known only at run time, as the batch is.
    pub shape: Vec<i64>,
}

/// Values of one output for one batch, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The values.
    pub values: Vec<f32>,
    /// The shape; its first number is the batch.
    pub shape: Vec<usize>,
}

impl Tensor {
    /// The values of each photograph of the batch, in order.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        let n = self.shape.first().copied().unwrap_or(0).max(1);
        self.values.chunks_exact((self.values.len() / n).max(1))
    }

    /// Values per photograph.
    pub fn width(&self) -> usize {
        self.shape.iter().skip(1).product()
    }
}

/// The outputs asked for, by name.
pub type Outputs = BTreeMap<String, Tensor>;

/// [`ImageModel::engine_digest`] of whatever is loaded so in this process.
///
/// # Errors
/// The library is missing, too old or broken.
pub fn engine_digest(provider: Provider, precision: Precision) -> Result<String, EngineError> {
    Ok(digest_of(&Runtime::current()?, provider, precision))
}

fn digest_of(runtime: &Runtime, provider: Provider, precision: Precision) -> String {
    let text = format!(
        "onnxruntime {}\n{}\n{}\n{}\n",
        runtime.build(),
        provider.name(),
        precision,
        std::env::consts::ARCH
    );
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// A graph with input `image` uint8 `[n, H, W, 3]`, H and W fixed, ready to run.
///
/// Runs of one model take turns (ONNX Runtime's bindings ask for exclusive use of a session). Who wants
/// several at a time loads several: see [`crate::Lanes`].
pub struct ImageModel {
    session: Mutex<Session>,
    height: usize,
    width: usize,
    outputs: Vec<OutputInfo>,
    options: EngineOptions,
    runtime: Runtime,
}

impl ImageModel {
    /// Loads a graph from a file or from bytes.
    ///
    /// # Errors
    /// The library is missing or too old, the file is not a readable ONNX graph, or its input is not an image.
    pub fn load<'a>(
        source: impl Into<ModelSource<'a>>,
        options: &EngineOptions,
    ) -> Result<Self, EngineError> {
        let source = source.into();
        let runtime = Runtime::current()?;
        let model = match &source {
            ModelSource::File(path) => path.display().to_string(),
            ModelSource::Bytes(bytes) => format!("the graph of {} bytes", bytes.len()),
        };
        let failed = |reason: String| EngineError::Model {
            model: model.clone(),
            reason,
        };

        let session = commit(&runtime, &source, options).map_err(failed)?;
        let [height, width] = image_size(session.inputs()).map_err(failed)?;
        let outputs = session
            .outputs()
            .iter()
            .map(output_info)
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        Ok(Self {
            session: Mutex::new(session),
            height,
            width,
            outputs,
            options: options.clone(),
            runtime,
        })
    }

    /// The graph's height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The graph's width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// What the graph can answer.
    pub fn outputs(&self) -> &[OutputInfo] {
        &self.outputs
    }

    /// Whether the graph has this output.
    pub fn has_output(&self, name: &str) -> bool {
        self.outputs.iter().any(|output| output.name == name)
    }

    /// The options the session was made with.
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// SHA-256 of what decides the exact numbers besides the graph: library build, provider, precision,
    /// processor family. Results kept under it are never mixed with another engine's.
    pub fn engine_digest(&self) -> String {
        digest_of(&self.runtime, self.options.provider, self.options.precision)
    }

    /// The engine in words: `ONNX Runtime 1.24.1, CPUExecutionProvider, f32`.
    pub fn engine_description(&self) -> String {
        let provider = self.options.provider;
        format!(
            "ONNX Runtime {}, {}, {}",
            self.runtime.version(),
            provider.name(),
            self.options.precision
        )
    }

    /// Runs `n` photographs (`pixels`: RGB, row-major, one after the other) and returns the outputs `wanted`.
    ///
    /// # Errors
    /// Pixels of another size, an output that is not there, a failure inside ONNX Runtime.
    pub fn run(&self, pixels: &[u8], n: usize, wanted: &[&str]) -> Result<Outputs, EngineError> {
        let per_photograph = self.height * self.width * 3;
        let expected = n.saturating_mul(per_photograph);
        if n == 0 {
            return Err(EngineError::EmptyBatch);
        }
        if pixels.len() != expected {
            let (height, width) = (self.height, self.width);
            return Err(EngineError::PixelCount {
                found: pixels.len(),
                expected,
                n,
                height,
                width,
            });
        }
        if let Some(name) = wanted.iter().find(|name| !self.has_output(name)) {
            let available = self
                .outputs
                .iter()
                .map(|output| output.name.clone())
                .collect();
            return Err(EngineError::NoSuchOutput {
                name: (*name).to_owned(),
                available,
            });
        }
        if wanted.is_empty() {
            return Ok(Outputs::new());
        }
        self.run_checked(pixels, n, wanted)
            .map_err(|error| EngineError::Inference {
                reason: error.to_string(),
            })
    }

    fn run_checked(&self, pixels: &[u8], n: usize, wanted: &[&str]) -> ort::Result<Outputs> {
        let selector = wanted
            .iter()
            .fold(OutputSelector::no_default(), |all, name| all.with(*name));
        let options = RunOptions::new()?.with_outputs(selector);
        let input = TensorRef::from_array_view(([n, self.height, self.width, 3], pixels))?;
        // A panic of another caller leaves the session itself whole: it is only borrowed for a run.
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let values = session.run_with_options(ort::inputs![INPUT => input], &options)?;
        let mut outputs = Outputs::new();
        for (name, value) in &values {
            let (shape, data) = value.try_extract_tensor::<f32>()?;
            let shape = shape.iter().map(|&side| side as usize).collect();
            outputs.insert(
                name.to_owned(),
                Tensor {
                    values: data.to_vec(),
                    shape,
                },
            );
        }
        Ok(outputs)
    }
}

impl std::fmt::Debug for ImageModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageModel")
            .field("height", &self.height)
            .field("width", &self.width)
            .field("outputs", &self.outputs)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

pub(crate) fn commit(
    runtime: &Runtime,
    source: &ModelSource<'_>,
    options: &EngineOptions,
) -> Result<Session, String> {
    let builder: SessionBuilder =
        Session::builder(runtime.environment()).map_err(|error| error.to_string())?;
    let mut builder = options.provider.prepare(builder, options)?;
    if let Some(batch) = options.batch {
        builder = builder
            .with_dimension_override(BATCH, batch.get() as i64)
            .map_err(|error| error.to_string())?;
    }
    let session = match source {
        ModelSource::File(path) if !path.is_file() => {
            return Err("there is no such file".to_owned());
        }
        ModelSource::File(path) => builder.commit_from_file(path),
        ModelSource::Bytes(bytes) => builder.commit_from_memory(bytes),
    };
    session.map_err(|error| error.to_string())
}

/// Height and width of the only input, which must be `image` uint8 `[n, H, W, 3]`.
fn image_size(inputs: &[Outlet]) -> Result<[usize; 2], String> {
    let described = || {
        let all: Vec<String> = inputs
            .iter()
            .map(|input| format!("`{}` {:?}", input.name(), input.dtype()))
            .collect();
        format!(
            "its input should be `{INPUT}` uint8 [n, height, width, 3], but it takes {}",
            all.join(", ")
        )
    };
    let [input] = inputs else {
        return Err(described());
    };
    let ValueType::Tensor {
        ty: TensorElementType::Uint8,
        shape,
        ..
    } = input.dtype()
    else {
        return Err(described());
    };
    match shape.as_ref() {
        &[_, height, width, 3] if input.name() == INPUT && height > 0 && width > 0 => {
            Ok([height as usize, width as usize])
        }
        _ => Err(described()),
    }
}

fn output_info(output: &Outlet) -> Result<OutputInfo, String> {
    match output.dtype() {
        ValueType::Tensor {
            ty: TensorElementType::Float32,
            shape,
            ..
        } => Ok(OutputInfo {
            name: output.name().to_owned(),
            shape: shape.to_vec(),
        }),
        other => Err(format!(
            "its output `{}` is {other:?}, but only float32 is read",
            output.name()
        )),
    }
}
