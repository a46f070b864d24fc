//! What can go wrong between a graph and its answer, in words for a person.

use std::path::PathBuf;

/// Why the engine could not load or run a graph. Cloneable, so that one failure can be told to many callers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No ONNX Runtime library at any of the known places.
    #[error(
        "the ONNX Runtime library was not found (looked at {}); run `make setup` to install it, or set ORT_DYLIB_PATH to libonnxruntime",
        listed(.searched)
    )]
    LibraryMissing {
        /// The places looked at, in order.
        searched: Vec<PathBuf>,
    },
    /// The library is older than the interface this program was built for.
    #[error(
        "the ONNX Runtime library {} is version {found}, too old: this program needs {needed} or newer; run `make setup`, or set ORT_DYLIB_PATH to a newer libonnxruntime", .path.display()
    )]
    LibraryTooOld {
        /// The library file.
        path: PathBuf,
        /// Its version as it states it.
        found: String,
        /// The oldest version that works.
        needed: String,
    },
    /// The file exists and is not a loadable ONNX Runtime.
    #[error(
        "{} cannot be loaded as the ONNX Runtime library: {reason}; run `make setup`, or set ORT_DYLIB_PATH to another libonnxruntime", .path.display()
    )]
    LibraryBroken {
        /// The library file.
        path: PathBuf,
        /// The loader's own words.
        reason: String,
    },
    /// Another library was loaded into this process before.
    #[error(
        "ONNX Runtime is already loaded from {}; a process uses one library, start another process for {}", .loaded.display(), .wanted.display()
    )]
    LibraryAlreadyLoaded {
        /// The library in use.
        loaded: PathBuf,
        /// The library asked for.
        wanted: PathBuf,
    },
    /// The graph could not be read or is not an image model.
    #[error("{model} cannot be loaded: {reason}")]
    Model {
        /// The file, or a name for a graph given as bytes.
        model: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The pixels do not fit the graph.
    #[error(
        "{found} bytes of pixels given, but {n} photographs of {height} x {width} RGB are {expected} bytes"
    )]
    PixelCount {
        /// Bytes given.
        found: usize,
        /// Bytes expected.
        expected: usize,
        /// Photographs in the batch.
        n: usize,
        /// The graph's height.
        height: usize,
        /// The graph's width.
        width: usize,
    },
    /// An empty batch.
    #[error("a batch needs at least one photograph")]
    EmptyBatch,
    /// An output was asked for that the graph lacks.
    #[error("the model has no output `{name}`; it has {}", .available.join(", "))]
    NoSuchOutput {
        /// The output asked for.
        name: String,
        /// The outputs there are.
        available: Vec<String>,
    },
    /// Settings that contradict each other or this machine.
    #[error("{reason}")]
    Wish {
        /// What does not go together, and the remedy.
        reason: String,
    },
    /// ONNX Runtime failed while running.
    #[error("inference failed: {reason}")]
    Inference {
        /// ONNX Runtime's own words.
        reason: String,
    },
}

fn listed(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    shown.join(", ")
}
