//! Every graph this crate writes, run by the real engine and compared with plain arithmetic.
//!
//! Golden files of operators would only say that nothing moved; the reference here says what is right.
#![allow(clippy::unwrap_used)]

#[path = "conformance/tiny.rs"]
mod tiny;

use fishid_engine::{EngineOptions, ImageModel, Outputs};
use fishid_network::onnx::{AttributeProto, Dimension, GraphProto, ModelProto, ValueInfoProto};
use fishid_network::{
    BackboneFile, ChannelOrder, Head, Layout, classifier, embedder, graph_digest,
};
use tiny::{MAP_SIDES, N_FILTERS, PIXELS, Tail, TinyNet};

const TOLERANCE: f32 = 1e-5;

fn head() -> Head {
    let weights = (0..3 * N_FILTERS).map(|i| (i as f32 * 0.7).sin()).collect();
    Head {
        weights,
        bias: vec![0.3, -0.2, 0.05],
        temperature: 1.7,
        n_classes: 3,
    }
}

fn run(model: &[u8], pixels: &[u8], n: usize) -> Outputs {
    let model = ImageModel::load(model, &EngineOptions::single_threaded()).unwrap();
    let names: Vec<String> = model
        .outputs()
        .iter()
        .map(|output| output.name.clone())
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    model.run(pixels, n, &names).unwrap()
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: number of values");
    for (index, (a, b)) in found.iter().zip(expected).enumerate() {
        let allowed = TOLERANCE * b.abs().max(1.0);
        assert!((a - b).abs() <= allowed, "{what}[{index}] is {a}, not {b}");
    }
}

/// Builds the backbone, puts the classifier on it, and compares every output with the reference.
#[track_caller]
fn check(net: &TinyNet) {
    let backbone = net.backbone();
    let head = head();
    let n = 3;
    let outputs = run(&classifier(&backbone, &head).unwrap(), &PIXELS, n);
    let mut expected_names = vec!["embedding", "logits", "probabilities"];
    if net.tail.is_pooled() {
        expected_names.insert(0, "activation");
    }
    let names: Vec<&str> = outputs.keys().map(String::as_str).collect();
    assert_eq!(names, expected_names, "{net:?}");

    let area = MAP_SIDES[0] * MAP_SIDES[1];
    for (index, pixels) in PIXELS.chunks_exact(PIXELS.len() / n).enumerate() {
        let row = |name: &str| outputs[name].rows().nth(index).unwrap().to_vec();
        let embedding = net.reference(pixels);
        assert_close(
            &row("embedding"),
            &embedding,
            &format!("{net:?}: embedding"),
        );

        let logits: Vec<f32> = (0..head.n_classes)
            .map(|class| {
                let weights = &head.weights[class * N_FILTERS..][..N_FILTERS];
                let product: f32 = weights.iter().zip(&embedding).map(|(w, x)| w * x).sum();
                product + head.bias[class]
            })
            .collect();
        assert_close(&row("logits"), &logits, &format!("{net:?}: logits"));

        let powers: Vec<f32> = logits
            .iter()
            .map(|logit| (f64::from(*logit) / head.temperature).exp() as f32)
            .collect();
        let sum: f32 = powers.iter().sum();
        let probabilities: Vec<f32> = powers.iter().map(|power| power / sum).collect();
        assert_close(
            &row("probabilities"),
            &probabilities,
            &format!("{net:?}: probabilities"),
        );

        if net.tail.is_pooled() {
            let maps = row("activation");
            let means: Vec<f32> = maps
                .chunks_exact(area)
                .map(|map| map.iter().sum::<f32>() / area as f32)
                .collect();
            assert_close(&means, &logits, &format!("{net:?}: mean of the activation"));
        }
    }

    let embedded = run(&embedder(&backbone).unwrap(), &PIXELS, n);
    assert_eq!(embedded["embedding"], outputs["embedding"], "{net:?}");
    assert_eq!(
        embedded.contains_key("features"),
        net.has_features,
        "{net:?}"
    );
}

