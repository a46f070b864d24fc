//! May the candidate replace the champion? Both answer the same test photographs; the difference must
//! not be a loss beyond chance. Knows neither registries nor aliases: the pipeline acts on the verdict.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::evaluation::{
    BootstrapOptions, Counts, Evaluation, GroupedCounts, paired_differences, percentile_interval,
};

/// Fewer test photographs than this say nothing about which model is better.
const LEAST_PHOTOGRAPHS: usize = 20;
/// Nor do fewer groups: the bootstrap draws groups.
const LEAST_GROUPS: usize = 5;

/// One test photograph and what both models answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatePhotograph {
    /// The photograph's group.
    pub group: String,
    /// The true class.
    pub truth: String,
    /// The candidate's first answer.
    pub candidate: String,
    /// The champion's first answer.
    pub champion: String,
}

/// What the comparison is made from.
#[derive(Debug, Clone, Copy)]
pub struct GateRequest<'a> {
    /// Test photographs with both answers.
    pub photographs: &'a [GatePhotograph],
    /// Groups the champion was trained or tuned on (train and val in its bundle's `splits`): their
    /// photographs would flatter it and are left out.
    pub champion_trained_on: &'a BTreeSet<String>,
    /// Slugs of the classes the candidate can answer with.
    pub candidate_classes: &'a [String],
    /// Slugs of the classes the champion can answer with.
    pub champion_classes: &'a [String],
    /// How the bootstrap draws.
    pub bootstrap: BootstrapOptions,
}

/// What the gate decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The candidate may take the alias.
    Accept,
    /// It is worse beyond chance, or no better than guessing.
    Reject,
    /// There is too little to compare on; a person has to decide.
    NotComparable,
}

/// The decision with its numbers and its reasons in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was decided.
    pub decision: Decision,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
    /// Photographs compared.
    pub n: usize,
    /// Groups they come from.
    pub n_groups: usize,
    /// Photographs left out because the champion had learned from their group.
    pub n_excluded: usize,
    /// Candidate minus champion.
    pub accuracy_difference: Option<f64>,
    /// Its 95 % interval, paired bootstrap by group.
    pub accuracy_difference_ci95: Option<[f64; 2]>,
    /// Candidate minus champion.
    pub macro_f1_difference: Option<f64>,
    /// Its 95 % interval, paired bootstrap by group.
    pub macro_f1_difference_ci95: Option<[f64; 2]>,
}

impl Verdict {
    /// Whether the alias may move without a person.
    pub fn is_accepted(&self) -> bool {
        self.decision == Decision::Accept
    }
}

/// The first model of a registry has no champion to beat, only chance.
#[derive(Debug, Clone, Copy)]
pub struct FirstModel<'a> {
    /// Its evaluation on the test split.
    pub evaluation: &'a Evaluation,
}

/// Accepts a first model when the lower bound of its macro-F1 lies above chance: one over the number
/// of classes present, which no guessing that ignores the photograph exceeds.
pub fn judge_first(model: &FirstModel<'_>) -> Verdict {
    let evaluation = model.evaluation;
    let n_present = evaluation
        .per_class
        .values()
        .filter(|score| score.n > 0)
        .count();
    let chance = 1.0 / n_present.max(1) as f64;
    let [low, _] = evaluation.macro_f1_ci95;
    let (decision, reason) = if evaluation.n == 0 || n_present < 2 {
        (
            Decision::NotComparable,
            format!(
                "The test split has {} photographs of {n_present} classes: that measures nothing. Add photographs in more groups.",
                evaluation.n
            ),
        )
    } else if low > chance {
        (
            Decision::Accept,
            format!(
                "First model: macro-F1 {:.3}, at least {low:.3} with 95 % confidence, is above the chance level of {chance:.3}.",
                evaluation.macro_f1
            ),
        )
    } else {
        (
            Decision::Reject,
            format!(
                "First model: macro-F1 {:.3} could be as low as {low:.3}, which is not above the chance level of {chance:.3}. More photographs, in more groups, are needed.",
                evaluation.macro_f1
            ),
        )
    };
    Verdict {
        decision,
        reasons: vec![reason],
        n: evaluation.n,
        n_groups: evaluation.n_groups,
        n_excluded: 0,
        accuracy_difference: None,
        accuracy_difference_ci95: None,
        macro_f1_difference: None,
        macro_f1_difference_ci95: None,
    }
}

