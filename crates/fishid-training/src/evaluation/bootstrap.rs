//! Confidence intervals by resampling groups, not photographs.
//!
//! Photographs of one fish stand or fall together, so drawing photographs would promise an interval
//! several times too narrow. Percentile method of Efron and Tibshirani (1993), chapter 13.

use std::collections::BTreeMap;

use rand::RngExt;

use super::Counts;
use crate::random;

/// How the bootstrap draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootstrapOptions {
    /// Number of resamples.
    pub n_resamples: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for BootstrapOptions {
    fn default() -> Self {
        Self {
            n_resamples: 1000,
            seed: 0,
        }
    }
}

/// Answers of one model gathered by group: each cell is (true class, answer, how often).
#[derive(Debug, Clone)]
pub(crate) struct GroupedCounts {
    n_classes: usize,
    groups: Vec<Vec<(usize, usize, usize)>>,
}

impl GroupedCounts {
    /// Groups are kept in the order of their names, so two models on the same photographs align.
    pub(crate) fn new(
        n_classes: usize,
        groups: &[String],
        truth: &[usize],
        answers: &[usize],
    ) -> Self {
        let mut cells: BTreeMap<&str, BTreeMap<(usize, usize), usize>> = BTreeMap::new();
        for ((group, class), answer) in groups.iter().zip(truth).zip(answers) {
            *cells
                .entry(group)
                .or_default()
                .entry((*class, *answer))
                .or_default() += 1;
        }
        let groups = cells
            .into_values()
            .map(|cell| {
                cell.into_iter()
                    .map(|((class, answer), n)| (class, answer, n))
                    .collect()
            })
            .collect();
        Self { n_classes, groups }
    }

    pub(crate) fn n_groups(&self) -> usize {
        self.groups.len()
    }

    /// The counts of a resample given as group numbers, with repetition.
    fn drawn(&self, draw: &[usize]) -> Counts {
        let mut counts = Counts::empty(self.n_classes);
        for group in draw {
            for (class, answer, times) in &self.groups[*group] {
                counts.add(*class, *answer, *times);
            }
        }
        counts
    }

    /// Macro-F1 on each resample.
    pub(crate) fn macro_f1_draws(&self, options: &BootstrapOptions) -> Vec<f64> {
        draws(self.n_groups(), options)
            .map(|draw| self.drawn(&draw).macro_f1())
            .collect()
    }

    /// 95 % intervals of accuracy and macro-F1.
    pub(crate) fn intervals(&self, options: &BootstrapOptions) -> ([f64; 2], [f64; 2]) {
        let (accuracy, macro_f1) = draws(self.n_groups(), options)
            .map(|draw| {
                let counts = self.drawn(&draw);
                (counts.accuracy(), counts.macro_f1())
            })
            .unzip();
        (percentile_interval(accuracy), percentile_interval(macro_f1))
    }
}

/// Differences (first − second) of accuracy and macro-F1 on the same resamples of the same groups.
pub(crate) fn paired_differences(
    first: &GroupedCounts,
    second: &GroupedCounts,
    options: &BootstrapOptions,
) -> (Vec<f64>, Vec<f64>) {
    draws(first.n_groups(), options)
        .map(|draw| {
            let (a, b) = (first.drawn(&draw), second.drawn(&draw));
            (a.accuracy() - b.accuracy(), a.macro_f1() - b.macro_f1())
        })
        .unzip()
}

/// 95 % interval of the mean of `values`, drawing whole groups.
pub fn bootstrap_interval(
    values: &[f64],
    groups: &[String],
    options: &BootstrapOptions,
) -> [f64; 2] {
    let mut by_group: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for (value, group) in values.iter().zip(groups) {
        let entry = by_group.entry(group).or_default();
        entry.0 += value;
        entry.1 += 1;
    }
    let sums: Vec<(f64, usize)> = by_group.into_values().collect();
    let means = draws(sums.len(), options)
        .map(|draw| {
            let (sum, n) = draw.iter().fold((0.0, 0), |(sum, n), group| {
                (sum + sums[*group].0, n + sums[*group].1)
            });
            sum / n as f64
        })
        .collect();
    percentile_interval(means)
}

/// Resamples as group numbers with repetition; none of no groups.
pub(crate) fn draws(
    n_groups: usize,
    options: &BootstrapOptions,
) -> impl Iterator<Item = Vec<usize>> + use<> {
    let mut rng = random::stream(options.seed, "bootstrap");
    let n_resamples = if n_groups == 0 {
        0
    } else {
        options.n_resamples
    };
    (0..n_resamples).map(move |_| {
        (0..n_groups)
            .map(|_| rng.random_range(0..n_groups))
            .collect()
    })
}

/// The 2.5th and 97.5th percentile, linearly interpolated; [0, 1] for no values at all.
fn percentile_interval(mut values: Vec<f64>) -> [f64; 2] {
    if values.is_empty() {
        return [0.0, 1.0];
    }
    values.sort_by(f64::total_cmp);
    let at = |q: f64| {
        let position = q * (values.len() - 1) as f64;
        let (below, above) = (position.floor() as usize, position.ceil() as usize);
        values[below] + (values[above] - values[below]) * position.fract()
    };
    [at(0.025), at(0.975)]
}
