//! Does the candidate know the champion's classes in their order? Whoever reads probabilities by position, or
//! counts answers by class, must hear of a change from a person first.

use super::finding::{Criterion, Finding, Outcome};
use super::words::counted;

pub(super) fn finding(candidate: &[String], champion: &[String], is_allowed: bool) -> Finding {
    let lacking = |from: &[String], of: &[String]| -> Vec<String> {
        of.iter()
            .filter(|class| !from.contains(class))
            .cloned()
            .collect()
    };
    let added = lacking(champion, candidate);
    let removed = lacking(candidate, champion);
    let numbers = [
        ("candidate", candidate.len() as f64),
        ("champion", champion.len() as f64),
        ("n_added", added.len() as f64),
        ("n_removed", removed.len() as f64),
    ];
    let mut changes = Vec::new();
    if !removed.is_empty() {
        changes.push(format!("it would forget {}", removed.join(", ")));
    }
    if !added.is_empty() {
        changes.push(format!("it would also answer {}", added.join(", ")));
    }
    let shared = |of: &[String], with: &[String]| -> Vec<String> {
        of.iter().filter(|it| with.contains(it)).cloned().collect()
    };
    let in_candidate = shared(candidate, champion);
    if in_candidate != shared(champion, candidate) {
        changes.push(format!(
            "the order of the classes is another one: {}",
            candidate.join(", ")
        ));
    }
    if changes.is_empty() {
        let sentence = format!(
            "Both know the same {} in the same order.",
            counted(candidate.len(), "class", "classes")
        );
        return Finding::new(Criterion::Classes, Outcome::Passed, sentence, &numbers);
    }
    let changes = changes.join("; ");
    let (outcome, sentence) = if is_allowed {
        let sentence = format!(
            "The classes change, as --allow-class-change says they may: {changes}. The models are compared on the {} that both know; another answer counts as an error.",
            counted(in_candidate.len(), "class", "classes")
        );
        (Outcome::Warning, sentence)
    } else {
        let sentence = format!(
            "The classes changed: {changes}. If that is meant: `fishid pipeline run --allow-class-change`."
        );
        (Outcome::Refused, sentence)
    };
    Finding::new(Criterion::Classes, outcome, sentence, &numbers)
}
