//! May the candidate take the champion's place? A list of findings, one a criterion, and one decision.
//!
//! Owns the criteria, their limits and their words; each has a file of its own under `gate/`. Knows neither
//! registries nor aliases nor models: the pipeline gathers the evidence and acts on the verdict. Start at
//! [`judge`].

mod calibration;
mod class_recall;
mod classes;
mod cost;
mod evidence;
mod finding;
mod first;
mod interval;
mod limits;
mod overfitting;
mod page;
mod paired;
mod verdict;
mod words;

use std::collections::BTreeSet;

pub use evidence::{
    Against, CandidateEvidence, ChampionEvidence, GateAnswer, GatePhotograph, GateRequest,
    LatencyRounds, SplitAnswers,
};
pub use finding::{Criterion, Finding, Outcome};
pub use limits::GateLimits;
pub use page::{GatePage, gate_page};
pub use verdict::{Decision, Verdict};

use self::paired::Paired;
use self::words::{counted, ends};
use crate::evaluation::BootstrapOptions;

/// Looks at every criterion and decides. The same request gives the same verdict.
pub fn judge(request: &GateRequest<'_>) -> Verdict {
    let candidate = &request.candidate;
    let limits = request.limits;
    let bootstrap = BootstrapOptions {
        n_resamples: request.n_resamples,
        seed: request.seed,
    };
    let mut verdict = Verdict {
        decision: Decision::NotComparable,
        reasons: Vec::new(),
        findings: vec![golden(&candidate.golden)],
        champion: None,
        n: candidate.evaluation.n,
        n_groups: candidate.evaluation.n_groups,
        n_excluded: 0,
        accuracy_difference: None,
        accuracy_difference_ci95: None,
        macro_f1_difference: None,
        macro_f1_difference_ci95: None,
        unnoticed_loss: None,
    };
    let mut champion_bytes = None;
    match &request.against {
        Against::Champion(champion) => {
            verdict.champion = Some(champion.version.to_owned());
            champion_bytes = Some(champion.bundle_bytes);
            compare(request, champion, &bootstrap, &mut verdict);
        }
        other => verdict
            .findings
            .extend(first::findings(candidate.evaluation, other)),
    }
    verdict.findings.push(overfitting::finding(
        candidate.validation,
        candidate.test,
        limits,
        &bootstrap,
    ));
    verdict
        .findings
        .push(cost::size(candidate.bundle_bytes, champion_bytes, limits));
    if let Against::Champion(champion) = &request.against {
        verdict
            .findings
            .push(cost::latency(&champion.latency, limits));
    }
    verdict.decision = verdict::decide(&verdict.findings);
    verdict.reasons = verdict::reasons(verdict.decision, &verdict.findings);
    verdict
}

fn golden(outcome: &Result<usize, String>) -> Finding {
    match outcome {
        Ok(n) => Finding::new(
            Criterion::Golden,
            Outcome::Passed,
            format!("The real engine answers all {n} golden photographs as expected."),
            &[("n", *n as f64)],
        ),
        Err(reason) => Finding::new(
            Criterion::Golden,
            Outcome::Refused,
            format!(
                "The bundle does not give its own golden answers in the real engine: {reason}."
            ),
            &[],
        ),
    }
}

/// Said where nothing can be left out on the champion's behalf: its advantage may be memory.
fn lineage(champion: &ChampionEvidence<'_>) -> Option<Finding> {
    (!champion.lineage_is_known).then(|| {
        Finding::new(
            Criterion::Lineage,
            Outcome::Warning,
            format!(
                "Version {} was trained elsewhere, and on which photographs is not known: it may have learned from those that both are compared on, so that its numbers may be too good and the candidate seem worse than it is.",
                champion.version
            ),
            &[],
        )
    })
}

/// Both models on the photographs that neither learned from and whose class both know.
fn compare(
    request: &GateRequest<'_>,
    champion: &ChampionEvidence<'_>,
    bootstrap: &BootstrapOptions,
    verdict: &mut Verdict,
) {
    let limits = request.limits;
    let classes = classes::finding(
        request.candidate.classes,
        champion.classes,
        request.allow_class_change,
    );
    verdict.findings.push(classes);
    verdict.findings.extend(lineage(champion));
    let not_learned: Vec<&GatePhotograph> = champion
        .photographs
        .iter()
        .filter(|photograph| !champion.learned_from.contains(&photograph.group))
        .collect();
    let kept: Vec<&GatePhotograph> = not_learned
        .iter()
        .copied()
        .filter(|photograph| {
            champion.classes.contains(&photograph.truth)
                && request.candidate.classes.contains(&photograph.truth)
        })
        .collect();
    let n_groups = kept.iter().map(|p| &p.group).collect::<BTreeSet<_>>().len();
    verdict.n = kept.len();
    verdict.n_groups = n_groups;
    verdict.n_excluded = champion.photographs.len() - not_learned.len();
    let left_out = left_out(
        verdict.n_excluded,
        not_learned.len() - kept.len(),
        champion.n_unanswered,
    );
    if kept.len() < limits.min_photographs || n_groups < limits.min_groups {
        let sentence = format!(
            "{} of {} are left to compare on, and {} of {} are needed{left_out}.",
            counted(kept.len(), "photograph", "photographs"),
            counted(n_groups, "group", "groups"),
            limits.min_photographs,
            limits.min_groups
        );
        let numbers = [("n", kept.len() as f64), ("n_groups", n_groups as f64)];
        verdict.findings.push(Finding::new(
            Criterion::TestSet,
            Outcome::NotMeasured,
            sentence,
            &numbers,
        ));
        return;
    }
    let paired = Paired::of(&kept, bootstrap);
    let (macro_f1, accuracy) = (paired.macro_f1_difference(), paired.accuracy_difference());
    verdict.macro_f1_difference = Some(macro_f1.value);
    verdict.macro_f1_difference_ci95 = Some(ends(macro_f1));
    verdict.accuracy_difference = Some(accuracy.value);
    verdict.accuracy_difference_ci95 = Some(ends(accuracy));
    verdict.unnoticed_loss = Some(paired.unnoticed_loss());
    verdict.findings.extend([
        paired.test_set(kept.len(), &left_out),
        paired.macro_f1(),
        paired.accuracy(),
    ]);
    verdict.findings.extend(class_recall::findings(
        &kept,
        limits.min_class_groups,
        bootstrap,
    ));
    verdict
        .findings
        .push(calibration::finding(&kept, limits, bootstrap));
}

/// Which photographs were left out and why, as the end of a sentence.
fn left_out(n_learned: usize, n_other_classes: usize, n_unanswered: usize) -> String {
    let parts: Vec<String> = [
        (
            n_learned,
            "because one of the models had learned from their groups",
        ),
        (
            n_other_classes,
            "because only one of the models knows their classes",
        ),
        (n_unanswered, "because the champion cannot answer them"),
    ]
    .iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, why)| format!("{n} left out {why}"))
    .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    }
}

#[cfg(test)]
mod tests;
