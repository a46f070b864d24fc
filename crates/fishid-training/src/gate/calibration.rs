//! Does "90 % sure" still mean what it did? Expected calibration error of both models, paired by group.

use std::collections::BTreeMap;

use super::GateLimits;
use super::evidence::{GateAnswer, GatePhotograph};
use super::finding::{Criterion, Finding, Outcome};
use super::interval::{CONFIDENCE, Interval};
use super::words::{ends, percent_interval, signed};
use crate::evaluation::{BootstrapOptions, ConfidenceBins, draws};

pub(super) fn finding(
    photographs: &[&GatePhotograph],
    limits: &GateLimits,
    options: &BootstrapOptions,
) -> Finding {
    let mut by_group: BTreeMap<&str, [ConfidenceBins; 2]> = BTreeMap::new();
    for photograph in photographs {
        let [candidate, champion] = by_group.entry(&photograph.group).or_default();
        let add = |bins: &mut ConfidenceBins, answer: &GateAnswer| {
            bins.add(answer.confidence, answer.class == photograph.truth);
        };
        add(candidate, &photograph.candidate);
        add(champion, &photograph.champion);
    }
    let groups: Vec<[ConfidenceBins; 2]> = by_group.into_values().collect();
    let all: Vec<usize> = (0..groups.len()).collect();
    let [candidate, champion] = errors(&groups, &all);
    let resampled: Vec<f64> = draws(groups.len(), options)
        .map(|draw| {
            let [candidate, champion] = errors(&groups, &draw);
            candidate - champion
        })
        .collect();
    let growth = Interval::of(candidate - champion, &resampled, groups.len(), CONFIDENCE);
    let limit = limits.max_calibration_error_growth;
    let (outcome, judgement) = if growth.low() > limit {
        let text = format!("which is more than {limit} beyond chance");
        (Outcome::Refused, text)
    } else if growth.value > limit {
        let text = format!("above the limit of {limit}, though perhaps by chance");
        (Outcome::Warning, text)
    } else {
        (Outcome::Passed, format!("within the limit of {limit}"))
    };
    let sentence = format!(
        "Expected calibration error {candidate:.3} against the champion's {champion:.3}: {} ({}), {judgement}.",
        signed(growth.value),
        percent_interval(growth),
    );
    let [low, high] = ends(growth);
    let numbers = [
        ("candidate", candidate),
        ("champion", champion),
        ("difference", growth.value),
        ("low", low),
        ("high", high),
        ("limit", limit),
    ];
    Finding::new(Criterion::Calibration, outcome, sentence, &numbers)
}

fn errors(groups: &[[ConfidenceBins; 2]], draw: &[usize]) -> [f64; 2] {
    let mut sums = [ConfidenceBins::default(); 2];
    for group in draw {
        for (sum, bins) in sums.iter_mut().zip(&groups[*group]) {
            sum.merge(bins);
        }
    }
    sums.map(|bins| bins.expected_calibration_error())
}
