//! How the engine is chosen, with tiny models in the real library.
#![allow(clippy::unwrap_used)]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fishid_engine::{Goal, Machine, Precision, Provider, Wishes};
use fishid_image::{RgbPhoto, encode_png};
use fishid_network::onnx::Dimension;
use fishid_network::{GraphBuilder, image_input};
use fishid_prediction::{
    ChosenBy, EngineChoice, EngineChooser, Occasion, PredictError, TuneOptions,
};
use fishid_testing::{tiny_bundle, write_bundle};

fn choice(chooser: &EngineChooser, bundle: &Path, occasion: Occasion) -> EngineChoice {
    let predictor = chooser.open(bundle, occasion).unwrap();
    predictor.warm_up().unwrap();
    predictor.engine_choice().unwrap().clone()
}

fn briefly(goal: Goal) -> TuneOptions {
    TuneOptions {
        goal,
        per_plan: Duration::from_millis(20),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_first_start_measures_and_the_next_one_uses_it() {
    let folder = tempfile::tempdir().unwrap();
    let chooser = EngineChooser::new(folder.path(), Wishes::default());
    let first = choice(&chooser, &tiny_bundle(), Occasion::FirstStart);
    assert_eq!(first.chosen_by, ChosenBy::Measurement);
    assert!(first.measured.is_some());
    let kept = files(&folder.path().join("tuning"));
    assert_eq!(kept.len(), 1);
    let before = std::fs::read(&kept[0]).unwrap();

    let second = choice(&chooser, &tiny_bundle(), Occasion::FirstStart);
    assert_eq!(second, first, "the second start measured again");
    assert_eq!(std::fs::read(&kept[0]).unwrap(), before);
}

#[test]
fn a_reload_never_measures() {
    let folder = tempfile::tempdir().unwrap();
    let chooser = EngineChooser::new(folder.path(), Wishes::default());
    let found = choice(&chooser, &tiny_bundle(), Occasion::Reload);
    assert_eq!((found.chosen_by, found.measured), (ChosenBy::Facts, None));
    assert_eq!(files(&folder.path().join("tuning")), [] as [PathBuf; 0]);
}

#[test]
fn what_tune_found_is_used_by_the_next_start_and_by_a_retrained_head() {
    let folder = tempfile::tempdir().unwrap();
    let chooser = EngineChooser::new(folder.path(), Wishes::default());
    let mut n_heard = 0;
    let tuned = chooser
        .tune(&tiny_bundle(), briefly(Goal::Throughput), |_, _| {
            n_heard += 1;
        })
        .unwrap();
    // The suggestion, where it answers as it should, and the two best others were measured once more.
    let kept: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&tuned.kept_in).unwrap()).unwrap();
    let n_by_turns = kept["measured"][0]["by_turns"].as_array().unwrap().len();
    assert!((2..=3).contains(&n_by_turns), "{kept}");
    let n_once = tuned.measured.len() + tuned.refused.len();
    assert_eq!(n_heard, n_once + n_by_turns);
    assert!(tuned.measured.iter().any(|found| found.plan.batch > 1));
    assert!(tuned.kept_in.is_file());

    let retrained = folder.path().join("retrained");
    write_bundle(&retrained, |parts| parts.manifest.seed += 1);
    let used = choice(&chooser, &retrained, Occasion::Reload);
    assert_eq!(used.plan, tuned.chosen);
    assert_eq!(used.chosen_by, ChosenBy::Measurement);
}

#[test]
fn measuring_another_plan_keeps_what_was_known() {
    let folder = tempfile::tempdir().unwrap();
    let free = EngineChooser::new(folder.path(), Wishes::default());
    let tuned = free
        .tune(&tiny_bundle(), briefly(Goal::Latency), |_, _| ())
        .unwrap();
    let three = Wishes {
        streams: NonZeroUsize::new(3),
        threads: NonZeroUsize::new(1),
        ..Wishes::default()
    };
    let bound = EngineChooser::new(folder.path(), three.clone());
    let found = choice(&bound, &tiny_bundle(), Occasion::FirstStart);
    assert!(three.are_met_by(&found.plan) && found.measured.is_some());
    let kept = std::fs::read(tuned.kept_in).unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    let kept = kept["measured"].as_array().unwrap();
    assert_eq!(kept.len(), 2);
    let n_kept = |which: &str| kept[0][which].as_array().unwrap().len();
    assert_eq!(n_kept("by_turns") + n_kept("plans"), tuned.measured.len());
    // What was measured for three streams is no answer to who wishes nothing.
    assert_eq!(
        choice(&free, &tiny_bundle(), Occasion::FirstStart).plan,
        tuned.chosen
    );
}

