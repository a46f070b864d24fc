//! Which models were proven in which engine: the golden photographs need not all be asked at every start.

use std::path::PathBuf;

use std::time::Duration;

use fishid_engine::{Plan, engine_digest, write_whole};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Subject;
use super::kept::forget_oldest;
use crate::PredictError;

/// Proofs kept; each is a few bytes, and a server meets a few models a month.
const MOST_KEPT: usize = 200;

pub(super) struct Proofs(PathBuf);

/// How the golden photographs were answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Proof {
    /// As in f32, but for so much.
    Agrees { max_difference: f32 },
    /// Otherwise: what the report said.
    Differs { report: String },
}

impl Proofs {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Everything that the proof depends on, the golden photographs themselves and their answers included.
    pub(super) fn key(subject: &Subject, plan: &Plan) -> Result<String, PredictError> {
        let mut hasher = Sha256::new();
        hasher.update(subject.bundle.model_digest()?);
        hasher.update(engine_digest(plan.provider, plan.precision)?);
        hasher.update(format!("{plan}\n{:?}\n", subject.machine));
        for golden in subject.bundle.golden()? {
            hasher.update(Sha256::digest(&golden.bytes));
            for probability in &golden.probabilities {
                hasher.update(probability.to_le_bytes());
            }
        }
        Ok(hex::encode(hasher.finalize()))
    }

    /// What was found before; what cannot be read is proven anew.
    pub(super) fn find(&self, key: &str) -> Option<Proof> {
        serde_json::from_slice(&std::fs::read(self.0.join(key)).ok()?).ok()
    }

    pub(super) fn keep(&self, key: &str, proof: &Proof) {
        // A proof of strings and numbers always has a JSON form.
        let text = serde_json::to_vec(proof).unwrap_or_default();
        if let Err(error) = write_whole(&self.0.join(key), &text) {
            tracing::warn!(folder = %self.0.display(), %error, "cannot note how the model was proven, the next start proves it again");
            return;
        }
        forget_oldest(&self.0, MOST_KEPT, Duration::ZERO);
    }
}
