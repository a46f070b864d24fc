#![allow(clippy::unwrap_used)]

use rand::RngExt;

use super::{FitRequest, Fitted, TrainingRows, fit, predict_logits};
use crate::evaluation::argmax;
use crate::progress::Silent;
use crate::random;
use crate::recipe::{FinalHead, Recipe};

/// Clusters of unlike scale, one per class, eight photographs per group, the second of each pair a
/// disturbed view of the first.
struct Toy {
    embeddings: Vec<f32>,
    labels: Vec<usize>,
    groups: Vec<String>,
    is_original: Vec<bool>,
}

const DIM: usize = 12;

fn toy(n: usize, n_classes: usize, seed: u64) -> Toy {
    let mut rng = random::stream(seed, "toy");
    let mut toy = Toy {
        embeddings: Vec::new(),
        labels: Vec::new(),
        groups: Vec::new(),
        is_original: Vec::new(),
    };
    for i in 0..n {
        let class = i / 2 % n_classes;
        for d in 0..DIM {
            let centre = if d % n_classes == class { 1.0 } else { 0.0 };
            let noise: f32 = rng.random_range(-0.45..0.45);
            toy.embeddings
                .push((centre + noise) * 10_f32.powi(d as i32 % 4) + 5.0);
        }
        toy.labels.push(class);
        toy.groups.push(format!("{class}-{}", i / 8));
        toy.is_original.push(i % 2 == 0);
    }
    toy
}

impl Toy {
    fn rows(&self) -> TrainingRows<'_> {
        TrainingRows {
            dim: DIM,
            embeddings: &self.embeddings,
            labels: &self.labels,
            groups: &self.groups,
            is_original: &self.is_original,
        }
    }
}

fn quick(final_head: FinalHead) -> Recipe {
    Recipe {
        learning_rates: vec![1e-2, 5e-2],
        weight_decays: vec![0.01],
        dropouts: vec![0.0, 0.3],
        final_head,
        min_epochs: 4,
        validate_every_epochs: 2,
        ..Recipe::default()
    }
}

fn check(recipe: &Recipe, validation: Option<&Toy>, seed: u64) -> Fitted {
    let train = toy(240, 3, 1);
    fit(
        &FitRequest {
            train: train.rows(),
            validation: validation.map(Toy::rows),
            n_classes: 3,
            recipe,
            seed,
        },
        &mut Silent,
    )
    .unwrap()
}

fn accuracy(fitted: &Fitted, unseen: &Toy) -> f64 {
    let logits = predict_logits(&fitted.head, &unseen.embeddings);
    let right = logits
        .iter()
        .zip(&unseen.labels)
        .filter(|(row, label)| argmax(row) == **label)
        .count();
    right as f64 / logits.len() as f64
}

#[test]
fn the_head_learns_to_tell_unseen_rows_apart() {
    let unseen = toy(300, 3, 2);
    for final_head in [FinalHead::FoldAverage, FinalHead::Refit] {
        let fitted = check(&quick(final_head), Some(&toy(90, 3, 3)), 0);
        assert!(
            accuracy(&fitted, &unseen) > 0.97,
            "{final_head:?}: {}",
            accuracy(&fitted, &unseen)
        );
        assert_eq!(fitted.trials.len(), 4);
        assert!(!fitted.curve.is_empty());
    }
}

#[test]
fn the_same_seed_gives_the_same_head_to_the_last_bit() {
    let recipe = quick(FinalHead::FoldAverage);
    assert_eq!(check(&recipe, None, 5), check(&recipe, None, 5));
    assert_ne!(check(&recipe, None, 5).head, check(&recipe, None, 6).head);
}

#[test]
fn a_refit_without_validation_stops_at_the_epoch_the_folds_chose() {
    let fitted = check(&quick(FinalHead::Refit), None, 0);
    let chosen = fitted
        .trials
        .iter()
        .find(|trial| trial.setting == fitted.setting)
        .unwrap();
    assert_eq!(fitted.best_epoch, chosen.best_epoch);
}

#[test]
fn early_stopping_ends_a_setting_that_no_longer_improves() {
    let recipe = Recipe {
        max_epochs: 200,
        patience_epochs: 6,
        halve_after_epochs: vec![],
        ..quick(FinalHead::FoldAverage)
    };
    let fitted = check(&recipe, None, 0);
    assert!(
        fitted.trials.iter().any(|trial| trial.n_epochs < 200),
        "{:?}",
        fitted.trials
    );
}

#[test]
fn halving_gives_the_worse_settings_fewer_epochs() {
    let recipe = Recipe {
        max_epochs: 20,
        patience_epochs: 100,
        halve_after_epochs: vec![8],
        ..quick(FinalHead::FoldAverage)
    };
    let mut epochs: Vec<usize> = check(&recipe, None, 0)
        .trials
        .iter()
        .map(|trial| trial.n_epochs)
        .collect();
    epochs.sort_unstable();
    assert_eq!(epochs, [8, 8, 20, 20]);
}

#[test]
fn a_training_split_of_one_class_is_refused_in_words() {
    let train = toy(40, 1, 1);
    let recipe = quick(FinalHead::FoldAverage);
    let request = FitRequest {
        train: train.rows(),
        validation: None,
        n_classes: 3,
        recipe: &recipe,
        seed: 0,
    };
    let error = fit(&request, &mut Silent).unwrap_err().to_string();
    assert!(error.contains("at least 2 are needed"), "{error}");
}

#[test]
fn an_embedding_that_is_not_a_number_is_refused_by_row() {
    let mut train = toy(40, 2, 1);
    train.embeddings[7 * DIM] = f32::NAN;
    let recipe = quick(FinalHead::FoldAverage);
    let request = FitRequest {
        train: train.rows(),
        validation: None,
        n_classes: 2,
        recipe: &recipe,
        seed: 0,
    };
    let error = fit(&request, &mut Silent).unwrap_err().to_string();
    assert!(error.contains("embedding 7"), "{error}");
}

#[test]
fn a_rare_class_is_not_drowned_when_classes_are_balanced() {
    let mut train = toy(240, 2, 1);
    // Keep all of class 0, a tenth of class 1, and bring the classes closer together.
    let kept: Vec<usize> = (0..240)
        .filter(|i| train.labels[*i] == 0 || i % 20 >= 18)
        .collect();
    train.labels = kept.iter().map(|i| train.labels[*i]).collect();
    train.embeddings = kept
        .iter()
        .flat_map(|i| train.embeddings[i * DIM..(i + 1) * DIM].to_vec())
        .collect();
    train.groups = kept.iter().map(|i| train.groups[*i].clone()).collect();
    train.is_original = kept.iter().map(|i| train.is_original[*i]).collect();
    let recall = |exponent: f64| {
        let recipe = Recipe {
            class_balance_exponent: exponent,
            learning_rates: vec![1e-3],
            dropouts: vec![0.0],
            max_epochs: 6,
            ..quick(FinalHead::FoldAverage)
        };
        let request = FitRequest {
            train: train.rows(),
            validation: None,
            n_classes: 2,
            recipe: &recipe,
            seed: 0,
        };
        let fitted = fit(&request, &mut Silent).unwrap();
        let unseen = toy(200, 2, 9);
        let logits = predict_logits(&fitted.head, &unseen.embeddings);
        let of_rare = logits
            .iter()
            .zip(&unseen.labels)
            .filter(|(_, label)| **label == 1);
        of_rare.filter(|(row, _)| argmax(row) == 1).count()
    };
    assert!(recall(1.0) >= recall(0.0));
    assert!(recall(1.0) > 90);
}