/// Compares candidate and champion on the same photographs by a paired bootstrap over groups.
///
/// A candidate that lacks a class of the champion is never accepted: the test split of its own data holds
/// no photograph of what it would forget, so the numbers cannot show the loss.
pub fn compare(request: &GateRequest<'_>) -> Verdict {
    let mut verdict = measure(request);
    let forgotten: Vec<&str> = request
        .champion_classes
        .iter()
        .filter(|class| !request.candidate_classes.contains(class))
        .map(String::as_str)
        .collect();
    if !forgotten.is_empty() {
        verdict.decision = Decision::NotComparable;
        let reason = format!(
            "it would forget: {}; promote by hand if that is meant",
            forgotten.join(", ")
        );
        verdict.reasons.insert(0, reason);
    }
    verdict
}

fn measure(request: &GateRequest<'_>) -> Verdict {
    let kept: Vec<&GatePhotograph> = request
        .photographs
        .iter()
        .filter(|photograph| !request.champion_trained_on.contains(&photograph.group))
        .collect();
    let n_excluded = request.photographs.len() - kept.len();
    let classes = classes_of(&kept);
    let index = |class: &str| {
        classes
            .iter()
            .position(|known| *known == class)
            .unwrap_or(0)
    };
    let truth: Vec<usize> = kept.iter().map(|p| index(&p.truth)).collect();
    let of_candidate: Vec<usize> = kept.iter().map(|p| index(&p.candidate)).collect();
    let of_champion: Vec<usize> = kept.iter().map(|p| index(&p.champion)).collect();
    let groups: Vec<String> = kept.iter().map(|p| p.group.clone()).collect();
    let candidate = GroupedCounts::new(classes.len(), &groups, &truth, &of_candidate);
    let champion = GroupedCounts::new(classes.len(), &groups, &truth, &of_champion);
    let mut verdict = Verdict {
        decision: Decision::NotComparable,
        reasons: Vec::new(),
        n: kept.len(),
        n_groups: candidate.n_groups(),
        n_excluded,
        accuracy_difference: None,
        accuracy_difference_ci95: None,
        macro_f1_difference: None,
        macro_f1_difference_ci95: None,
    };
    if n_excluded > 0 {
        verdict.reasons.push(format!(
            "{n_excluded} test photographs were left out: the champion had learned from their groups."
        ));
    }
    if verdict.n < LEAST_PHOTOGRAPHS || verdict.n_groups < LEAST_GROUPS {
        verdict.reasons.push(format!(
            "{} photographs of {} groups are left to compare on; at least {LEAST_PHOTOGRAPHS} of {LEAST_GROUPS} are needed. Promote by hand if you know better.",
            verdict.n, verdict.n_groups
        ));
        return verdict;
    }
    let (a, b) = (
        Counts::of(classes.len(), &truth, &of_candidate),
        Counts::of(classes.len(), &truth, &of_champion),
    );
    let (accuracy, macro_f1) = paired_differences(&candidate, &champion, &request.bootstrap);
    let scores = [
        (
            "accuracy",
            a.accuracy(),
            b.accuracy(),
            percentile_interval(accuracy),
        ),
        (
            "macro-F1",
            a.macro_f1(),
            b.macro_f1(),
            percentile_interval(macro_f1),
        ),
    ];
    let is_worse = scores.iter().any(|(.., [_, high])| *high < 0.0);
    verdict.decision = if is_worse {
        Decision::Reject
    } else {
        Decision::Accept
    };
    verdict
        .reasons
        .extend(scores.iter().map(|score| in_words(*score)));
    verdict.accuracy_difference = Some(scores[0].1 - scores[0].2);
    verdict.accuracy_difference_ci95 = Some(scores[0].3);
    verdict.macro_f1_difference = Some(scores[1].1 - scores[1].2);
    verdict.macro_f1_difference_ci95 = Some(scores[1].3);
    verdict
}

fn classes_of<'a>(photographs: &[&'a GatePhotograph]) -> Vec<&'a str> {
    photographs
        .iter()
        .flat_map(|p| [p.truth.as_str(), p.candidate.as_str(), p.champion.as_str()])
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn in_words((name, candidate, champion, [low, high]): (&str, f64, f64, [f64; 2])) -> String {
    let judgement = if high < 0.0 {
        "worse beyond chance"
    } else if low > 0.0 {
        "better beyond chance"
    } else {
        "not different beyond chance"
    };
    format!(
        "{name}: {candidate:.3} against the champion's {champion:.3} on the same photographs, difference {:+.3} (95 % between {low:+.3} and {high:+.3}): {judgement}.",
        candidate - champion
    )
}

#[cfg(test)]
mod tests;
