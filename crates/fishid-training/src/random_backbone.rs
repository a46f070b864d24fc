//! Random weights made fit for use: their normalisation statistics are estimated on training photographs.
//!
//! Without it activations die or explode within a few blocks. Test and validation photographs are not looked at,
//! so that a demonstration keeps the rules of a real run.

use std::collections::BTreeMap;

use fishid_dataset::{Dataset, Ratios, Split, inspect};
use fishid_image::{Filter, Fit, Limits, Preprocessing};
use fishid_network::efficientnet::{Checkpoint, estimate_statistics};
use fishid_taxonomy::Catalogue;
use sha2::{Digest as _, Sha256};

use crate::error::TrainingError;
use crate::progress::Progress;
use crate::splits::{SplitRequest, plan_splits};

/// More photographs change the estimate less than another seed would.
const MAX_PHOTOGRAPHS: usize = 96;

/// The training photographs that statistics are estimated on.
#[derive(Debug)]
pub struct StatisticsPhotographs<'a> {
    dataset: &'a Dataset,
    fit: Fit,
    photographs: Vec<usize>,
    digest: String,
}

impl<'a> StatisticsPhotographs<'a> {
    /// Photographs spread over the training split that a run with this seed will make.
    ///
    /// # Errors
    /// No split can be made of the data set.
    pub fn choose(
        dataset: &'a Dataset,
        catalogue: &Catalogue,
        fit: Fit,
        seed: u64,
    ) -> Result<Self, TrainingError> {
        let inspections = inspect(dataset, &Limits::default(), &|_, _| ());
        let plan = plan_splits(&SplitRequest {
            dataset,
            inspections: &inspections,
            catalogue,
            ratios: Ratios::default(),
            seed,
            earlier: &BTreeMap::new(),
        })?;
        let train: Vec<usize> = plan
            .of(Split::Train)
            .map(|planned| planned.photograph)
            .collect();
        let step = train.len().div_ceil(MAX_PHOTOGRAPHS).max(1);
        let photographs: Vec<usize> = train.into_iter().step_by(step).collect();
        let mut hash = Sha256::new();
        hash.update(fit.as_str());
        for photograph in &photographs {
            hash.update(
                inspections[*photograph]
                    .sha256
                    .as_deref()
                    .unwrap_or_default(),
            );
        }
        Ok(Self {
            dataset,
            fit,
            digest: hex::encode(hash.finalize()),
            photographs,
        })
    }

    /// SHA-256 of what the statistics depend on besides the weights, hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Replaces the checkpoint's running statistics by those of these photographs.
    ///
    /// # Errors
    /// None of them can be read.
    pub fn estimate(
        &self,
        checkpoint: &mut Checkpoint,
        progress: &mut dyn Progress,
    ) -> Result<(), TrainingError> {
        progress.started("statistics");
        let side = checkpoint.card.side;
        let mut done = 0;
        let photographs = self.photographs.iter().filter_map(|photograph| {
            progress.advanced(done, self.photographs.len(), None);
            done += 1;
            self.pixels(*photograph, side)
        });
        let n = estimate_statistics(checkpoint, photographs);
        if n == 0 {
            return Err(TrainingError::Data(
                "none of the training photographs could be read; run `fishid data check`"
                    .to_owned(),
            ));
        }
        let summary = format!(
            "normalisation of {} estimated on {n} training photographs",
            checkpoint.architecture()
        );
        progress.finished("statistics", &summary);
        Ok(())
    }

    /// uint8 RGB `[side, side, 3]`; `None` for a photograph that cannot be read.
    fn pixels(&self, photograph: usize, side: u32) -> Option<Vec<u8>> {
        let preprocessing = Preprocessing {
            width: side,
            height: side,
            fit: self.fit,
            filter: Filter::default(),
        };
        let bytes = self
            .dataset
            .read(&self.dataset.photographs()[photograph])
            .ok()?;
        let photo = preprocessing.load(&bytes, &Limits::default()).ok()?;
        Some(photo.into_pixels())
    }
}
