//! One criterion's finding: what was looked at, what came out, one sentence and the numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the gate looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// Does the bundle answer its golden photographs in the real engine?
    Golden,
    /// Are candidate and champion models that may be compared at all?
    Champion,
    /// Does the candidate know the champion's classes, in their order?
    Classes,
    /// Is it known which photographs the champion learned from, so that they can be left out?
    Lineage,
    /// Is there enough to compare on, and what could be seen with it?
    TestSet,
    /// A first model: is it better than guessing?
    Chance,
    /// Macro-F1 against the champion's.
    MacroF1,
    /// Accuracy against the champion's; told, never decided on.
    Accuracy,
    /// Recall of one class against the champion's.
    ClassRecall,
    /// Expected calibration error against the champion's.
    Calibration,
    /// Macro-F1 on validation against macro-F1 on test.
    Overfitting,
    /// Bytes of the bundle.
    Size,
    /// Time from a photograph to its answer, measured here against the champion's.
    Latency,
}

impl Criterion {
    /// The criterion in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Golden => "golden photographs",
            Self::Champion => "model in production",
            Self::Classes => "classes",
            Self::Lineage => "what the champion learned from",
            Self::TestSet => "test set",
            Self::Chance => "better than guessing",
            Self::MacroF1 => "macro-F1",
            Self::Accuracy => "accuracy",
            Self::ClassRecall => "recall of a class",
            Self::Calibration => "calibration error",
            Self::Overfitting => "overfitting",
            Self::Size => "size",
            Self::Latency => "latency",
        }
    }
}

/// What came out of looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing against the candidate.
    Passed,
    /// The candidate may not take the alias.
    Refused,
    /// There was nothing to measure it on; the sentence says why.
    NotMeasured,
    /// Worth a person's look, not enough to refuse.
    Warning,
}

impl Outcome {
    /// The outcome in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Refused => "refused",
            Self::NotMeasured => "not measured",
            Self::Warning => "warning",
        }
    }
}

/// What one criterion came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The criterion.
    pub criterion: Criterion,
    /// The class it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// What came out.
    pub outcome: Outcome,
    /// The finding in one sentence.
    pub sentence: String,
    /// The numbers behind the sentence: `candidate`, `champion`, `difference`, `low` and `high` of its interval,
    /// `limit`, and what the criterion adds.
    #[serde(default)]
    pub numbers: BTreeMap<String, f64>,
}

impl Finding {
    pub(super) fn new(
        criterion: Criterion,
        outcome: Outcome,
        sentence: impl Into<String>,
        numbers: &[(&str, f64)],
    ) -> Self {
        // JSON has no word for infinity, and a reader of the file would stumble over null.
        let numbers = numbers
            .iter()
            .filter(|(_, value)| value.is_finite())
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect();
        Self {
            criterion,
            class: None,
            outcome,
            sentence: sentence.into(),
            numbers,
        }
    }

    pub(super) fn not_measured(criterion: Criterion, why: impl Into<String>) -> Self {
        Self::new(criterion, Outcome::NotMeasured, why, &[])
    }

    pub(super) fn of_class(mut self, class: &str) -> Self {
        self.class = Some(class.to_owned());
        self
    }
}
