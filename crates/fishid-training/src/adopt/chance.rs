//! How often chance alone would give what was seen, and the units it is counted in: a group of photographs
//! of one fish or one video is one observation, however many photographs it has.

use std::collections::BTreeMap;

/// A difference that chance makes more rarely than this is taken for real.
pub(super) const SIGNIFICANCE: f64 = 0.01;

/// One row a group and class: the mean over its photographs.
pub(super) struct Grouped {
    /// Probabilities.
    pub rows: Vec<Vec<f32>>,
    /// The true class of each.
    pub truth: Vec<usize>,
}

impl Grouped {
    /// `rows`, `truth` and `groups` have one entry a photograph.
    pub(super) fn of<'a>(
        rows: &[Vec<f32>],
        truth: &[usize],
        groups: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut sums: BTreeMap<(&str, usize), (Vec<f32>, f32)> = BTreeMap::new();
        for ((row, &class), group) in rows.iter().zip(truth).zip(groups) {
            let (sum, n) = sums
                .entry((group, class))
                .or_insert_with(|| (vec![0.0; row.len()], 0.0));
            sum.iter_mut()
                .zip(row)
                .for_each(|(sum, value)| *sum += value);
            *n += 1.0;
        }
        let mean = |(sum, n): (Vec<f32>, f32)| sum.into_iter().map(|value| value / n).collect();
        Self {
            truth: sums.keys().map(|&(_, class)| class).collect(),
            rows: sums.into_values().map(mean).collect(),
        }
    }
}

/// The probability of at least `k` successes in `n` trials that succeed with probability `p`.
pub(super) fn at_least(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    // Each term from the one before, in logarithms: (1 - p)^n is 0 for large n.
    let (log_p, log_q) = (p.ln(), (1.0 - p).ln());
    let mut log_term = n as f64 * log_q;
    let mut tail = 0.0;
    for successes in 1..=n {
        log_term += ((n - successes + 1) as f64).ln() - (successes as f64).ln() + log_p - log_q;
        if successes >= k {
            tail += log_term.exp();
        }
    }
    tail.min(1.0)
}

/// Sign test: whether `gain` against `loss` is more than a fair coin gives.
pub(super) fn is_beyond_chance(gain: u64, loss: u64) -> bool {
    gain > loss && at_least(gain, gain + loss, 0.5) < SIGNIFICANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tails_are_those_of_the_binomial_distribution() {
        // P(X ≥ 7 of 7) = 1/128 and P(X ≥ 6 of 6) = 1/64; P(X ≥ 9 of 10) = 11/1024 and P(X ≥ 10 of 11) = 12/2048.
        assert!((at_least(7, 7, 0.5) - 1.0 / 128.0).abs() < 1e-12);
        assert!((at_least(9, 10, 0.5) - 11.0 / 1024.0).abs() < 1e-12);
        assert!((at_least(1, 2, 0.1) - 0.19).abs() < 1e-12);
        assert!((at_least(0, 5, 0.1) - 1.0).abs() < 1e-12);
        assert!(at_least(1, 0, 0.1) < 1e-12);
        assert!(is_beyond_chance(7, 0) && !is_beyond_chance(6, 0));
        assert!(is_beyond_chance(10, 1) && !is_beyond_chance(9, 1));
        assert!(!is_beyond_chance(0, 0) && !is_beyond_chance(3, 3));
        assert!(is_beyond_chance(3000, 2000));
    }

    #[test]
    fn many_photographs_of_one_fish_are_one_observation() {
        let rows = vec![
            vec![1.0, 0.0],
            vec![0.0, 1.0],
            vec![0.5, 0.5],
            vec![0.5, 0.5],
        ];
        let groups = ["fish", "fish", "fish", "other"];
        let found = Grouped::of(&rows, &[0, 0, 1, 1], groups.into_iter());
        assert_eq!(found.truth, [0, 1, 1]);
        assert_eq!(found.rows, vec![vec![0.5, 0.5]; 3]);
    }
}
