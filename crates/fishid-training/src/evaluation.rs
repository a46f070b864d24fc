//! How good a model is on one split, in the numbers of `fishid evaluate --json`.
//!
//! Owns the arithmetic only: probabilities in, numbers out. It knows neither photographs nor models.
//! A class the model was never taught counts as an error in every number and is named.

mod bootstrap;
mod confusion;
mod reliability;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use bootstrap::{BootstrapOptions, bootstrap_interval};
pub(crate) use bootstrap::{GroupedCounts, draws, paired_differences};
pub(crate) use confusion::Counts;
pub use confusion::{ClassScore, ConfusionMatrix};
pub(crate) use reliability::ConfidenceBins;
pub use reliability::ReliabilityBin;

/// What an evaluation is computed from; the slices run parallel, one entry per photograph.
#[derive(Debug, Clone, Copy)]
pub struct EvaluationInput<'a> {
    /// Calibrated probabilities, one row per photograph, in the order of `classes`.
    pub probabilities: &'a [Vec<f32>],
    /// The true class of each photograph; may name classes the model does not know.
    pub truth: &'a [String],
    /// The group (fish, video, cluster) of each photograph: what the bootstrap draws.
    pub groups: &'a [String],
    /// The classes the model knows.
    pub classes: &'a [String],
}

/// The numbers of `fishid evaluate --json`; the field names are the contract's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Photographs.
    pub n: usize,
    /// Groups the photographs come from.
    pub n_groups: usize,
    /// Share of photographs whose first answer is right.
    pub accuracy: f64,
    /// Mean recall over the classes present.
    pub balanced_accuracy: f64,
    /// Mean F1 over the classes present.
    pub macro_f1: f64,
    /// Share of photographs whose class is among the three first answers.
    pub top_3_accuracy: f64,
    /// Expected calibration error with 15 bins of equal width (Guo et al., 2017).
    pub ece: f64,
    /// 95 % interval of the accuracy, percentile bootstrap over groups.
    pub accuracy_ci95: [f64; 2],
    /// 95 % interval of macro-F1, from the same resamples.
    pub macro_f1_ci95: [f64; 2],
    /// Classes in the data that the model does not know; each of their photographs is an error.
    pub unknown_classes: Vec<String>,
    /// Per class: precision, recall, F1 and number of photographs.
    pub per_class: BTreeMap<String, ClassScore>,
    /// Rows are true classes, columns answers.
    pub confusion_matrix: ConfusionMatrix,
    /// The bins behind `ece`, for the reliability diagram.
    pub reliability: Vec<ReliabilityBin>,
}

impl Evaluation {
    /// Computes every number. Intervals use `bootstrap`; everything else has no randomness.
    ///
    /// An empty input gives zeros and the interval [0, 1].
    ///
    /// # Panics
    /// When the slices of `input` differ in length: a mistake of the caller.
    pub fn compute(input: &EvaluationInput<'_>, bootstrap: &BootstrapOptions) -> Self {
        assert_eq!(
            input.probabilities.len(),
            input.truth.len(),
            "one truth per photograph"
        );
        assert_eq!(
            input.groups.len(),
            input.truth.len(),
            "one group per photograph"
        );
        let (names, unknown_classes) = all_classes(input);
        let index: BTreeMap<&str, usize> = names
            .iter()
            .enumerate()
            .map(|(i, name)| (name.as_str(), i))
            .collect();
        let truth: Vec<usize> = input
            .truth
            .iter()
            .map(|class| index[class.as_str()])
            .collect();
        let answers: Vec<usize> = input.probabilities.iter().map(|row| argmax(row)).collect();
        let n = truth.len();
        let counts = Counts::of(names.len(), &truth, &answers);
        let grouped = GroupedCounts::new(names.len(), input.groups, &truth, &answers);
        let (accuracy_ci95, macro_f1_ci95) = grouped.intervals(bootstrap);
        let n_top_3 = truth
            .iter()
            .zip(input.probabilities)
            .filter(|(class, row)| is_among_top(**class, row, 3))
            .count();
        let reliability = reliability::bins(input.probabilities, &truth, &answers);
        Self {
            n,
            n_groups: grouped.n_groups(),
            accuracy: counts.accuracy(),
            balanced_accuracy: counts.balanced_accuracy(),
            macro_f1: counts.macro_f1(),
            top_3_accuracy: share(n_top_3, n),
            ece: reliability::expected_calibration_error(&reliability),
            accuracy_ci95,
            macro_f1_ci95,
            unknown_classes,
            per_class: names
                .iter()
                .enumerate()
                .map(|(i, c)| (c.clone(), counts.score(i)))
                .collect(),
            confusion_matrix: ConfusionMatrix {
                classes: names,
                counts: counts.matrix(),
            },
            reliability,
        }
    }
}

/// The model's classes in their order, then the unknown ones of the data, sorted; and the latter alone.
fn all_classes(input: &EvaluationInput<'_>) -> (Vec<String>, Vec<String>) {
    let mut unknown: Vec<String> = input
        .truth
        .iter()
        .filter(|class| !input.classes.contains(class))
        .cloned()
        .collect();
    unknown.sort();
    unknown.dedup();
    (
        input.classes.iter().chain(&unknown).cloned().collect(),
        unknown,
    )
}

/// Index of the largest value; the first of equals, as ONNX's and `NumPy`'s `ArgMax` do.
pub(crate) fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = i;
        }
    }
    best
}

fn is_among_top(class: usize, row: &[f32], k: usize) -> bool {
    row.get(class).is_some_and(|own| {
        let ahead = row
            .iter()
            .enumerate()
            // Of equals the first is ahead, as in `argmax`.
            .filter(|(i, value)| match value.total_cmp(own) {
                Ordering::Greater => true,
                Ordering::Equal => *i < class,
                Ordering::Less => false,
            })
            .count();
        ahead < k
    })
}

pub(crate) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

#[cfg(test)]
mod tests;
