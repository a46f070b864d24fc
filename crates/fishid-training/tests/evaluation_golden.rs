//! The numbers of `evaluate` against scikit-learn's on the same answers; `golden/evaluation.py` made them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use fishid_training::{BootstrapOptions, Evaluation, EvaluationInput};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    classes: Vec<String>,
    truth: Vec<String>,
    probabilities: Vec<Vec<f32>>,
    accuracy: f64,
    balanced_accuracy: f64,
    macro_f1: f64,
    top_3_accuracy: f64,
    confusion: Vec<Vec<usize>>,
    per_class: BTreeMap<String, (f64, f64, f64, usize)>,
}

#[track_caller]
fn assert_near(name: &str, got: f64, wanted: f64) {
    assert!(
        (got - wanted).abs() < 1e-12,
        "{name}: {got} is not {wanted}"
    );
}

fn check(case: &Case) {
    let groups: Vec<String> = (0..case.truth.len()).map(|i| (i / 3).to_string()).collect();
    let got = Evaluation::compute(
        &EvaluationInput {
            probabilities: &case.probabilities,
            truth: &case.truth,
            groups: &groups,
            classes: &case.classes,
        },
        &BootstrapOptions::default(),
    );
    assert_near("accuracy", got.accuracy, case.accuracy);
    assert_near(
        "balanced_accuracy",
        got.balanced_accuracy,
        case.balanced_accuracy,
    );
    assert_near("macro_f1", got.macro_f1, case.macro_f1);
    assert_near("top_3_accuracy", got.top_3_accuracy, case.top_3_accuracy);
    assert_eq!(got.confusion_matrix.counts, case.confusion);
    assert!(got.accuracy_ci95[0] < got.accuracy && got.accuracy < got.accuracy_ci95[1]);
    for (class, (precision, recall, f1, n)) in &case.per_class {
        let score = got.per_class[class];
        assert_near("precision", score.precision, *precision);
        assert_near("recall", score.recall, *recall);
        assert_near("f1", score.f1, *f1);
        assert_eq!(score.n, *n);
    }
}

#[test]
fn the_numbers_are_those_of_scikit_learn() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden/evaluation.json")).unwrap();
    assert_eq!(cases.len(), 3);
    cases.iter().for_each(check);
}
