//! The gate: may the candidate take the place of the model in production? Both answer the same test
//! photographs, each through its own preprocessing and the real engine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use fishid_bundle::Bundle;
use fishid_dataset::Split;
use fishid_engine::EngineOptions;
use fishid_prediction::{GOLDEN_TOLERANCE, Predictor};
use fishid_registry::{PRODUCTION, Version, VersionRef};
use fishid_training::{
    BootstrapOptions, Decision, FirstModel, GatePhotograph, GateRequest, SplitPlan, SplitScores,
    Verdict, compare, judge_first,
};

use crate::outputs::{Evaluated, Gated};
use crate::record::read_json;
use crate::run::PipelineRequest;

/// The model in production.
pub(crate) struct Champion {
    pub version: Version,
    bundle: Bundle,
}

impl Champion {
    /// Where the champion's groups stood; a demonstration's groups bind nobody.
    pub(crate) fn earlier_splits(&self) -> BTreeMap<String, Split> {
        let manifest = self.bundle.manifest();
        if manifest.demonstration.is_some() {
            return BTreeMap::new();
        }
        let entry = |(group, split): (&String, &String)| Some((group.clone(), split.parse().ok()?));
        manifest.splits.iter().filter_map(entry).collect()
    }

    /// Groups that the champion was trained or tuned on, by the names they had then.
    fn trained_on(&self) -> BTreeSet<String> {
        let splits = &self.bundle.manifest().splits;
        splits
            .iter()
            .filter(|(_, split)| *split != Split::Test.as_str())
            .map(|(group, _)| group.clone())
            .collect()
    }
}

/// The model in production, if there is one.
pub(crate) fn find(request: &PipelineRequest<'_>) -> anyhow::Result<Option<Champion>> {
    let model = request.train.model_name;
    let Some(version) = request.registry.alias(model, PRODUCTION)? else {
        return Ok(None);
    };
    let folder = request
        .registry
        .fetch(
            model,
            &VersionRef::new(&version.version),
            request.bundle_cache,
        )
        .with_context(|| {
            format!(
                "version {} is in production and cannot be read",
                version.version
            )
        })?;
    let bundle = Bundle::open(&folder)?;
    Ok(Some(Champion { version, bundle }))
}

/// Judges the candidate. A candidate that the real engine does not confirm is an error, not a verdict.
pub(crate) fn gate(
    request: &PipelineRequest<'_>,
    plan: &SplitPlan,
    evaluated: &Evaluated,
    bundle: &Bundle,
    champion: Option<&Champion>,
) -> anyhow::Result<Gated> {
    prove(&evaluated.bundle)?;
    let scores: SplitScores = read_json(&evaluated.test_scores)?;
    let mut verdict = match champion {
        None => judge_first(&FirstModel {
            evaluation: &scores.evaluation,
        }),
        Some(champion) => against(request, plan, &scores, bundle, champion)?,
    };
    let mut may_be_promoted = verdict.is_accepted();
    let is_demonstration = bundle.manifest().demonstration.is_some();
    if is_demonstration && !request.demonstrations_may_be_promoted {
        may_be_promoted = false;
        let reason = "A demonstration model is promoted in a folder registry only.";
        verdict.reasons.push(reason.to_owned());
    }
    Ok(Gated {
        verdict,
        may_be_promoted,
    })
}

/// Loads the candidate as a server would and lets it answer its golden photographs.
fn prove(bundle: &Path) -> anyhow::Result<()> {
    let predictor = Predictor::open(bundle, &EngineOptions::default())?;
    predictor
        .prove(GOLDEN_TOLERANCE)
        .context("the candidate does not give its own golden answers in the real engine")?;
    Ok(())
}

fn against(
    request: &PipelineRequest<'_>,
    plan: &SplitPlan,
    scores: &SplitScores,
    bundle: &Bundle,
    champion: &Champion,
) -> anyhow::Result<Verdict> {
    let candidate_is_demonstration = bundle.manifest().demonstration.is_some();
    let champion_is_demonstration = champion.bundle.manifest().demonstration.is_some();
    match (candidate_is_demonstration, champion_is_demonstration) {
        (false, true) => {
            let mut verdict = judge_first(&FirstModel {
                evaluation: &scores.evaluation,
            });
            verdict.reasons.push(format!(
                "Version {} in production is a demonstration, with which a real model is not compared.",
                champion.version.version
            ));
            Ok(verdict)
        }
        (true, false) => {
            let mut verdict = judge_first(&FirstModel {
                evaluation: &scores.evaluation,
            });
            verdict.decision = Decision::Reject;
            verdict.reasons = vec![format!(
                "A demonstration model never replaces a model trained on photographs (version {}).",
                champion.version.version
            )];
            Ok(verdict)
        }
        _ => on_the_same_photographs(request, plan, scores, champion),
    }
}

fn on_the_same_photographs(
    request: &PipelineRequest<'_>,
    plan: &SplitPlan,
    scores: &SplitScores,
    champion: &Champion,
) -> anyhow::Result<Verdict> {
    let predictor = Predictor::open(champion.bundle.dir(), &EngineOptions::default())?;
    let all = request.train.dataset.photographs();
    let mut photographs = Vec::with_capacity(scores.planned.len());
    for (planned, probabilities) in scores.planned.iter().zip(&scores.probabilities) {
        let planned = &plan.photographs[*planned];
        let bytes = request.train.dataset.read(&all[planned.photograph])?;
        let answer = predictor
            .predict(&bytes)
            .with_context(|| planned.path.clone())?;
        let best =
            (0..probabilities.len()).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]));
        photographs.push(GatePhotograph {
            group: planned.group.clone(),
            truth: planned.class.clone(),
            candidate: best
                .map(|class| plan.classes[class].clone())
                .unwrap_or_default(),
            champion: predictor.names().slug(answer.top()).to_owned(),
        });
    }
    let classes = &champion.bundle.manifest().classes;
    let champion_classes: Vec<String> = classes.iter().map(|class| class.slug.clone()).collect();
    Ok(compare(&GateRequest {
        photographs: &photographs,
        champion_trained_on: &plan.groups_learned_from(&champion.trained_on()),
        candidate_classes: &plan.classes,
        champion_classes: &champion_classes,
        bootstrap: BootstrapOptions {
            seed: request.train.seed,
            ..BootstrapOptions::default()
        },
    }))
}
