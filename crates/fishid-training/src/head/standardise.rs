//! Every embedding dimension to mean 0 and deviation 1 while training; folded into the weights after.

use super::{LinearHead, TrainingRows};

/// Statistics of the training rows. The inner folds of the search share them: they hold no labels,
/// and the test split is not among them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Standardisation {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

impl Standardisation {
    pub(super) fn of(rows: &TrainingRows<'_>, least_deviation: f32) -> Self {
        let n = rows.len().max(1) as f64;
        let mut sum = vec![0.0_f64; rows.dim];
        for row in rows.embeddings.chunks_exact(rows.dim) {
            for (total, value) in sum.iter_mut().zip(row) {
                *total += f64::from(*value);
            }
        }
        let mean: Vec<f64> = sum.iter().map(|total| total / n).collect();
        let mut squares = vec![0.0_f64; rows.dim];
        for row in rows.embeddings.chunks_exact(rows.dim) {
            for ((total, value), centre) in squares.iter_mut().zip(row).zip(&mean) {
                *total += (f64::from(*value) - centre).powi(2);
            }
        }
        let deviation = squares
            .iter()
            .map(|total| ((total / n).sqrt() as f32).max(least_deviation))
            .collect();
        Self {
            mean: mean.iter().map(|value| *value as f32).collect(),
            deviation,
        }
    }

    pub(super) fn apply(&self, rows: &TrainingRows<'_>) -> Vec<f32> {
        let mut out = Vec::with_capacity(rows.embeddings.len());
        for row in rows.embeddings.chunks_exact(rows.dim) {
            let scaled = row.iter().zip(&self.mean).zip(&self.deviation);
            out.extend(scaled.map(|((value, mean), deviation)| (value - mean) / deviation));
        }
        out
    }

    /// The head over raw embeddings that answers as `head` does over standardised ones:
    /// `w·(x − m)/s + b = (w/s)·x + (b − Σ w·m/s)`.
    pub(super) fn fold_into(&self, head: &LinearHead) -> LinearHead {
        let mut folded = head.clone();
        for (row, bias) in folded
            .weights
            .chunks_exact_mut(head.dim)
            .zip(&mut folded.bias)
        {
            let mut shift = 0.0_f64;
            for ((weight, mean), deviation) in row.iter_mut().zip(&self.mean).zip(&self.deviation) {
                *weight /= deviation;
                shift += f64::from(*weight) * f64::from(*mean);
            }
            *bias = (f64::from(*bias) - shift) as f32;
        }
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::{LinearHead, Standardisation, TrainingRows};

    #[test]
    fn a_folded_head_answers_raw_embeddings_as_the_unfolded_one_answers_standardised_ones() {
        let embeddings: Vec<f32> = (0..60)
            .map(|i| ((i * 37 % 23) as f32) * 0.3 + (i % 3) as f32 * 5.0)
            .collect();
        let groups = vec![String::new(); 20];
        let rows = TrainingRows {
            dim: 3,
            embeddings: &embeddings,
            labels: &[0; 20],
            groups: &groups,
            is_original: &[true; 20],
        };
        let head = LinearHead {
            n_classes: 2,
            dim: 3,
            weights: vec![0.5, -1.0, 0.25, 2.0, 0.1, -0.7],
            bias: vec![0.3, -0.2],
        };
        let standardisation = Standardisation::of(&rows, 1e-3);
        let folded = standardisation.fold_into(&head);
        let standardised = standardisation.apply(&rows);
        for (raw, scaled) in embeddings.chunks(3).zip(standardised.chunks(3)) {
            for (a, b) in folded.logits(raw).iter().zip(head.logits(scaled)) {
                assert!((a - b).abs() < 1e-4, "{a} is not {b}");
            }
        }
    }

    #[test]
    fn a_dimension_that_never_varies_does_not_divide_by_zero() {
        let groups = vec![String::new(); 2];
        let rows = TrainingRows {
            dim: 1,
            embeddings: &[4.0, 4.0],
            labels: &[0, 1],
            groups: &groups,
            is_original: &[true; 2],
        };
        assert_eq!(Standardisation::of(&rows, 1e-3).apply(&rows), [0.0, 0.0]);
    }
}
