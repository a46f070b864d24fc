#![allow(clippy::unwrap_used, clippy::float_cmp)] // the same to the last bit is what is asserted

use super::{BootstrapOptions, Evaluation, EvaluationInput, bootstrap_interval};

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn check(probabilities: &[[f32; 3]], truth: &[&str], groups: &[&str]) -> Evaluation {
    let probabilities: Vec<Vec<f32>> = probabilities.iter().map(|row| row.to_vec()).collect();
    Evaluation::compute(
        &EvaluationInput {
            probabilities: &probabilities,
            truth: &strings(truth),
            groups: &strings(groups),
            classes: &strings(&["a", "b", "c"]),
        },
        &BootstrapOptions::default(),
    )
}

#[track_caller]
fn assert_near(got: f64, wanted: f64) {
    assert!((got - wanted).abs() < 1e-9, "{got} is not {wanted}");
}

#[test]
fn the_numbers_are_those_computed_by_hand() {
    // Answers a, a, b, c for a, b, b, c: class a 1 of 1 (precision 1/2), b 1 of 2, c 1 of 1.
    let got = check(
        &[
            [0.8, 0.1, 0.1],
            [0.6, 0.3, 0.1],
            [0.2, 0.7, 0.1],
            [0.1, 0.3, 0.6],
        ],
        &["a", "b", "b", "c"],
        &["1", "2", "3", "4"],
    );
    assert_near(got.accuracy, 0.75);
    assert_near(got.balanced_accuracy, (1.0 + 0.5 + 1.0) / 3.0);
    assert_near(got.macro_f1, (2.0 / 3.0 + 2.0 / 3.0 + 1.0) / 3.0);
    assert_near(got.top_3_accuracy, 1.0);
    assert_eq!(
        got.confusion_matrix.counts,
        vec![vec![1, 0, 0], vec![1, 1, 0], vec![0, 0, 1]]
    );
    assert_near(got.per_class["a"].precision, 0.5);
    assert_near(got.per_class["b"].recall, 0.5);
    assert_eq!(got.per_class["b"].n, 2);
}

#[test]
fn a_class_the_model_does_not_know_is_an_error_and_is_named() {
    let got = check(
        &[[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]],
        &["a", "zander", "c"],
        &["1", "2", "3"],
    );
    assert_eq!(got.unknown_classes, ["zander"]);
    assert_near(got.accuracy, 2.0 / 3.0);
    assert_near(got.top_3_accuracy, 2.0 / 3.0);
    // Present are a, c and zander; b is not, so it does not dilute the mean.
    assert_near(got.macro_f1, 2.0 / 3.0);
    assert_near(got.balanced_accuracy, 2.0 / 3.0);
    assert_eq!(got.confusion_matrix.classes, ["a", "b", "c", "zander"]);
    assert_eq!(got.confusion_matrix.counts[3], [0, 1, 0, 0]);
    assert_eq!(got.per_class["zander"].n, 1);
}

#[test]
fn calibration_error_is_the_gap_of_confidence_and_accuracy() {
    // Confidences 0.9 (right), 0.9 (wrong): gap 0.4. 0.5 (right): gap 0.5.
    let got = check(
        &[[0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.5, 0.3, 0.2]],
        &["a", "b", "a"],
        &["1", "2", "3"],
    );
    assert!(
        (got.ece - (2.0 / 3.0 * 0.4 + 1.0 / 3.0 * 0.5)).abs() < 1e-6,
        "{}",
        got.ece
    );
    assert_eq!(got.reliability.iter().map(|bin| bin.n).sum::<usize>(), 3);
}

#[test]
fn full_certainty_falls_into_the_last_of_fifteen_bins() {
    let got = check(
        &[[1.0, 0.0, 0.0], [0.5, 0.25, 0.25]],
        &["a", "a"],
        &["1", "1"],
    );
    assert_eq!(
        (
            got.reliability.len(),
            got.reliability[14].n,
            got.reliability[7].n
        ),
        (15, 1, 1)
    );
}

#[test]
fn the_bootstrap_draws_groups_not_photographs() {
    let rows = vec![[0.9_f32, 0.05, 0.05]; 100];
    let truth: Vec<&str> = (0..100).map(|i| if i < 50 { "a" } else { "b" }).collect();
    let alone: Vec<String> = (0..100).map(|i| i.to_string()).collect();
    let of_50: Vec<String> = (0..100).map(|i| (i / 50).to_string()).collect();
    let width = |groups: &[String]| {
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let [low, high] = check(&rows, &truth, &groups).accuracy_ci95;
        high - low
    };
    // 100 independent photographs at 50 %: 2 × 1.96 × 0.05. Two groups: anything from none to all.
    assert!((0.15..0.25).contains(&width(&alone)), "{}", width(&alone));
    assert_near(width(&of_50), 1.0);
}

#[test]
fn the_same_seed_gives_the_same_interval() {
    let values: Vec<f64> = (0..40).map(|i| f64::from(i * i % 37)).collect();
    let groups: Vec<String> = (0..40).map(|i| (i / 3).to_string()).collect();
    let draw = |seed| {
        bootstrap_interval(
            &values,
            &groups,
            &BootstrapOptions {
                n_resamples: 200,
                seed,
            },
        )
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn the_json_has_the_names_of_the_contract() {
    let json = serde_json::to_value(check(&[[0.8, 0.1, 0.1]], &["a"], &["1"])).unwrap();
    for name in [
        "n",
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "top_3_accuracy",
        "ece",
        "accuracy_ci95",
        "per_class",
        "confusion_matrix",
    ] {
        assert!(json.get(name).is_some(), "{name} is missing");
    }
    assert_eq!(json["per_class"]["a"]["n"], 1);
    assert_eq!(json["confusion_matrix"]["classes"][2], "c");
    assert_eq!(json["accuracy_ci95"].as_array().unwrap().len(), 2);
}

#[test]
fn an_empty_split_has_numbers_too() {
    let got = check(&[], &[], &[]);
    assert_eq!((got.n, got.accuracy_ci95), (0, [0.0, 1.0]));
    assert_near(got.accuracy, 0.0);
}
