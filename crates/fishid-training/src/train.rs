//! The whole training run in order, and its parts one by one for the pipeline.
//!
//! [`train`] is the story: plan → embed → fit → evaluate → assemble. Each part takes the request and what
//! came before, so a pipeline that keeps the results on disk can enter anywhere.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Instant;

use fishid_bundle::Bundle;
use fishid_dataset::{DataLock, Dataset, Inspection, Ratios, Split, inspect};
use fishid_image::{Filter, Fit, Limits, Preprocessing, View};
use fishid_network::BackboneFile;
use fishid_storage::Storage;
use fishid_taxonomy::Catalogue;
use serde::{Deserialize, Serialize};

use crate::assemble::assemble;
use crate::calibration::{Calibrated, calibrate};
use crate::embedding::{EmbedJob, EmbedRequest, Embeddings, embed_all};
use crate::error::TrainingError;
use crate::evaluation::{BootstrapOptions, Evaluation, EvaluationInput};
use crate::head::{FitRequest, Fitted, fit, predict_logits, softmax_rows};
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::rows::SplitRows;
use crate::splits::{SplitPlan, SplitRequest, plan_splits};

/// Differences of each kind that an error names.
const N_NAMED: usize = 10;

/// Everything a run depends on.
#[derive(Clone, Copy)]
pub struct TrainRequest<'a> {
    /// The photographs.
    pub dataset: &'a Dataset,
    /// The frozen backbone.
    pub backbone: &'a BackboneFile,
    /// Names of the classes.
    pub catalogue: &'a Catalogue,
    /// The numbers.
    pub recipe: &'a Recipe,
    /// How whole photographs become the backbone's square; see `docs/TRAINING.md` for the default.
    pub fit: Fit,
    /// The resizing kernel; the backbone's own where its sidecar names one.
    pub filter: Filter,
    /// Seed of splits, augmentation, folds, dropout and bootstrap.
    pub seed: u64,
    /// Shares of the splits, where the data set is not split already.
    pub ratios: Ratios,
    /// Where groups were in the model this one is to replace; empty for a first model.
    pub earlier: &'a BTreeMap<String, Split>,
    /// The photographs as they must be; others are refused. `None` takes them as they are.
    pub lock: Option<&'a DataLock>,
    /// Column of `manifest.csv` the groups come from, for the record.
    pub group_column: &'a str,
    /// Worker threads; 0 for one per core.
    pub n_threads: usize,
    /// Where embeddings are kept between runs.
    pub cache_dir: &'a Path,
    /// Where embeddings are shared with other machines.
    pub shared_embeddings: Option<&'a Storage>,
    /// Name of the model, `fish-classifier` by default.
    pub model_name: &'a str,
    /// Version of the code, for the record.
    pub code_version: &'a str,
}

impl TrainRequest<'_> {
    /// The preprocessing of the run: the backbone's size, the request's fit.
    pub fn preprocessing(&self) -> Preprocessing {
        Preprocessing {
            width: self.backbone.input.width,
            height: self.backbone.input.height,
            fit: self.fit,
            filter: self.filter,
        }
    }

    /// Refuses photographs that are not those of the lock, naming what differs.
    pub fn refuse_unlocked(&self, inspections: &[Inspection]) -> Result<(), TrainingError> {
        let Some(lock) = self.lock else {
            return Ok(());
        };
        let found = DataLock::of_inspections(self.dataset, self.group_column, inspections);
        let changes = lock.changes_to(&found);
        if changes.is_empty() {
            return Ok(());
        }
        let lines = changes.lines(N_NAMED);
        Err(TrainingError::Data(format!(
            "the photographs are not those of the lock: {}\n  {}\nbring back those of the lock, or lock these: `fishid data lock {}`; `fishid data diff LOCK {} --json` names every difference",
            changes.summary(),
            lines.join("\n  "),
            self.dataset.location(),
            self.dataset.location(),
        )))
    }

    pub(crate) fn bootstrap(&self) -> BootstrapOptions {
        BootstrapOptions {
            seed: self.seed,
            ..BootstrapOptions::default()
        }
    }
}

/// A fitted head and its calibration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrainedHead {
    /// The head and how it came about.
    pub fitted: Fitted,
    /// Temperature and threshold.
    pub calibrated: Calibrated,
}

/// How the model answers one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitScores {
    /// The numbers.
    pub evaluation: Evaluation,
    /// The photographs they are from, as indices into `SplitPlan::photographs`.
    pub planned: Vec<usize>,
    /// Calibrated probabilities of each, in the order of `SplitPlan::classes`.
    pub probabilities: Vec<Vec<f32>>,
}

