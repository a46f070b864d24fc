//! Has one class fallen, though the mean over all has not? Recall of each class, paired by group.
//!
//! Looking at m classes, one in twenty falls below its own 95 % interval by chance. Therefore the intervals that
//! refuse hold together with 95 % (Bonferroni: each with 1 − 0.05/m), which also holds where classes trade
//! photographs with each other. A class below its own interval only is a warning.

use std::collections::BTreeMap;

use rand::RngExt as _;

use super::evidence::GatePhotograph;
use super::finding::{Criterion, Finding, Outcome};
use super::interval::{CONFIDENCE, Interval, standard_error};
use super::words::{counted, ends, percent_interval, signed};
use crate::evaluation::BootstrapOptions;
use crate::random;

/// Right answers of both models in one group's photographs of a class.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    n: usize,
    candidate: usize,
    champion: usize,
}

/// A class with enough groups.
struct Fall<'a> {
    class: &'a str,
    groups: Vec<Tally>,
    total: Tally,
    error: f64,
}

/// One finding per class with photographs.
pub(super) fn findings(
    photographs: &[&GatePhotograph],
    min_groups: usize,
    options: &BootstrapOptions,
) -> Vec<Finding> {
    let mut of_class: BTreeMap<&str, BTreeMap<&str, Tally>> = BTreeMap::new();
    for photograph in photographs {
        let tally = of_class
            .entry(&photograph.truth)
            .or_default()
            .entry(&photograph.group)
            .or_default();
        tally.n += 1;
        tally.candidate += usize::from(photograph.candidate.class == photograph.truth);
        tally.champion += usize::from(photograph.champion.class == photograph.truth);
    }
    let falls: Vec<Fall<'_>> = of_class
        .iter()
        .map(|(class, groups)| Fall::of(class, groups.values().copied().collect(), options))
        .collect();
    let n_judged = falls
        .iter()
        .filter(|fall| fall.groups.len() >= min_groups)
        .count();
    falls
        .iter()
        .map(|fall| {
            if fall.groups.len() < min_groups {
                fall.unjudged(min_groups)
            } else {
                fall.judged(n_judged)
            }
        })
        .collect()
}

impl<'a> Fall<'a> {
    fn of(class: &'a str, groups: Vec<Tally>, options: &BootstrapOptions) -> Self {
        let total = sum(groups.iter());
        let mut rng = random::stream(options.seed, &format!("recall of {class}"));
        let resampled: Vec<f64> = (0..options.n_resamples)
            .map(|_| {
                let drawn = (0..groups.len()).map(|_| &groups[rng.random_range(0..groups.len())]);
                sum(drawn).difference()
            })
            .collect();
        Self {
            class,
            error: standard_error(&resampled, groups.len()),
            groups,
            total,
        }
    }

    fn interval(&self, confidence: f64) -> Interval {
        let freedom = self.groups.len().saturating_sub(1);
        Interval::from_error(self.total.difference(), self.error, freedom, confidence)
    }

    fn unjudged(&self, min_groups: usize) -> Finding {
        let sentence = format!(
            "{}: {} in the test set, and {min_groups} are needed to judge a class by itself.",
            self.class,
            counted(self.groups.len(), "group", "groups"),
        );
        let numbers = [
            ("candidate", self.total.recall(self.total.candidate)),
            ("champion", self.total.recall(self.total.champion)),
            ("difference", self.total.difference()),
            ("n_groups", self.groups.len() as f64),
        ];
        Finding::new(
            Criterion::ClassRecall,
            Outcome::NotMeasured,
            sentence,
            &numbers,
        )
        .of_class(self.class)
    }

    fn judged(&self, n_judged: usize) -> Finding {
        let together = self.interval(1.0 - (1.0 - CONFIDENCE) / n_judged as f64);
        let alone = self.interval(CONFIDENCE);
        let (outcome, judgement) = if together.high() < 0.0 {
            (Outcome::Refused, "fallen beyond chance".to_owned())
        } else if alone.high() < 0.0 {
            let text = format!(
                "fallen beyond its own interval ({}), which among {n_judged} classes happens by chance",
                percent_interval(alone)
            );
            (Outcome::Warning, text)
        } else if together.low() > 0.0 {
            (Outcome::Passed, "risen beyond chance".to_owned())
        } else {
            (Outcome::Passed, "not different beyond chance".to_owned())
        };
        let together_words = if n_judged > 1 {
            format!(" for {n_judged} classes together")
        } else {
            String::new()
        };
        let (candidate, champion) = (
            self.total.recall(self.total.candidate),
            self.total.recall(self.total.champion),
        );
        let sentence = format!(
            "{}: recall {candidate:.3} against {champion:.3} in {} groups: {} ({}{together_words}), {judgement}.",
            self.class,
            self.groups.len(),
            signed(together.value),
            percent_interval(together),
        );
        let [low, high] = ends(together);
        let numbers = [
            ("candidate", candidate),
            ("champion", champion),
            ("difference", together.value),
            ("low", low),
            ("high", high),
            ("n_groups", self.groups.len() as f64),
            ("n_classes_judged", n_judged as f64),
        ];
        Finding::new(Criterion::ClassRecall, outcome, sentence, &numbers).of_class(self.class)
    }
}

impl Tally {
    fn recall(self, right: usize) -> f64 {
        right as f64 / self.n.max(1) as f64
    }

    fn difference(self) -> f64 {
        self.recall(self.candidate) - self.recall(self.champion)
    }
}

fn sum<'t>(tallies: impl Iterator<Item = &'t Tally>) -> Tally {
    tallies.fold(Tally::default(), |total, tally| Tally {
        n: total.n + tally.n,
        candidate: total.candidate + tally.candidate,
        champion: total.champion + tally.champion,
    })
}
