#![allow(clippy::unwrap_used)]

mod criteria;
mod decisions;
mod properties;
mod simulation;

use std::collections::BTreeSet;

use super::{
    Against, CandidateEvidence, ChampionEvidence, Criterion, Decision, Finding, GateAnswer,
    GateLimits, GatePage, GatePhotograph, GateRequest, LatencyRounds, Outcome, SplitAnswers,
    Verdict, gate_page, judge,
};
use crate::evaluation::{BootstrapOptions, Evaluation, EvaluationInput};

const PIKE: &str = "esox_lucius";
const PERCH: &str = "perca_fluviatilis";

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What a test changes of a candidate and a champion between which nothing differs.
struct Case {
    photographs: Vec<GatePhotograph>,
    learned_from: Vec<String>,
    lineage_is_known: bool,
    n_unanswered: usize,
    candidate_classes: Vec<String>,
    champion_classes: Vec<String>,
    allow_class_change: bool,
    limits: GateLimits,
    bytes: [u64; 2],
    golden: Result<usize, String>,
    latency: Result<LatencyRounds, String>,
    /// Right answers among ten photographs of each of so many groups, on validation and on test.
    right_of_ten: [usize; 2],
    n_split_groups: usize,
    n_resamples: usize,
    seed: u64,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            photographs: two_classes(1, 1),
            learned_from: Vec::new(),
            lineage_is_known: true,
            n_unanswered: 0,
            candidate_classes: strings(&[PIKE, PERCH]),
            champion_classes: strings(&[PIKE, PERCH]),
            allow_class_change: false,
            limits: GateLimits::default(),
            bytes: [20 << 20; 2],
            golden: Ok(32),
            latency: Ok(LatencyRounds {
                rounds: vec![vec![(40.0, 40.0); 4]; 6],
            }),
            right_of_ten: [8, 8],
            n_split_groups: 20,
            n_resamples: 500,
            seed: 0,
        }
    }
}

impl Case {
    fn judge(&self) -> Verdict {
        let learned_from: BTreeSet<String> = self.learned_from.iter().cloned().collect();
        self.judge_against(Against::Champion(ChampionEvidence {
            version: "3",
            classes: &self.champion_classes,
            photographs: &self.photographs,
            learned_from: &learned_from,
            lineage_is_known: self.lineage_is_known,
            n_unanswered: self.n_unanswered,
            bundle_bytes: self.bytes[1],
            latency: self.latency.clone(),
        }))
    }

    fn judge_against(&self, against: Against<'_>) -> Verdict {
        let [validation, test] = self
            .right_of_ten
            .map(|right| split(right, self.n_split_groups));
        judge(&GateRequest {
            candidate: CandidateEvidence {
                classes: &self.candidate_classes,
                evaluation: &evaluation(&test),
                validation: &validation,
                test: &test,
                bundle_bytes: self.bytes[0],
                golden: self.golden.clone(),
            },
            against,
            limits: &self.limits,
            allow_class_change: self.allow_class_change,
            n_resamples: self.n_resamples,
            seed: self.seed,
        })
    }
}

/// Judges and compares decision, outcome of one criterion and words of its sentence.
#[track_caller]
fn check(
    case: &Case,
    decision: Decision,
    criterion: Criterion,
    outcome: Outcome,
    words: &[&str],
) -> Verdict {
    check_verdict(case.judge(), decision, criterion, outcome, words)
}

#[track_caller]
fn check_verdict(
    verdict: Verdict,
    decision: Decision,
    criterion: Criterion,
    outcome: Outcome,
    words: &[&str],
) -> Verdict {
    let finding = verdict
        .findings
        .iter()
        .filter(|it| it.criterion == criterion)
        .find(|it| it.outcome == outcome);
    let Some(finding) = finding else {
        panic!("{criterion:?} is not {outcome:?}: {verdict:#?}");
    };
    for word in words {
        assert!(finding.sentence.contains(word), "no {word} in {finding:?}");
    }
    assert_eq!(verdict.decision, decision, "{verdict:#?}");
    if decision == Decision::Reject && outcome == Outcome::Refused {
        assert!(
            verdict.reasons.contains(&finding.sentence),
            "{:?}",
            verdict.reasons
        );
    }
    verdict
}

fn answer(class: &str) -> GateAnswer {
    GateAnswer {
        class: class.to_owned(),
        confidence: 0.75,
    }
}

/// 30 groups of 4 photographs, two classes; the models err on the first so many of each group.
fn two_classes(candidate_wrong: usize, champion_wrong: usize) -> Vec<GatePhotograph> {
    let name = |is_pike| if is_pike { PIKE } else { PERCH };
    (0..120)
        .map(|i| {
            let is_pike = i % 8 < 4;
            GatePhotograph {
                group: format!("fish {}", i / 4),
                truth: name(is_pike).into(),
                candidate: answer(name(is_pike == (i % 4 >= candidate_wrong))),
                champion: answer(name(is_pike == (i % 4 >= champion_wrong))),
            }
        })
        .collect()
}

fn split(right_of_ten: usize, n_groups: usize) -> SplitAnswers {
    let mut split = SplitAnswers::default();
    for group in 0..n_groups {
        let [own, other] = if group % 2 == 0 {
            [PIKE, PERCH]
        } else {
            [PERCH, PIKE]
        };
        for photograph in 0..10 {
            split.groups.push(format!("group {group}"));
            split.truth.push(own.to_owned());
            // Groups differ a little, as fish do.
            let is_right = (photograph + group % 3) % 10 < right_of_ten;
            split
                .answers
                .push(if is_right { own } else { other }.to_owned());
        }
    }
    split
}

fn evaluation(split: &SplitAnswers) -> Evaluation {
    let probabilities: Vec<Vec<f32>> = split
        .answers
        .iter()
        .map(|class| {
            if class == PIKE {
                vec![0.8, 0.2]
            } else {
                vec![0.2, 0.8]
            }
        })
        .collect();
    Evaluation::compute(
        &EvaluationInput {
            probabilities: &probabilities,
            truth: &split.truth,
            groups: &split.groups,
            classes: &strings(&[PIKE, PERCH]),
        },
        &BootstrapOptions {
            n_resamples: 100,
            seed: 0,
        },
    )
}
