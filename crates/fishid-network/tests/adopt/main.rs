//! Classifiers as other programs export them, wrapped and run by the real engine beside the original.
#![allow(clippy::unwrap_used)]

mod files;

use std::fs;

use fishid_engine::{EngineOptions, Fed, ForeignModel, ImageModel};
use fishid_network::onnx::{AttributeProto, Dimension, ModelProto, ValueInfoProto, element};
use fishid_network::{
    AnswerKind, BackboneInput, ChannelOrder, Convolution, ForeignClassifier, GraphBuilder,
    InputElement, InputStatement, Layout, Statement,
};

const HEIGHT: usize = 18;
const WIDTH: usize = 16;
const N_CLASSES: usize = 3;

/// A classifier small enough to write down: a convolution, the mean over positions, and an ending.
#[derive(Debug, Clone)]
struct Net {
    layout: Layout,
    element: i32,
    batch: Option<usize>,
    sides: Option<[usize; 2]>,
    ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Logits,
    Softmax,
    /// The output of a softmax through a node that hides it.
    HiddenSoftmax,
    FourSides,
    Sigmoid,
    TwoOutputs,
}

impl Default for Net {
    fn default() -> Self {
        Self {
            layout: Layout::Nchw,
            element: element::FLOAT,
            batch: None,
            sides: Some([HEIGHT, WIDTH]),
            ending: Ending::Logits,
        }
    }
}

impl Net {
    fn model(&self) -> ModelProto {
        let mut builder = GraphBuilder::new("foreign", "");
        let batch = || {
            self.batch
                .map_or_else(|| Dimension::symbolic("batch"), Dimension::fixed)
        };
        let [high, wide] = match self.sides {
            Some(sides) => sides.map(Dimension::fixed),
            None => ["h", "w"].map(Dimension::symbolic),
        };
        let dims = match self.layout {
            Layout::Nchw => vec![batch(), Dimension::fixed(3), high, wide],
            Layout::Nhwc => vec![batch(), high, wide, Dimension::fixed(3)],
        };
        let mut value = builder.input(ValueInfoProto::tensor("pixels", self.element, dims));
        if self.element != element::FLOAT {
            value = builder.to_float(&value);
            let scale = builder.floats(&[1], &[1.0 / 255.0]);
            value = builder.binary("Mul", &value, &scale);
        }
        if self.layout == Layout::Nhwc {
            value = builder.transpose(&value, &[0, 3, 1, 2]);
        }
        let shape = Convolution {
            filters: N_CLASSES,
            channels: 3,
            kernel: 3,
            stride: 1,
            padding: (1, 1),
            groups: 1,
        };
        let weights: Vec<f32> = (0..N_CLASSES * 27)
            .map(|i| (i as f32 * 1.3).sin() * 2.0)
            .collect();
        value = builder.conv(&value, shape, &weights, &[0.1, -0.3, 0.2]);
        value = builder.relu(&value);
        let pooled = builder.global_average_pool(&value);
        let flat = match self.batch {
            Some(n) => {
                let sides = builder.int64s(&[n as i64, N_CLASSES as i64]);
                builder.node("Reshape", &[&pooled, &sides], Vec::new())
            }
            None => builder.flatten(&pooled),
        };
        let scores = || vec![batch(), Dimension::fixed(N_CLASSES)];
        match self.ending {
            Ending::Logits => builder.output("scores", &flat, scores()),
            Ending::Softmax => {
                let softmax =
                    builder.node("Softmax", &[&flat], vec![AttributeProto::int("axis", -1)]);
                builder.output("scores", &softmax, scores());
            }
            Ending::HiddenSoftmax => {
                let softmax = builder.softmax(&flat);
                let one = builder.floats(&[1], &[1.0]);
                let times_one = builder.binary("Mul", &softmax, &one);
                builder.output("scores", &times_one, scores());
            }
            Ending::FourSides => {
                let ones = [Dimension::fixed(1), Dimension::fixed(1)];
                let dims = scores().into_iter().chain(ones).collect();
                builder.output("scores", &pooled, dims);
            }
            Ending::Sigmoid => {
                let sigmoid = builder.node("Sigmoid", &[&flat], Vec::new());
                builder.output("scores", &sigmoid, scores());
            }
            Ending::TwoOutputs => {
                builder.output("scores", &flat, scores());
                builder.output("twice", &flat, scores());
            }
        }
        builder.into_model(13)
    }

