//! The run: epochs over all settings, early stopping, halving, the best snapshot of each.

use std::collections::HashMap;

use super::bank::{Batch, Block, Epoch, Shape, step};
use super::judge::{Judge, Score};
use super::{EpochMetrics, FitRequest, InnerFolds, LinearHead, SearchTrial, TrainingRows};
use crate::progress::Progress;
use crate::recipe::{Recipe, Setting};

/// Everything a run needs beside the embeddings.
pub(super) struct RunPlan<'a> {
    name: &'static str,
    recipe: &'a Recipe,
    shape: Shape,
    settings: Vec<Setting>,
    targets: Vec<f32>,
    weights: Vec<f32>,
    judged: Vec<Option<(usize, usize)>>,
    /// With nothing to judge by, the epoch at which to stop.
    stop_after: usize,
    seed: u64,
}

/// A setting's state at its best epoch.
#[derive(Debug, Clone)]
pub(super) struct Best {
    pub(super) epoch: usize,
    score: Score,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// What became of one setting.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) setting: Setting,
    pub(super) best: Best,
    pub(super) curve: Vec<EpochMetrics>,
    n_members: usize,
    n_epochs: usize,
}

impl<'a> RunPlan<'a> {
    /// All settings, one member per inner fold.
    pub(super) fn search(request: &FitRequest<'a>, folds: &InnerFolds) -> Self {
        let train = &request.train;
        let member_learns = |row: usize, member: usize| folds.held_out_by(row) != Some(member);
        let judged = (0..train.len())
            .map(|row| {
                let fold = folds.held_out_by(row).filter(|_| train.is_original[row]);
                fold.map(|fold| (fold, train.labels[row]))
            })
            .collect();
        let settings = request.recipe.settings();
        Self::new(
            "search",
            request,
            settings,
            folds.len(),
            judged,
            &member_learns,
        )
    }

    /// The chosen setting alone, on all training rows.
    pub(super) fn refit(
        request: &FitRequest<'a>,
        setting: Setting,
        stop_after: usize,
        validation: Option<&TrainingRows<'_>>,
    ) -> Self {
        let judged = match validation {
            Some(rows) => (0..rows.len())
                .map(|row| rows.is_original[row].then_some((0, rows.labels[row])))
                .collect(),
            None => vec![None; request.train.len()],
        };
        let plan = Self::new("fit", request, vec![setting], 1, judged, &|_, _| true);
        let stop_after = if validation.is_some() {
            request.recipe.max_epochs
        } else {
            stop_after
        };
        Self { stop_after, ..plan }
    }

    fn new(
        name: &'static str,
        request: &FitRequest<'a>,
        settings: Vec<Setting>,
        n_members: usize,
        judged: Vec<Option<(usize, usize)>>,
        member_learns: &dyn Fn(usize, usize) -> bool,
    ) -> Self {
        let (train, recipe) = (&request.train, request.recipe);
        let shape = Shape {
            dim: train.dim,
            n_members,
            n_classes: request.n_classes,
        };
        Self {
            name,
            recipe,
            shape,
            settings,
            targets: smoothed_targets(train.labels, request.n_classes, recipe.label_smoothing),
            weights: member_weights(request, n_members, member_learns),
            judged,
            stop_after: recipe.max_epochs,
            seed: request.seed,
        }
    }
}

fn smoothed_targets(labels: &[usize], n_classes: usize, smoothing: f64) -> Vec<f32> {
    let spread = (smoothing / n_classes as f64) as f32;
    let mut targets = vec![spread; labels.len() * n_classes];
    for (row, label) in labels.iter().enumerate() {
        targets[row * n_classes + label] += 1.0 - smoothing as f32;
    }
    targets
}

/// `[rows, members]`: balanced between groups and classes, summing to one over the rows each member learns from.
fn member_weights(
    request: &FitRequest<'_>,
    n_members: usize,
    member_learns: &dyn Fn(usize, usize) -> bool,
) -> Vec<f32> {
    let n = request.train.len();
    let mut weights = vec![0.0_f32; n * n_members];
    for member in 0..n_members {
        let own = row_weights(request, &|row| member_learns(row, member));
        for (row, weight) in own.into_iter().enumerate() {
            weights[row * n_members + member] = weight;
        }
    }
    weights
}

/// Weights of the rows that are learned from, 0 for the others, summing to one. A row weighs
/// (rows of its group)^-a · (weight of its class)^-b with the recipe's exponents a and b.
pub(super) fn row_weights(request: &FitRequest<'_>, learns: &dyn Fn(usize) -> bool) -> Vec<f32> {
    let (train, recipe) = (&request.train, request.recipe);
    let learned: Vec<usize> = (0..train.len()).filter(|row| learns(*row)).collect();
    let mut n_of_group: HashMap<&str, f64> = HashMap::new();
    for row in &learned {
        *n_of_group.entry(&train.groups[*row]).or_default() += 1.0;
    }
    let by_group =
        |row: usize| n_of_group[train.groups[row].as_str()].powf(-recipe.group_balance_exponent);
    let mut of_class = vec![0.0_f64; request.n_classes];
    for row in &learned {
        of_class[train.labels[*row]] += by_group(*row);
    }
    let weight = |row: usize| {
        by_group(row) * of_class[train.labels[row]].powf(-recipe.class_balance_exponent)
    };
    let total: f64 = learned.iter().map(|row| weight(*row)).sum();
    let mut weights = vec![0.0; train.len()];
    for row in learned {
        weights[row] = (weight(row) / total) as f32;
    }
    weights
}

