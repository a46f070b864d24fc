//! The limits of the gate: `[gate]` of the settings. Every default says what it was chosen by.

use serde::{Deserialize, Serialize};

use crate::error::TrainingError;

/// What a candidate may cost. An unknown key is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateLimits {
    /// Photographs that must be left to compare on. 20: with fewer, one photograph moves accuracy by more than
    /// 5 points.
    pub min_photographs: usize,
    /// Groups they must come from. 5: the standard error of fewer groups is itself a guess (t of 3 degrees of
    /// freedom and less), and groups are what the bootstrap draws.
    pub min_groups: usize,
    /// Groups a class must have in the test split to be judged by itself. 5, for the same reason.
    pub min_class_groups: usize,
    /// How much larger the expected calibration error may be than the champion's, beyond its interval.
    /// 0.05: "90 % sure" may become right in 85 % of cases, which a threshold of "not sure" still absorbs.
    pub max_calibration_error_growth: f64,
    /// How many times the champion's bundle the candidate's may be, growth below 4 MiB aside. 2: above it the
    /// backbone is another one, and a server holds old and new side by side while it swaps.
    pub max_size_ratio: f64,
    /// Bytes of a bundle in MiB whatever it replaces. 1024: four times the largest network there is a name for.
    pub max_bundle_mib: u64,
    /// How many times the champion's median latency the candidate's may be. 1.5: within the head-room that a
    /// server sized for 70 % load has.
    pub max_latency_ratio: f64,
    /// How far macro-F1 on validation may lie above that on test, beyond the interval. 0.1.
    pub max_overfitting: f64,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            min_photographs: 20,
            min_groups: 5,
            min_class_groups: 5,
            max_calibration_error_growth: 0.05,
            max_size_ratio: 2.0,
            max_bundle_mib: 1024,
            max_latency_ratio: 1.5,
            max_overfitting: 0.1,
        }
    }
}

impl GateLimits {
    /// Refuses values that no candidate, or every candidate, would meet.
    pub fn validate(&self) -> Result<(), TrainingError> {
        let refuse = |name, value: String, reason: &str| {
            Err(TrainingError::Setting {
                name,
                value,
                reason: reason.to_owned(),
            })
        };
        for (name, value) in [
            ("gate.min_photographs", self.min_photographs),
            ("gate.min_groups", self.min_groups),
            ("gate.min_class_groups", self.min_class_groups),
        ] {
            if value < 2 {
                let reason = "at least 2, for there is no interval of one";
                return refuse(name, value.to_string(), reason);
            }
        }
        for (name, value) in [
            (
                "gate.max_calibration_error_growth",
                self.max_calibration_error_growth,
            ),
            ("gate.max_overfitting", self.max_overfitting),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return refuse(name, value.to_string(), "from 0 to 1");
            }
        }
        for (name, value) in [
            ("gate.max_size_ratio", self.max_size_ratio),
            ("gate.max_latency_ratio", self.max_latency_ratio),
        ] {
            if !(value >= 1.0 && value.is_finite()) {
                return refuse(
                    name,
                    value.to_string(),
                    "at least 1: the champion's own value",
                );
            }
        }
        if self.max_bundle_mib == 0 {
            return refuse("gate.max_bundle_mib", "0".to_owned(), "at least 1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::GateLimits;

    #[track_caller]
    fn check(change: impl FnOnce(&mut GateLimits), refused: Option<&str>) {
        let mut limits = GateLimits::default();
        change(&mut limits);
        let error = limits.validate().err().map(|error| error.to_string());
        match refused {
            None => assert_eq!(error, None),
            Some(name) => assert!(
                error.as_ref().is_some_and(|text| text.starts_with(name)),
                "{error:?}"
            ),
        }
    }

    #[test]
    fn limits_that_decide_nothing_are_refused_by_name() {
        check(|_| (), None);
        check(|it| it.min_groups = 1, Some("gate.min_groups = 1"));
        check(
            |it| it.max_latency_ratio = 0.5,
            Some("gate.max_latency_ratio"),
        );
        check(
            |it| it.max_size_ratio = f64::NAN,
            Some("gate.max_size_ratio"),
        );
        check(|it| it.max_overfitting = 1.5, Some("gate.max_overfitting"));
        check(|it| it.max_bundle_mib = 0, Some("gate.max_bundle_mib"));
        check(
            |it| it.max_calibration_error_growth = -0.1,
            Some("gate.max_calibration_error_growth"),
        );
    }
}
