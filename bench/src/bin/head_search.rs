//! Head search on 10 000 cached embeddings of width 1792 and 15 classes: seconds and peak memory.
//!
//! `cargo run --release -p fishid-bench --bin head_search`. Goal: under 60 s on 2 cores, under 2 GB.
#![allow(clippy::print_stdout)] // the table is what it is for

use std::time::Instant;

use anyhow::Result;
use fishid_bench::peak_memory_mib;
use fishid_training::{FitRequest, Progress, Recipe, Silent, TrainingRows, fit};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const N: usize = 10_000;
const DIM: usize = 1792;
const N_CLASSES: usize = 15;
const PER_GROUP: usize = 5;

fn main() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let centres: Vec<f32> = (0..N_CLASSES * DIM)
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    let mut embeddings = Vec::with_capacity(N * DIM);
    let mut labels = Vec::with_capacity(N);
    let mut groups = Vec::with_capacity(N);
    for i in 0..N {
        let class = i / PER_GROUP % N_CLASSES;
        // Rectified and mostly noise, as embeddings of a backbone that never saw the classes are.
        embeddings.extend(
            centres[class * DIM..(class + 1) * DIM]
                .iter()
                .map(|centre| (centre * 0.25 + rng.random_range(-2.0_f32..2.0)).max(0.0)),
        );
        labels.push(class);
        groups.push(format!("group {}", i / PER_GROUP));
    }
    let recipe = Recipe::default();
    let request = FitRequest {
        train: TrainingRows {
            dim: DIM,
            embeddings: &embeddings,
            labels: &labels,
            groups: &groups,
            is_original: &vec![true; N],
        },
        validation: None,
        n_classes: N_CLASSES,
        recipe: &recipe,
        seed: 0,
    };
    let started = Instant::now();
    let mut progress: Box<dyn Progress> = Box::new(Silent);
    let fitted = fit(&request, progress.as_mut())?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{N} embeddings of width {DIM}, {N_CLASSES} classes, {} settings, {} inner folds",
        fitted.trials.len(),
        fitted.n_inner_folds
    );
    println!(
        "{seconds:.1} s, peak memory {:.0} MiB",
        peak_memory_mib().unwrap_or(f64::NAN)
    );
    for trial in &fitted.trials {
        println!(
            "  lr {:.0e}  weight decay {:<5}  dropout {:<4}  macro-F1 {:.3} at epoch {} of {}",
            trial.setting.learning_rate,
            trial.setting.weight_decay,
            trial.setting.dropout,
            trial.macro_f1,
            trial.best_epoch,
            trial.n_epochs
        );
    }
    Ok(())
}
