//! Measures plans on this machine and chooses among them. The photographs are noise: how long a graph takes does
//! not depend on what is to be seen.
//!
//! Whether a plan still answers as it should is not measured here but on a bundle's golden photographs.

use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::lanes::Lanes;
use crate::model::ModelSource;
use crate::{EngineError, EngineOptions, Plan};

/// The fewest runs a median is taken of.
const LEAST_RUNS: usize = 3;
/// Turns that each of the plans compared gets.
const ROUNDS: u32 = 5;
/// A plan of more streams or larger batches must give so much more photographs per second to be worth the wait.
const WORTH_IT: f64 = 1.05;

/// What a plan gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The plan.
    pub plan: Plan,
    /// One photograph at a time, median milliseconds.
    pub latency_ms: f64,
    /// All streams busy, full batches.
    pub photographs_per_second: f64,
}

/// What the plan is to be good at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// The shortest time for one photograph alone.
    #[default]
    Latency,
    /// The most photographs per second.
    Throughput,
}

impl std::str::FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "latency" => Ok(Self::Latency),
            "throughput" => Ok(Self::Throughput),
            _ => Err(format!("`{text}` is neither latency nor throughput")),
        }
    }
}

/// The best of these for the goal. For latency, plans within 2 % of the fastest are told apart by their throughput.
pub fn best(measured: &[Measurement], goal: Goal) -> Option<&Measurement> {
    let by_rate = |a: &&Measurement, b: &&Measurement| {
        let (a, b) = (a.photographs_per_second, b.photographs_per_second);
        a.total_cmp(&b)
    };
    match goal {
        Goal::Throughput => {
            let fastest = measured.iter().max_by(by_rate)?;
            // Plans that wait less are preferred among those that are as good.
            let good = measured.iter().filter(|found| {
                found.photographs_per_second * WORTH_IT >= fastest.photographs_per_second
            });
            good.min_by(|a, b| {
                let wait = |found: &Measurement| found.plan.batch as f64 * found.latency_ms;
                wait(a).total_cmp(&wait(b))
            })
        }
        Goal::Latency => {
            let fastest = measured
                .iter()
                .map(|found| found.latency_ms)
                .min_by(f64::total_cmp)?;
            let good = measured
                .iter()
                .filter(|found| found.latency_ms <= fastest * 1.02);
            // A batch does not change the time of one photograph alone; it must pay to be chosen.
            let alone = good.clone().filter(|found| found.plan.batch == 1);
            let (batched, alone) = (good.max_by(by_rate)?, alone.max_by(by_rate));
            match alone {
                Some(alone)
                    if alone.photographs_per_second * WORTH_IT
                        >= batched.photographs_per_second =>
                {
                    Some(alone)
                }
                _ => Some(batched),
            }
        }
    }
}

/// Measures one plan for about `budget`, loading not counted, never less than three runs.
///
/// # Errors
/// The graph cannot be loaded or run so.
pub fn measure(
    source: &ModelSource<'_>,
    plan: &Plan,
    options: &EngineOptions,
    budget: Duration,
) -> Result<Measurement, EngineError> {
    let round = Loaded::new(source, plan, options)?.round(budget)?;
    Ok(round.of(plan))
}

/// Measures plans that are to be compared, for about `budget` each: all are loaded, and go by turns. A machine that
/// grows faster or slower meanwhile does so for all of them. Medians of the rounds.
///
/// # Errors
/// As [`measure`].
pub fn measure_by_turns(
    source: &ModelSource<'_>,
    plans: &[(Plan, EngineOptions)],
    budget: Duration,
) -> Result<Vec<Measurement>, EngineError> {
    let loaded = plans
        .iter()
        .map(|(plan, options)| Loaded::new(source, plan, options))
        .collect::<Result<Vec<_>, _>>()?;
    let mut rounds = vec![Vec::new(); loaded.len()];
    for _ in 0..ROUNDS {
        for (loaded, rounds) in loaded.iter().zip(&mut rounds) {
            rounds.push(loaded.round(budget / ROUNDS)?);
        }
    }
    let of_each = loaded.iter().zip(rounds).map(|(loaded, rounds)| {
        let each = |of: fn(&Round) -> f64| median(rounds.iter().map(of).collect());
        Round {
            latency_ms: each(|round| round.latency_ms),
            photographs_per_second: each(|round| round.photographs_per_second),
        }
        .of(loaded.plan)
    });
    Ok(of_each.collect())
}

