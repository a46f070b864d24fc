//! Neural networks as ONNX graphs: reads a backbone, wraps it so that it takes plain uint8 photographs,
//! puts a classifier on it, and writes the small demonstration backbone.
//!
//! Deliberately does not know training, HTTP, async, or how a graph is run. Start reading at [`BackboneFile`],
//! then [`embedder`] and [`classifier`].

mod assemble;
mod backbone;
mod demonstration;
pub mod efficientnet;
mod error;
mod graph;
pub mod onnx;

pub use assemble::{Head, classifier, embedder, graph_digest};
pub use backbone::{BackboneFile, BackboneInput, ChannelOrder, Layout, pooled_features};
pub use demonstration::{DEMONSTRATION_NAME, DEMONSTRATION_SIDE, demonstration_backbone};
pub use error::NetworkError;
pub use graph::{Convolution, GraphBuilder, Pooling, image_input};
