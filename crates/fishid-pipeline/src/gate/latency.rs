//! Both models timed here and now, in turns on the same photographs: what else the machine does meanwhile
//! slows both. Bytes to answer, because that is what a request waits for.
//!
//! One and the same network, loaded twice, was up to 20 % faster or slower for as long as it stayed loaded. Both
//! are therefore loaded anew in every round, and a round is one observation. A neighbour that takes the processor for
//! minutes can still slow one of them in all of a few rounds: what these would refuse is timed again.

use std::path::Path;
use std::time::{Duration, Instant};

use fishid_engine::EngineOptions;
use fishid_prediction::{PredictError, Predictor};
use fishid_training::{GateLimits, LatencyRounds, SplitPlan};

use crate::run::PipelineRequest;

/// The fewest that make an interval of 95 %.
const N_ROUNDS: usize = 6;
/// Rounds that decide where the first would refuse.
const N_ROUNDS_AGAIN: usize = 12;
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
    let timed = confirmed(request.gate, |n_rounds| {
        let rounds = (0..n_rounds).map(|number| round(number, models, &photographs));
        let rounds: Result<Vec<_>, PredictError> = rounds.collect();
        Ok(LatencyRounds { rounds: rounds? })
    });
    Ok(timed
        .map_err(|error: PredictError| format!("Latency: the models could not be timed: {error}")))
}

/// The usual rounds; where these would refuse the candidate, new and more ones, which then decide alone: taken together
/// with the first they would still carry what disturbed those.
fn confirmed<E>(
    limits: &GateLimits,
    mut time: impl FnMut(usize) -> Result<LatencyRounds, E>,
) -> Result<LatencyRounds, E> {
    let first = time(N_ROUNDS)?;
    if !first.are_refused_by(limits) {
        return Ok(first);
    }
    tracing::info!("the candidate seems slower than the gate allows, both models are timed again");
    time(N_ROUNDS_AGAIN)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::convert::Infallible;

    /// Each measurement finds the candidate so many times as slow; gives the rounds that decide and how many
    /// measurements there were.
    fn decide(ratios: &[f64]) -> (LatencyRounds, usize) {
        let mut left = ratios.iter();
        let timed = confirmed::<Infallible>(&GateLimits::default(), |n_rounds| {
            let ratio = left.next().unwrap();
            Ok(LatencyRounds {
                rounds: vec![vec![(10.0 * ratio, 10.0); 3]; n_rounds],
            })
        });
        (timed.unwrap(), ratios.len() - left.len())
    }

    #[test]
    fn what_is_within_the_limit_is_timed_once() {
        let (timed, n_measurements) = decide(&[1.0, 9.0]);
        assert_eq!((timed.rounds.len(), n_measurements), (N_ROUNDS, 1));
    }

    #[test]
    fn a_disturbed_measurement_does_not_refuse() {
        let (timed, n_measurements) = decide(&[1.9, 1.0]);
        assert_eq!((timed.rounds.len(), n_measurements), (N_ROUNDS_AGAIN, 2));
        assert!(!timed.are_refused_by(&GateLimits::default()));
    }

    #[test]
    fn what_is_slow_again_is_refused() {
        let (timed, n_measurements) = decide(&[1.9, 1.9]);
        assert_eq!(n_measurements, 2);
        assert!(timed.are_refused_by(&GateLimits::default()));
    }
}