/// What a run made.
#[derive(Debug)]
pub struct TrainOutcome {
    /// The bundle on disk.
    pub bundle: Bundle,
    /// Groups and splits.
    pub plan: SplitPlan,
    /// Head, search, curves, calibration.
    pub trained: TrainedHead,
    /// Numbers on the validation split; `None` where there is none.
    pub validation: Option<Evaluation>,
    /// Numbers on the test split.
    pub test: Evaluation,
    /// Largest difference of a probability between the head and the assembled ONNX file.
    pub onnx_difference: f32,
    /// Photographs used.
    pub n_photographs: usize,
    /// Embeddings computed in this run, and taken from the store.
    pub n_embeddings: (usize, usize),
    /// Embeddings computed per second; `None` when all came from the store.
    pub embeddings_per_second: Option<f64>,
    /// Seconds by step: check, embed, fit, evaluate, assemble.
    pub seconds: BTreeMap<String, f64>,
}

/// Trains a model from a data set and writes its bundle to `out`, which must not exist or be empty.
///
/// # Errors
/// See [`TrainingError`]; nothing is left at `out` on an error.
pub fn train(
    request: &TrainRequest<'_>,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<TrainOutcome, TrainingError> {
    request.recipe.validate()?;
    refuse_taken(out)?;
    let mut clock = Clock::default();
    for text in &request.backbone.assumed {
        progress.warn(text);
    }
    let plan = clock.time("check", || plan(request, progress))?;
    let embeddings = clock.time("embed", || embed_plan(request, &plan, progress))?;
    let trained = clock.time("fit", || fit_plan(request, &plan, &embeddings, progress))?;
    let (validation, test) = clock.time("evaluate", || {
        let score = |split| evaluate_split(request, &plan, &embeddings, &trained, split);
        (score(Split::Val), score(Split::Test))
    });
    let assembled = clock.time("assemble", || {
        assemble(
            request,
            &plan,
            &embeddings,
            &trained,
            [&validation, &test],
            out,
            progress,
        )
    })?;
    Ok(TrainOutcome {
        bundle: assembled.bundle,
        n_photographs: embeddings.photographs.len(),
        n_embeddings: (embeddings.n_computed, embeddings.n_reused),
        embeddings_per_second: embeddings.per_second(),
        onnx_difference: assembled.difference,
        validation: (validation.evaluation.n > 0).then_some(validation.evaluation),
        test: test.evaluation,
        plan,
        trained,
        seconds: clock.seconds,
    })
}

/// The bundle's writer refuses it too, but only after the hours of embedding.
fn refuse_taken(out: &Path) -> Result<(), TrainingError> {
    let is_taken = match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => out.exists(),
    };
    if is_taken {
        return Err(fishid_bundle::BundleError::TargetNotEmpty {
            path: out.to_owned(),
        }
        .into());
    }
    Ok(())
}

/// Looks at every photograph and plans the splits.
pub fn plan(
    request: &TrainRequest<'_>,
    progress: &mut dyn Progress,
) -> Result<SplitPlan, TrainingError> {
    progress.started("check");
    let inspections = {
        let shared = std::sync::Mutex::new(&mut *progress);
        inspect(request.dataset, &Limits::default(), &|done, total| {
            if let Ok(mut progress) = shared.lock() {
                progress.advanced(done, total, None);
            }
        })
    };
    request.refuse_unlocked(&inspections)?;
    let plan = plan_splits(&SplitRequest {
        dataset: request.dataset,
        inspections: &inspections,
        catalogue: request.catalogue,
        ratios: request.ratios,
        seed: request.seed,
        earlier: request.earlier,
    })?;
    for text in &plan.warnings {
        progress.warn(text);
    }
    let n = |split| plan.of(split).count();
    progress.finished(
        "check",
        &format!(
            "{} photographs of {} species in {} groups: {} to train, {} to validate, {} to test",
            plan.photographs.len(),
            plan.classes.len(),
            plan.groups().len(),
            n(Split::Train),
            n(Split::Val),
            n(Split::Test)
        ),
    );
    Ok(plan)
}

