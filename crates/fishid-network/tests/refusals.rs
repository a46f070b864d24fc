//! What a backbone, its sidecar or a head may have wrong, and the words a person gets.
#![allow(clippy::unwrap_used)]

use fishid_network::onnx::{Dimension, ModelProto, ValueInfoProto, element};
use fishid_network::{BackboneFile, GraphBuilder, Head, classifier};

/// A network whose input has these sides and whose output has this name.
fn network(sides: [Option<usize>; 4], output: &str) -> ModelProto {
    let mut builder = GraphBuilder::new("test", "");
    let side =
        |side: Option<usize>| side.map_or_else(|| Dimension::symbolic("s"), Dimension::fixed);
    builder.input(ValueInfoProto::tensor(
        "input",
        element::FLOAT,
        sides.map(side).to_vec(),
    ));
    let pooled = builder.global_average_pool("input");
    let flat = builder.flatten(&pooled);
    builder.output(
        output,
        &flat,
        vec![Dimension::symbolic("n"), Dimension::fixed(3)],
    );
    builder.into_model(13)
}

fn square() -> ModelProto {
    network([None, Some(3), Some(32), Some(32)], "embedding")
}

/// The error of opening this file must hold all these parts.
#[track_caller]
fn check(onnx: &[u8], sidecar: Option<&str>, parts: &[&str]) {
    let message = BackboneFile::from_parts(onnx, sidecar, "net")
        .unwrap_err()
        .to_string();
    for part in parts {
        assert!(message.contains(part), "`{message}` lacks `{part}`");
    }
}

#[test]
fn a_file_that_is_not_onnx_is_said_to_be_none() {
    check(
        b"<html>not found</html>",
        None,
        &["net", "not an ONNX file"],
    );
    check(b"", None, &["not an ONNX file"]);
    check(&square().save()[..40], None, &["not an ONNX file"]);
}

#[test]
fn a_network_without_embedding_or_features_is_told_which_outputs_are_needed() {
    let model = network([None, Some(3), Some(32), Some(32)], "class_scores");
    check(
        &model.save(),
        None,
        &["`embedding`", "`features`", "class_scores"],
    );
}

#[test]
fn open_height_and_width_need_a_sidecar() {
    let model = network([None, Some(3), None, None], "embedding");
    check(&model.save(), None, &["height and width", "size"]);
    let opened =
        BackboneFile::from_parts(&model.save(), Some(r#"{"size": [24, 16]}"#), "net").unwrap();
    assert_eq!((opened.input.height, opened.input.width), (24, 16));
}

#[test]
fn sides_that_no_photograph_should_have_are_refused_with_the_limits() {
    let open = network([None, Some(3), None, None], "embedding").save();
    for (size, told) in [
        ("100000", "100000 x 100000"),
        ("[224, 2049]", "2049 x 224"),
        ("[15, 224]", "224 x 15"),
    ] {
        let sidecar = format!(r#"{{"size": {size}}}"#);
        check(&open, Some(&sidecar), &["net", told, "from 16 to 2048"]);
    }
    let graph = network([None, Some(3), Some(100_000), Some(64)], "embedding");
    check(&graph.save(), None, &["64 x 100000", "from 16 to 2048"]);
    for size in ["16", "2048", "[16, 2048]"] {
        let sidecar = format!(r#"{{"size": {size}}}"#);
        assert!(BackboneFile::from_parts(&open, Some(&sidecar), "net").is_ok());
    }
}

#[test]
fn weights_in_another_file_are_refused_with_the_remedy() {
    let mut model = square();
    let mut builder = GraphBuilder::new("", "");
    builder.floats(&[1], &[1.0]);
    let mut weight = builder.into_graph().initializer.remove(0);
    weight.data_location = Some(1);
    model.graph.as_mut().unwrap().initializer.push(weight);
    check(&model.save(), None, &["another file", "onnx.save"]);
}

#[test]
fn a_sidecar_that_contradicts_the_graph_is_refused() {
    let model = square().save();
    check(&model, Some(r#"{"size": [16, 16]}"#), &["[16, 16]", "32"]);
    check(
        &model,
        Some(r#"{"input": {"name": "pixels"}}"#),
        &["`pixels`", "`input`"],
    );
    check(&model, Some(r#"{"layout": "NHWC"}"#), &["32 channels"]);
    check(&model, Some(r#"{"layout": "CHWN"}"#), &["CHWN", "NCHW"]);
    check(&model, Some(r#"{"channel_order": "GBR"}"#), &["GBR", "BGR"]);
    check(&model, Some(r#"{"std": [0.2, 0.0, 0.2]}"#), &["std"]);
    check(&model, Some("{"), &["beside the backbone"]);
    check(&model, Some(r#"{"sha256": "00"}"#), &["SHA-256"]);
}

#[test]
fn a_second_input_is_refused_by_name() {
    let mut model = square();
    let extra = ValueInfoProto::tensor("metadata", element::FLOAT, vec![Dimension::fixed(2)]);
    model.graph.as_mut().unwrap().input.push(extra);
    check(&model.save(), None, &["one input", "metadata"]);
}

#[test]
fn an_input_of_one_channel_is_refused() {
    let model = network([None, Some(1), Some(32), Some(32)], "embedding");
    check(&model.save(), None, &["1 channels"]);
}

#[test]
fn without_a_sidecar_every_assumption_is_told() {
    let opened = BackboneFile::from_parts(&square().save(), None, "net").unwrap();
    let told = opened.assumed.join("; ");
    for part in ["32 x 32", "NCHW", "RGB", "1/255", "0.485", "0.229"] {
        assert!(told.contains(part), "`{told}` lacks `{part}`");
    }
    assert_eq!(opened.name, "net");
    assert_eq!(opened.weights, "file");
}

/// The error of putting this head on the network must hold all these parts.
#[track_caller]
fn check_head(change: impl FnOnce(&mut Head), parts: &[&str]) {
    let backbone = BackboneFile::from_parts(&square().save(), None, "net").unwrap();
    let mut head = Head {
        weights: vec![0.5; 6],
        bias: vec![0.0; 2],
        temperature: 1.0,
        n_classes: 2,
    };
    change(&mut head);
    let message = classifier(&backbone, &head).unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "`{message}` lacks `{part}`");
    }
}

#[test]
fn a_head_that_does_not_fit_is_refused_with_both_sizes() {
    check_head(|head| head.weights = vec![0.5; 8], &["width 4", "width 3"]);
    check_head(
        |head| head.weights = vec![0.5; 7],
        &["7 weights", "2 classes"],
    );
    check_head(|head| head.bias.push(0.0), &["3 biases", "2 classes"]);
    check_head(|head| head.temperature = 0.0, &["temperature"]);
    check_head(|head| head.weights[1] = f32::NAN, &["finite"]);
}

#[test]
fn an_operator_set_too_old_to_build_on_is_refused_with_both_versions() {
    let mut model = square();
    model.opset_import[0].version = Some(6);
    let backbone = BackboneFile::from_parts(&model.save(), None, "net").unwrap();
    let message = fishid_network::embedder(&backbone).unwrap_err().to_string();
    assert!(
        message.contains("version 6") && message.contains("version 7"),
        "{message}"
    );
}
