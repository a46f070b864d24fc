//! Counting answers: the confusion matrix and the scores that follow from it.

use serde::{Deserialize, Serialize};

use super::share;

/// Precision, recall, F1 and support of one class. What has no denominator is 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// Right answers among the photographs answered with this class.
    pub precision: f64,
    /// Right answers among the photographs of this class.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Photographs of this class.
    pub n: usize,
}

/// Counts by true class (row) and answer (column).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    /// Names of rows and columns.
    pub classes: Vec<String>,
    /// `counts[true][answered]`.
    pub counts: Vec<Vec<usize>>,
}

/// A confusion matrix in one flat vector, cheap to add up in a bootstrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counts {
    n_classes: usize,
    cells: Vec<usize>,
}

impl Counts {
    pub(crate) fn empty(n_classes: usize) -> Self {
        Self {
            n_classes,
            cells: vec![0; n_classes * n_classes],
        }
    }

    pub(crate) fn of(n_classes: usize, truth: &[usize], answers: &[usize]) -> Self {
        let mut counts = Self::empty(n_classes);
        for (class, answer) in truth.iter().zip(answers) {
            counts.add(*class, *answer, 1);
        }
        counts
    }

    pub(crate) fn add(&mut self, class: usize, answer: usize, times: usize) {
        self.cells[class * self.n_classes + answer] += times;
    }

    fn right(&self, class: usize) -> usize {
        self.cells[class * self.n_classes + class]
    }

    fn of_class(&self, class: usize) -> usize {
        self.cells[class * self.n_classes..(class + 1) * self.n_classes]
            .iter()
            .sum()
    }

    fn answered(&self, class: usize) -> usize {
        self.cells.iter().skip(class).step_by(self.n_classes).sum()
    }

    pub(crate) fn accuracy(&self) -> f64 {
        let right = (0..self.n_classes).map(|class| self.right(class)).sum();
        share(right, self.cells.iter().sum())
    }

    pub(crate) fn score(&self, class: usize) -> ClassScore {
        let (right, n, answered) = (
            self.right(class),
            self.of_class(class),
            self.answered(class),
        );
        ClassScore {
            precision: share(right, answered),
            recall: share(right, n),
            f1: share(2 * right, n + answered),
            n,
        }
    }

    pub(crate) fn balanced_accuracy(&self) -> f64 {
        self.mean_over_present(|score| score.recall)
    }

    pub(crate) fn macro_f1(&self) -> f64 {
        self.mean_over_present(|score| score.f1)
    }

    fn mean_over_present(&self, value: impl Fn(&ClassScore) -> f64) -> f64 {
        let scores: Vec<f64> = (0..self.n_classes)
            .map(|class| self.score(class))
            .filter(|score| score.n > 0)
            .map(|score| value(&score))
            .collect();
        if scores.is_empty() {
            0.0
        } else {
            scores.iter().sum::<f64>() / scores.len() as f64
        }
    }

    pub(crate) fn matrix(&self) -> Vec<Vec<usize>> {
        self.cells
            .chunks(self.n_classes.max(1))
            .map(<[usize]>::to_vec)
            .collect()
    }
}
