//! What each step leaves for the next: small facts as JSON, big things as files it names.

use std::path::{Path, PathBuf};

use fishid_registry::RunId;
use fishid_training::{Embeddings, SplitPlan, TrainedHead, Verdict};
use serde::{Deserialize, Serialize};

use crate::record::{read_json, write_json};
use crate::steps::{StepOutput, sha256_of};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Validated {
    pub listing: String,
    pub inspections: PathBuf,
    pub inspections_digest: String,
    pub lock: PathBuf,
    pub summary: String,
}

impl StepOutput for Validated {
    fn still_there(&self) -> bool {
        self.inspections.is_file() && self.lock.is_file()
    }
    fn summary(&self) -> String {
        self.summary.clone()
    }
}

impl StepOutput for SplitPlan {
    fn summary(&self) -> String {
        let counts = self.counts();
        let n = |split: &str| {
            counts
                .get(split)
                .map_or(0, |classes| classes.values().sum::<usize>())
        };
        format!(
            "{} to train, {} to validate, {} to test, in {} groups",
            n("train"),
            n("val"),
            n("test"),
            self.groups().len()
        )
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Embedded {
    pub n_computed: usize,
    pub n_reused: usize,
    pub seconds: f64,
    pub per_second: Option<f64>,
    pub n_rejected: usize,
}

impl Embedded {
    pub(crate) fn of(embeddings: &Embeddings) -> Self {
        Self {
            n_computed: embeddings.n_computed,
            n_reused: embeddings.n_reused,
            seconds: embeddings.seconds,
            per_second: embeddings.per_second(),
            n_rejected: embeddings.rejected.len(),
        }
    }
}

impl StepOutput for Embedded {
    fn summary(&self) -> String {
        let rate = self
            .per_second
            .map_or_else(String::new, |rate| format!(" at {rate:.1} a second"));
        format!(
            "{} views computed{rate}, {} taken from the store",
            self.n_computed, self.n_reused
        )
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Trained {
    pub head_file: PathBuf,
    pub head_digest: String,
    pub n_settings: usize,
}

impl Trained {
    pub(crate) fn keep(folder: &Path, head: &TrainedHead) -> anyhow::Result<Self> {
        let head_file = folder.join("head.json");
        write_json(&head_file, head)?;
        Ok(Self {
            head_digest: sha256_of(head)?,
            head_file,
            n_settings: head.fitted.trials.len(),
        })
    }

    pub(crate) fn head(&self) -> anyhow::Result<TrainedHead> {
        Ok(read_json(&self.head_file)?)
    }
}

impl StepOutput for Trained {
    fn still_there(&self) -> bool {
        self.head_file.is_file()
    }
    fn summary(&self) -> String {
        format!("the best of {} settings", self.n_settings)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Evaluated {
    pub bundle: PathBuf,
    pub bundle_digest: String,
    pub test_scores: PathBuf,
    pub validation_scores: PathBuf,
    pub accuracy: f64,
    pub macro_f1: f64,
    pub n_test: usize,
}

impl StepOutput for Evaluated {
    fn still_there(&self) -> bool {
        self.test_scores.is_file()
            && self.validation_scores.is_file()
            && fishid_bundle::Bundle::open(&self.bundle)
                .and_then(|bundle| bundle.bundle_digest())
                .is_ok_and(|digest| digest == self.bundle_digest)
    }
    fn summary(&self) -> String {
        format!(
            "accuracy {:.3}, macro-F1 {:.3} on {} test photographs",
            self.accuracy, self.macro_f1, self.n_test
        )
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Gated {
    pub verdict: Verdict,
    pub may_be_promoted: bool,
    /// Why it stays out of production though the gate says nothing against it.
    pub held_back: Option<String>,
}

/// Letters of a decision in one line: tags and histories are read at a glance.
const LONGEST_LINE: usize = 500;

impl Gated {
    /// The decision as tags and histories keep it: `passed: …`, `refused: …`, `not comparable: …` or
    /// `held back: …`.
    pub(crate) fn in_one_line(&self) -> String {
        let word = match &self.held_back {
            Some(_) if self.verdict.is_accepted() => "held back",
            _ => self.verdict.in_words(),
        };
        let reasons: Vec<&str> = self
            .held_back
            .iter()
            .chain(&self.verdict.reasons)
            .map(String::as_str)
            .collect();
        let line = format!("{word}: {}", reasons.join(" ")).replace('\n', " ");
        if line.chars().count() <= LONGEST_LINE {
            return line;
        }
        let cut: String = line.chars().take(LONGEST_LINE - 1).collect();
        format!("{cut}…")
    }
}

impl StepOutput for Gated {
    fn summary(&self) -> String {
        self.in_one_line()
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Registered {
    pub version: String,
    /// The tracked run that made it, where known.
    pub run: Option<RunId>,
    /// Whether this pipeline run made it.
    pub is_new: bool,
}

impl StepOutput for Registered {
    fn summary(&self) -> String {
        format!("version {}", self.version)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Promoted {
    pub version: String,
    pub is_in_production: bool,
    pub why_not: Option<String>,
}

impl StepOutput for Promoted {
    fn summary(&self) -> String {
        match &self.why_not {
            None => format!("version {} is in production", self.version),
            Some(why) => format!("version {} stays out of production: {why}", self.version),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reported {
    pub report: PathBuf,
    pub tracked_run: String,
}

impl StepOutput for Reported {
    fn still_there(&self) -> bool {
        self.report.is_file()
    }
    fn summary(&self) -> String {
        format!(
            "{} (tracked as {})",
            self.report.display(),
            self.tracked_run
        )
    }
}
