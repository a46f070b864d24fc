//! A small typed way to write ONNX graphs: each method adds one node and returns the name of its value.
//!
//! Every node form used here is valid from opset 7 on, so that it can stand around any backbone. Does not know
//! what the network is for.

use crate::onnx::{
    AttributeProto, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    ValueInfoProto, element,
};

/// The IR version of new files: the first that ONNX Runtime 1.7 and newer all read.
const IR_VERSION: i64 = 7;

/// A convolution's geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Output channels.
    pub filters: usize,
    /// Input channels divided by `groups`.
    pub channels: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Zero padding above and left, and below and right.
    pub padding: (usize, usize),
    /// Groups.
    pub groups: usize,
}

/// A pooling window: square, same padding on all sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pooling {
    /// Side of the window.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Padding on each side.
    pub padding: usize,
}

/// Builds a graph node by node.
#[derive(Debug, Clone)]
pub struct GraphBuilder {
    graph: GraphProto,
    prefix: String,
    next: usize,
}

/// Describes the input every fishid graph has: `image` uint8 `[n, height, width, 3]`.
pub fn image_input(height: usize, width: usize) -> ValueInfoProto {
    let dims = vec![
        Dimension::symbolic("n"),
        Dimension::fixed(height),
        Dimension::fixed(width),
        Dimension::fixed(3),
    ];
    ValueInfoProto::tensor("image", element::UINT8, dims)
}

impl GraphBuilder {
    /// An empty graph; the names it makes start with `prefix`.
    pub fn new(name: &str, prefix: &str) -> Self {
        let graph = GraphProto {
            name: Some(name.to_owned()),
            ..GraphProto::default()
        };
        Self {
            graph,
            prefix: prefix.to_owned(),
            next: 0,
        }
    }

    /// Adds an input.
    pub fn input(&mut self, value: ValueInfoProto) -> String {
        let name = value.label().to_owned();
        self.graph.input.push(value);
        name
    }

    /// Declares a float output named `name` that equals `value`.
    pub fn output(&mut self, name: &str, value: &str, dims: Vec<Dimension>) {
        self.push("Identity", &[value], name.to_owned(), Vec::new());
        self.graph
            .output
            .push(ValueInfoProto::tensor(name, element::FLOAT, dims));
    }

    /// Adds float weights.
    pub fn floats(&mut self, dims: &[usize], values: &[f32]) -> String {
        let name = self.fresh("weights");
        self.graph
            .initializer
            .push(TensorProto::floats(&name, dims, values));
        name
    }

    /// Adds whole numbers.
    pub fn int64s(&mut self, values: &[i64]) -> String {
        let name = self.fresh("numbers");
        self.graph
            .initializer
            .push(TensorProto::int64s(&name, &[values.len()], values));
        name
    }

