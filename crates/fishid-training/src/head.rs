//! The head: one linear layer from embedding to logits, trained in Burn, averaged with a discriminant.
//!
//! Knows embeddings, labels and groups; neither photographs nor files. Start at [`fit`]: standardise,
//! search the settings on inner folds by group, refit the best, add the companion, fold it all into one layer.

mod bank;
mod folds;
mod judge;
mod lda;
mod linear;
mod search;
mod standardise;

use serde::{Deserialize, Serialize};

pub use linear::{LinearHead, predict_logits, softmax_rows};

use self::folds::InnerFolds;
use self::search::{Outcome, RunPlan};
use self::standardise::Standardisation;
use crate::error::TrainingError;
use crate::progress::Progress;
use crate::recipe::{FinalHead, Recipe, Setting};

/// Embeddings with what is known of each; all slices have one entry per row.
#[derive(Debug, Clone, Copy)]
pub struct TrainingRows<'a> {
    /// Width of an embedding.
    pub dim: usize,
    /// Row-major, `labels.len()` rows of `dim` values.
    pub embeddings: &'a [f32],
    /// Class index of each row.
    pub labels: &'a [usize],
    /// Group of each row; rows of one group never stand on both sides of a fold.
    pub groups: &'a [String],
    /// Whether the row is an unaltered photograph. Augmented rows are learned from, never judged by.
    pub is_original: &'a [bool],
}

impl TrainingRows<'_> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// What a head is fitted to.
#[derive(Debug, Clone, Copy)]
pub struct FitRequest<'a> {
    /// Rows to learn from; the search splits them by group again.
    pub train: TrainingRows<'a>,
    /// Rows to stop by when the recipe refits; never learned from.
    pub validation: Option<TrainingRows<'a>>,
    /// Number of classes; labels are below it.
    pub n_classes: usize,
    /// The numbers.
    pub recipe: &'a Recipe,
    /// Seed of folds and dropout.
    pub seed: u64,
}

/// One epoch at which validation was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// From 1.
    pub epoch: usize,
    /// Weighted, smoothed cross-entropy over the training rows, with dropout.
    pub train_loss: f64,
    /// Cross-entropy over the rows held out.
    pub validation_loss: f64,
    /// Accuracy over the rows held out.
    pub validation_accuracy: f64,
    /// Macro-F1 over the rows held out.
    pub validation_macro_f1: f64,
}

/// How one setting of the search did on the inner folds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SearchTrial {
    /// The setting.
    #[serde(flatten)]
    pub setting: Setting,
    /// Its best epoch.
    pub best_epoch: usize,
    /// Macro-F1 there, over the photographs of all inner folds.
    pub macro_f1: f64,
    /// Accuracy there.
    pub accuracy: f64,
    /// Cross-entropy there.
    pub loss: f64,
    /// Epochs it was given before it stopped or lost its place.
    pub n_epochs: usize,
}

/// A fitted head and how it came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// The head, standardisation folded in: it takes raw embeddings.
    pub head: LinearHead,
    /// The chosen setting.
    pub setting: Setting,
    /// The epoch it stands at.
    pub best_epoch: usize,
    /// Shrinkage of the linear discriminant averaged into it; `None` where there is none.
    pub lda_shrinkage: Option<f64>,
    /// Every setting tried, in the order of the recipe; none where the data are too small to choose by.
    pub trials: Vec<SearchTrial>,
    /// Metrics by epoch of the run that gave the head.
    pub curve: Vec<EpochMetrics>,
    /// Inner folds of the search; 0 without one.
    pub n_inner_folds: usize,
}

