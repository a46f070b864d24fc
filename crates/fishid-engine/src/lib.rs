//! ONNX Runtime sessions: finds the library, loads a graph, runs pixels through it.
//!
//! Owns the choice of library, execution provider, precision and threads, by facts and by measurement. Deliberately
//! does not know HTTP, queues, registries, how a graph was made or how a photograph became pixels. Start reading at
//! [`ImageModel`]; [`Plan`] is how a graph is run on a machine, [`Lanes`] what runs it so.

mod error;
mod foreign;
mod lanes;
mod library;
mod machine;
mod model;
mod options;
mod plan;
mod provider;
mod records;
mod runtime;
mod topology;
mod tune;

pub use error::EngineError;
pub use foreign::{Fed, ForeignModel};
pub use lanes::{Facts, Lanes};
pub use library::{LibraryLocations, ONNX_RUNTIME_VERSION, locate_library};
pub use machine::Machine;
pub use model::{ImageModel, ModelSource, OutputInfo, Outputs, Tensor, engine_digest};
pub use options::{EngineOptions, usable_cores};
pub use plan::{Plan, Wishes};
pub use provider::{Precision, Provider, UnknownName};
pub use records::{Extent, Measured, Record, Records, write_whole};
pub use runtime::{Runtime, use_library};
pub use topology::topology_digest;
pub use tune::{Goal, Measurement, best, measure, measure_by_turns};
