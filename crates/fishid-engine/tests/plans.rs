//! Plans in the real library: other providers give the numbers of ONNX Runtime's own, and lanes answer side by side.
#![allow(clippy::unwrap_used)]

use std::num::NonZeroUsize;
use std::time::Duration;

use fishid_engine::{
    EngineOptions, ImageModel, Lanes, Machine, ModelSource, Plan, Precision, Provider, Wishes,
    measure, measure_by_turns, topology_digest,
};
use fishid_network::onnx::Dimension;
use fishid_network::{Convolution, GraphBuilder, image_input};

const SIDE: usize = 16;

/// A convolution and a matrix, enough for every engine to take its own kernels.
fn graph(n_classes: usize, kernel: usize, shift: f32) -> Vec<u8> {
    let mut builder = GraphBuilder::new("graph", "");
    let image = builder.input(image_input(SIDE, SIDE));
    let moved = builder.transpose(&image, &[0, 3, 1, 2]);
    let float = builder.to_float(&moved);
    let scale = builder.floats(&[], &[1.0 / 255.0]);
    let scaled = builder.binary("Mul", &float, &scale);
    let shape = Convolution {
        filters: 32,
        channels: 3,
        kernel,
        stride: 1,
        padding: (kernel / 2, kernel / 2),
        groups: 1,
    };
    let weight = |i: usize| ((i * 37 % 101) as f32 / 101.0 - 0.5 + shift) / kernel as f32;
    let weights: Vec<f32> = (0..32 * 3 * kernel * kernel).map(weight).collect();
    let features = builder.conv(&scaled, shape, &weights, &[0.1; 32]);
    let rectified = builder.relu(&features);
    let pooled = builder.global_average_pool(&rectified);
    let flat = builder.flatten(&pooled);
    let head: Vec<f32> = (0..32 * n_classes).map(weight).collect();
    let logits = builder.gemm(&flat, [n_classes, 32], &head, &vec![0.0; n_classes]);
    let probabilities = builder.softmax(&logits);
    builder.output(
        "probabilities",
        &probabilities,
        vec![Dimension::symbolic("n"), Dimension::fixed(n_classes)],
    );
    builder.into_model(13).save()
}

fn pixels(n: usize) -> Vec<u8> {
    (0..n * SIDE * SIDE * 3)
        .map(|i| (i * i % 251) as u8)
        .collect()
}

fn answer(model: &[u8], options: &EngineOptions) -> Vec<f32> {
    let model = ImageModel::load(model, options).unwrap();
    let outputs = model.run(&pixels(1), 1, &["probabilities"]).unwrap();
    outputs["probabilities"].values.clone()
}

/// `None`, with the reason printed, where the library has no `OpenVINO`.
fn openvino(precision: Precision) -> Option<EngineOptions> {
    if !Machine::here().unwrap().has_openvino {
        eprintln!("skipped: the ONNX Runtime library here has no OpenVINO");
        return None;
    }
    Some(EngineOptions {
        provider: Provider::OpenVino,
        precision,
        batch: NonZeroUsize::new(1),
        ..EngineOptions::single_threaded()
    })
}

#[track_caller]
fn check_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance, "{found:?} is not {expected:?}");
    }
}

#[test]
fn openvino_gives_the_numbers_of_the_cpu_kernels() {
    let graph = graph(7, 3, 0.0);
    let expected = answer(&graph, &EngineOptions::single_threaded());
    let Some(in_f32) = openvino(Precision::F32) else {
        return;
    };
    check_close(&answer(&graph, &in_f32), &expected, 1e-5);
    if Machine::here().unwrap().has_native_bf16() {
        let in_bf16 = openvino(Precision::Bf16).unwrap();
        let found = answer(&graph, &in_bf16);
        check_close(&found, &expected, 0.02);
        assert_ne!(found, expected, "bf16 was asked for, f32 was computed");
    } else {
        eprintln!("skipped in bf16: this processor does not have it natively");
    }
}

#[test]
fn each_engine_has_a_digest_of_its_own() {
    let graph = graph(7, 3, 0.0);
    let digest = |options: &EngineOptions| {
        let model = ImageModel::load(&graph, options).unwrap();
        model.engine_digest()
    };
    let cpu = digest(&EngineOptions::single_threaded());
    if let Some(openvino) = openvino(Precision::F32) {
        assert_ne!(digest(&openvino), cpu);
    }
}

