//! A prediction as bytes that a cache keeps: the probabilities alone, in the order of the bundle's classes, each
//! an f32 with its low byte first. Names and languages come from the model that reads them.

use crate::Prediction;

/// How far from 1 the probabilities of an answer may sum up; a network in bf16 rounds to three digits.
const SUM_TOLERANCE: f64 = 0.02;
const N_BYTES: usize = size_of::<f32>();

impl Prediction {
    /// The probabilities as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.probabilities()
            .iter()
            .flat_map(|probability| probability.to_le_bytes())
            .collect()
    }

    /// What [`Prediction::to_bytes`] made of the answer of a model with so many classes. `None` for bytes that are
    /// not that: another length, not numbers, not a distribution. `threshold` as in [`Prediction::new`].
    pub fn from_bytes(bytes: &[u8], n_classes: usize, threshold: f64) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<N_BYTES>();
        if numbers.len() != n_classes || !rest.is_empty() {
            return None;
        }
        let probabilities: Vec<f32> = numbers
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        let sum: f64 = probabilities.iter().copied().map(f64::from).sum();
        // NaN is in no range.
        if !(1.0 - SUM_TOLERANCE..=1.0 + SUM_TOLERANCE).contains(&sum) {
            return None;
        }
        Self::new(probabilities, threshold).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bytes(numbers: &[f32]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
    }

    #[test]
    fn a_prediction_comes_back_as_it_was() {
        let before = Prediction::new(vec![0.125, 0.625, 0.25], 0.5).unwrap();
        let kept = before.to_bytes();
        assert_eq!(kept.len(), 12);
        assert_eq!(Prediction::from_bytes(&kept, 3, 0.5), Some(before));
        let unsure = Prediction::from_bytes(&kept, 3, 0.7).unwrap();
        assert!(!unsure.is_confident(), "the threshold is the reader's");
    }

    #[test]
    fn what_is_no_answer_of_this_model_is_refused() {
        for (bad, why) in [
            (vec![], "nothing"),
            (bytes(&[0.5, 0.5]), "another number of classes"),
            (bytes(&[0.2, 0.3, 0.5])[..11].to_vec(), "cut off"),
            (b"hello, world".to_vec(), "text"),
            (bytes(&[f32::NAN, 0.5, 0.5]), "not a number"),
            (bytes(&[f32::INFINITY, 0.0, 0.0]), "infinite"),
            (bytes(&[0.5, 0.5, 0.5]), "too much"),
            (bytes(&[0.1, 0.1, 0.1]), "too little"),
            (bytes(&[1.5, -0.5, 0.0]), "out of range"),
        ] {
            assert_eq!(Prediction::from_bytes(&bad, 3, 0.5), None, "{why}");
        }
    }
}
