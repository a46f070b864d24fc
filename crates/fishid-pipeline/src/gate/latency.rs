//! Both models timed here and now, in turns on the same photographs: what else the machine does meanwhile
//! slows both. Bytes to answer, because that is what a request waits for.

use std::time::{Duration, Instant};

use fishid_prediction::{PredictError, Predictor};
use fishid_training::{LatencyPairs, SplitPlan, SplitScores};

use crate::run::PipelineRequest;

/// Pairs that are timed where there is time: the interval of their median then spans from the 14th to the 27th.
const N_PAIRS: usize = 40;
/// Pairs that are timed however long they take.
const LEAST_PAIRS: usize = 12;
/// After this no further pair is started.
const BUDGET: Duration = Duration::from_secs(20);
/// Different photographs, spread over the test split; then they come round again.
const N_PHOTOGRAPHS: usize = 20;
/// Answers before the first that counts: the engine takes its memory and chooses its kernels.
const WARM_UP: usize = 2;

/// Times of candidate and champion, or why there are none.
pub(super) fn measure(
    request: &PipelineRequest<'_>,
    plan: &SplitPlan,
    scores: &SplitScores,
    models: [&Predictor; 2],
) -> anyhow::Result<Result<LatencyPairs, String>> {
    let all = request.train.dataset.photographs();
    let step = scores.planned.len().div_ceil(N_PHOTOGRAPHS).max(1);
    let mut photographs = Vec::new();
    for planned in scores.planned.iter().step_by(step) {
        let photograph = &all[plan.photographs[*planned].photograph];
        photographs.push(request.train.dataset.read(photograph)?);
    }
    Ok(in_turns(models, &photographs)
        .map_err(|error| format!("Latency: a test photograph could not be timed: {error}")))
}

fn in_turns(
    [candidate, champion]: [&Predictor; 2],
    photographs: &[impl AsRef<[u8]>],
) -> Result<LatencyPairs, PredictError> {
    let mut pairs = LatencyPairs::default();
    let Some(first) = photographs.first() else {
        return Ok(pairs);
    };
    for _ in 0..WARM_UP {
        milliseconds(candidate, first.as_ref())?;
        milliseconds(champion, first.as_ref())?;
    }
    let started = Instant::now();
    for (turn, photograph) in photographs.iter().cycle().take(N_PAIRS).enumerate() {
        if turn >= LEAST_PAIRS && started.elapsed() > BUDGET {
            break;
        }
        let photograph = photograph.as_ref();
        // Who goes first finds the photograph cold.
        let pair = if turn % 2 == 0 {
            let of_candidate = milliseconds(candidate, photograph)?;
            (of_candidate, milliseconds(champion, photograph)?)
        } else {
            let of_champion = milliseconds(champion, photograph)?;
            (milliseconds(candidate, photograph)?, of_champion)
        };
        pairs.milliseconds.push(pair);
    }
    Ok(pairs)
}

fn milliseconds(model: &Predictor, photograph: &[u8]) -> Result<f64, PredictError> {
    let started = Instant::now();
    model.predict(photograph)?;
    Ok(started.elapsed().as_secs_f64() * 1e3)
}
