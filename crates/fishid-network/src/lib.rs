//! Neural networks as ONNX graphs: reads a backbone, wraps it so that it takes plain uint8 photographs,
//! puts a classifier on it; and EfficientNet, which it knows by itself.
//!
//! Deliberately does not know training, HTTP, async, or how a graph is run. Start reading at [`BackboneFile`],
//! then [`embedder`] and [`classifier`]; [`efficientnet`] for the network itself.

mod adopt;
mod assemble;
mod backbone;
pub mod efficientnet;
mod error;
mod file;
mod graph;
pub mod onnx;

pub use adopt::{AnswerKind, ForeignClassifier, InputElement, InputStatement, Statement};
pub use assemble::{Head, classifier, embedder, graph_digest};
pub use backbone::{BackboneFile, BackboneInput, ChannelOrder, Layout, pooled_features};
pub use error::NetworkError;
pub use graph::{Convolution, GraphBuilder, Pooling, image_input};