#[test]
fn graphs_around_any_operator_set_equal_plain_arithmetic() {
    for opset in [7, 9, 11, 13, 17, 18, 21, 22] {
        check(&TinyNet {
            opset,
            ..TinyNet::default()
        });
    }
}

#[test]
fn every_layout_and_channel_order_equals_plain_arithmetic() {
    for layout in [Layout::Nchw, Layout::Nhwc] {
        for order in [ChannelOrder::Rgb, ChannelOrder::Bgr] {
            check(&TinyNet {
                layout,
                order,
                ..TinyNet::default()
            });
        }
    }
}

#[test]
fn every_way_to_reach_the_embedding_is_followed() {
    for tail in Tail::ALL {
        for has_features in [false, true] {
            let opset = if tail == Tail::MeanByInput { 18 } else { 13 };
            check(&TinyNet {
                opset,
                tail,
                has_features,
                ..TinyNet::default()
            });
        }
    }
}

#[test]
fn a_backbone_of_features_alone_gets_an_embedding() {
    check(&TinyNet {
        tail: Tail::None,
        has_features: true,
        ..TinyNet::default()
    });
}

#[test]
fn a_backbone_exported_for_one_photograph_takes_three() {
    for tail in [Tail::PoolFlatten, Tail::PoolReshape, Tail::PoolReshapeRelu] {
        check(&TinyNet {
            fixed_batch: Some(1),
            tail,
            ..TinyNet::default()
        });
    }
}

#[test]
fn a_backbone_that_uses_our_names_for_its_own_values_does_not_clash() {
    check(&TinyNet {
        input: "image",
        inner: "logits",
        ..TinyNet::default()
    });
    check(&TinyNet {
        input: "probabilities",
        inner: "activation",
        ..TinyNet::default()
    });
}

#[test]
fn weights_listed_as_inputs_by_an_old_file_are_not_asked_for() {
    let net = TinyNet {
        opset: 8,
        ..TinyNet::default()
    };
    let mut model = net.model();
    model.ir_version = Some(3);
    let graph = model.graph.as_mut().unwrap();
    for weight in graph.initializer.clone() {
        let dims = weight
            .dims
            .iter()
            .map(|&side| Dimension::fixed(side as usize))
            .collect();
        let element = weight.data_type.unwrap();
        graph
            .input
            .push(ValueInfoProto::tensor(weight.label(), element, dims));
    }
    let backbone = net.open(&model);
    let outputs = run(&embedder(&backbone).unwrap(), &PIXELS, 3);
    let expected: Vec<f32> = PIXELS
        .chunks_exact(PIXELS.len() / 3)
        .flat_map(|pixels| net.reference(pixels))
        .collect();
    assert_close(&outputs["embedding"].values, &expected, "embedding");
}

/// Replaces the network's rectifier by `If(true) { Relu } else { Identity }`, each branch reading the outer value.
#[test]
fn branches_that_read_outer_values_survive_the_renaming() {
    let net = TinyNet::default();
    let mut model = net.model();
    let graph = model.graph.as_mut().unwrap();
    let place = graph
        .node
        .iter()
        .position(|node| node.operator() == "Relu")
        .unwrap();
    let branch = |operator: &str| {
        let mut inner = fishid_network::GraphBuilder::new(operator, "branch_");
        let value = inner.node(operator, &[&graph.node[place].input[0]], Vec::new());
        inner.output("chosen", &value, Vec::new());
        let mut subgraph: GraphProto = inner.into_graph();
        subgraph.output[0]
            .r#type
            .as_mut()
            .unwrap()
            .tensor_type
            .as_mut()
            .unwrap()
            .shape = None;
        subgraph
    };
    let attribute = |name: &str, subgraph| AttributeProto {
        name: Some(name.to_owned()),
        g: Some(Box::new(subgraph)),
        r#type: Some(5),
        ..AttributeProto::default()
    };
    let branches = vec![
        attribute("then_branch", branch("Relu")),
        attribute("else_branch", branch("Identity")),
    ];
    let node = &mut graph.node[place];
    node.op_type = Some("If".to_owned());
    node.input = vec!["yes".to_owned()];
    node.attribute = branches;
    let yes = fishid_network::onnx::TensorProto {
        name: Some("yes".to_owned()),
        data_type: Some(9),
        raw_data: Some(vec![1]),
        ..Default::default()
    };
    graph.initializer.push(yes);

    let outputs = run(&embedder(&net.open(&model)).unwrap(), &PIXELS, 3);
    let expected: Vec<f32> = PIXELS
        .chunks_exact(PIXELS.len() / 3)
        .flat_map(|pixels| net.reference(pixels))
        .collect();
    assert_close(&outputs["embedding"].values, &expected, "embedding");
}

