//! The first steps of a run without the run: for those who look at the photographs elsewhere and want to know what
//! is to be embedded before anything is trained. The steps themselves are made of the same parts.

use std::collections::BTreeMap;

use fishid_dataset::{CheckOptions, Inspection, Problem, Split};
use fishid_training::{SplitPlan, SplitRequest, TrainRequest, plan_splits};

use crate::PipelineError;
use crate::champion::{self, Champion};
use crate::run::PipelineRequest;
use crate::validate::judge;

/// What is wrong with the photographs, and which is learned from and which tested on, as a run that is given the
/// same inspections will find it.
///
/// # Errors
/// The photographs are not acceptable or not those of the lock, or the registry does not answer.
pub fn plan_ahead(
    request: &PipelineRequest<'_>,
    inspections: &[Inspection],
) -> Result<(Vec<Problem>, SplitPlan), PipelineError> {
    let failed = |step: &str| {
        let step = step.to_owned();
        move |source| PipelineError::Step { step, source }
    };
    let champion = champion::find(request).map_err(failed("champion"))?;
    let earlier = champion
        .as_ref()
        .map(Champion::earlier_splits)
        .unwrap_or_default();
    let (problems, _) = examine(&request.train, inspections).map_err(failed("validate"))?;
    let unlocked = request.train.refuse_unlocked(inspections);
    unlocked.map_err(|error| failed("validate")(error.into()))?;
    let plan = split(&request.train, inspections, &earlier).map_err(failed("split"))?;
    Ok((problems, plan))
}

/// Every problem, and one line about them, or why the photographs cannot be used.
pub(crate) fn examine(
    train: &TrainRequest<'_>,
    inspections: &[Inspection],
) -> anyhow::Result<(Vec<Problem>, String)> {
    let options = CheckOptions {
        catalogue: train.catalogue.clone(),
        ..CheckOptions::default()
    };
    let problems = fishid_dataset::problems_of(train.dataset, inspections, &options);
    let summary = judge(train.dataset, &problems)?;
    Ok((problems, summary))
}

pub(crate) fn split(
    train: &TrainRequest<'_>,
    inspections: &[Inspection],
    earlier: &BTreeMap<String, Split>,
) -> anyhow::Result<SplitPlan> {
    Ok(plan_splits(&SplitRequest {
        dataset: train.dataset,
        inspections,
        catalogue: train.catalogue,
        ratios: train.ratios,
        seed: train.seed,
        earlier,
    })?)
}
