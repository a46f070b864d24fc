//! How often does the gate err? Pairs of models are drawn, seeded, whose quality is known.
//!
//! Photographs of one group are alike in difficulty for both models, and each model has luck of its own with a
//! group: that is what makes a bootstrap over photographs too sure. `docs/MODEL_REGISTRY_AUTOMATION.md` quotes
//! the shares that these tests print.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::random;

/// A test set and what the candidate loses.
#[derive(Clone, Copy)]
struct World {
    n_classes: usize,
    groups_per_class: usize,
    photographs_per_group: usize,
    /// Lost by the candidate in every class, as a share of right answers.
    loss: f64,
    /// Lost in the first class beside it.
    loss_of_one_class: f64,
}

const SIMULATIONS: u64 = 300;

/// Right answers of either model on average.
const QUALITY: f64 = 0.75;
/// Spread of a group's difficulty, and of a model's luck with a group, in logits.
const DIFFICULTY: f64 = 1.2;
const LUCK: f64 = 0.8;

fn simulate(world: World, seed: u64) -> Verdict {
    let mut rng = random::stream(seed, "simulation");
    let classes: Vec<String> = (0..world.n_classes)
        .map(|i| format!("class_{i:02}"))
        .collect();
    let mut photographs = Vec::new();
    for (index, truth) in classes.iter().enumerate() {
        for group in 0..world.groups_per_class {
            let difficulty = DIFFICULTY * normal(&mut rng);
            let of_one = if index == 0 {
                world.loss_of_one_class
            } else {
                0.0
            };
            let [candidate, champion] = [world.loss + of_one, 0.0].map(|loss| {
                let luck = LUCK * normal(&mut rng);
                (chance_of_right(difficulty + luck) - loss).max(0.0)
            });
            for _ in 0..world.photographs_per_group {
                let [candidate, champion] = [candidate, champion].map(|right| {
                    let class = if rng.random_bool(right) {
                        truth
                    } else {
                        let other = rng.random_range(1..world.n_classes);
                        &classes[(index + other) % world.n_classes]
                    };
                    GateAnswer {
                        class: class.clone(),
                        confidence: QUALITY,
                    }
                });
                photographs.push(GatePhotograph {
                    group: format!("{truth} {group}"),
                    truth: truth.clone(),
                    candidate,
                    champion,
                });
            }
        }
    }
    let case = Case {
        photographs,
        candidate_classes: classes.clone(),
        champion_classes: classes,
        n_resamples: 300,
        seed,
        ..Case::default()
    };
    case.judge()
}

/// The logit whose mean over the groups' spread is about [`QUALITY`] is the spread's damping above its own.
fn chance_of_right(effect: f64) -> f64 {
    let damping = (1.0 + 0.346 * (DIFFICULTY.powi(2) + LUCK.powi(2))).sqrt();
    let logit = damping * (QUALITY / (1.0 - QUALITY)).ln() + effect;
    1.0 / (1.0 + (-logit).exp())
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Share of the simulated pairs that are refused, and by macro-F1 alone.
fn refused(world: World) -> (f64, f64) {
    let (mut n, mut n_by_macro_f1) = (0, 0);
    for seed in 0..SIMULATIONS {
        let verdict = simulate(world, seed);
        let by = |criterion| {
            verdict
                .findings
                .iter()
                .any(|it| it.criterion == criterion && it.outcome == Outcome::Refused)
        };
        n += usize::from(verdict.decision == Decision::Reject);
        n_by_macro_f1 += usize::from(by(Criterion::MacroF1));
    }
    let share = |n: usize| n as f64 / SIMULATIONS as f64;
    (share(n), share(n_by_macro_f1))
}

#[track_caller]
fn check(name: &str, world: World, wanted: std::ops::RangeInclusive<f64>) {
    let (all, by_macro_f1) = refused(world);
    eprintln!("{name}: refused {all:.3}, by macro-F1 {by_macro_f1:.3}");
    assert!(wanted.contains(&all), "{name}: {all} is not in {wanted:?}");
}

const SMALL: World = World {
    n_classes: 4,
    groups_per_class: 5,
    photographs_per_group: 4,
    loss: 0.0,
    loss_of_one_class: 0.0,
};
const MIDDLE: World = World {
    n_classes: 7,
    groups_per_class: 10,
    ..SMALL
};
const LARGE: World = World {
    n_classes: 15,
    groups_per_class: 20,
    ..SMALL
};

#[test]
fn of_models_of_equal_quality_at_most_one_in_twenty_is_refused() {
    check("equal, 20 groups of 4 classes", SMALL, 0.0..=0.05);
    check("equal, 70 groups of 7 classes", MIDDLE, 0.0..=0.05);
    check("equal, 300 groups of 15 classes", LARGE, 0.0..=0.05);
}

#[test]
fn a_model_that_is_really_worse_is_refused() {
    let worse = |world, loss| World { loss, ..world };
    check("20 points worse, 20 groups", worse(SMALL, 0.2), 0.5..=1.0);
    check("20 points worse, 70 groups", worse(MIDDLE, 0.2), 0.95..=1.0);
    check("10 points worse, 300 groups", worse(LARGE, 0.1), 0.95..=1.0);
}

#[test]
fn a_class_that_is_half_lost_is_refused() {
    let worse = |world, loss_of_one_class| World {
        loss_of_one_class,
        ..world
    };
    check(
        "one of 7 classes lost, 10 groups of it",
        worse(MIDDLE, 0.7),
        0.9..=1.0,
    );
    check(
        "one of 15 classes half lost, 20 groups of it",
        worse(LARGE, 0.4),
        0.9..=1.0,
    );
}
