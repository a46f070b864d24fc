//! The gate's evidence: the candidate proves itself in the real engine, and both models answer the same test
//! photographs, each through its own preprocessing. The decision itself is the training room's.

mod answers;
pub(crate) mod decision;
mod latency;

use fishid_bundle::Bundle;
use fishid_engine::EngineOptions;
use fishid_prediction::{GOLDEN_TOLERANCE, PredictError, Predictor};
use fishid_training::{
    Against, CandidateEvidence, ChampionEvidence, GateRequest, LatencyRounds, SplitPlan,
    SplitScores, Verdict, judge,
};

use self::answers::{Answered, answer, of_split};
use crate::champion::{Champion, knows_its_lineage, learned_from};
use crate::outputs::{Evaluated, Gated};
use crate::record::read_json;
use crate::run::PipelineRequest;

/// Grows when the gate decides otherwise on the same inputs, so that no older decision is taken for its own.
pub(crate) const REVISION: u32 = 3;

/// Enough for a standard error to two digits.
const N_RESAMPLES: usize = 2000;

/// What stands against the candidate, owned.
enum Opponent {
    Nothing,
    Demonstration,
    Real,
    Unreadable(String),
    Answered(Box<Compared>),
}

struct Compared {
    classes: Vec<String>,
    answered: Answered,
    learned_from: std::collections::BTreeSet<String>,
    lineage_is_known: bool,
    bundle_bytes: u64,
    latency: Result<LatencyRounds, String>,
}

/// Judges the candidate. A bundle that does not prove itself is refused; an engine that is not there is an error.
pub(crate) fn gate(
    request: &PipelineRequest<'_>,
    plan: &SplitPlan,
    evaluated: &Evaluated,
    bundle: &Bundle,
    champion: Option<&Champion>,
) -> anyhow::Result<Gated> {
    let scores: SplitScores = read_json(&evaluated.test_scores)?;
    let validation: SplitScores = read_json(&evaluated.validation_scores)?;
    let golden = prove(bundle)?;
    let opponent = match champion {
        None => Opponent::Nothing,
        Some(champion) => meet(request, plan, &scores, bundle, golden.is_ok(), champion)?,
    };
    let version = champion.map_or("", |champion| champion.version.version.as_str());
    let verdict = decide(
        request,
        &CandidateEvidence {
            classes: &plan.classes,
            evaluation: &scores.evaluation,
            validation: &of_split(plan, &validation),
            test: &of_split(plan, &scores),
            bundle_bytes: bytes_of(bundle)?,
            golden,
        },
        &opponent,
        version,
    );
    let is_demonstration = bundle.manifest().demonstration.is_some();
    let held_back = (is_demonstration && !request.demonstrations_may_be_promoted)
        .then(|| "A demonstration model is promoted in a folder registry only.".to_owned());
    Ok(Gated {
        may_be_promoted: verdict.is_accepted() && held_back.is_none(),
        verdict,
        held_back,
    })
}

fn decide(
    request: &PipelineRequest<'_>,
    candidate: &CandidateEvidence<'_>,
    opponent: &Opponent,
    version: &str,
) -> Verdict {
    let against = match opponent {
        Opponent::Nothing => Against::Nothing,
        Opponent::Demonstration => Against::Demonstration(version),
        Opponent::Real => Against::Real(version),
        Opponent::Unreadable(reason) => Against::Unreadable { version, reason },
        Opponent::Answered(compared) => Against::Champion(ChampionEvidence {
            version,
            classes: &compared.classes,
            photographs: &compared.answered.photographs,
            learned_from: &compared.learned_from,
            lineage_is_known: compared.lineage_is_known,
            n_unanswered: compared.answered.n_unanswered,
            bundle_bytes: compared.bundle_bytes,
            latency: compared.latency.clone(),
        }),
    };
    judge(&GateRequest {
        candidate: candidate.clone(),
        against,
        limits: request.gate,
        allow_class_change: request.allow_class_change,
        n_resamples: N_RESAMPLES,
        seed: request.train.seed,
    })
}