/// Trains every setting of the plan; one outcome per setting, in order.
pub(super) fn run(
    plan: &RunPlan<'_>,
    x: &[f32],
    judged_x: &[f32],
    progress: &mut dyn Progress,
) -> Vec<Outcome> {
    let batch = Batch::new(plan.shape, x, &plan.targets, &plan.weights);
    let judge = Judge::new(judged_x, plan.shape.dim, &plan.judged);
    let mut blocks: Vec<Block> = (0..plan.settings.len())
        .map(|trial| Block::new(trial, plan.settings[trial], plan.shape))
        .collect();
    let mut outcomes: Vec<Outcome> = blocks
        .iter()
        .map(|block| Outcome::new(plan, block))
        .collect();
    let (recipe, n_epochs) = (plan.recipe, plan.stop_after);
    for number in 1..=n_epochs {
        let rate_factor = recipe.schedule.factor(number, recipe.max_epochs);
        let epoch = Epoch {
            number,
            rate_factor,
            seed: plan.seed,
        };
        let losses = step(&mut blocks, &batch, plan.shape, epoch);
        if number % recipe.validate_every_epochs == 0 || number == n_epochs {
            let scores = (!judge.is_empty()).then(|| judge.scores(&blocks, plan.shape));
            for (i, block) in blocks.iter().enumerate() {
                let score = scores.as_ref().map(|scores| scores[i]);
                let may_be_chosen = number >= recipe.min_epochs.min(n_epochs);
                outcomes[block.trial].look(
                    number,
                    losses[i],
                    score,
                    may_be_chosen.then_some(block),
                );
            }
            blocks
                .retain(|block| !outcomes[block.trial].has_stalled(number, recipe.patience_epochs));
        }
        if recipe.halve_after_epochs.contains(&number) && plan.settings.len() > 1 {
            halve(&mut blocks, &outcomes);
        }
        progress.advanced(number, n_epochs, None);
        if blocks.is_empty() {
            break;
        }
    }
    tracing::debug!(run = plan.name, settings = outcomes.len(), "head trained");
    outcomes
}

/// Keeps the better half, in place.
fn halve(blocks: &mut Vec<Block>, outcomes: &[Outcome]) {
    let mut order: Vec<usize> = blocks.iter().map(|block| block.trial).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&outcomes[*a].best.score, &outcomes[*b].best.score);
        b.macro_f1
            .total_cmp(&a.macro_f1)
            .then(a.loss.total_cmp(&b.loss))
    });
    order.truncate(blocks.len().div_ceil(2));
    blocks.retain(|block| order.contains(&block.trial));
}

/// Index of the best outcome.
pub(super) fn best(outcomes: &[Outcome]) -> usize {
    let mut best = 0;
    for (i, outcome) in outcomes.iter().enumerate() {
        if outcome
            .best
            .score
            .is_better_than(&outcomes[best].best.score)
        {
            best = i;
        }
    }
    best
}

impl Outcome {
    fn new(plan: &RunPlan<'_>, block: &Block) -> Self {
        let (weights, bias) = block.snapshot();
        let score = Score {
            macro_f1: f64::NEG_INFINITY,
            accuracy: 0.0,
            loss: f64::INFINITY,
        };
        Self {
            setting: plan.settings[block.trial],
            best: Best {
                epoch: 0,
                score,
                weights,
                bias,
            },
            curve: Vec::new(),
            n_members: plan.shape.n_members,
            n_epochs: 0,
        }
    }

    /// Notes an epoch, and keeps its `block` if it is the best so far; without a score the latest is.
    fn look(&mut self, epoch: usize, train_loss: f64, score: Option<Score>, block: Option<&Block>) {
        self.n_epochs = epoch;
        if let Some(score) = score {
            self.curve.push(EpochMetrics {
                epoch,
                train_loss,
                validation_loss: score.loss,
                validation_accuracy: score.accuracy,
                validation_macro_f1: score.macro_f1,
            });
        }
        if let Some(block) = block
            && score.is_none_or(|score| score.is_better_than(&self.best.score))
        {
            let (weights, bias) = block.snapshot();
            let score = score.unwrap_or(self.best.score);
            self.best = Best {
                epoch,
                score,
                weights,
                bias,
            };
        }
    }

    fn has_stalled(&self, epoch: usize, patience: usize) -> bool {
        self.best.epoch > 0 && epoch - self.best.epoch >= patience
    }

    pub(super) fn trial(&self) -> SearchTrial {
        let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
        SearchTrial {
            setting: self.setting,
            best_epoch: self.best.epoch,
            macro_f1: finite(self.best.score.macro_f1),
            accuracy: self.best.score.accuracy,
            loss: finite(self.best.score.loss),
            n_epochs: self.n_epochs,
        }
    }

    /// The mean of the members' heads at the best epoch, over standardised embeddings.
    pub(super) fn mean_head(&self, n_classes: usize, dim: usize) -> LinearHead {
        let width = self.n_members * n_classes;
        let mean = |class: usize, row: &[f32]| {
            let own = row.iter().skip(class).step_by(n_classes);
            (own.map(|value| f64::from(*value)).sum::<f64>() / self.n_members as f64) as f32
        };
        let mut weights = vec![0.0; n_classes * dim];
        for (i, row) in self.best.weights.chunks_exact(width).enumerate() {
            for class in 0..n_classes {
                weights[class * dim + i] = mean(class, row);
            }
        }
        let bias = (0..n_classes)
            .map(|class| mean(class, &self.best.bias))
            .collect();
        LinearHead {
            n_classes,
            dim,
            weights,
            bias,
        }
    }
}
