//! Which models were proven in which engine: the golden photographs need not all be asked at every start.

use std::path::PathBuf;

use fishid_engine::{Machine, Plan, write_whole};
use sha2::{Digest, Sha256};

use super::kept::forget_oldest;
use crate::{PredictError, Predictor};

/// Proofs kept; each is a few bytes, and a server meets a few models a month.
const MOST_KEPT: usize = 200;

pub(super) struct Proofs(PathBuf);

impl Proofs {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Everything that the proof depends on, the golden photographs themselves and their answers included.
    pub(super) fn key(
        predictor: &Predictor,
        plan: &Plan,
        machine: &Machine,
    ) -> Result<String, PredictError> {
        let mut hasher = Sha256::new();
        hasher.update(predictor.digest());
        hasher.update(predictor.engine_digest());
        hasher.update(format!("{plan}\n{machine:?}\n"));
        for golden in predictor.bundle().golden()? {
            hasher.update(Sha256::digest(&golden.bytes));
            for probability in &golden.probabilities {
                hasher.update(probability.to_le_bytes());
            }
        }
        Ok(hex::encode(hasher.finalize()))
    }

    /// The largest difference found when it was proven.
    pub(super) fn find(&self, key: &str) -> Option<f32> {
        let text = std::fs::read_to_string(self.0.join(key)).ok()?;
        text.trim()
            .parse()
            .ok()
            .filter(|found: &f32| found.is_finite())
    }

    pub(super) fn keep(&self, key: &str, max_difference: f32) {
        let text = format!("{max_difference}\n");
        if let Err(error) = write_whole(&self.0.join(key), text.as_bytes()) {
            tracing::warn!(folder = %self.0.display(), %error, "cannot note that the model is proven, the next start proves it again");
            return;
        }
        forget_oldest(&self.0, MOST_KEPT);
    }
}
