//! What of a graph decides how fast it is, without its weights: a head trained anew leaves it unchanged.
//!
//! Reads only the fields needed of an ONNX file, by the numbers of its protocol buffers
//! (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>); whole graphs are `fishid-network`'s, which this
//! crate does not know.

use prost::Message;
use sha2::{Digest, Sha256};

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    weights: Vec<Weight>,
    #[prost(bytes = "vec", repeated, tag = "11")]
    inputs: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, tag = "4")]
    operator: String,
    #[prost(message, repeated, tag = "5")]
    attributes: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "3")]
    int: i64,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    ints: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Weight {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
}

/// Sides of a convolution's kernel.
const KERNEL_RANK: usize = 4;

/// SHA-256 over the operators, their integer attributes, the kernels' shapes and the input; `None` when these bytes
/// are no ONNX graph. Left out are matrices, vectors, and of each kernel the number of its outputs, which the next
/// kernel's inputs tell again: so another number of classes changes nothing.
pub fn topology_digest(onnx: &[u8]) -> Option<String> {
    let graph = Model::decode(onnx).ok()?.graph?;
    let mut hasher = Sha256::new();
    for input in &graph.inputs {
        hasher.update(input);
        hasher.update(b"\ninput\n");
    }
    for node in &graph.nodes {
        hasher.update(node.operator.as_bytes());
        for attribute in &node.attributes {
            let Attribute { name, int, ints } = attribute;
            hasher.update(format!(" {name}={int}{ints:?}"));
        }
        hasher.update(b"\n");
    }
    for weight in &graph.weights {
        if let [_, sides @ ..] = weight.dims.as_slice()
            && weight.dims.len() == KERNEL_RANK
        {
            hasher.update(format!("{sides:?}\n"));
        }
    }
    Some(hex::encode(hasher.finalize()))
}