    /// Adds any node with one output.
    pub fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let output = self.fresh(&operator.to_lowercase());
        self.push(operator, inputs, output.clone(), attributes);
        output
    }

    /// Two-dimensional convolution of `[n, c, h, w]`; `weights` are `[filters, channels, kernel, kernel]`.
    pub fn conv(
        &mut self,
        input: &str,
        shape: Convolution,
        weights: &[f32],
        bias: &[f32],
    ) -> String {
        let weights = self.floats(
            &[shape.filters, shape.channels, shape.kernel, shape.kernel],
            weights,
        );
        let bias = self.floats(&[shape.filters], bias);
        let attributes = vec![
            AttributeProto::ints("kernel_shape", &[shape.kernel as i64; 2]),
            AttributeProto::ints("strides", &[shape.stride as i64; 2]),
            AttributeProto::ints("pads", &pads(shape.padding)),
            AttributeProto::int("group", shape.groups as i64),
        ];
        self.node("Conv", &[input, &weights, &bias], attributes)
    }

    /// `input * weights^T + bias` with `input` `[n, width]` and `weights` `[outputs, width]`.
    pub fn gemm(
        &mut self,
        input: &str,
        [outputs, width]: [usize; 2],
        weights: &[f32],
        bias: &[f32],
    ) -> String {
        let weights = self.floats(&[outputs, width], weights);
        let bias = self.floats(&[outputs], bias);
        self.node(
            "Gemm",
            &[input, &weights, &bias],
            vec![AttributeProto::int("transB", 1)],
        )
    }

    /// `max(input, 0)`.
    pub fn relu(&mut self, input: &str) -> String {
        self.node("Relu", &[input], Vec::new())
    }

    /// `input * sigmoid(input)`, the two nodes that ONNX Runtime and `OpenVINO` fuse into one.
    pub fn silu(&mut self, input: &str) -> String {
        let gate = self.node("Sigmoid", &[input], Vec::new());
        self.binary("Mul", input, &gate)
    }

    /// Adds or multiplies (`Add`, `Mul`, `Sub`, `Div`, `Max`) with broadcasting.
    pub fn binary(&mut self, operator: &str, left: &str, right: &str) -> String {
        self.node(operator, &[left, right], Vec::new())
    }

    /// Greatest value of each window.
    pub fn max_pool(&mut self, input: &str, pooling: Pooling) -> String {
        self.node("MaxPool", &[input], pooling_attributes(pooling))
    }

    /// Mean of each window; padding does not count.
    pub fn average_pool(&mut self, input: &str, pooling: Pooling) -> String {
        self.node("AveragePool", &[input], pooling_attributes(pooling))
    }

    /// Mean over height and width: `[n, c, h, w]` to `[n, c, 1, 1]`.
    pub fn global_average_pool(&mut self, input: &str) -> String {
        self.node("GlobalAveragePool", &[input], Vec::new())
    }

    /// `[n, ...]` to `[n, product of the rest]`.
    pub fn flatten(&mut self, input: &str) -> String {
        self.node("Flatten", &[input], vec![AttributeProto::int("axis", 1)])
    }

    /// Softmax over the columns of `[n, c]`. The axis is written out: its default changed with opset 13,
    /// and for two dimensions both meanings of axis 1 agree.
    pub fn softmax(&mut self, input: &str) -> String {
        self.node("Softmax", &[input], vec![AttributeProto::int("axis", 1)])
    }

    /// Joins values along `axis`.
    pub fn concat(&mut self, inputs: &[&str], axis: i64) -> String {
        self.node("Concat", inputs, vec![AttributeProto::int("axis", axis)])
    }

    /// Changes the order of the sides.
    pub fn transpose(&mut self, input: &str, order: &[i64]) -> String {
        self.node(
            "Transpose",
            &[input],
            vec![AttributeProto::ints("perm", order)],
        )
    }

    /// Converts to float.
    pub fn to_float(&mut self, input: &str) -> String {
        self.node(
            "Cast",
            &[input],
            vec![AttributeProto::int("to", i64::from(element::FLOAT))],
        )
    }

    /// Takes `indices` along `axis`.
    pub fn gather(&mut self, input: &str, indices: &[i64], axis: i64) -> String {
        let indices = self.int64s(indices);
        self.node(
            "Gather",
            &[input, &indices],
            vec![AttributeProto::int("axis", axis)],
        )
    }

    /// Names `value` once more; lets a graph that is appended next find its input.
    pub fn alias(&mut self, value: &str, name: &str) {
        self.push("Identity", &[value], name.to_owned(), Vec::new());
    }

    /// Appends another graph's nodes and weights; its inputs must be values of this graph by now.
    pub fn append(&mut self, other: GraphProto) {
        self.graph.node.extend(other.node);
        self.graph.initializer.extend(other.initializer);
        self.graph
            .sparse_initializer
            .extend(other.sparse_initializer);
        self.graph
            .quantization_annotation
            .extend(other.quantization_annotation);
    }

    /// The graph.
    pub fn into_graph(self) -> GraphProto {
        self.graph
    }

    /// A model of its own with this graph, for the standard operator set of that version.
    pub fn into_model(self, opset: i64) -> ModelProto {
        let standard = OperatorSetIdProto {
            domain: Some(String::new()),
            version: Some(opset),
        };
        ModelProto {
            ir_version: Some(IR_VERSION),
            producer_name: Some("fishid".to_owned()),
            producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            graph: Some(self.graph),
            opset_import: vec![standard],
            ..ModelProto::default()
        }
    }

    fn push(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: String,
        attribute: Vec<AttributeProto>,
    ) {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            name: Some(format!("{output}/{operator}")),
            output: vec![output],
            op_type: Some(operator.to_owned()),
            attribute,
            ..NodeProto::default()
        });
    }

    fn fresh(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{}{kind}_{}", self.prefix, self.next)
    }
}

/// ONNX lists all beginnings, then all ends.
fn pads((before, after): (usize, usize)) -> [i64; 4] {
    [before as i64, before as i64, after as i64, after as i64]
}

fn pooling_attributes(pooling: Pooling) -> Vec<AttributeProto> {
    vec![
        AttributeProto::ints("kernel_shape", &[pooling.kernel as i64; 2]),
        AttributeProto::ints("strides", &[pooling.stride as i64; 2]),
        AttributeProto::ints("pads", &[pooling.padding as i64; 4]),
    ]
}
