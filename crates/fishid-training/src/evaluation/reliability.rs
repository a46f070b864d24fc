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

pub(super) fn bins(
    probabilities: &[Vec<f32>],
    truth: &[usize],
    answers: &[usize],
) -> Vec<ReliabilityBin> {
    let mut n = [0_usize; N_BINS];
    let mut right = [0_usize; N_BINS];
    let mut confidence = [0_f64; N_BINS];
    for ((row, class), answer) in probabilities.iter().zip(truth).zip(answers) {
        let own = f64::from(row.get(*answer).copied().unwrap_or(0.0)).clamp(0.0, 1.0);
        let bin = ((own * N_BINS as f64).ceil() as usize).clamp(1, N_BINS) - 1;
        n[bin] += 1;
        right[bin] += usize::from(class == answer);
        confidence[bin] += own;
    }
    (0..N_BINS)
        .map(|bin| ReliabilityBin {
            low: bin as f64 / N_BINS as f64,
            high: (bin + 1) as f64 / N_BINS as f64,
            n: n[bin],
            confidence: if n[bin] == 0 {
                0.0
            } else {
                confidence[bin] / n[bin] as f64
            },
            accuracy: share(right[bin], n[bin]),
        })
        .collect()
}

pub(super) fn expected_calibration_error(bins: &[ReliabilityBin]) -> f64 {
    let n: usize = bins.iter().map(|bin| bin.n).sum();
    bins.iter()
        .map(|bin| share(bin.n, n) * (bin.confidence - bin.accuracy).abs())
        .sum()
}
