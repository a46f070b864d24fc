//! Proves from a graph's structure that the embedding is the global average of some feature maps.
//!
//! That is what makes a class activation map exact: applied to each position of the maps, a linear head gives
//! values whose spatial mean is the logit (Zhou et al. 2016, "Learning Deep Features for Discriminative Localization").

use crate::onnx::{GraphProto, NodeProto, TensorProto};

/// The name of the value `[n, d, h, w]` whose mean over `h` and `w` the output `embedding` is, when each node from
/// there to the output is known to keep the numbers and their order. `None` means "not proven", never "maybe".
pub fn pooled_features(graph: &GraphProto) -> Option<String> {
    let mut value = "embedding";
    // A graph has no cycles, so there are at most as many steps as nodes.
    for _ in 0..graph.node.len() {
        let node = producer(graph, value)?;
        let input = node.input.first()?;
        if averages_positions(graph, node) {
            return Some(through_identities(graph, input).to_owned());
        }
        if !keeps_values(graph, node) {
            return None;
        }
        value = input;
    }
    None
}

fn producer<'a>(graph: &'a GraphProto, value: &str) -> Option<&'a NodeProto> {
    let made_here = |node: &&NodeProto| node.output.first().is_some_and(|output| output == value);
    let standard =
        |node: &&NodeProto| matches!(node.domain.as_deref(), None | Some("" | "ai.onnx"));
    graph.node.iter().find(made_here).filter(standard)
}

/// Nodes between the average and the embedding that neither change nor reorder numbers. The value they are given is
/// `[n, d, 1, 1]` or `[n, d]` (everything after the average), so `Reshape` to `[n, d]` keeps the order of `d`.
fn keeps_values(graph: &GraphProto, node: &NodeProto) -> bool {
    match node.operator() {
        "Identity" | "Squeeze" => true,
        // Outside training a dropout passes its input on; with a third input the graph itself says "training".
        "Dropout" => node.input.get(2).is_none_or(String::is_empty),
        "Flatten" => node.attribute("axis").is_none_or(|axis| axis.i == Some(1)),
        // A shape worked out at run time could fold channels into the batch, so it has to be a constant of rank 2 or 4.
        "Reshape" => node
            .input
            .get(1)
            .and_then(|shape| constant(graph, shape))
            .is_some_and(|shape| {
                matches!(&shape[..], [_, width] if *width != 1)
                    || matches!(&shape[..], [_, width, 1, 1] if *width != 1)
            }),
        _ => false,
    }
}

fn averages_positions(graph: &GraphProto, node: &NodeProto) -> bool {
    match node.operator() {
        "GlobalAveragePool" => true,
        "ReduceMean" => {
            // The axes moved from an attribute to a second input with opset 18.
            let axes = match node.input.get(1).filter(|name| !name.is_empty()) {
                Some(name) => constant(graph, name),
                None => node.attribute("axes").map(|axes| axes.ints.clone()),
            };
            let Some(mut axes) = axes else { return false };
            axes.sort_unstable();
            matches!(&axes[..], [2 | -2, 3] | [-2, -1] | [-1, 2])
        }
        _ => false,
    }
}

/// Whole numbers known without running the graph: a weight or the output of a `Constant` node.
pub(super) fn constant(graph: &GraphProto, name: &str) -> Option<Vec<i64>> {
    let overridable = graph.input.iter().any(|input| input.label() == name);
    let weight = graph
        .initializer
        .iter()
        .find(|tensor| tensor.label() == name && !overridable);
    weight.and_then(TensorProto::read_int64s).or_else(|| {
        let node = producer(graph, name).filter(|node| node.operator() == "Constant")?;
        let tensor = node.attribute("value").and_then(|value| value.t.as_ref());
        let listed = || node.attribute("value_ints").map(|list| list.ints.clone());
        tensor.and_then(TensorProto::read_int64s).or_else(listed)
    })
}

fn through_identities<'a>(graph: &'a GraphProto, mut value: &'a str) -> &'a str {
    for _ in 0..graph.node.len() {
        match producer(graph, value) {
            Some(node) if node.operator() == "Identity" && !node.input.is_empty() => {
                value = &node.input[0];
            }
            _ => break,
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;
    use crate::onnx::AttributeProto;

    fn check(build: impl FnOnce(&mut GraphBuilder) -> String, expected: Option<&str>) {
        let mut builder = GraphBuilder::new("test", "");
        builder.alias("pixels", "maps");
        let embedding = build(&mut builder);
        builder.output("embedding", &embedding, Vec::new());
        assert_eq!(pooled_features(&builder.into_graph()).as_deref(), expected);
    }

    #[test]
    fn global_average_pool_and_flatten_are_recognised() {
        check(
            |graph| {
                let mean = graph.global_average_pool("maps");
                graph.flatten(&mean)
            },
            Some("pixels"),
        );
    }

    #[test]
    fn reduce_mean_over_height_and_width_is_recognised_by_attribute_and_by_input() {
        for axes in [[2, 3], [-1, -2], [3, -2]] {
            check(
                |graph| {
                    graph.node(
                        "ReduceMean",
                        &["maps"],
                        vec![AttributeProto::ints("axes", &axes)],
                    )
                },
                Some("pixels"),
            );
            check(
                |graph| {
                    let axes = graph.int64s(&axes);
                    graph.node("ReduceMean", &["maps", &axes], Vec::new())
                },
                Some("pixels"),
            );
        }
    }

    #[test]
    fn a_mean_over_channels_is_not_a_global_average() {
        for axes in [&[1, 2][..], &[1], &[2], &[1, 2, 3], &[]] {
            check(
                |graph| {
                    graph.node(
                        "ReduceMean",
                        &["maps"],
                        vec![AttributeProto::ints("axes", axes)],
                    )
                },
                None,
            );
        }
    }

    #[test]
    fn a_layer_after_the_average_is_not_overlooked() {
        check(
            |graph| {
                let mean = graph.global_average_pool("maps");
                let flat = graph.flatten(&mean);
                graph.relu(&flat)
            },
            None,
        );
    }

    #[test]
    fn a_reshape_counts_only_with_a_constant_shape_of_two_sides() {
        let reshaped = |sides: &'static [i64]| {
            move |graph: &mut GraphBuilder| {
                let mean = graph.global_average_pool("maps");
                let shape = graph.int64s(sides);
                graph.node("Reshape", &[&mean, &shape], Vec::new())
            }
        };
        check(reshaped(&[-1, 8]), Some("pixels"));
        check(reshaped(&[0, -1]), Some("pixels"));
        check(reshaped(&[-1, 1]), None);
        check(reshaped(&[-1]), None);
        check(
            |graph| {
                graph.node(
                    "Reshape",
                    &["maps", "shape worked out elsewhere"],
                    Vec::new(),
                )
            },
            None,
        );
    }

    #[test]
    fn an_operator_of_another_domain_is_not_trusted_by_its_name() {
        let mut builder = GraphBuilder::new("test", "");
        let mean = builder.global_average_pool("maps");
        builder.output("embedding", &mean, Vec::new());
        let mut graph = builder.into_graph();
        graph.node[0].domain = Some("com.example".to_owned());
        assert_eq!(pooled_features(&graph), None);
    }
}
