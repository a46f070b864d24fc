//! What a run leaves with the registry and the tracker: one tracked run with parameters, metrics by epoch, the
//! report and the gate's decision, and in it the model that the registry's version names.
//!
//! It begins before the version does and ends after the promotion. A run that a killed process left open is
//! ended by the next pipeline run, which finds its name in the state folder.

mod files;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fishid_registry::{
    Artifact, Metric, PublishNote, RegistryError, RunId, RunStatus, is_metric_name, without_secrets,
};
use fishid_training::{SplitPlan, SplitScores, TrainedHead};
use serde::{Deserialize, Serialize};

use crate::gate::decision;
use crate::outputs::{Embedded, Evaluated, Gated, Registered, Reported};
use crate::record::{read_json, write_json};
use crate::run::PipelineRequest;

pub use fishid_registry::EXPERIMENT;

/// The data set of a run, photograph by photograph, among its artifacts.
pub(crate) const DATA_LOCK_FILE: &str = "data.lock.json";

/// What people look at in a tracker; in a server's registry the run holds the whole bundle besides.
const ARTIFACTS: [&str; 3] = [
    fishid_bundle::REPORT_FILE,
    fishid_bundle::MODEL_CARD_FILE,
    fishid_bundle::MANIFEST_FILE,
];

/// Tags that tell two versions or runs apart.
pub(crate) fn tags(request: &PipelineRequest<'_>) -> BTreeMap<String, String> {
    let train = &request.train;
    let tag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut tags = BTreeMap::from([
        tag("backbone", &train.backbone.name),
        tag("backbone_digest", &train.backbone.digest),
        tag("weights", &train.backbone.weights),
        tag("data_location", train.dataset.location()),
        tag("code_version", train.code_version),
        tag("seed", &train.seed.to_string()),
    ]);
    let digest = &train.backbone.weights_digest;
    tags.extend(digest.as_ref().map(|digest| tag("weights_digest", digest)));
    tags
}

/// Everything a run is tracked with.
pub(crate) struct Results<'a> {
    /// The data set as the run found it.
    pub data_lock: &'a Path,
    pub plan: &'a SplitPlan,
    pub embedded: &'a Embedded,
    pub trained: &'a TrainedHead,
    pub evaluated: &'a Evaluated,
}

/// What became of it.
pub(crate) struct Outcome<'a> {
    pub gated: &'a Gated,
    pub registered: &'a Registered,
    pub is_in_production: bool,
    pub decision_page: &'a str,
}

/// The tracked run that is open, for whoever comes after a kill.
#[derive(Serialize, Deserialize)]
struct Open {
    registry: String,
    run: RunId,
}

fn open_file(request: &PipelineRequest<'_>) -> PathBuf {
    request.folders.state.join("tracked.json")
}

/// Ends the tracked run of a process that was killed. The caller holds the lock: it is nobody's run now.
pub(crate) fn end_abandoned(request: &PipelineRequest<'_>) {
    let path = open_file(request);
    let Ok(open) = read_json::<Open>(&path) else {
        return;
    };
    if open.registry != without_secrets(request.registry_url) {
        return;
    }
    if let Err(error) = request.tracker.finish(&open.run, RunStatus::Killed) {
        tracing::warn!(run = %open.run, %error, "a killed run stays open in the tracker");
    }
    let _ = std::fs::remove_file(path);
}

/// Ends the tracked run of a step that failed; what failed is reported by the step.
fn fail(request: &PipelineRequest<'_>, run: &RunId) {
    if let Err(error) = request.tracker.finish(run, RunStatus::Failed) {
        tracing::warn!(%run, %error, "a failed run stays open in the tracker");
    }
    let _ = std::fs::remove_file(open_file(request));
}

/// Passes a result on; an error ends the tracked run first.
pub(crate) fn or_fail<T>(
    request: &PipelineRequest<'_>,
    registered: &Registered,
    result: anyhow::Result<T>,
) -> anyhow::Result<T> {
    if let (Err(_), Some(run), true) = (&result, &registered.run, registered.is_new) {
        fail(request, run);
    }
    result
}

