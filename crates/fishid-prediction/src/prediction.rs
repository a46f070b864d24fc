//! The answer itself, before it has names.

use crate::PredictError;

/// Calibrated probabilities of one photograph, in the order of the bundle's classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    probabilities: Vec<f32>,
    order: Vec<usize>,
    is_confident: bool,
}

impl Prediction {
    /// From the network's output. Below `threshold` the answer counts as not sure.
    pub fn new(probabilities: Vec<f32>, threshold: f64) -> Result<Self, PredictError> {
        if let Some(bad) = probabilities
            .iter()
            .find(|p| !(-1e-6..=1.0 + 1e-3).contains(*p))
        {
            let reason = format!("{bad} is not one");
            return Err(PredictError::BadOutput { reason });
        }
        // A stable sort: of two equal probabilities the earlier class comes first, on every machine.
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        let Some(&top) = order.first() else {
            return Err(PredictError::BadOutput {
                reason: "there are no classes".to_owned(),
            });
        };
        let is_confident = f64::from(probabilities[top]) >= threshold;
        Ok(Self {
            probabilities,
            order,
            is_confident,
        })
    }

    /// In the order of the bundle's classes.
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// Indices of the classes, the likeliest first.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Index of the likeliest class.
    pub fn top(&self) -> usize {
        self.order[0]
    }

    /// Probability of the likeliest class.
    pub fn confidence(&self) -> f32 {
        self.probabilities[self.top()]
    }

    /// Whether the confidence reaches the bundle's threshold.
    pub fn is_confident(&self) -> bool {
        self.is_confident
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn check(probabilities: &[f32], order: &[usize], is_confident: bool) {
        let prediction = Prediction::new(probabilities.to_vec(), 0.5).unwrap();
        assert_eq!(prediction.order(), order);
        assert_eq!(prediction.is_confident(), is_confident);
    }

    #[test]
    fn classes_are_ordered_by_probability_and_then_by_place() {
        check(&[0.1, 0.7, 0.2], &[1, 2, 0], true);
        check(&[0.25, 0.25, 0.25, 0.25], &[0, 1, 2, 3], false);
        check(&[0.5, 0.5], &[0, 1], true);
    }

    #[test]
    fn what_is_no_distribution_is_an_error() {
        for bad in [
            vec![],
            vec![f32::NAN, 0.5],
            vec![1.5, -0.5],
            vec![f32::INFINITY],
        ] {
            assert!(Prediction::new(bad.clone(), 0.5).is_err(), "{bad:?}");
        }
    }
}