#[test]
fn a_batch_equals_its_photographs_one_by_one() {
    let model = classifier(&TinyNet::default().backbone(), &head()).unwrap();
    let together = run(&model, &PIXELS, 3);
    for (index, pixels) in PIXELS.chunks_exact(PIXELS.len() / 3).enumerate() {
        let alone = run(&model, pixels, 1);
        for (name, tensor) in &together {
            assert_close(&alone[name].values, tensor.rows().nth(index).unwrap(), name);
        }
    }
}

#[test]
fn a_produced_model_names_its_maker_and_backbone() {
    let backbone = TinyNet::default().backbone();
    let model = ModelProto::load(&classifier(&backbone, &head()).unwrap()).unwrap();
    let value = |key: &str| {
        let entry = model
            .metadata_props
            .iter()
            .find(|entry| entry.key.as_deref() == Some(key));
        entry
            .and_then(|entry| entry.value.clone())
            .unwrap_or_default()
    };
    assert_eq!(model.producer_name.as_deref(), Some("fishid"));
    assert_eq!(value("fishid.backbone_digest"), backbone.digest);
    assert_eq!(value("fishid.kind"), "classifier");
}

#[test]
fn the_real_backbone_is_read_and_written_without_loss_and_runs() {
    let Some(data) = fishid_testing::require_test_data() else {
        return;
    };
    let path = data.join("backbones/mobilenet_v2_imagenet.onnx");
    let bytes = std::fs::read(&path).unwrap();
    assert!(
        ModelProto::load(&bytes).unwrap().save() == bytes,
        "written bytes differ from those read"
    );

    let backbone = BackboneFile::open(&path).unwrap();
    assert!(backbone.assumed.is_empty(), "{:?}", backbone.assumed);
    assert_eq!(backbone.embedding_width(), Some(1280));
    assert_eq!(backbone.pooled_features().as_deref(), Some("features"));

    let head = Head {
        weights: (0..2 * 1280)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) / 1000.0)
            .collect(),
        bias: vec![0.1, -0.1],
        temperature: 1.0,
        n_classes: 2,
    };
    let pixels: Vec<u8> = (0..224 * 224 * 3).map(|i| (i * 31 % 256) as u8).collect();
    let outputs = run(&classifier(&backbone, &head).unwrap(), &pixels, 1);
    assert_eq!(outputs["activation"].shape, [1, 2, 7, 7]);
    let means: Vec<f32> = outputs["activation"]
        .values
        .chunks_exact(49)
        .map(|map| map.iter().sum::<f32>() / 49.0)
        .collect();
    assert_close(&means, &outputs["logits"].values, "mean of the activation");
}

/// The same file with another sidecar computes something else, unless only names differ.
#[test]
fn the_digest_of_the_graph_follows_the_sidecar_where_that_changes_a_number() {
    let onnx = TinyNet::default().model().save();
    let digest = |fields: &str| {
        let sidecar = format!(r#"{{"layout": "NCHW"{fields}}}"#);
        let backbone = BackboneFile::from_parts(&onnx, Some(&sidecar), "tiny").unwrap();
        graph_digest(&backbone).unwrap()
    };
    let plain = digest("");
    assert_eq!(plain.len(), 64);
    for fields in [
        r#", "mean": [0.5, 0.5, 0.5]"#,
        r#", "std": [0.5, 0.5, 0.5]"#,
        r#", "scale": 1.0"#,
        r#", "channel_order": "BGR""#,
    ] {
        assert_ne!(digest(fields), plain, "{fields}");
    }
    assert_eq!(digest(r#", "name": "other", "licence": "MIT""#), plain);
}