    fn open(&self, statement: &Statement) -> Result<ForeignClassifier, String> {
        open(&self.model(), statement)
    }
}

fn open(model: &ModelProto, statement: &Statement) -> Result<ForeignClassifier, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.onnx");
    fs::write(&file, model.save()).unwrap();
    ForeignClassifier::open(&file, statement).map_err(|error| error.to_string())
}

fn stated(input: InputStatement) -> Statement {
    Statement {
        input,
        ..Statement::default()
    }
}

fn scaled(scale: f32) -> InputStatement {
    InputStatement {
        scale: Some(scale),
        ..InputStatement::default()
    }
}

fn pixels(n: usize) -> Vec<u8> {
    (0..n * HEIGHT * WIDTH * 3)
        .map(|i| ((i * 7919 + i * i * 31) % 256) as u8)
        .collect()
}

fn softmax(row: &[f32]) -> Vec<f32> {
    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = row.iter().map(|x| f64::from(x - highest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| (weight / sum) as f32).collect()
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-5, "{what}: {found:?}, not {expected:?}");
    }
}

/// The wrapped graph, given photographs in one batch, against the original, fed one by one.
#[track_caller]
fn check(net: &Net, statement: &Statement, kind: AnswerKind) {
    let foreign = net.open(statement).unwrap();
    let options = EngineOptions::single_threaded();
    let names = [foreign.input.name.as_str(), foreign.output()];
    let original = ForeignModel::load(&foreign.original(), names, &options).unwrap();
    let wrapped = foreign.wrapped(N_CLASSES, kind);
    let wrapped = ImageModel::load(&wrapped, &options).unwrap();
    assert_eq!((wrapped.height(), wrapped.width()), (HEIGHT, WIDTH));

    let pixels = pixels(2);
    let answer = wrapped
        .run(&pixels, 2, &["probabilities", "logits"])
        .unwrap();
    let reversed = BackboneInput {
        channel_order: foreign.input.channel_order.reversed(),
        ..foreign.input.clone()
    };
    let mut differ = false;
    for (index, photo) in pixels.chunks_exact(HEIGHT * WIDTH * 3).enumerate() {
        let n = foreign.fixed_batch.unwrap_or(1);
        let [_, a, b, c] = foreign.fed_shape();
        let run = |input: &BackboneInput| {
            let tensor = match foreign.element {
                InputElement::Float => original.run(
                    Fed::Floats(&foreign.feed(photo, input).repeat(n)),
                    [n, a, b, c],
                ),
                InputElement::Bytes => original.run(
                    Fed::Bytes(&foreign.feed_bytes(photo, input).repeat(n)),
                    [n, a, b, c],
                ),
            };
            tensor.unwrap().rows().next().unwrap().to_vec()
        };
        let own = run(&foreign.input);
        differ |= run(&reversed) != own;
        let expected = match kind {
            AnswerKind::Logits => softmax(&own),
            AnswerKind::Probabilities => own,
        };
        let row = |name: &str| answer[name].rows().nth(index).unwrap().to_vec();
        assert_close(&row("probabilities"), &expected, &format!("{net:?}"));
        assert_close(
            &softmax(&row("logits")),
            &expected,
            &format!("{net:?} logits"),
        );
    }
    assert!(differ, "the order of the colours must show in this test");
}

#[test]
fn layouts_colours_and_scales_give_what_the_original_gives() {
    let imagenet = InputStatement {
        mean: Some([0.485, 0.456, 0.406]),
        std: Some([0.229, 0.224, 0.225]),
        ..scaled(1.0 / 255.0)
    };
    let caffe = InputStatement {
        channel_order: Some(ChannelOrder::Bgr),
        mean: Some([103.9, 116.8, 123.7]),
        std: Some([60.0; 3]),
        ..scaled(1.0)
    };
    for layout in [Layout::Nchw, Layout::Nhwc] {
        for input in [scaled(1.0 / 255.0), imagenet.clone(), caffe.clone()] {
            let net = Net {
                layout,
                ..Net::default()
            };
            check(&net, &stated(input), AnswerKind::Logits);
        }
    }
}

#[test]
fn bytes_are_handed_on_as_they_are() {
    for layout in [Layout::Nchw, Layout::Nhwc] {
        for channel_order in [ChannelOrder::Rgb, ChannelOrder::Bgr] {
            let net = Net {
                layout,
                element: element::UINT8,
                ..Net::default()
            };
            let input = InputStatement {
                channel_order: Some(channel_order),
                ..InputStatement::default()
            };
            check(&net, &stated(input), AnswerKind::Logits);
        }
    }
}

