//! Walks over every name and every constant of a graph, subgraphs included.
//!
//! A backbone's names get a prefix before anything is added around it, so that nothing can clash.

use super::{AttributeProto, GraphProto, TensorProto};

/// Puts `prefix` before every value and node name of the graph. An empty name means "not given" and stays.
pub fn prefix_names(graph: &mut GraphProto, prefix: &str) {
    let rename = |name: &mut String| {
        if !name.is_empty() {
            name.insert_str(0, prefix);
        }
    };
    let rename_option = |name: &mut Option<String>| name.iter_mut().for_each(rename);

    for node in &mut graph.node {
        node.input
            .iter_mut()
            .chain(&mut node.output)
            .for_each(rename);
        rename_option(&mut node.name);
        for subgraph in node.attribute.iter_mut().flat_map(subgraphs) {
            prefix_names(subgraph, prefix);
        }
    }
    for tensor in &mut graph.initializer {
        rename_option(&mut tensor.name);
    }
    for values in graph
        .sparse_initializer
        .iter_mut()
        .filter_map(|sparse| sparse.values.as_mut())
    {
        rename_option(&mut values.name);
    }
    let described = graph
        .input
        .iter_mut()
        .chain(&mut graph.output)
        .chain(&mut graph.value_info);
    described.for_each(|value| rename_option(&mut value.name));
    for annotation in &mut graph.quantization_annotation {
        rename_option(&mut annotation.tensor_name);
        annotation
            .quant_parameter_tensor_names
            .iter_mut()
            .for_each(|entry| rename_option(&mut entry.value));
    }
}

/// Shows every constant of the graph to `visit`: initializers, constants of nodes, those of subgraphs.
pub fn visit_tensors<'a>(graph: &'a GraphProto, visit: &mut impl FnMut(&'a TensorProto)) {
    graph.initializer.iter().for_each(&mut *visit);
    for sparse in &graph.sparse_initializer {
        sparse
            .values
            .iter()
            .chain(&sparse.indices)
            .for_each(&mut *visit);
    }
    for attribute in graph.node.iter().flat_map(|node| &node.attribute) {
        attribute
            .t
            .iter()
            .chain(&attribute.tensors)
            .for_each(&mut *visit);
        for subgraph in attribute.g.as_deref().into_iter().chain(&attribute.graphs) {
            visit_tensors(subgraph, visit);
        }
    }
}

/// The same, to change them.
pub fn visit_tensors_mut<E>(
    graph: &mut GraphProto,
    visit: &mut impl FnMut(&mut TensorProto) -> Result<(), E>,
) -> Result<(), E> {
    graph.initializer.iter_mut().try_for_each(&mut *visit)?;
    for sparse in &mut graph.sparse_initializer {
        sparse
            .values
            .iter_mut()
            .chain(&mut sparse.indices)
            .try_for_each(&mut *visit)?;
    }
    for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
        attribute
            .t
            .iter_mut()
            .chain(&mut attribute.tensors)
            .try_for_each(&mut *visit)?;
        for subgraph in subgraphs(attribute) {
            visit_tensors_mut(subgraph, visit)?;
        }
    }
    Ok(())
}

fn subgraphs(attribute: &mut AttributeProto) -> impl Iterator<Item = &mut GraphProto> {
    attribute
        .g
        .as_deref_mut()
        .into_iter()
        .chain(&mut attribute.graphs)
}
