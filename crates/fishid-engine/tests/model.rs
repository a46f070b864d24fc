//! Loading and running graphs in the real library.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use fishid_engine::{EngineError, EngineOptions, ImageModel, Runtime, use_library};
use fishid_network::onnx::{Dimension, ValueInfoProto, element};
use fishid_network::{GraphBuilder, image_input};

/// Means of the three colours of a 4×2 photograph.
fn means(input: ValueInfoProto) -> Vec<u8> {
    let mut builder = GraphBuilder::new("means", "");
    let image = builder.input(input);
    let moved = builder.transpose(&image, &[0, 3, 1, 2]);
    let float = builder.to_float(&moved);
    let pooled = builder.global_average_pool(&float);
    let flat = builder.flatten(&pooled);
    builder.output(
        "means",
        &flat,
        vec![Dimension::symbolic("n"), Dimension::fixed(3)],
    );
    let doubled = builder.binary("Add", &flat, &flat);
    builder.output(
        "doubled",
        &doubled,
        vec![Dimension::symbolic("n"), Dimension::fixed(3)],
    );
    builder.into_model(13).save()
}

fn model(threads: usize) -> ImageModel {
    let options = EngineOptions {
        threads,
        ..EngineOptions::default()
    };
    ImageModel::load(&means(image_input(4, 2)), &options).unwrap()
}

/// Two photographs: one of a single colour, one half black and half bright.
fn pixels() -> Vec<u8> {
    let one = [10, 20, 30].repeat(8);
    let halves = [[0, 0, 0].repeat(4), [100, 60, 200].repeat(4)].concat();
    [one, halves].concat()
}

#[test]
fn only_the_outputs_asked_for_come_back_with_their_shape() {
    let outputs = model(1).run(&pixels(), 2, &["means"]).unwrap();
    assert_eq!(outputs.len(), 1);
    assert_eq!(outputs["means"].shape, [2, 3]);
    assert_eq!(outputs["means"].width(), 3);
    let rows: Vec<&[f32]> = outputs["means"].rows().collect();
    assert_eq!(rows, [[10.0, 20.0, 30.0], [50.0, 30.0, 100.0]]);
}

#[test]
fn the_graph_tells_its_size_and_outputs() {
    let model = model(1);
    assert_eq!((model.height(), model.width()), (4, 2));
    let outputs: Vec<_> = model
        .outputs()
        .iter()
        .map(|output| (&output.name[..], &output.shape[..]))
        .collect();
    assert_eq!(
        outputs,
        [("means", &[-1, 3][..]), ("doubled", &[-1, 3][..])]
    );
    assert!(model.has_output("doubled") && !model.has_output("tripled"));
}

#[test]
fn pixels_of_another_size_are_refused_with_the_arithmetic() {
    let error = model(1).run(&pixels()[1..], 2, &["means"]).unwrap_err();
    assert_eq!(
        error,
        EngineError::PixelCount {
            found: 47,
            expected: 48,
            n: 2,
            height: 4,
            width: 2
        }
    );
}

#[test]
fn an_empty_batch_is_refused() {
    assert_eq!(
        model(1).run(&[], 0, &["means"]).unwrap_err(),
        EngineError::EmptyBatch
    );
}

#[test]
fn an_unknown_output_is_refused_with_those_there_are() {
    let message = model(1)
        .run(&pixels(), 2, &["logits"])
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("`logits`") && message.contains("means, doubled"),
        "{message}"
    );
}

#[track_caller]
fn check_refused(bytes: &[u8], parts: &[&str]) {
    let message = ImageModel::load(bytes, &EngineOptions::default())
        .unwrap_err()
        .to_string();
    for part in parts {
        assert!(message.contains(part), "`{message}` lacks `{part}`");
    }
}

#[test]
fn a_graph_that_takes_no_photograph_is_refused_with_what_it_takes() {
    let sides = |last| {
        vec![
            Dimension::symbolic("n"),
            Dimension::fixed(4),
            Dimension::fixed(2),
            last,
        ]
    };
    let float = ValueInfoProto::tensor("image", element::FLOAT, sides(Dimension::fixed(3)));
    let grey = ValueInfoProto::tensor("image", element::UINT8, sides(Dimension::fixed(1)));
    let open = ValueInfoProto::tensor("image", element::UINT8, sides(Dimension::symbolic("c")));
    for input in [float, grey, open] {
        check_refused(&means(input), &["`image` uint8 [n, height, width, 3]"]);
    }
}

#[test]
fn bytes_that_are_no_graph_are_refused() {
    check_refused(b"not a graph", &["11 bytes", "cannot be loaded"]);
    let missing = Path::new("/nowhere/model.onnx");
    let message = ImageModel::load(missing, &EngineOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("/nowhere/model.onnx") && message.contains("no such file"),
        "{message}"
    );
}

#[test]
fn a_graph_loads_from_a_file_as_from_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("means.onnx");
    std::fs::write(&path, means(image_input(4, 2))).unwrap();
    let from_file = ImageModel::load(&path, &EngineOptions::default()).unwrap();
    let wanted = ["doubled"];
    assert_eq!(
        from_file.run(&pixels(), 2, &wanted),
        model(1).run(&pixels(), 2, &wanted)
    );
}

#[test]
fn one_model_answers_many_threads() {
    let model = model(2);
    let expected = model.run(&pixels(), 2, &["means"]).unwrap();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..50)
                        .map(|_| model.run(&pixels(), 2, &["means"]).unwrap())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        for worker in workers {
            assert!(
                worker
                    .join()
                    .unwrap()
                    .iter()
                    .all(|outputs| *outputs == expected)
            );
        }
    });
}

#[test]
fn the_engine_digest_does_not_depend_on_the_threads() {
    assert_eq!(model(1).engine_digest(), model(2).engine_digest());
    assert_eq!(model(1).engine_digest().len(), 64);
    assert!(
        model(1)
            .engine_description()
            .ends_with("CPUExecutionProvider, f32")
    );
}

#[test]
fn a_second_library_in_one_process_is_refused_with_both_paths() {
    let loaded = Runtime::current().unwrap();
    assert_eq!(use_library(loaded.path()).unwrap().path(), loaded.path());
    let message = match use_library(Path::new("/elsewhere/libonnxruntime.so")) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("two libraries in one process"),
    };
    assert!(
        message.contains("/elsewhere/libonnxruntime.so"),
        "{message}"
    );
    assert!(
        message.contains(&loaded.path().display().to_string()),
        "{message}"
    );
}