#[test]
fn bf16_is_refused_where_the_provider_does_not_have_it() {
    let options = EngineOptions {
        precision: Precision::Bf16,
        ..EngineOptions::single_threaded()
    };
    let error = ImageModel::load(&graph(7, 3, 0.0), &options).unwrap_err();
    assert!(
        error.to_string().contains("use openvino for bf16"),
        "{error}"
    );
}

#[test]
fn a_provider_that_the_library_lacks_is_an_error_and_not_another_provider_in_silence() {
    if Provider::Cuda.is_built_in().unwrap() {
        eprintln!("skipped: the ONNX Runtime library here has CUDA");
        return;
    }
    let options = EngineOptions {
        provider: Provider::Cuda,
        ..EngineOptions::single_threaded()
    };
    assert!(ImageModel::load(&graph(7, 3, 0.0), &options).is_err());
}

/// Of every number of photographs, lanes answer what one photograph alone is answered.
#[test]
fn lanes_answer_full_batches_and_any_other_number_alike() {
    let graph = graph(5, 3, 0.0);
    let fixed = EngineOptions {
        batch: NonZeroUsize::new(1),
        ..EngineOptions::single_threaded()
    };
    let source = ModelSource::Bytes(&graph);
    let (lanes, facts) = Lanes::load(&source, &fixed, 2, 4).unwrap();
    assert_eq!((lanes.n_lanes(), lanes.batch()), (2, 4));
    assert_eq!((facts.height, facts.width), (SIDE, SIDE));
    let all = pixels(6);
    let per_photograph = all.len() / 6;
    let alone: Vec<f32> = all
        .chunks(per_photograph)
        .flat_map(|photo| {
            let outputs = lanes.run(photo, 1, &["probabilities"]).unwrap();
            outputs["probabilities"].values.clone()
        })
        .collect();
    for n in 1..=6 {
        let outputs = lanes
            .run(&all[..n * per_photograph], n, &["probabilities"])
            .unwrap();
        assert_eq!(outputs["probabilities"].shape, [n, 5]);
        check_close(&outputs["probabilities"].values, &alone[..n * 5], 1e-6);
    }
    assert!(lanes.run(&all[1..], 6, &["probabilities"]).is_err());
}

#[test]
fn lanes_are_used_side_by_side_and_come_back() {
    let graph = graph(5, 3, 0.0);
    let options = EngineOptions::single_threaded();
    let (lanes, _) = Lanes::load(&ModelSource::Bytes(&graph), &options, 2, 1).unwrap();
    let photo = pixels(1);
    let expected = lanes.run(&photo, 1, &["probabilities"]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(lanes.run(&photo, 1, &["probabilities"]).unwrap(), expected);
                }
            });
        }
    });
}

#[test]
fn a_measurement_has_a_time_and_a_rate_for_every_shape_of_plan() {
    let graph = graph(5, 3, 0.0);
    let machine = Machine::here().unwrap();
    let source = ModelSource::Bytes(&graph);
    let mut plans = Vec::new();
    for (streams, batch) in [(1, 1), (2, 1), (1, 2)] {
        let wishes = Wishes {
            streams: NonZeroUsize::new(streams),
            batch: NonZeroUsize::new(batch),
            ..Wishes::default()
        };
        let plan = Plan::unmeasured(&machine, &wishes).unwrap();
        let options = EngineOptions {
            provider: plan.provider,
            precision: plan.precision,
            batch: NonZeroUsize::new(1),
            ..EngineOptions::single_threaded()
        };
        let found = measure(&source, &plan, &options, Duration::from_millis(20)).unwrap();
        assert_eq!(found.plan, plan);
        assert!(found.latency_ms > 0.0 && found.photographs_per_second > 0.0);
        plans.push((plan, options));
    }
    let by_turns = measure_by_turns(&source, &plans, Duration::from_millis(20)).unwrap();
    assert_eq!(by_turns.len(), plans.len());
    for (found, (plan, _)) in by_turns.iter().zip(&plans) {
        assert_eq!(&found.plan, plan);
        assert!(found.latency_ms > 0.0 && found.photographs_per_second > 0.0);
    }
}

#[test]
fn a_retrained_head_keeps_the_topology_and_another_network_does_not() {
    let digest = |onnx: &[u8]| topology_digest(onnx).unwrap();
    let first = digest(&graph(7, 3, 0.0));
    assert_eq!(digest(&graph(7, 3, 0.25)), first);
    assert_eq!(digest(&graph(12, 3, 0.0)), first);
    assert_ne!(digest(&graph(7, 5, 0.0)), first);
    assert_eq!(topology_digest(b"no graph at all"), None);
}
