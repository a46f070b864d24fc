//! Intervals for small numbers of groups: estimate ± Student's t times the bootstrap's standard error.
//!
//! Percentiles of a bootstrap are too narrow for few groups, and their far tails, which many classes at once
//! need, would take many thousands of resamples. Efron and Tibshirani (1993), chapter 12.2; the factor
//! √(n/(n−1)) and the use of t: Hesterberg, What Teachers Should Know About the Bootstrap (2015), section 4.

/// Share of intervals that hold the true value.
pub(super) const CONFIDENCE: f64 = 0.95;

/// An estimate and how far it may be off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Interval {
    pub value: f64,
    /// Half of the width.
    pub margin: f64,
}

impl Interval {
    /// From the values on resamples of `n_groups` groups.
    pub(super) fn of(value: f64, resampled: &[f64], n_groups: usize, confidence: f64) -> Self {
        let error = standard_error(resampled, n_groups);
        Self::from_error(value, error, n_groups.saturating_sub(1), confidence)
    }

    pub(super) fn from_error(value: f64, error: f64, freedom: usize, confidence: f64) -> Self {
        let margin = if error == 0.0 {
            0.0
        } else {
            student_t(confidence, freedom) * error
        };
        Self { value, margin }
    }

    pub(super) fn low(self) -> f64 {
        self.value - self.margin
    }

    pub(super) fn high(self) -> f64 {
        self.value + self.margin
    }

    pub(super) fn ends(self) -> [f64; 2] {
        [self.low(), self.high()]
    }
}

/// Deviation of the resampled values; √(n/(n−1)) makes good that resamples vary too little.
pub(super) fn standard_error(resampled: &[f64], n_groups: usize) -> f64 {
    if resampled.len() < 2 || n_groups < 2 {
        return f64::INFINITY;
    }
    let n = resampled.len() as f64;
    let mean = resampled.iter().sum::<f64>() / n;
    let variance = resampled.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    // Equal values sum up to rounding errors, which are no uncertainty.
    if variance < 1e-24 {
        return 0.0;
    }
    (variance * n_groups as f64 / (n_groups as f64 - 1.0)).sqrt()
}

/// The t with `confidence` of Student's distribution between −t and t; infinite without a degree of freedom.
pub(super) fn student_t(confidence: f64, freedom: usize) -> f64 {
    if freedom == 0 {
        return f64::INFINITY;
    }
    // From here on t is that of the normal distribution to four digits.
    let freedom = freedom.min(10_000);
    let (mut low, mut high) = (0.0, 1.0);
    while between(high, freedom) < confidence && high < 1e9 {
        high *= 2.0;
    }
    // 80 halvings are below the last bit of a double.
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if between(middle, freedom) < confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Probability between −t and t, exactly. Abramowitz and Stegun, 26.7.3 (odd) and 26.7.4 (even).
fn between(t: f64, freedom: usize) -> f64 {
    let theta = (t / (freedom as f64).sqrt()).atan();
    let (sin, cos) = theta.sin_cos();
    let is_odd = freedom % 2 == 1;
    let mut term = if is_odd { cos } else { 1.0 };
    let mut sum = if freedom == 1 { 0.0 } else { term };
    let mut k = if is_odd { 2 } else { 1 };
    while k + 2 < freedom + usize::from(is_odd) {
        term *= cos * cos * k as f64 / (k + 1) as f64;
        sum += term;
        k += 2;
    }
    if is_odd {
        std::f64::consts::FRAC_2_PI * (theta + sin * sum)
    } else {
        sin * sum
    }
}

#[cfg(test)]
mod tests {
    use super::{Interval, standard_error, student_t};

    #[track_caller]
    fn check(confidence: f64, freedom: usize, wanted: f64) {
        let got = student_t(confidence, freedom);
        assert!((got / wanted - 1.0).abs() < 2e-4, "{got} is not {wanted}");
    }

    #[test]
    fn t_is_that_of_the_tables() {
        check(0.95, 1, 12.706_2);
        check(0.95, 2, 4.302_65);
        check(0.95, 3, 3.182_45);
        check(0.95, 4, 2.776_45);
        check(0.95, 9, 2.262_16);
        check(0.95, 30, 2.042_27);
        check(0.99, 5, 4.032_14);
        check(0.998, 4, 7.173_18);
        check(0.95, 1_000_000, 1.959_97);
    }

    #[test]
    fn what_never_varies_has_an_interval_of_no_width() {
        let interval = Interval::of(-0.3, &[-0.3; 50], 5, 0.95);
        assert!(interval.ends().iter().all(|end| (end + 0.3).abs() < 1e-12));
        assert!(standard_error(&[0.1, 0.2], 1).is_infinite());
    }
}