/// What a plan gave in one turn.
#[derive(Debug, Clone, Copy)]
struct Round {
    latency_ms: f64,
    photographs_per_second: f64,
}

impl Round {
    fn of(self, plan: &Plan) -> Measurement {
        Measurement {
            plan: plan.clone(),
            latency_ms: self.latency_ms,
            photographs_per_second: self.photographs_per_second,
        }
    }
}

/// A plan's sessions, each run once, and what to run them on.
struct Loaded<'a> {
    plan: &'a Plan,
    lanes: Lanes,
    pixels: Vec<u8>,
    wanted: Option<String>,
}

impl<'a> Loaded<'a> {
    fn new(
        source: &ModelSource<'_>,
        plan: &'a Plan,
        options: &EngineOptions,
    ) -> Result<Self, EngineError> {
        let (lanes, facts) = Lanes::load(source, options, plan.streams, plan.batch)?;
        let loaded = Self {
            plan,
            lanes,
            pixels: noise(facts.height * facts.width * 3 * plan.batch),
            wanted: facts.output_names.into_iter().next(),
        };
        loaded.run(1)?;
        if plan.batch > 1 {
            // Full batches are another session.
            loaded.run(plan.batch)?;
        }
        Ok(loaded)
    }

    fn run(&self, n: usize) -> Result<(), EngineError> {
        let pixels = &self.pixels[..self.pixels.len() / self.plan.batch * n];
        let wanted: Vec<&str> = self.wanted.iter().map(String::as_str).collect();
        self.lanes.run(pixels, n, &wanted).map(drop)
    }

    fn round(&self, budget: Duration) -> Result<Round, EngineError> {
        let half = budget / 2;
        let latency_ms = median(run_for(half, || self.run(1))?) * 1e3;
        let photographs_per_second = if self.plan.streams == 1 && self.plan.batch == 1 {
            1e3 / latency_ms
        } else {
            self.rate(half)?
        };
        Ok(Round {
            latency_ms,
            photographs_per_second,
        })
    }

    fn rate(&self, budget: Duration) -> Result<f64, EngineError> {
        let started = Instant::now();
        let counts = thread::scope(|scope| {
            let busy = || run_for(budget, || self.run(self.plan.batch));
            let workers: Vec<_> = (0..self.plan.streams).map(|_| scope.spawn(busy)).collect();
            let joined = workers.into_iter().map(|worker| {
                let ended = worker.join();
                ended.unwrap_or_else(|_| {
                    let reason = "a measuring thread panicked".to_owned();
                    Err(EngineError::Inference { reason })
                })
            });
            joined.collect::<Result<Vec<_>, _>>()
        })?;
        let n_runs: usize = counts.iter().map(Vec::len).sum();
        Ok((n_runs * self.plan.batch) as f64 / started.elapsed().as_secs_f64())
    }
}

/// The seconds of each run.
fn run_for(
    budget: Duration,
    mut run: impl FnMut() -> Result<(), EngineError>,
) -> Result<Vec<f64>, EngineError> {
    let started = Instant::now();
    let mut seconds = Vec::new();
    while seconds.len() < LEAST_RUNS || started.elapsed() < budget {
        let began = Instant::now();
        run()?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    Ok(seconds)
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Bytes without a pattern (a linear congruential generator, constants of Knuth's MMIX).
fn noise(n_bytes: usize) -> Vec<u8> {
    let mut state: u64 = 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..n_bytes).map(|_| next()).collect()
}
