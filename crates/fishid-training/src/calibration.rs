//! Makes a probability mean what it says: one temperature for all logits, and the confidence below
//! which the honest answer is "not sure". Knows neither the head nor the photographs.
//!
//! Guo et al. (2017): dividing the logits by one number fitted on validation data calibrates as well
//! as anything richer and never changes the first answer. Targets are softened as Platt (1999) does,
//! so that a validation set without an error does not drive the temperature to zero.

use serde::{Deserialize, Serialize};

use crate::evaluation::argmax;

/// Temperatures outside this range say that the validation set cannot tell.
const TEMPERATURES: [f64; 2] = [0.05, 20.0];
/// Of the answers given with confidence, this share should be right.
const WANTED_PRECISION: f64 = 0.9;
/// A share of right answers over fewer photographs than this is not evidence.
const LEAST_ACCEPTED: usize = 10;
/// Below one half an answer is, by its own account, more likely wrong than right; also the fallback.
const LEAST_THRESHOLD: f64 = 0.5;

/// What calibration found on the validation photographs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// Logits are divided by this before the softmax.
    pub temperature: f64,
    /// Answers below this confidence are "not sure".
    pub confidence_threshold: f64,
    /// Whether the validation photographs bear the threshold out (90 % of the accepted answers are
    /// right, over at least ten photographs); otherwise it is the fallback of 0.5.
    pub threshold_is_measured: bool,
    /// Mean negative log-likelihood before.
    pub nll_before: f64,
    /// Mean negative log-likelihood after.
    pub nll_after: f64,
}

/// Fits temperature and threshold to validation logits; `truth` are class indices.
///
/// With no photographs the temperature is 1 and the threshold the fallback.
pub fn calibrate(logits: &[Vec<f32>], truth: &[usize]) -> Calibrated {
    let temperature = if logits.is_empty() {
        1.0
    } else {
        best_temperature(logits, truth)
    };
    let threshold = threshold(logits, truth, temperature);
    Calibrated {
        temperature,
        confidence_threshold: threshold.unwrap_or(LEAST_THRESHOLD),
        threshold_is_measured: threshold.is_some(),
        nll_before: nll(logits, truth, 1.0, 0.0),
        nll_after: nll(logits, truth, temperature, 0.0),
    }
}

/// Golden-section search over log(temperature): the loss is convex in 1/temperature, so it has one
/// minimum in any monotone reparametrisation.
fn best_temperature(logits: &[Vec<f32>], truth: &[usize]) -> f64 {
    const RATIO: f64 = 0.618_033_988_749_894_9;
    let softening = 1.0 / (logits.len() as f64 + 2.0);
    let loss = |log_t: f64| nll(logits, truth, log_t.exp(), softening);
    let (mut low, mut high) = (TEMPERATURES[0].ln(), TEMPERATURES[1].ln());
    let (mut left, mut right) = (high - RATIO * (high - low), low + RATIO * (high - low));
    let (mut at_left, mut at_right) = (loss(left), loss(right));
    while high - low > 1e-6 {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - RATIO * (high - low);
            at_left = loss(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + RATIO * (high - low);
            at_right = loss(right);
        }
    }
    f64::midpoint(low, high).exp()
}

/// Mean cross-entropy against targets of which `softening` is spread over the other classes.
fn nll(logits: &[Vec<f32>], truth: &[usize], temperature: f64, softening: f64) -> f64 {
    if logits.is_empty() {
        return 0.0;
    }
    let total: f64 = logits
        .iter()
        .zip(truth)
        .map(|(row, class)| {
            let log_p = log_softmax(row, temperature);
            let n_others = (log_p.len().max(2) - 1) as f64;
            log_p
                .iter()
                .enumerate()
                .map(|(i, value)| {
                    let target = if i == *class {
                        1.0 - softening
                    } else {
                        softening / n_others
                    };
                    -target * value
                })
                .sum::<f64>()
        })
        .sum();
    total / logits.len() as f64
}

fn log_softmax(row: &[f32], temperature: f64) -> Vec<f64> {
    let scaled: Vec<f64> = row
        .iter()
        .map(|value| f64::from(*value) / temperature)
        .collect();
    let largest = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_sum = scaled
        .iter()
        .map(|value| (value - largest).exp())
        .sum::<f64>()
        .ln()
        + largest;
    scaled.iter().map(|value| value - log_sum).collect()
}

