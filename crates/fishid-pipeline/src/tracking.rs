//! What a run leaves with the registry and the tracker: tags, parameters, metrics by epoch, the report.

use std::collections::BTreeMap;

use fishid_registry::{Artifact, Metric, PublishNote, RunStatus};
use fishid_training::{SplitPlan, TrainedHead};

use crate::gate::decision;
use crate::outputs::{Embedded, Evaluated, Gated, Registered, Reported};
use crate::run::PipelineRequest;

/// The experiment that runs are tracked under.
pub const EXPERIMENT: &str = "fish-classification";

/// The largest files of a bundle are the registry's; these are what people look at in a tracker.
const ARTIFACTS: [&str; 3] = [
    fishid_bundle::REPORT_FILE,
    fishid_bundle::MODEL_CARD_FILE,
    fishid_bundle::MANIFEST_FILE,
];

/// Tags that tell two versions or runs apart.
pub(crate) fn tags(request: &PipelineRequest<'_>) -> BTreeMap<String, String> {
    let train = &request.train;
    let tag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    BTreeMap::from([
        tag("backbone", &train.backbone.name),
        tag("backbone_digest", &train.backbone.digest),
        tag("weights", &train.backbone.weights),
        tag("data_location", train.dataset.location()),
        tag("code_version", train.code_version),
        tag("seed", &train.seed.to_string()),
    ])
}

pub(crate) fn publish_note(request: &PipelineRequest<'_>, gated: &Gated) -> PublishNote {
    let mut tags = tags(request);
    tags.insert(decision::TAG.to_owned(), gated.in_one_line());
    PublishNote {
        who: request.who.to_owned(),
        why: "pipeline run".to_owned(),
        tags,
    }
}

/// Everything a run is tracked with.
pub(crate) struct Results<'a> {
    pub plan: &'a SplitPlan,
    pub embedded: &'a Embedded,
    pub trained: &'a TrainedHead,
    pub evaluated: &'a Evaluated,
    pub registered: &'a Registered,
    pub gated: &'a Gated,
    pub decision_page: &'a str,
}

/// Writes the run into the tracker.
pub(crate) fn track(
    request: &PipelineRequest<'_>,
    results: &Results<'_>,
) -> anyhow::Result<Reported> {
    let tracker = request.tracker;
    let mut run_tags = tags(request);
    run_tags.insert(
        "bundle_digest".to_owned(),
        results.evaluated.bundle_digest.clone(),
    );
    run_tags.insert("data_digest".to_owned(), results.plan.data_digest.clone());
    run_tags.insert(
        "model_version".to_owned(),
        results.registered.version.clone(),
    );
    run_tags.insert(decision::TAG.to_owned(), results.gated.in_one_line());
    let name = format!(
        "{} {}",
        request.train.model_name, results.registered.version
    );
    let run = tracker.start_run(EXPERIMENT, &name, &run_tags)?;
    tracker.log_params(&run, &params(request, results))?;
    tracker.log_metrics(&run, &metrics(results))?;
    for file in ARTIFACTS {
        tracker.log_artifact(
            &run,
            file,
            Artifact::File(&results.evaluated.bundle.join(file)),
        )?;
    }
    let verdict = serde_json::to_vec_pretty(&results.gated.verdict)?;
    tracker.log_artifact(&run, "gate.json", Artifact::Bytes(&verdict))?;
    let page = Artifact::Bytes(results.decision_page.as_bytes());
    tracker.log_artifact(&run, decision::PAGE_FILE, page)?;
    tracker.finish(&run, RunStatus::Finished)?;
    Ok(Reported {
        report: results.evaluated.bundle.join(fishid_bundle::REPORT_FILE),
        tracked_run: run.to_string(),
    })
}

fn params(request: &PipelineRequest<'_>, results: &Results<'_>) -> BTreeMap<String, String> {
    let setting = &results.trained.fitted.setting;
    let preprocessing = request.train.preprocessing();
    let counts = results.plan.counts();
    let mut params = BTreeMap::from([
        (
            "learning_rate".to_owned(),
            setting.learning_rate.to_string(),
        ),
        ("weight_decay".to_owned(), setting.weight_decay.to_string()),
        ("dropout".to_owned(), setting.dropout.to_string()),
        (
            "label_smoothing".to_owned(),
            request.train.recipe.label_smoothing.to_string(),
        ),
        ("fit".to_owned(), preprocessing.fit.as_str().to_owned()),
        (
            "size".to_owned(),
            format!("{}x{}", preprocessing.width, preprocessing.height),
        ),
        (
            "group_column".to_owned(),
            request.train.group_column.to_owned(),
        ),
        (
            "n_classes".to_owned(),
            results.plan.classes.len().to_string(),
        ),
        (
            "temperature".to_owned(),
            results.trained.calibrated.temperature.to_string(),
        ),
    ]);
    for (split, classes) in counts {
        params.insert(
            format!("n_{split}"),
            classes.values().sum::<usize>().to_string(),
        );
    }
    params
}

fn metrics(results: &Results<'_>) -> Vec<Metric> {
    let once = |name: &str, value: f64| Metric {
        name: name.to_owned(),
        value,
        step: 0,
    };
    let mut metrics = vec![
        once("test/accuracy", results.evaluated.accuracy),
        once("test/macro_f1", results.evaluated.macro_f1),
        once("test/n", results.evaluated.n_test as f64),
    ];
    metrics.extend(
        results
            .embedded
            .per_second
            .map(|rate| once("embeddings_per_second", rate)),
    );
    for epoch in &results.trained.fitted.curve {
        let at = |name: &str, value: f64| Metric {
            name: name.to_owned(),
            value,
            step: epoch.epoch as u64,
        };
        metrics.extend([
            at("train/loss", epoch.train_loss),
            at("val/loss", epoch.validation_loss),
            at("val/accuracy", epoch.validation_accuracy),
            at("val/macro_f1", epoch.validation_macro_f1),
        ]);
    }
    metrics
}
