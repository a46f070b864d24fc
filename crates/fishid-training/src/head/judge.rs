//! How heads do on rows they did not learn from, while they are being trained.

use burn::tensor::Tensor;

use super::bank::{Block, Shape, chunked, for_each_logits};
use crate::evaluation::{Counts, argmax};

/// Rows to judge by, each by the one member that did not learn from it.
pub(super) struct Judge {
    embeddings: Vec<Tensor<2>>,
    /// Per row: the member that is judged by it, and its class.
    rows: Vec<(usize, usize)>,
}

/// Numbers of one block over all judged rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Score {
    pub(super) macro_f1: f64,
    pub(super) accuracy: f64,
    pub(super) loss: f64,
}

impl Score {
    /// Better macro-F1, or the same and a lower loss.
    pub(super) fn is_better_than(&self, other: &Self) -> bool {
        self.macro_f1 > other.macro_f1 + 1e-9
            || (self.macro_f1 > other.macro_f1 - 1e-9 && self.loss < other.loss)
    }
}

impl Judge {
    /// Keeps only the rows that somebody is judged by: views of one photograph are not.
    pub(super) fn new(embeddings: &[f32], dim: usize, rows: &[Option<(usize, usize)>]) -> Self {
        let kept: Vec<f32> = embeddings
            .chunks_exact(dim)
            .zip(rows)
            .filter(|(_, row)| row.is_some())
            .flat_map(|(embedding, _)| embedding.iter().copied())
            .collect();
        let rows: Vec<_> = rows.iter().copied().flatten().collect();
        Self {
            embeddings: chunked(&kept, dim),
            rows,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One score per block.
    pub(super) fn scores(&self, blocks: &[Block], shape: Shape) -> Vec<Score> {
        let k = shape.n_classes;
        let mut counts = vec![Counts::empty(k); blocks.len()];
        let mut losses = vec![0.0_f64; blocks.len()];
        let width = shape.n_members * k;
        for_each_logits(blocks, shape, &self.embeddings, |first, logits| {
            for (i, row) in logits.chunks_exact(blocks.len() * width).enumerate() {
                let (member, class) = self.rows[first + i];
                for (block, own) in row.chunks_exact(width).enumerate() {
                    let own = &own[member * k..(member + 1) * k];
                    counts[block].add(class, argmax(own), 1);
                    losses[block] += cross_entropy(own, class);
                }
            }
        });
        counts
            .iter()
            .zip(losses)
            .map(|(counts, loss)| Score {
                macro_f1: counts.macro_f1(),
                accuracy: counts.accuracy(),
                loss: loss / self.rows.len().max(1) as f64,
            })
            .collect()
    }
}

fn cross_entropy(logits: &[f32], class: usize) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|value| (value - largest).exp()).sum();
    f64::from(sum.ln() + largest - logits[class])
}