#[test]
fn what_was_measured_for_other_wishes_does_not_suffice() {
    let folder = tempfile::tempdir().unwrap();
    let two = Wishes {
        streams: NonZeroUsize::new(2),
        ..Wishes::default()
    };
    let bound = EngineChooser::new(folder.path(), two);
    choice(&bound, &tiny_bundle(), Occasion::FirstStart);
    let free = EngineChooser::new(folder.path(), Wishes::default());
    let found = choice(&free, &tiny_bundle(), Occasion::FirstStart);
    assert_eq!(found.plan.streams, 1, "{}", found.plan);
    assert_eq!(found.chosen_by, ChosenBy::Measurement);
}

#[test]
fn where_nothing_can_be_kept_a_model_answers_and_tune_says_so_first() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let chooser = EngineChooser::new(folder.path().join("file/engine"), Wishes::default());
    let found = choice(&chooser, &tiny_bundle(), Occasion::FirstStart);
    assert!(found.measured.is_some());
    let mut n_heard = 0;
    let error = chooser
        .tune(&tiny_bundle(), briefly(Goal::Latency), |_, _| n_heard += 1)
        .unwrap_err();
    assert!(error.to_string().contains("file/engine"), "{error}");
    assert_eq!(n_heard, 0);
}

#[test]
fn damaged_compiled_graphs_are_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let chooser = EngineChooser::new(folder.path(), Wishes::default());
    choice(&chooser, &tiny_bundle(), Occasion::Reload);
    for file in files(&folder.path().join("compiled")) {
        let length = std::fs::metadata(&file).unwrap().len();
        std::fs::write(&file, vec![0; length as usize]).unwrap();
    }
    choice(&chooser, &tiny_bundle(), Occasion::Reload);
    for file in files(&folder.path().join("compiled")) {
        let half = std::fs::metadata(&file).unwrap().len() / 2;
        std::fs::File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_len(half)
            .unwrap();
    }
    choice(&chooser, &tiny_bundle(), Occasion::Reload);
}

#[test]
fn settings_go_before_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let free = EngineChooser::new(folder.path(), Wishes::default());
    choice(&free, &tiny_bundle(), Occasion::FirstStart);
    let wishes = Wishes {
        provider: Some(Provider::Cpu),
        streams: NonZeroUsize::new(3),
        batch: NonZeroUsize::new(2),
        ..Wishes::default()
    };
    let bound = EngineChooser::new(folder.path(), wishes.clone());
    let predictor = bound.open(&tiny_bundle(), Occasion::Reload).unwrap();
    let plan = &predictor.engine_choice().unwrap().plan;
    assert!(wishes.are_met_by(plan), "{plan}");
    assert_eq!((predictor.n_sessions(), predictor.batch()), (3, 2));
}

#[test]
fn contradicting_settings_are_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let wishes = Wishes {
        provider: Some(Provider::Cpu),
        precision: Some(Precision::Bf16),
        ..Wishes::default()
    };
    let chooser = EngineChooser::new(folder.path(), wishes);
    let error = chooser
        .open(&tiny_bundle(), Occasion::FirstStart)
        .unwrap_err();
    assert!(error.to_string().contains("use f32"), "{error}");
}

/// A network that tells colours apart by half a step of a channel's mean, which bf16 does not have near 200.
fn knife_edge() -> Vec<u8> {
    let mut builder = GraphBuilder::new("knife_edge", "");
    let image = builder.input(image_input(8, 8));
    let moved = builder.transpose(&image, &[0, 3, 1, 2]);
    let float = builder.to_float(&moved);
    let pooled = builder.global_average_pool(&float);
    let flat = builder.flatten(&pooled);
    let head = [4.0, -4.0, 0.0, -4.0, 4.0, 0.0, 0.0, 0.0, -1.0];
    let logits = builder.gemm(&flat, [3, 3], &head, &[0.0, 0.0, -20.0]);
    let probabilities = builder.softmax(&logits);
    let shape = || vec![Dimension::symbolic("n"), Dimension::fixed(3)];
    builder.output("probabilities", &probabilities, shape());
    builder.output("logits", &logits, shape());
    builder.into_model(13).save()
}

/// Half of the pixels one step redder: a mean of 200.5, 200, 0.
fn half_a_step_red() -> Vec<u8> {
    let halves = [[201, 200, 0].repeat(32), [200, 200, 0].repeat(32)].concat();
    encode_png(&RgbPhoto::new(8, 8, halves).unwrap()).unwrap()
}

