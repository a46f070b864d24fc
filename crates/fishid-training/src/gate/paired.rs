//! Macro-F1 and accuracy of both models on the same photographs, and what the test set can show at all.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::GatePhotograph;
use super::finding::{Criterion, Finding, Outcome};
use super::interval::{CONFIDENCE, Interval};
use super::words::{ends, percent_interval, signed};
use crate::evaluation::{BootstrapOptions, Counts, GroupedCounts, paired_differences};

/// Above this much loss that could go unnoticed a test set counts as small.
const LARGE_UNNOTICED_LOSS: f64 = 0.05;

/// With no more groups than this answered differently, their spread says nothing of what the next would do.
const FEW_DIFFERENT_GROUPS: usize = 2;

/// Both models on the photographs that are left.
pub(super) struct Paired {
    macro_f1: Score,
    accuracy: Score,
    n_groups: usize,
    n_different: usize,
}

struct Score {
    candidate: f64,
    champion: f64,
    difference: Interval,
}

impl Paired {
    pub(super) fn of(photographs: &[&GatePhotograph], options: &BootstrapOptions) -> Self {
        let classes = classes_of(photographs);
        let truth: Vec<usize> = photographs
            .iter()
            .map(|p| classes[p.truth.as_str()])
            .collect();
        let of_candidate: Vec<usize> = photographs
            .iter()
            .map(|p| classes[p.candidate.class.as_str()])
            .collect();
        let of_champion: Vec<usize> = photographs
            .iter()
            .map(|p| classes[p.champion.class.as_str()])
            .collect();
        let groups: Vec<String> = photographs.iter().map(|p| p.group.clone()).collect();
        let grouped = |answers| GroupedCounts::new(classes.len(), &groups, &truth, answers);
        let (a, b) = (grouped(&of_candidate), grouped(&of_champion));
        let (accuracy, macro_f1) = paired_differences(&a, &b, options);
        let n_groups = a.n_groups();
        let counts = |answers| Counts::of(classes.len(), &truth, answers);
        let (first, second) = (counts(&of_candidate), counts(&of_champion));
        let score = |candidate: f64, champion: f64, resampled: &[f64]| Score {
            candidate,
            champion,
            difference: Interval::of(candidate - champion, resampled, n_groups, CONFIDENCE),
        };
        let different: BTreeSet<&str> = photographs
            .iter()
            .filter(|p| p.candidate.class != p.champion.class)
            .map(|p| p.group.as_str())
            .collect();
        Self {
            macro_f1: score(first.macro_f1(), second.macro_f1(), &macro_f1),
            accuracy: score(first.accuracy(), second.accuracy(), &accuracy),
            n_groups,
            n_different: different.len(),
        }
    }

    pub(super) fn macro_f1_difference(&self) -> Interval {
        self.macro_f1.difference
    }

    pub(super) fn accuracy_difference(&self) -> Interval {
        self.accuracy.difference
    }

    /// A loss below this would have left 0 inside the interval. Where next to no group was answered differently
    /// the interval has no width; then up to 3/n of the groups may be (the rule of three: Hanley and
    /// Lippman-Hand, If Nothing Goes Wrong, Is Everything All Right?, 1983).
    pub(super) fn unnoticed_loss(&self) -> f64 {
        let margin = self.macro_f1.difference.margin;
        if self.n_different <= FEW_DIFFERENT_GROUPS {
            margin.max(3.0 / self.n_groups as f64).min(1.0)
        } else {
            margin.min(1.0)
        }
    }

    pub(super) fn macro_f1(&self) -> Finding {
        let is_worse = self.macro_f1.difference.high() < 0.0;
        let outcome = if is_worse {
            Outcome::Refused
        } else {
            Outcome::Passed
        };
        self.macro_f1
            .finding(Criterion::MacroF1, "Macro-F1", outcome)
    }

    pub(super) fn accuracy(&self) -> Finding {
        let is_worse = self.accuracy.difference.high() < 0.0;
        let outcome = if is_worse {
            Outcome::Warning
        } else {
            Outcome::Passed
        };
        self.accuracy
            .finding(Criterion::Accuracy, "Accuracy", outcome)
    }

    pub(super) fn test_set(&self, n: usize, left_out: &str) -> Finding {
        let unnoticed = self.unnoticed_loss();
        let n_groups = self.n_groups;
        let width = 2.0 * self.macro_f1.difference.margin;
        let mut sentence = format!(
            "Compared on {n} photographs of {n_groups} groups{left_out}. The interval of the difference in macro-F1 is {width:.3} wide: with {n_groups} groups a loss smaller than {unnoticed:.3} could not have been noticed"
        );
        let is_small = unnoticed > LARGE_UNNOTICED_LOSS;
        if is_small {
            // An interval narrows with the root of the number of groups; the rule of three with the number itself.
            let ratio = unnoticed / LARGE_UNNOTICED_LOSS;
            let power = if self.n_different <= FEW_DIFFERENT_GROUPS {
                1
            } else {
                2
            };
            let wanted = (n_groups as f64 * ratio.powi(power)).ceil();
            sentence.push_str(&format!(
                ". That is a small test set: about {wanted} groups would show a loss of {LARGE_UNNOTICED_LOSS}"
            ));
        }
        sentence.push('.');
        let outcome = if is_small {
            Outcome::Warning
        } else {
            Outcome::Passed
        };
        let numbers = [
            ("n", n as f64),
            ("n_groups", n_groups as f64),
            ("n_groups_answered_differently", self.n_different as f64),
            ("unnoticed_loss", unnoticed),
            ("limit", LARGE_UNNOTICED_LOSS),
        ];
        Finding::new(Criterion::TestSet, outcome, sentence, &numbers)
    }
}

impl Score {
    fn finding(&self, criterion: Criterion, name: &str, outcome: Outcome) -> Finding {
        let Self {
            candidate,
            champion,
            difference,
        } = self;
        let judgement = if difference.high() < 0.0 {
            "worse beyond chance"
        } else if difference.low() > 0.0 {
            "better beyond chance"
        } else {
            "not different beyond chance"
        };
        let sentence = format!(
            "{name} {candidate:.3} against the champion's {champion:.3} on the same photographs: {} ({}), {judgement}.",
            signed(difference.value),
            percent_interval(*difference),
        );
        let [low, high] = ends(*difference);
        let numbers = [
            ("candidate", *candidate),
            ("champion", *champion),
            ("difference", difference.value),
            ("low", low),
            ("high", high),
        ];
        Finding::new(criterion, outcome, sentence, &numbers)
    }
}

fn classes_of<'a>(photographs: &[&'a GatePhotograph]) -> BTreeMap<&'a str, usize> {
    let names: BTreeSet<&str> = photographs
        .iter()
        .flat_map(|p| {
            [
                p.truth.as_str(),
                p.candidate.class.as_str(),
                p.champion.class.as_str(),
            ]
        })
        .collect();
    names
        .into_iter()
        .enumerate()
        .map(|(index, name)| (name, index))
        .collect()
}
