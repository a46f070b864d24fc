//! Is the candidate much better on what it was tuned by than on what it never saw? Needs no champion.

use std::collections::{BTreeMap, BTreeSet};

use super::GateLimits;
use super::evidence::SplitAnswers;
use super::finding::{Criterion, Finding, Outcome};
use super::interval::{CONFIDENCE, Interval, standard_error};
use super::words::{ends, percent_interval, signed};
use crate::evaluation::{BootstrapOptions, Counts, GroupedCounts};

pub(super) fn finding(
    validation: &SplitAnswers,
    test: &SplitAnswers,
    limits: &GateLimits,
    options: &BootstrapOptions,
) -> Finding {
    // A class that one side lacks would make the means ones over different things.
    let both: BTreeSet<&str> = classes(validation)
        .intersection(&classes(test))
        .copied()
        .collect();
    let [validation, test] = [validation, test].map(|split| Side::of(split, &both, options));
    let n_groups = validation.n_groups.min(test.n_groups);
    if n_groups < limits.min_groups || both.len() < 2 {
        let sentence = format!(
            "Validation has {} groups and test {} of the {} classes that both have: too few to tell overfitting from chance ({} groups of 2 classes are needed).",
            validation.n_groups,
            test.n_groups,
            both.len(),
            limits.min_groups
        );
        return Finding::not_measured(Criterion::Overfitting, sentence);
    }
    // The splits share no group, so their errors add up in squares; the smaller one's freedom is the careful one.
    let error = validation.error.hypot(test.error);
    let difference = validation.macro_f1 - test.macro_f1;
    let gap = Interval::from_error(difference, error, n_groups - 1, CONFIDENCE);
    let limit = limits.max_overfitting;
    let (outcome, judgement) = if gap.low() > limit {
        let text =
            format!("more than {limit} beyond chance: it learned its own photographs by heart");
        (Outcome::Refused, text)
    } else if gap.value > limit {
        let text = format!("above the limit of {limit}, though perhaps by chance");
        (Outcome::Warning, text)
    } else {
        (Outcome::Passed, format!("within the limit of {limit}"))
    };
    let sentence = format!(
        "Macro-F1 {:.3} on validation and {:.3} on test: {} ({}), {judgement}.",
        validation.macro_f1,
        test.macro_f1,
        signed(gap.value),
        percent_interval(gap),
    );
    let [low, high] = ends(gap);
    let numbers = [
        ("validation", validation.macro_f1),
        ("test", test.macro_f1),
        ("difference", gap.value),
        ("low", low),
        ("high", high),
        ("limit", limit),
    ];
    Finding::new(Criterion::Overfitting, outcome, sentence, &numbers)
}

struct Side {
    macro_f1: f64,
    error: f64,
    n_groups: usize,
}

impl Side {
    fn of(split: &SplitAnswers, classes: &BTreeSet<&str>, options: &BootstrapOptions) -> Self {
        let kept: Vec<usize> = (0..split.truth.len())
            .filter(|i| classes.contains(split.truth[*i].as_str()))
            .collect();
        let names: BTreeSet<&str> = kept
            .iter()
            .flat_map(|i| [split.truth[*i].as_str(), split.answers[*i].as_str()])
            .collect();
        let index: BTreeMap<&str, usize> = names
            .into_iter()
            .enumerate()
            .map(|(i, name)| (name, i))
            .collect();
        let truth: Vec<usize> = kept
            .iter()
            .map(|i| index[split.truth[*i].as_str()])
            .collect();
        let answers: Vec<usize> = kept
            .iter()
            .map(|i| index[split.answers[*i].as_str()])
            .collect();
        let groups: Vec<String> = kept.iter().map(|i| split.groups[*i].clone()).collect();
        let grouped = GroupedCounts::new(index.len(), &groups, &truth, &answers);
        let n_groups = grouped.n_groups();
        Self {
            macro_f1: Counts::of(index.len(), &truth, &answers).macro_f1(),
            error: standard_error(&grouped.macro_f1_draws(options), n_groups),
            n_groups,
        }
    }
}

fn classes(split: &SplitAnswers) -> BTreeSet<&str> {
    split.truth.iter().map(String::as_str).collect()
}