/// Embeds what the plan needs: all views of training photographs, the original of the others.
pub fn embed_plan(
    request: &TrainRequest<'_>,
    plan: &SplitPlan,
    progress: &mut dyn Progress,
) -> Result<Embeddings, TrainingError> {
    progress.started("embed");
    let jobs = embed_jobs(request, plan);
    let embeddings = embed_all(
        &EmbedRequest {
            dataset: request.dataset,
            backbone: request.backbone,
            preprocessing: &request.preprocessing(),
            augmentation: &request.recipe.views.augmentation,
            seed: request.seed,
            n_threads: request.n_threads,
            cache_dir: request.cache_dir,
            shared: request.shared_embeddings,
            jobs: &jobs,
        },
        progress,
    )?;
    let rate = embeddings
        .per_second()
        .map_or(String::new(), |rate| format!(", {rate:.1} per second"));
    progress.finished(
        "embed",
        &format!(
            "{} embeddings computed{rate}, {} were there already",
            embeddings.n_computed, embeddings.n_reused
        ),
    );
    Ok(embeddings)
}

/// What the plan needs of each photograph: all views of those to train on, the original of the others.
pub fn embed_jobs(request: &TrainRequest<'_>, plan: &SplitPlan) -> Vec<EmbedJob> {
    let of_train = request.recipe.views.all();
    plan.photographs
        .iter()
        .map(|planned| EmbedJob {
            photograph: planned.photograph,
            digest: (!planned.digest.is_empty()).then(|| planned.digest.clone()),
            views: if planned.split == Split::Train {
                of_train.clone()
            } else {
                vec![View::Original]
            },
        })
        .collect()
}

/// Searches, fits and calibrates. The test split is not looked at.
pub fn fit_plan(
    request: &TrainRequest<'_>,
    plan: &SplitPlan,
    embeddings: &Embeddings,
    progress: &mut dyn Progress,
) -> Result<TrainedHead, TrainingError> {
    progress.started("fit");
    let train = SplitRows::of(plan, embeddings, Split::Train, usize::MAX);
    refuse_constant(&train, &request.backbone.name)?;
    let validation = SplitRows::of(plan, embeddings, Split::Val, 1);
    let fitted = fit(
        &FitRequest {
            train: train.view(),
            validation: Some(validation.view()),
            n_classes: plan.classes.len(),
            recipe: request.recipe,
            seed: request.seed,
        },
        progress,
    )?;
    let calibrated = calibrate(
        &predict_logits(&fitted.head, &validation.embeddings),
        &validation.labels,
    );
    let best = fitted
        .trials
        .iter()
        .map(|trial| trial.macro_f1)
        .fold(0.0, f64::max);
    progress.finished(
        "fit",
        &format!(
            "best of {} settings: macro-F1 {best:.3} over {} inner folds; temperature {:.2}, sure from {:.2}",
            fitted.trials.len(),
            fitted.n_inner_folds,
            calibrated.temperature,
            calibrated.confidence_threshold
        ),
    );
    Ok(TrainedHead { fitted, calibrated })
}

/// A backbone that sees no difference between photographs gives a head nothing to learn from.
fn refuse_constant(train: &SplitRows, backbone: &str) -> Result<(), TrainingError> {
    if train.are_all_alike() {
        return Err(TrainingError::Data(format!(
            "the backbone {backbone} gives the same embedding for every training photograph, so there is nothing to learn from; \
             its weights may be broken, or the size, scale, mean or std beside it wrong"
        )));
    }
    Ok(())
}

/// The numbers of one split, photographs of unknown classes included.
pub fn evaluate_split(
    request: &TrainRequest<'_>,
    plan: &SplitPlan,
    embeddings: &Embeddings,
    trained: &TrainedHead,
    split: Split,
) -> SplitScores {
    let originals: HashMap<usize, &Vec<f32>> = embeddings
        .photographs
        .iter()
        .map(|p| (p.photograph, &p.views[0]))
        .collect();
    let (mut planned, mut logits, mut truth, mut groups) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (i, photograph) in plan
        .photographs
        .iter()
        .enumerate()
        .filter(|(_, p)| p.split == split)
    {
        let Some(embedding) = originals.get(&photograph.photograph) else {
            continue;
        };
        planned.push(i);
        logits.push(trained.fitted.head.logits(embedding));
        truth.push(photograph.class.clone());
        groups.push(photograph.group.clone());
    }
    let probabilities = softmax_rows(&logits, trained.calibrated.temperature);
    let input = EvaluationInput {
        probabilities: &probabilities,
        truth: &truth,
        groups: &groups,
        classes: &plan.classes,
    };
    let evaluation = Evaluation::compute(&input, &request.bootstrap());
    SplitScores {
        evaluation,
        planned,
        probabilities,
    }
}

#[derive(Default)]
struct Clock {
    seconds: BTreeMap<String, f64>,
}

impl Clock {
    fn time<T>(&mut self, step: &str, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.seconds
            .insert(step.to_owned(), started.elapsed().as_secs_f64());
        result
    }
}