#[test]
fn every_ending_gives_probabilities_and_logits_that_agree() {
    for (ending, kind, found) in [
        (Ending::Logits, AnswerKind::Logits, None),
        (Ending::FourSides, AnswerKind::Logits, None),
        (
            Ending::Softmax,
            AnswerKind::Probabilities,
            Some(AnswerKind::Probabilities),
        ),
        (Ending::HiddenSoftmax, AnswerKind::Probabilities, None),
    ] {
        let net = Net {
            ending,
            ..Net::default()
        };
        let statement = stated(scaled(1.0 / 255.0));
        assert_eq!(net.open(&statement).unwrap().kind(), found, "{ending:?}");
        check(&net, &statement, kind);
    }
}

#[test]
fn a_graph_for_one_batch_size_or_any_size_becomes_one_for_photographs() {
    for batch in [1, 4] {
        let net = Net {
            batch: Some(batch),
            ..Net::default()
        };
        check(&net, &stated(scaled(1.0 / 255.0)), AnswerKind::Logits);
    }
    let huge = Net {
        batch: Some(1_000_000_000),
        ..Net::default()
    };
    check_refused(&huge, &stated(scaled(1.0)), &["1000000000", "open batch"]);
    let net = Net {
        sides: None,
        ..Net::default()
    };
    let input = InputStatement {
        size: Some([HEIGHT as u32, WIDTH as u32]),
        ..scaled(1.0 / 255.0)
    };
    check(&net, &stated(input), AnswerKind::Logits);
}

#[track_caller]
fn check_refused(net: &Net, statement: &Statement, words: &[&str]) {
    let error = net.open(statement).unwrap_err();
    for word in words.iter().chain(&["net.onnx"]) {
        assert!(error.contains(word), "`{word}` is missing in: {error}");
    }
}

#[test]
fn what_nobody_states_is_refused_with_the_flag_that_states_it() {
    let net = Net::default();
    check_refused(&net, &Statement::default(), &["--scale 1/255", "--mean"]);
    let open_size = Net {
        sides: None,
        ..Net::default()
    };
    check_refused(&open_size, &stated(scaled(1.0)), &["--size 224"]);
    let ambiguous = Net {
        sides: Some([32, 3]),
        ..Net::default()
    };
    check_refused(&ambiguous, &stated(scaled(1.0)), &["--layout"]);
    let two = Net {
        ending: Ending::TwoOutputs,
        ..Net::default()
    };
    check_refused(
        &two,
        &stated(scaled(1.0)),
        &["--output scores", "--output twice"],
    );
}

#[test]
fn what_is_stated_against_the_graph_is_refused() {
    let net = Net::default();
    let with = |input: InputStatement| stated(input);
    let size = InputStatement {
        size: Some([224, 224]),
        ..scaled(1.0)
    };
    check_refused(&net, &with(size), &["224x224", "18x16"]);
    let layout = InputStatement {
        layout: Some(Layout::Nhwc),
        ..scaled(1.0)
    };
    check_refused(&net, &with(layout), &["NHWC", "16 channels", "--layout"]);
    let name = InputStatement {
        name: Some("data".to_owned()),
        ..scaled(1.0)
    };
    check_refused(&net, &with(name), &["`data`", "`pixels`"]);
    let std = InputStatement {
        std: Some([0.0; 3]),
        ..scaled(1.0)
    };
    check_refused(&net, &with(std), &["--std", "0"]);
    let bytes = Net {
        element: element::UINT8,
        ..Net::default()
    };
    check_refused(&bytes, &with(scaled(1.0 / 255.0)), &["uint8", "--scale"]);
    let output = Statement {
        output: Some("logits".to_owned()),
        ..stated(scaled(1.0))
    };
    check_refused(&net, &output, &["`logits`", "scores"]);
}

#[test]
fn an_ending_that_gives_no_distribution_is_refused() {
    let sigmoid = Net {
        ending: Ending::Sigmoid,
        ..Net::default()
    };
    check_refused(&sigmoid, &stated(scaled(1.0)), &["sigmoid", "softmax"]);
    let softmax = Net {
        ending: Ending::Softmax,
        ..Net::default()
    };
    let logits = Statement {
        kind: Some(AnswerKind::Logits),
        ..stated(scaled(1.0))
    };
    check_refused(&softmax, &logits, &["softmax", "probabilities"]);
}