#[test]
fn a_model_whose_answers_bf16_changes_is_served_in_f32() {
    if !Machine::here().unwrap().has_native_bf16() || !Machine::here().unwrap().has_openvino {
        eprintln!("skipped: there is no native bf16 here, or no OpenVINO");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    write_bundle(&bundle, |parts| {
        parts.model_onnx = knife_edge();
        parts.manifest.outputs.truncate(2);
        parts.golden.truncate(1);
        parts.golden[0].file_name = "half.png".to_owned();
        parts.golden[0].bytes = half_a_step_red();
        // Logits 2 and -2 and far below: softmax gives 1 / (1 + e^-4).
        parts.golden[0].probabilities = vec![0.982_013_8, 0.017_986_2, 0.0];
    });
    for wished in [None, Some(Precision::Bf16)] {
        let wishes = Wishes {
            precision: wished,
            ..Wishes::default()
        };
        let chooser = EngineChooser::new(folder.path(), wishes);
        let found = choice(&chooser, &bundle, Occasion::Reload);
        assert_eq!(found.plan.precision, Precision::F32);
        assert_eq!(found.chosen_by, ChosenBy::Fallback);
        // The next time it is known, and told all the same.
        let proofs = files(&folder.path().join("proofs"));
        assert_eq!(proofs.len(), 2, "{proofs:?}");
        assert_eq!(choice(&chooser, &bundle, Occasion::Reload), found);
        assert_eq!(files(&folder.path().join("proofs")), proofs);
    }
    let tuned = EngineChooser::new(folder.path(), Wishes::default())
        .tune(&bundle, briefly(Goal::Latency), |_, _| ())
        .unwrap();
    let reasons: Vec<&str> = tuned
        .refused
        .iter()
        .map(|(_, reason)| reason.as_str())
        .collect();
    assert!(reasons[0].contains("golden"), "{reasons:?}");
    assert_eq!(tuned.chosen.precision, Precision::F32);
}

#[test]
fn a_model_that_answers_wrongly_in_f32_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    write_bundle(&bundle, |parts| {
        parts.golden[0].probabilities.rotate_left(1);
    });
    let chooser = EngineChooser::new(folder.path(), Wishes::default());
    let predictor = chooser.open(&bundle, Occasion::FirstStart).unwrap();
    let error = predictor.warm_up().unwrap_err();
    assert!(matches!(error, PredictError::Golden { .. }), "{error}");
    for proof in files(&folder.path().join("proofs")) {
        let proof = std::fs::read_to_string(proof).unwrap();
        assert!(!proof.contains("agrees"), "{proof}");
    }
}

#[test]
fn a_proven_model_is_asked_less_and_other_golden_answers_prove_it_anew() {
    let folder = tempfile::tempdir().unwrap();
    let chooser = EngineChooser::new(folder.path().join("engine"), Wishes::default());
    let proofs = folder.path().join("engine/proofs");
    choice(&chooser, &tiny_bundle(), Occasion::Reload);
    assert_eq!(files(&proofs).len(), 1);
    choice(&chooser, &tiny_bundle(), Occasion::Reload);
    assert_eq!(files(&proofs).len(), 1);

    // The same network with one golden answer that is wrong: the proof of the right ones must not be taken for it.
    let bundle = folder.path().join("bundle");
    write_bundle(&bundle, |parts| {
        if let Some(last) = parts.golden.last_mut() {
            last.probabilities.rotate_left(1);
        }
    });
    let predictor = chooser.open(&bundle, Occasion::Reload).unwrap();
    let error = predictor.warm_up().unwrap_err();
    assert!(matches!(error, PredictError::Golden { .. }), "{error}");
}

#[test]
fn files_get_one_stream_a_core_unless_streams_or_threads_are_wished() {
    let folder = tempfile::tempdir().unwrap();
    let plan = |wishes: Wishes| {
        let chooser = EngineChooser::new(folder.path(), wishes).for_files();
        let plan = choice(&chooser, &tiny_bundle(), Occasion::Reload).plan;
        (plan.streams, plan.threads)
    };
    let cores = Machine::here().unwrap().cores;
    assert_eq!(plan(Wishes::default()), (cores, 1));
    let wished = Wishes {
        streams: NonZeroUsize::new(3),
        ..Wishes::default()
    };
    assert_eq!(plan(wished.clone()).0, 3);
    let both = Wishes {
        threads: NonZeroUsize::new(2),
        ..wished
    };
    assert_eq!(plan(both), (3, 2));
}
