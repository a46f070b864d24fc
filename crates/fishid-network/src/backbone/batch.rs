//! Frees a graph that was exported for one batch size: shapes written down for it must follow the real batch.
//!
//! Does not look at operators other than `Reshape`: the others take the batch from their input.

use super::pooling::constant;
use crate::onnx::{GraphProto, TensorProto};

/// Drops everything that states a batch size. `input` is the image input; where its batch is fixed, constant shapes
/// of `Reshape` that repeat it in front get a 0, which means "as in the input". Inputs, outputs and value
/// descriptions go: the graph around it states its own.
pub(crate) fn symbolic_batch(graph: &mut GraphProto, input: &str) {
    let image = graph.input.iter().find(|value| value.label() == input);
    let batch = image
        .and_then(crate::onnx::ValueInfoProto::shape)
        .and_then(|shape| shape.first().copied().flatten());
    if let Some(batch) = batch {
        free_reshapes(graph, batch);
    }
    graph.input.clear();
    graph.output.clear();
    graph.value_info.clear();
}

fn free_reshapes(graph: &mut GraphProto, batch: i64) {
    let mut freed = Vec::new();
    for (index, node) in graph.node.iter().enumerate() {
        // With allowzero a 0 is a side of length 0.
        let zero_is_zero = node
            .attribute("allowzero")
            .is_some_and(|flag| flag.i == Some(1));
        if node.operator() != "Reshape" || zero_is_zero {
            continue;
        }
        let shape = node.input.get(1).and_then(|name| constant(graph, name));
        if let Some(mut shape) = shape.filter(|shape| shape.len() > 1 && shape[0] == batch) {
            shape[0] = 0;
            freed.push((index, shape));
        }
    }
    for (index, shape) in freed {
        // A tensor of its own: the old one may serve other nodes too.
        let name = format!("free_batch_{index}");
        graph
            .initializer
            .push(TensorProto::int64s(&name, &[shape.len()], &shape));
        graph.node[index].input[1] = name;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::GraphBuilder;
    use crate::onnx::{Dimension, ValueInfoProto, element};

    fn check(batch: Dimension, shape: &[i64], expected: &[i64]) {
        let mut builder = GraphBuilder::new("test", "");
        let sides = vec![
            batch,
            Dimension::fixed(3),
            Dimension::fixed(8),
            Dimension::fixed(8),
        ];
        builder.input(ValueInfoProto::tensor("pixels", element::FLOAT, sides));
        let name = builder.int64s(shape);
        builder.node("Reshape", &["pixels", &name], Vec::new());
        let mut graph = builder.into_graph();
        symbolic_batch(&mut graph, "pixels");
        assert_eq!(constant(&graph, &graph.node[0].input[1]).unwrap(), expected);
        assert!(graph.input.is_empty());
    }

    #[test]
    fn a_reshape_follows_the_batch_where_it_was_fixed() {
        check(Dimension::fixed(1), &[1, 192], &[0, 192]);
        check(Dimension::fixed(8), &[8, -1], &[0, -1]);
    }

    #[test]
    fn a_reshape_to_something_else_is_left_alone() {
        check(Dimension::fixed(1), &[-1, 192], &[-1, 192]);
        check(Dimension::fixed(1), &[1], &[1]);
        check(Dimension::symbolic("n"), &[1, 192], &[1, 192]);
    }
}