/// Publishes the bundle, with a tracked run around it unless it is a version already.
pub(crate) fn register(
    request: &PipelineRequest<'_>,
    results: &Results<'_>,
    gated: &Gated,
) -> anyhow::Result<Registered> {
    let model = request.train.model_name;
    let digest = &results.evaluated.bundle_digest;
    let versions = request.registry.versions(model)?;
    let is_known = versions.iter().any(|it| it.bundle_digest == *digest);
    let run = if is_known {
        None
    } else {
        Some(begin(request, results)?)
    };
    let mut version_tags = tags(request);
    version_tags.insert(decision::TAG.to_owned(), gated.in_one_line());
    let note = PublishNote {
        who: request.who.to_owned(),
        why: "pipeline run".to_owned(),
        tags: version_tags,
        run: run.clone(),
    };
    let published = request
        .registry
        .publish(model, &results.evaluated.bundle, &note);
    match published {
        Ok(version) => Ok(Registered {
            version: version.version,
            is_new: run.is_some(),
            run: run.or(version.run),
        }),
        Err(error) => {
            if let Some(run) = run {
                fail(request, &run);
            }
            Err(error.into())
        }
    }
}

/// Starts a tracked run and logs what is known before the version is.
fn begin(request: &PipelineRequest<'_>, results: &Results<'_>) -> anyhow::Result<RunId> {
    let tracker = request.tracker;
    let mut run_tags = tags(request);
    run_tags.extend(request.environment_tags.clone());
    let digest = &results.evaluated.bundle_digest;
    let data_digest = &results.plan.data_digest;
    for (name, value) in [
        ("bundle_digest", digest.as_str()),
        ("data_digest", data_digest.as_str()),
        ("model", request.train.model_name),
        ("mlflow.user", request.who),
        ("mlflow.source.name", "fishid pipeline run"),
    ] {
        run_tags.insert(name.to_owned(), value.to_owned());
    }
    let name = format!(
        "{} {}",
        request.train.model_name,
        digest.get(..12).unwrap_or(digest)
    );
    let run = tracker
        .start_run(EXPERIMENT, &name, &run_tags)
        .context("a tracked run cannot be started")?;
    let open = Open {
        registry: without_secrets(request.registry_url),
        run: run.clone(),
    };
    write_json(&open_file(request), &open)?;
    let logged = log(request, results, &run);
    if logged.is_err() {
        fail(request, &run);
    }
    logged.map(|()| run)
}

fn log(request: &PipelineRequest<'_>, results: &Results<'_>, run: &RunId) -> anyhow::Result<()> {
    let tracker = request.tracker;
    let scores: SplitScores = read_json(&results.evaluated.test_scores)?;
    tracker.log_params(run, &params(request, results))?;
    tracker.log_metrics(run, &metrics(results, &scores))?;
    for file in ARTIFACTS {
        let path = results.evaluated.bundle.join(file);
        tracker.log_artifact(run, file, Artifact::File(&path))?;
    }
    tracker.log_artifact(run, DATA_LOCK_FILE, Artifact::File(results.data_lock))?;
    for (name, content) in files::files(&scores.evaluation, &results.trained.fitted.curve)? {
        tracker.log_artifact(run, name, Artifact::Bytes(&content))?;
    }
    Ok(())
}

/// Writes the decision and the version into the tracked run, and ends it.
pub(crate) fn conclude(
    request: &PipelineRequest<'_>,
    results: &Results<'_>,
    outcome: &Outcome<'_>,
) -> anyhow::Result<Reported> {
    let run = match &outcome.registered.run {
        Some(run) => run.clone(),
        None => begin(request, results)?,
    };
    let run = match decide(request, outcome, &run) {
        // The version is older than the tracker's memory.
        Err(RegistryError::UnknownRun { .. } | RegistryError::UnknownRemoteRun { .. }) => {
            let run = begin(request, results)?;
            decide(request, outcome, &run)?;
            run
        }
        decided => decided.map(|()| run)?,
    };
    request.tracker.finish(&run, RunStatus::Finished)?;
    let _ = std::fs::remove_file(open_file(request));
    Ok(Reported {
        report: results.evaluated.bundle.join(fishid_bundle::REPORT_FILE),
        tracked_run: run.to_string(),
    })
}

