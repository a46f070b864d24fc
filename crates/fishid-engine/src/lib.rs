//! ONNX Runtime sessions: finds the library, loads a graph, runs pixels through it.
//!
//! Owns the choice of library, execution provider and threads. Deliberately does not know HTTP, queues,
//! registries, how a graph was made or how a photograph became pixels. Start reading at [`ImageModel`].

mod error;
mod foreign;
mod library;
mod model;
mod provider;
mod runtime;

pub use error::EngineError;
pub use foreign::{Fed, ForeignModel};
pub use library::{LibraryLocations, ONNX_RUNTIME_VERSION, locate_library};
pub use model::{ImageModel, ModelSource, OutputInfo, Outputs, Tensor};
pub use provider::{EngineOptions, Provider};
pub use runtime::{Runtime, use_library};
