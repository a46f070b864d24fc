//! Both models timed here and now, in turns on the same photographs: what else the machine does meanwhile
//! slows both. Bytes to answer, because that is what a request waits for.
//!
//! One and the same network, loaded twice, was up to 20 % faster or slower for as long as it stayed loaded. Both
//! are therefore loaded anew in every round, and a round is one observation.

use std::path::Path;
use std::time::{Duration, Instant};

use fishid_engine::EngineOptions;
use fishid_prediction::{PredictError, Predictor};
use fishid_training::{LatencyRounds, SplitPlan};

use crate::run::PipelineRequest;

/// The fewest that make an interval of 95 %.
const N_ROUNDS: usize = 6;
/// Photographs timed in each round where there is time, and however long they take.
const N_PAIRS: usize = 8;
const LEAST_PAIRS: usize = 3;
/// A round's share of the time. After it no further photograph of the round is started.
const BUDGET_OF_A_ROUND: Duration = Duration::from_secs(4);
/// Answers before the first that counts: the engine takes its memory and chooses its kernels.
const WARM_UP: usize = 2;

/// Times of candidate and champion, given by their bundles' folders, on photographs of the plan that both answer; or
/// why there are none.
pub(super) fn measure(
    request: &PipelineRequest<'_>,
    plan: &SplitPlan,
    answered: &[usize],
    models: [&Path; 2],
) -> anyhow::Result<Result<LatencyRounds, String>> {
    let all = request.train.dataset.photographs();
    // Spread over what both models answer of the test split, the same in every round.
    let step = answered.len().div_ceil(N_PAIRS).max(1);
    let mut photographs = Vec::new();
    for planned in answered.iter().step_by(step) {
        let photograph = &all[plan.photographs[*planned].photograph];
        photographs.push(request.train.dataset.read(photograph)?);
    }
    let rounds: Result<Vec<_>, PredictError> = (0..N_ROUNDS)
        .map(|number| round(number, models, &photographs))
        .collect();
    Ok(rounds
        .map(|rounds| LatencyRounds { rounds })
        .map_err(|error| format!("Latency: the models could not be timed: {error}")))
}

fn round(
    number: usize,
    [candidate, champion]: [&Path; 2],
    photographs: &[impl AsRef<[u8]>],
) -> Result<Vec<(f64, f64)>, PredictError> {
    let open = |folder: &Path| Predictor::open(folder, &EngineOptions::default());
    // Who is loaded first may get the better memory, and who answers first finds the photograph cold.
    let (candidate, champion) = if number.is_multiple_of(2) {
        let candidate = open(candidate)?;
        (candidate, open(champion)?)
    } else {
        let champion = open(champion)?;
        (open(candidate)?, champion)
    };
    let mut pairs = Vec::new();
    let Some(first) = photographs.first() else {
        return Ok(pairs);
    };
    for _ in 0..WARM_UP {
        milliseconds(&candidate, first.as_ref())?;
        milliseconds(&champion, first.as_ref())?;
    }
    let started = Instant::now();
    for (turn, photograph) in photographs.iter().cycle().take(N_PAIRS).enumerate() {
        if turn >= LEAST_PAIRS && started.elapsed() > BUDGET_OF_A_ROUND {
            break;
        }
        let photograph = photograph.as_ref();
        let pair = if turn.is_multiple_of(2) {
            let of_candidate = milliseconds(&candidate, photograph)?;
            (of_candidate, milliseconds(&champion, photograph)?)
        } else {
            let of_champion = milliseconds(&champion, photograph)?;
            (milliseconds(&candidate, photograph)?, of_champion)
        };
        pairs.push(pair);
    }
    Ok(pairs)
}

fn milliseconds(model: &Predictor, photograph: &[u8]) -> Result<f64, PredictError> {
    let started = Instant::now();
    model.predict(photograph)?;
    Ok(started.elapsed().as_secs_f64() * 1e3)
}
