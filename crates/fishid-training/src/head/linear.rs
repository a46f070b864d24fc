//! A linear head as plain numbers, for export and for scoring without a tensor library.

use serde::{Deserialize, Serialize};

/// Weights and bias over raw embeddings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearHead {
    /// Number of classes.
    pub n_classes: usize,
    /// Width of an embedding.
    pub dim: usize,
    /// Row-major `[n_classes, dim]`.
    pub weights: Vec<f32>,
    /// One per class.
    pub bias: Vec<f32>,
}

impl LinearHead {
    /// Logits of one embedding.
    pub fn logits(&self, embedding: &[f32]) -> Vec<f32> {
        self.weights
            .chunks_exact(self.dim)
            .zip(&self.bias)
            .map(|(row, bias)| {
                let sum: f64 = row
                    .iter()
                    .zip(embedding)
                    .map(|(w, x)| f64::from(*w) * f64::from(*x))
                    .sum();
                (sum + f64::from(*bias)) as f32
            })
            .collect()
    }
}

/// Logits of row-major embeddings, one row each.
pub fn predict_logits(head: &LinearHead, embeddings: &[f32]) -> Vec<Vec<f32>> {
    embeddings
        .chunks_exact(head.dim)
        .map(|row| head.logits(row))
        .collect()
}

/// Softmax of each row divided by `temperature`.
pub fn softmax_rows(logits: &[Vec<f32>], temperature: f64) -> Vec<Vec<f32>> {
    logits
        .iter()
        .map(|row| {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exp: Vec<f64> = row
                .iter()
                .map(|v| (f64::from(v - largest) / temperature).exp())
                .collect();
            let sum: f64 = exp.iter().sum();
            exp.iter().map(|value| (value / sum) as f32).collect()
        })
        .collect()
}
