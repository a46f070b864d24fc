//! A candidate without a model to be compared with: it must be better than guessing, and a demonstration may
//! not stand in for a model trained on photographs.

use super::evidence::Against;
use super::finding::{Criterion, Finding, Outcome};
use crate::evaluation::Evaluation;

pub(super) fn findings(evaluation: &Evaluation, against: &Against<'_>) -> Vec<Finding> {
    let of_champion = match against {
        Against::Nothing | Against::Champion(_) => None,
        Against::Demonstration(version) => Some(Finding::new(
            Criterion::Champion,
            Outcome::Passed,
            format!(
                "Version {version} in production is a demonstration, with which a real model is not compared."
            ),
            &[],
        )),
        Against::Real(version) => Some(Finding::new(
            Criterion::Champion,
            Outcome::Refused,
            format!(
                "A demonstration model never replaces a model trained on photographs (version {version})."
            ),
            &[],
        )),
        Against::Unreadable { version, reason } => Some(Finding::not_measured(
            Criterion::Champion,
            format!("Version {version} in production cannot be compared with: {reason}."),
        )),
    };
    let is_first = matches!(against, Against::Nothing);
    of_champion
        .into_iter()
        .chain([chance(evaluation, is_first)])
        .collect()
}

/// Chance is one over the number of classes present, which the macro-F1 of no guessing that ignores the
/// photograph exceeds. The interval is that of the report.
fn chance(evaluation: &Evaluation, is_first: bool) -> Finding {
    let n_present = evaluation
        .per_class
        .values()
        .filter(|score| score.n > 0)
        .count();
    if n_present < 2 {
        let sentence = format!(
            "The test split has {} photographs of {n_present} classes: that measures nothing. Add photographs in more groups.",
            evaluation.n
        );
        return Finding::not_measured(Criterion::Chance, sentence);
    }
    let chance = 1.0 / n_present as f64;
    let (macro_f1, n_groups) = (evaluation.macro_f1, evaluation.n_groups);
    let [low, high] = evaluation.macro_f1_ci95;
    let start = if is_first {
        "First model: macro-F1"
    } else {
        "Macro-F1"
    };
    let (outcome, sentence) = if low > chance {
        let sentence = format!(
            "{start} {macro_f1:.3}, at least {low:.3} with 95 % confidence on {n_groups} groups, is above the chance level of {chance:.3}."
        );
        (Outcome::Passed, sentence)
    } else {
        let sentence = format!(
            "{start} {macro_f1:.3} could be as low as {low:.3} on {n_groups} groups, which is not above the chance level of {chance:.3}. More photographs, in more groups, are needed."
        );
        (Outcome::Refused, sentence)
    };
    let numbers = [
        ("candidate", macro_f1),
        ("low", low),
        ("high", high),
        ("limit", chance),
        ("n_groups", n_groups as f64),
    ];
    Finding::new(Criterion::Chance, outcome, sentence, &numbers)
}