/// Searches and fits. Deterministic for a seed on one machine.
///
/// # Errors
/// [`TrainingError::Setting`] for a recipe out of range, [`TrainingError::Data`] for rows that do not
/// allow training (fewer than two classes, shapes that disagree).
pub fn fit(request: &FitRequest<'_>, progress: &mut dyn Progress) -> Result<Fitted, TrainingError> {
    request.recipe.validate()?;
    check_rows(request)?;
    let train = &request.train;
    let folds = InnerFolds::new(
        train,
        request.n_classes,
        request.recipe.n_inner_folds,
        request.seed,
    );
    let standardisation = Standardisation::of(train, request.recipe.least_deviation);
    let x = standardisation.apply(train);
    let searched = if folds.can_choose() {
        search(request, &folds, &x, progress)
    } else {
        Searched::small(request)
    };
    let chosen = searched.chosen.as_ref();
    let winner = match (request.recipe.final_head, chosen) {
        (FinalHead::FoldAverage, Some(chosen)) => chosen.clone(),
        _ => refit(request, &standardisation, &x, &searched, progress),
    };
    let mut head = winner.mean_head(request.n_classes, train.dim);
    if let Some(shrinkage) = searched.lda_shrinkage {
        let weights = search::row_weights(request, &|_| true);
        let companion = lda::discriminant(
            &x,
            train.labels,
            &weights,
            [request.n_classes, train.dim],
            shrinkage,
        );
        head = lda::averaged(&head, &companion, &x, request.recipe.lda_share);
    }
    // Without validation rows a refit is judged by nothing; the curve on the inner folds says more than none.
    let curve = match chosen {
        Some(chosen) if winner.curve.is_empty() => chosen.curve.clone(),
        _ => winner.curve,
    };
    Ok(Fitted {
        head: standardisation.fold_into(&head),
        setting: winner.setting,
        best_epoch: winner.best.epoch,
        lda_shrinkage: searched.lda_shrinkage,
        trials: searched.trials,
        curve,
        n_inner_folds: if folds.can_choose() { folds.len() } else { 0 },
    })
}

/// What the inner folds chose, or the recipe for small data.
struct Searched {
    setting: Setting,
    stop_after: usize,
    trials: Vec<SearchTrial>,
    chosen: Option<Outcome>,
    lda_shrinkage: Option<f64>,
}

impl Searched {
    fn small(request: &FitRequest<'_>) -> Self {
        let small = request.recipe.small_data;
        Self {
            setting: Setting {
                learning_rate: small.learning_rate,
                weight_decay: small.weight_decay,
                dropout: 0.0,
            },
            stop_after: request.recipe.max_epochs,
            trials: Vec::new(),
            chosen: None,
            lda_shrinkage: request.recipe.lda_shrinkage.map(|_| small.lda_shrinkage),
        }
    }
}

fn search(
    request: &FitRequest<'_>,
    folds: &InnerFolds,
    x: &[f32],
    progress: &mut dyn Progress,
) -> Searched {
    let mut outcomes = search::run(&RunPlan::search(request, folds), x, x, progress);
    let trials = outcomes.iter().map(Outcome::trial).collect();
    let chosen = outcomes.swap_remove(search::best(&outcomes));
    Searched {
        setting: chosen.setting,
        stop_after: chosen.best.epoch,
        trials,
        chosen: Some(chosen),
        lda_shrinkage: request.recipe.lda_shrinkage,
    }
}

fn refit(
    request: &FitRequest<'_>,
    standardisation: &Standardisation,
    x: &[f32],
    searched: &Searched,
    progress: &mut dyn Progress,
) -> Outcome {
    let validation = request.validation.filter(|rows| !rows.is_empty());
    let judged = validation.map(|rows| standardisation.apply(&rows));
    let plan = RunPlan::refit(
        request,
        searched.setting,
        searched.stop_after,
        validation.as_ref(),
    );
    let mut outcomes = search::run(&plan, x, judged.as_deref().unwrap_or(x), progress);
    outcomes.swap_remove(0)
}

fn check_rows(request: &FitRequest<'_>) -> Result<(), TrainingError> {
    let data = |text: String| Err(TrainingError::Data(text));
    for rows in std::iter::once(&request.train).chain(request.validation.as_ref()) {
        let n = rows.len();
        let agrees = rows.embeddings.len() == n * rows.dim
            && rows.groups.len() == n
            && rows.is_original.len() == n
            && rows.dim == request.train.dim
            && rows.dim > 0;
        if !agrees {
            return data(format!(
                "{n} labels do not fit {} embedding values of width {}",
                rows.embeddings.len(),
                rows.dim
            ));
        }
        if let Some(label) = rows
            .labels
            .iter()
            .find(|label| **label >= request.n_classes)
        {
            return data(format!(
                "label {label} is not below the number of classes, {}",
                request.n_classes
            ));
        }
        if let Some(row) = rows.embeddings.iter().position(|value| !value.is_finite()) {
            return data(format!(
                "embedding {} holds a value that is not a number",
                row / rows.dim
            ));
        }
    }
    let mut present: Vec<usize> = request.train.labels.to_vec();
    present.sort_unstable();
    present.dedup();
    if present.len() < 2 {
        return data(format!(
            "the training split holds photographs of {} class; at least 2 are needed to tell them apart",
            present.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
