//! EfficientNet B0–B7 (Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"):
//! one table of blocks, its weights, and its ONNX graph.
//!
//! Deliberately does not know where weights are downloaded from or what is trained on them. Start reading at
//! [`Architecture`], then [`Network`]: everything else walks that plan.

mod architecture;
mod card;
mod checkpoint;
mod import;
mod module;
mod names;
mod onnx_writer;
mod plan;
mod random;
mod tensors;

pub use architecture::{Architecture, Flavour, Size, UnknownArchitecture};
pub use card::{Card, CropMode, Interpolation, PretrainedSet};
pub use checkpoint::Checkpoint;
pub use import::ImportError;
pub use module::{EfficientNet, estimate_statistics, normalised};
pub use names::Naming;
pub use onnx_writer::{BackboneFiles, write_backbone};
pub use plan::{Block, ConvShape, Network, SqueezeExcite};
pub use random::random_checkpoint;
pub use tensors::{Tensor, TensorSpec, Tensors};
