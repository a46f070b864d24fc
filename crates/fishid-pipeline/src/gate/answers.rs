//! What candidate and champion say of the candidate's test photographs.

use fishid_prediction::{PredictError, Predictor};
use fishid_training::{GateAnswer, GatePhotograph, SplitAnswers, SplitPlan, SplitScores};

use crate::run::PipelineRequest;

/// Test photographs with both answers.
pub(super) struct Answered {
    pub photographs: Vec<GatePhotograph>,
    /// Their places in the plan.
    pub planned: Vec<usize>,
    /// Photographs that the champion refuses, such as those too small for it.
    pub n_unanswered: usize,
}

/// The candidate's answers are those of its evaluation, which the assembled graph was compared with; the champion
/// answers here. The inner error is the champion's: it cannot be run at all.
pub(super) fn answer(
    request: &PipelineRequest<'_>,
    plan: &SplitPlan,
    scores: &SplitScores,
    champion: &Predictor,
) -> anyhow::Result<Result<Answered, PredictError>> {
    let all = request.train.dataset.photographs();
    let mut answered = Answered {
        photographs: Vec::with_capacity(scores.planned.len()),
        planned: Vec::with_capacity(scores.planned.len()),
        n_unanswered: 0,
    };
    for (&index, probabilities) in scores.planned.iter().zip(&scores.probabilities) {
        let planned = &plan.photographs[index];
        let bytes = request.train.dataset.read(&all[planned.photograph])?;
        let said = match champion.predict(&bytes) {
            Ok(said) => said,
            Err(PredictError::Photo(error)) => {
                tracing::warn!(path = %planned.path, %error, "the champion cannot answer a test photograph");
                answered.n_unanswered += 1;
                continue;
            }
            Err(error) => return Ok(Err(error)),
        };
        answered.planned.push(index);
        answered.photographs.push(GatePhotograph {
            group: planned.group.clone(),
            truth: planned.class.clone(),
            candidate: likeliest(plan, probabilities),
            champion: GateAnswer {
                class: champion.names().slug(said.top()).to_owned(),
                confidence: f64::from(said.confidence()),
            },
        });
    }
    Ok(Ok(answered))
}

/// The candidate's own answers on one split.
pub(super) fn of_split(plan: &SplitPlan, scores: &SplitScores) -> SplitAnswers {
    let mut answers = SplitAnswers::default();
    for (planned, probabilities) in scores.planned.iter().zip(&scores.probabilities) {
        let planned = &plan.photographs[*planned];
        answers.groups.push(planned.group.clone());
        answers.truth.push(planned.class.clone());
        answers.answers.push(likeliest(plan, probabilities).class);
    }
    answers
}

/// The first of equals, as everywhere.
fn likeliest(plan: &SplitPlan, probabilities: &[f32]) -> GateAnswer {
    let mut best = 0;
    for (class, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = class;
        }
    }
    GateAnswer {
        class: plan.classes.get(best).cloned().unwrap_or_default(),
        confidence: probabilities.get(best).copied().map_or(0.0, f64::from),
    }
}
