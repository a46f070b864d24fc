//! The decision over all findings.

use serde::{Deserialize, Serialize};

use super::finding::{Criterion, Finding, Outcome};

/// What the gate decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The candidate may take the alias.
    Accept,
    /// A criterion refuses it.
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
    /// Every criterion that was looked at.
    pub findings: Vec<Finding>,
    /// The version it was compared with.
    pub champion: Option<String>,
    /// Photographs compared.
    pub n: usize,
    /// Groups they come from.
    pub n_groups: usize,
    /// Photographs left out because one of the models had learned from their group.
    pub n_excluded: usize,
    /// Candidate minus champion.
    pub accuracy_difference: Option<f64>,
    /// Its 95 % interval, paired bootstrap by group.
    pub accuracy_difference_ci95: Option<[f64; 2]>,
    /// Candidate minus champion.
    pub macro_f1_difference: Option<f64>,
    /// Its 95 % interval, paired bootstrap by group.
    pub macro_f1_difference_ci95: Option<[f64; 2]>,
    /// A loss of macro-F1 smaller than this would not have been noticed with these groups.
    pub unnoticed_loss: Option<f64>,
}

impl Verdict {
    /// Whether the alias may move without a person.
    pub fn is_accepted(&self) -> bool {
        self.decision == Decision::Accept
    }

    /// The first finding of a criterion.
    pub fn finding(&self, criterion: Criterion) -> Option<&Finding> {
        self.findings
            .iter()
            .find(|finding| finding.criterion == criterion)
    }

    /// The decision in words, as tags and histories say it.
    pub fn in_words(&self) -> &'static str {
        match self.decision {
            Decision::Accept => "passed",
            Decision::Reject => "refused",
            Decision::NotComparable => "not comparable",
        }
    }
}

/// A refusal outweighs that there was nothing to compare, which outweighs everything that passed.
pub(super) fn decide(findings: &[Finding]) -> Decision {
    let any = |wanted: fn(&Finding) -> bool| findings.iter().any(wanted);
    if any(|it| it.outcome == Outcome::Refused) {
        Decision::Reject
    } else if any(|it| it.outcome == Outcome::NotMeasured && is_necessary(it.criterion)) {
        Decision::NotComparable
    } else {
        Decision::Accept
    }
}

/// Without these nothing is known about what the candidate would change.
fn is_necessary(criterion: Criterion) -> bool {
    matches!(
        criterion,
        Criterion::Champion | Criterion::TestSet | Criterion::Chance
    )
}

/// What a person reads first: why it was refused, or what it was let through by and with what doubts.
pub(super) fn reasons(decision: Decision, findings: &[Finding]) -> Vec<String> {
    let is_told = |finding: &&Finding| match decision {
        Decision::Reject => finding.outcome == Outcome::Refused,
        Decision::NotComparable => {
            finding.outcome == Outcome::NotMeasured && is_necessary(finding.criterion)
        }
        Decision::Accept => {
            finding.outcome == Outcome::Warning
                || finding.outcome == Outcome::Passed
                    && matches!(
                        finding.criterion,
                        Criterion::Chance | Criterion::MacroF1 | Criterion::Champion
                    )
        }
    };
    let told = findings.iter().filter(is_told);
    let mut reasons: Vec<String> = told.map(|finding| finding.sentence.clone()).collect();
    // How little could be seen, and how far it may be trusted, belongs to every comparison.
    let of_the_comparison = findings.iter().filter(|it| {
        matches!(it.criterion, Criterion::TestSet | Criterion::Lineage)
            && it.outcome == Outcome::Warning
    });
    for finding in of_the_comparison {
        if !reasons.contains(&finding.sentence) {
            reasons.push(finding.sentence.clone());
        }
    }
    reasons
}