/// The lowest threshold (not under one half) at which the accepted answers are right often enough.
fn threshold(logits: &[Vec<f32>], truth: &[usize], temperature: f64) -> Option<f64> {
    let mut answers: Vec<(f64, bool)> = logits
        .iter()
        .zip(truth)
        .map(|(row, class)| {
            let answer = argmax(row);
            (
                log_softmax(row, temperature)[answer].exp(),
                answer == *class,
            )
        })
        .filter(|(confidence, _)| *confidence >= LEAST_THRESHOLD)
        .collect();
    answers.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut n_right = 0;
    let mut lowest = None;
    for (i, (confidence, is_right)) in answers.iter().enumerate() {
        n_right += usize::from(*is_right);
        let n = i + 1;
        let is_last_of_equals = answers.get(n).is_none_or(|next| next.0 < *confidence);
        if n >= LEAST_ACCEPTED && is_last_of_equals && n_right as f64 >= WANTED_PRECISION * n as f64
        {
            lowest = Some(*confidence);
        }
    }
    // When even the least confident of them may be accepted, nothing speaks against one half itself.
    lowest.map(|value| {
        if answers.last().is_some_and(|a| a.0 >= value) {
            LEAST_THRESHOLD
        } else {
            value
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{calibrate, nll};

    /// Two classes; `margin` is how sure the head sounds, `n_wrong` of `n` answers are wrong.
    fn answers(n: usize, n_wrong: usize, margin: f32) -> (Vec<Vec<f32>>, Vec<usize>) {
        (0..n)
            .map(|i| (vec![margin, 0.0], usize::from(i < n_wrong)))
            .unzip()
    }

    #[test]
    fn an_overconfident_head_is_cooled_to_the_share_it_gets_right() {
        let (logits, truth) = answers(1000, 250, 10.0);
        let found = calibrate(&logits, &truth);
        let confidence = 1.0 / (1.0 + (-10.0 / found.temperature).exp());
        assert!((confidence - 0.75).abs() < 2e-3, "{confidence}");
        assert!(found.nll_after < found.nll_before);
    }

    #[test]
    fn the_temperature_is_where_the_loss_is_least() {
        let logits = vec![
            vec![2.0, 0.5, -1.0],
            vec![0.1, 1.4, 0.3],
            vec![1.0, 1.5, 0.2],
            vec![0.0, 0.1, 3.0],
        ];
        let truth = vec![0, 1, 0, 2];
        let found = calibrate(&logits, &truth).temperature;
        let loss = |t: f64| nll(&logits, &truth, t, 1.0 / 6.0);
        assert!(loss(found) <= loss(found * 1.01) && loss(found) <= loss(found * 0.99));
    }

    #[test]
    fn a_validation_set_without_errors_keeps_a_positive_temperature() {
        let (logits, truth) = answers(20, 0, 3.0);
        let found = calibrate(&logits, &truth).temperature;
        assert!(found > 0.1, "{found}");
    }

    #[test]
    fn the_threshold_is_where_nine_of_ten_accepted_answers_are_right() {
        // Sure answers are right, hesitant ones are a coin's throw.
        let (mut logits, mut truth) = answers(40, 0, 6.0);
        let (hesitant, hesitant_truth) = answers(40, 20, 0.8);
        logits.extend(hesitant);
        truth.extend(hesitant_truth);
        let found = calibrate(&logits, &truth);
        let accepted = |margin: f64| 1.0 / (1.0 + (-margin / found.temperature).exp());
        assert!(found.threshold_is_measured);
        assert!(accepted(6.0) >= found.confidence_threshold);
        assert!(accepted(0.8) < found.confidence_threshold);
    }

    #[test]
    fn a_head_that_is_mostly_wrong_gets_the_fallback_threshold() {
        let (logits, truth) = answers(40, 30, 6.0);
        let found = calibrate(&logits, &truth);
        assert!((found.confidence_threshold - 0.5).abs() < f64::EPSILON);
        assert!(!found.threshold_is_measured);
    }

    #[test]
    fn nothing_to_calibrate_on_changes_nothing() {
        let found = calibrate(&[], &[]);
        assert!((found.temperature - 1.0).abs() < f64::EPSILON);
        assert!(!found.threshold_is_measured);
    }
}