/// Loads the candidate as a server would: how many golden photographs it answered as it should, or what is wrong
/// with its bundle.
fn prove(bundle: &Bundle) -> Result<Result<usize, String>, PredictError> {
    let proven = Predictor::open(bundle.dir(), &EngineOptions::default())
        .and_then(|predictor| predictor.prove(GOLDEN_TOLERANCE));
    match proven {
        Ok(report) => Ok(Ok(report.n)),
        Err(error) if error.is_the_bundles_fault() => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Whether and how the candidate is compared with the champion.
fn meet(
    request: &PipelineRequest<'_>,
    plan: &SplitPlan,
    scores: &SplitScores,
    bundle: &Bundle,
    candidate_runs: bool,
    champion: &Champion,
) -> anyhow::Result<Opponent> {
    let is_demonstration = bundle.manifest().demonstration.is_some();
    let of_champion = match &champion.bundle {
        Ok(bundle) => bundle,
        // It may have been a real model.
        Err(_) if is_demonstration => return Ok(Opponent::Real),
        Err(reason) => return Ok(Opponent::Unreadable(reason.clone())),
    };
    match (
        is_demonstration,
        of_champion.manifest().demonstration.is_some(),
    ) {
        (false, true) => return Ok(Opponent::Demonstration),
        (true, false) => return Ok(Opponent::Real),
        _ => {}
    }
    let predictor = match Predictor::open(of_champion.dir(), &EngineOptions::default()) {
        Ok(predictor) => predictor,
        Err(error) if error.is_the_bundles_fault() => {
            return Ok(Opponent::Unreadable(error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    let answered = match answer(request, plan, scores, &predictor)? {
        Ok(answered) => answered,
        Err(error) => return Ok(Opponent::Unreadable(error.to_string())),
    };
    let latency = if candidate_runs {
        let models = [bundle.dir(), of_champion.dir()];
        latency::measure(request, plan, &answered.planned, models)?
    } else {
        Err("Latency: the candidate cannot be run".to_owned())
    };
    let of_either = learned_from(of_champion, plan)
        .into_iter()
        .chain(learned_from(bundle, plan))
        .collect();
    let classes = &of_champion.manifest().classes;
    Ok(Opponent::Answered(Box::new(Compared {
        classes: classes.iter().map(|class| class.slug.clone()).collect(),
        answered,
        learned_from: of_either,
        lineage_is_known: knows_its_lineage(of_champion),
        bundle_bytes: bytes_of(of_champion)?,
        latency,
    })))
}

fn bytes_of(bundle: &Bundle) -> Result<u64, PredictError> {
    let mut bytes = 0;
    for file in bundle.files()? {
        let path = bundle.dir().join(file);
        let metadata =
            std::fs::metadata(&path).map_err(|source| PredictError::Read { path, source })?;
        bytes += metadata.len();
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use fishid_testing::write_bundle;

    use super::*;

    /// What a bundle's proof comes to after `damage` was done to its folder.
    #[track_caller]
    fn check(
        change: impl FnOnce(&mut fishid_bundle::BundleParts),
        damage: impl FnOnce(&std::path::Path),
        wanted: Result<usize, &str>,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let folder = write_bundle(&dir.path().join("bundle"), change);
        let bundle = Bundle::open(&folder).unwrap();
        damage(&folder);
        let found = prove(&bundle).unwrap();
        match wanted {
            Ok(n) => assert_eq!(found, Ok(n)),
            Err(words) => assert!(
                found.as_ref().is_err_and(|reason| reason.contains(words)),
                "{found:?}"
            ),
        }
    }

    #[test]
    fn a_bundle_that_does_not_prove_itself_is_a_finding_and_no_error() {
        check(|_| (), |_| (), Ok(4));
        check(
            |parts| {
                for photo in &mut parts.golden {
                    photo.probabilities.rotate_left(1);
                }
            },
            |_| (),
            Err("0 of 4 agree"),
        );
        check(
            |_| (),
            |folder| fs::write(folder.join("model.onnx"), b"no network").unwrap(),
            Err("model.onnx"),
        );
        check(
            |_| (),
            |folder| fs::remove_dir_all(folder.join("golden")).unwrap(),
            Err("golden"),
        );
    }
}
