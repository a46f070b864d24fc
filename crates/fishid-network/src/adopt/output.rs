//! Which output of a foreign classifier has one number a class, and what the graph's last node says these
//! numbers are.

use super::Statement;
use crate::onnx::{GraphProto, NodeProto, ValueInfoProto, element};

/// Nodes in a row that only give a value another name; exporters leave one or two.
const MAX_RENAMINGS: usize = 16;

/// What the numbers of a classifier's output are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// Any numbers; their softmax gives the probabilities.
    Logits,
    /// From 0 to 1, with the sum 1.
    Probabilities,
}

impl AnswerKind {
    /// `logits` or `probabilities`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::Probabilities => "probabilities",
        }
    }
}

impl std::str::FromStr for AnswerKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Logits, Self::Probabilities]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub name: String,
    pub n_classes: Option<usize>,
    pub kind: Option<AnswerKind>,
    /// `[n, classes, 1, 1]` instead of `[n, classes]`.
    pub has_positions: bool,
    /// What the last node, a softmax over `[n, classes]`, is given.
    pub before_softmax: Option<String>,
}

pub(super) fn describe(graph: &GraphProto, statement: &Statement) -> Result<Answer, String> {
    let value = choose(graph, statement.output.as_deref())?;
    let name = value.label();
    if value.element_type() != Some(element::FLOAT) {
        return Err(format!(
            "its output `{name}` is not float32; export the network with a float32 output"
        ));
    }
    let shape = value.shape();
    let has_positions = match shape.as_deref() {
        Some([_, _, Some(1), Some(1)]) => true,
        Some([_, _]) => false,
        Some(other) => {
            return Err(format!(
                "its output `{name}` has {} sides; one number a class is [n, classes]",
                other.len()
            ));
        }
        None => {
            return Err(format!(
                "its output `{name}` states no shape; export the network with one"
            ));
        }
    };
    let n_classes = shape
        .and_then(|shape| shape[1])
        .and_then(|n| usize::try_from(n).ok())
        .filter(|&n| n > 0);
    let last = producer(graph, name);
    let operator = last.map(NodeProto::operator).unwrap_or_default();
    let is_softmax = operator == "Softmax" && !has_positions && last.is_some_and(is_over_columns);
    let by_structure = is_softmax.then_some(AnswerKind::Probabilities);
    let kind = match (by_structure, statement.kind) {
        (Some(AnswerKind::Probabilities), Some(AnswerKind::Logits)) => {
            return Err(format!(
                "its last node is a softmax, so that `{name}` holds probabilities, not logits"
            ));
        }
        (found, stated) => found.or(stated),
    };
    if operator == "Sigmoid" {
        return Err(format!(
            "its last node is a sigmoid, which judges each class by itself; `{name}` is neither logits nor probabilities that sum to 1. Export the network with a softmax, or without its last node"
        ));
    }
    let before_softmax = last
        .filter(|_| is_softmax)
        .and_then(|node| node.input.first().cloned());
    Ok(Answer {
        name: name.to_owned(),
        n_classes,
        kind,
        has_positions,
        before_softmax,
    })
}

fn choose<'a>(graph: &'a GraphProto, named: Option<&str>) -> Result<&'a ValueInfoProto, String> {
    let names: Vec<&str> = graph.output.iter().map(ValueInfoProto::label).collect();
    match (named, &graph.output[..]) {
        (Some(named), outputs) => outputs
            .iter()
            .find(|output| output.label() == named)
            .ok_or_else(|| format!("it has no output `{named}`, but {}", names.join(", "))),
        (None, [only]) => Ok(only),
        (None, _) => Err(format!(
            "it has {} outputs; say which one has a number for each class: --output {}",
            names.len(),
            names.join(" or --output ")
        )),
    }
}

/// The node that makes a value, through nodes that only rename it.
fn producer<'a>(graph: &'a GraphProto, value: &'a str) -> Option<&'a NodeProto> {
    let mut value = value;
    for _ in 0..MAX_RENAMINGS {
        let node = graph
            .node
            .iter()
            .find(|node| node.output.first().is_some_and(|output| output == value))?;
        if !matches!(node.domain.as_deref(), None | Some("" | "ai.onnx")) {
            return None;
        }
        match (node.operator(), node.input.first()) {
            ("Identity", Some(input)) => value = input,
            _ => return Some(node),
        }
    }
    None
}

/// For `[n, classes]` axis 1 and axis -1 are the same, and so are the defaults of all operator sets.
fn is_over_columns(softmax: &NodeProto) -> bool {
    softmax
        .attribute("axis")
        .is_none_or(|axis| matches!(axis.i, Some(1 | -1)))
}