fn decide(
    request: &PipelineRequest<'_>,
    outcome: &Outcome<'_>,
    run: &RunId,
) -> Result<(), RegistryError> {
    let gated = outcome.gated;
    let tag = |name: &str, value: String| (name.to_owned(), value);
    let tags = BTreeMap::from([
        tag("model_version", outcome.registered.version.clone()),
        tag(decision::TAG, gated.in_one_line()),
        tag("promoted", outcome.is_in_production.to_string()),
    ]);
    request.tracker.set_tags(run, &tags)?;
    let verdict = serde_json::to_vec_pretty(&gated.verdict).unwrap_or_default();
    let page = outcome.decision_page.as_bytes();
    for (name, content) in [(decision::PAGE_FILE, page), ("gate.json", &verdict)] {
        request
            .tracker
            .log_artifact(run, name, Artifact::Bytes(content))?;
    }
    Ok(())
}

fn params(request: &PipelineRequest<'_>, results: &Results<'_>) -> BTreeMap<String, String> {
    let setting = &results.trained.fitted.setting;
    let preprocessing = request.train.preprocessing();
    let param = |name: &str, value: String| (name.to_owned(), value);
    let mut params = BTreeMap::from([
        param("backbone", request.train.backbone.name.clone()),
        param("weights", request.train.backbone.weights.clone()),
        param("seed", request.train.seed.to_string()),
        param("learning_rate", setting.learning_rate.to_string()),
        param("weight_decay", setting.weight_decay.to_string()),
        param("dropout", setting.dropout.to_string()),
        param(
            "label_smoothing",
            request.train.recipe.label_smoothing.to_string(),
        ),
        param("fit", preprocessing.fit.as_str().to_owned()),
        param(
            "size",
            format!("{}x{}", preprocessing.width, preprocessing.height),
        ),
        param("group_column", request.train.group_column.to_owned()),
        param("n_classes", results.plan.classes.len().to_string()),
        param(
            "temperature",
            results.trained.calibrated.temperature.to_string(),
        ),
    ]);
    for (split, classes) in results.plan.counts() {
        let n: usize = classes.values().sum();
        params.insert(format!("n_{split}"), n.to_string());
    }
    params
}

fn metrics(results: &Results<'_>, scores: &SplitScores) -> Vec<Metric> {
    let at = |name: &str, value: f64, step: usize| Metric {
        name: name.to_owned(),
        value,
        step: step as u64,
    };
    let test = &scores.evaluation;
    let mut metrics = vec![
        at("test/accuracy", test.accuracy, 0),
        at("test/accuracy_ci95_low", test.accuracy_ci95[0], 0),
        at("test/accuracy_ci95_high", test.accuracy_ci95[1], 0),
        at("test/balanced_accuracy", test.balanced_accuracy, 0),
        at("test/macro_f1", test.macro_f1, 0),
        at("test/macro_f1_ci95_low", test.macro_f1_ci95[0], 0),
        at("test/macro_f1_ci95_high", test.macro_f1_ci95[1], 0),
        at("test/top_3_accuracy", test.top_3_accuracy, 0),
        at("test/ece", test.ece, 0),
        at("test/n", test.n as f64, 0),
        at("test/n_groups", test.n_groups as f64, 0),
    ];
    for (class, score) in &test.per_class {
        // Own names of species may be in any script; a server takes plain letters only.
        for (name, value) in [("recall", score.recall), ("precision", score.precision)] {
            let name = format!("test/{name}/{class}");
            if is_metric_name(&name) {
                metrics.push(at(&name, value, 0));
            }
        }
    }
    let rate = results.embedded.per_second;
    metrics.extend(rate.map(|rate| at("embeddings_per_second", rate, 0)));
    for epoch in &results.trained.fitted.curve {
        metrics.extend([
            at("train/loss", epoch.train_loss, epoch.epoch),
            at("val/loss", epoch.validation_loss, epoch.epoch),
            at("val/accuracy", epoch.validation_accuracy, epoch.epoch),
            at("val/macro_f1", epoch.validation_macro_f1, epoch.epoch),
        ]);
    }
    metrics
}
