//! Does "90 % sure" mean right nine times in ten? Bins of confidence and their gap.
//!
//! Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks (2017), equation 3.

use serde::{Deserialize, Serialize};

use super::share;

const N_BINS: usize = 15;

/// Photographs whose confidence (largest probability) lies in (`low`, `high`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lower edge of the bin.
    pub low: f64,
    /// Upper edge of the bin.
    pub high: f64,
    /// Photographs in the bin.
    pub n: usize,
    /// Mean confidence of the bin's photographs; 0 when empty.
    pub confidence: f64,
    /// Share of right answers; 0 when empty.
    pub accuracy: f64,
}

/// Answers counted by confidence, cheap to add up in a bootstrap.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ConfidenceBins {
    n: [usize; N_BINS],
    right: [usize; N_BINS],
    confidence: [f64; N_BINS],
}

impl ConfidenceBins {
    /// Counts one answer; a confidence outside [0, 1] is taken as the nearer end.
    pub(crate) fn add(&mut self, confidence: f64, is_right: bool) {
        let own = confidence.clamp(0.0, 1.0);
        let bin = ((own * N_BINS as f64).ceil() as usize).clamp(1, N_BINS) - 1;
        self.n[bin] += 1;
        self.right[bin] += usize::from(is_right);
        self.confidence[bin] += own;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for bin in 0..N_BINS {
            self.n[bin] += other.n[bin];
            self.right[bin] += other.right[bin];
            self.confidence[bin] += other.confidence[bin];
        }
    }

    pub(crate) fn expected_calibration_error(&self) -> f64 {
        expected_calibration_error(&self.as_bins())
    }

    fn as_bins(&self) -> Vec<ReliabilityBin> {
        (0..N_BINS)
            .map(|bin| ReliabilityBin {
                low: bin as f64 / N_BINS as f64,
                high: (bin + 1) as f64 / N_BINS as f64,
                n: self.n[bin],
                confidence: if self.n[bin] == 0 {
                    0.0
                } else {
                    self.confidence[bin] / self.n[bin] as f64
                },
                accuracy: share(self.right[bin], self.n[bin]),
            })
            .collect()
    }
}

pub(super) fn bins(
    probabilities: &[Vec<f32>],
    truth: &[usize],
    answers: &[usize],
) -> Vec<ReliabilityBin> {
    let mut bins = ConfidenceBins::default();
    for ((row, class), answer) in probabilities.iter().zip(truth).zip(answers) {
        let confidence = row.get(*answer).copied().unwrap_or(0.0);
        bins.add(f64::from(confidence), class == answer);
    }
    bins.as_bins()
}

pub(super) fn expected_calibration_error(bins: &[ReliabilityBin]) -> f64 {
    let n: usize = bins.iter().map(|bin| bin.n).sum();
    bins.iter()
        .map(|bin| share(bin.n, n) * (bin.confidence - bin.accuracy).abs())
        .sum()
}
