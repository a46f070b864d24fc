//! What the gate decides by. The pipeline gathers it; nothing here runs a model.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::GateLimits;
use crate::evaluation::Evaluation;

/// What a model said of one photograph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateAnswer {
    /// Slug of the likeliest class.
    pub class: String,
    /// Its calibrated probability.
    pub confidence: f64,
}

/// One photograph that both models answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatePhotograph {
    /// The photograph's group.
    pub group: String,
    /// The true class.
    pub truth: String,
    /// The candidate's answer.
    pub candidate: GateAnswer,
    /// The champion's answer.
    pub champion: GateAnswer,
}

/// The candidate's own answers on one split: true class and answer of each photograph, and its group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SplitAnswers {
    /// Groups.
    pub groups: Vec<String>,
    /// True classes.
    pub truth: Vec<String>,
    /// Likeliest classes.
    pub answers: Vec<String>,
}

/// The candidate, whatever it is compared with.
#[derive(Debug, Clone)]
pub struct CandidateEvidence<'a> {
    /// Slugs of the classes it can answer with, in their order.
    pub classes: &'a [String],
    /// Its numbers on the whole test split.
    pub evaluation: &'a Evaluation,
    /// Its answers on the validation split.
    pub validation: &'a SplitAnswers,
    /// Its answers on the whole test split.
    pub test: &'a SplitAnswers,
    /// Bytes of all files of its bundle.
    pub bundle_bytes: u64,
    /// How the real engine answers its golden photographs: how many there are, or what is wrong with the bundle.
    pub golden: Result<usize, String>,
}

/// The model in production and what it says of the candidate's test photographs.
#[derive(Debug, Clone)]
pub struct ChampionEvidence<'a> {
    /// Its version.
    pub version: &'a str,
    /// Slugs of the classes it can answer with, in their order.
    pub classes: &'a [String],
    /// The candidate's test photographs with both answers.
    pub photographs: &'a [GatePhotograph],
    /// Groups with a photograph that either model was trained or tuned on.
    pub learned_from: &'a BTreeSet<String>,
    /// Whether its bundle says what it was trained on; one that was trained elsewhere says nothing.
    pub lineage_is_known: bool,
    /// Photographs that the champion could not answer.
    pub n_unanswered: usize,
    /// Bytes of all files of its bundle.
    pub bundle_bytes: u64,
    /// Both models' times on the same photographs, or why there are none.
    pub latency: Result<LatencyRounds, String>,
}

/// Milliseconds of both models on the same photographs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyRounds {
    /// One entry for each time that both models were loaded anew: (candidate, champion) of each photograph, timed
    /// one after the other, the order alternating.
    pub rounds: Vec<Vec<(f64, f64)>>,
}

/// What stands in the candidate's way.
#[derive(Debug, Clone)]
pub enum Against<'a> {
    /// Nothing is in production.
    Nothing,
    /// A demonstration, with which a real model is not compared; its version.
    Demonstration(&'a str),
    /// A model trained on photographs, which a demonstration never replaces; its version.
    Real(&'a str),
    /// A model that cannot be read or run.
    Unreadable {
        /// Its version.
        version: &'a str,
        /// Why not.
        reason: &'a str,
    },
    /// A model to be compared with.
    Champion(ChampionEvidence<'a>),
}

/// Everything a decision is made from.
#[derive(Debug, Clone)]
pub struct GateRequest<'a> {
    /// The candidate.
    pub candidate: CandidateEvidence<'a>,
    /// What is in production.
    pub against: Against<'a>,
    /// The limits.
    pub limits: &'a GateLimits,
    /// Whether a person said that the classes may differ from the champion's.
    pub allow_class_change: bool,
    /// Number of resamples.
    pub n_resamples: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
}
