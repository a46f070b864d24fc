//! The nine steps from photographs to a promoted model, in order.
//!
//! Each step is named, says what it depends on and leaves its output on disk; what happens inside is the
//! rooms' below. Embeddings are too many for a step's output: they lie in the store under content keys,
//! and a later step that needs them takes them from there.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fishid_bundle::Bundle;
use fishid_dataset::{DataLock, Inspection, Split};
use fishid_image::{Augmentation, Limits};
use fishid_network::{NetworkError, graph_digest};
use fishid_registry::{
    ModelRegistry, Note, PRODUCTION, RegistryError, Tracker, Version, VersionRef, without_secrets,
};
use fishid_training::{
    Decision, Embeddings, GateLimits, Progress, SplitPlan, SplitScores, TrainRequest, TrainedHead,
    Verdict, assemble, embed_plan, evaluate_split, fit_plan,
};
use serde::{Deserialize, Serialize};

use crate::PipelineError;
use crate::ahead;
use crate::champion::{self, Champion};
use crate::gate::{self, decision};
use crate::lock;
use crate::outputs::{
    Embedded, Evaluated, Gated, Promoted, Registered, Reported, Trained, Validated,
};
use crate::record::{RunStatus, read_json, write_json};
use crate::rolled_back;
use crate::steps::{Folders, StepRunner, Watcher};
use crate::tracking::{self, DATA_LOCK_FILE, Outcome, Results};

/// What a run is made of.
pub struct PipelineRequest<'a> {
    /// Data set, backbone, recipe, seed.
    pub train: TrainRequest<'a>,
    /// What was found in each photograph, in the order of the data set, where that was looked at elsewhere.
    pub inspections: Option<&'a [Inspection]>,
    /// Where versions go.
    pub registry: &'a dyn ModelRegistry,
    /// Its address, for the record.
    pub registry_url: &'a str,
    /// Where the run's parameters and metrics go.
    pub tracker: &'a dyn Tracker,
    /// Whether a demonstration model may be promoted there: in a folder registry only.
    pub demonstrations_may_be_promoted: bool,
    /// The limits of the gate.
    pub gate: &'a GateLimits,
    /// Whether the candidate may know other classes than the model in production.
    pub allow_class_change: bool,
    /// Who runs it, for the registry's history.
    pub who: &'a str,
    /// Where it runs: the machine, the commit; tags of the tracked run.
    pub environment_tags: BTreeMap<String, String>,
    /// Steps' outputs and run records.
    pub folders: Folders,
    /// Where bundles of a registry are fetched to.
    pub bundle_cache: &'a Path,
    /// The settings of the command, for `--resume`.
    pub settings: serde_json::Value,
    /// Do every step again.
    pub force: bool,
}

/// What a run came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PipelineResult {
    /// The run's id.
    pub run: String,
    /// The version the model has in the registry.
    pub version: String,
    /// Whether that version is in production after the run.
    pub promoted: bool,
    /// The gate's decision.
    pub verdict: Verdict,
    /// The decision as a page for people.
    pub decision: PathBuf,
    /// What a person types to promote the version all the same; `None` when it is in production.
    pub promote_by_hand: Option<String>,
    /// The bundle as the run made it.
    pub bundle: PathBuf,
    /// Its report.
    pub report: PathBuf,
    /// Why it is a demonstration model only; `None` for real ones.
    pub demonstration: Option<String>,
    /// Embeddings that were computed for it.
    pub embeddings_computed: usize,
    /// Embeddings that were there.
    pub embeddings_reused: usize,
}

/// Runs the pipeline; see the module's text.
#[expect(
    clippy::too_many_lines,
    reason = "nine steps in order, told in one place"
)]
pub fn run(
    request: &PipelineRequest<'_>,
    watcher: &mut dyn Watcher,
    progress: &mut dyn Progress,
) -> Result<PipelineResult, PipelineError> {
    let _lock = lock::take(&request.folders.state, watcher)?;
    let mut steps = StepRunner::start(
        request.folders.clone(),
        request.settings.clone(),
        request.force,
        watcher,
    )?;
    tracking::end_abandoned(request);
    let train = &request.train;
    let champion = champion::find(request).map_err(|source| PipelineError::Step {
        step: "champion".to_owned(),
        source,
    })?;

    let listing = (
        train.dataset.location(),
        train.dataset.listing_digest(),
        train.group_column,
    );
    let validated: Validated = steps.step("validate", &listing, |folder| {
        validate(request, folder, progress)
    })?;

    // Not a step: an earlier run without a lock, or with another, says nothing about this one.
    if let Err(source) = refuse_unlocked(train, &validated) {
        steps.finish(RunStatus::Failed)?;
        return Err(PipelineError::Step {
            step: "validate".to_owned(),
            source,
        });
    }

    let earlier = champion
        .as_ref()
        .map(Champion::earlier_splits)
        .unwrap_or_default();
    let split_inputs = (
        &validated.inspections_digest,
        train.seed,
        train.ratios,
        &earlier,
    );
    let plan: SplitPlan = steps.step("split", &split_inputs, |_| {
        split(train, &validated, &earlier)
    })?;

    let embed_inputs = EmbedInputs::of(train, &plan).map_err(|source| PipelineError::Step {
        step: "embed".to_owned(),
        source: source.into(),
    })?;
    let in_memory: OnceCell<Embeddings> = OnceCell::new();
    let embedded: Embedded = steps.step("embed", &embed_inputs, |_| {
        let embeddings = embed_plan(train, &plan, progress)?;
        let summary = Embedded::of(&embeddings);
        let _ = in_memory.set(embeddings);
        Ok(summary)
    })?;

    let train_inputs = (&embed_inputs, train.recipe, train.code_version);
    let trained: Trained = steps.step("train", &train_inputs, |folder| {
        let embeddings = embeddings(&in_memory, train, &plan, progress)?;
        let head = fit_plan(train, &plan, embeddings, progress)?;
        Trained::keep(folder, &head)
    })?;

    let names: Vec<_> = plan
        .classes
        .iter()
        .map(|class| train.catalogue.resolve(class))
        .collect();
    let evaluate_inputs = (
        &names,
        &train_inputs,
        &trained.head_digest,
        train.model_name,
        &validated.listing,
    );
    let evaluated: Evaluated = steps.step("evaluate", &evaluate_inputs, |folder| {
        let embeddings = embeddings(&in_memory, train, &plan, progress)?;
        evaluate(train, &plan, embeddings, &trained.head()?, folder, progress)
    })?;

    let bundle = Bundle::open(&evaluated.bundle).map_err(|source| PipelineError::Step {
        step: "evaluate".to_owned(),
        source: source.into(),
    })?;
    // The champion's digest, not its number: numbers begin anew in every registry.
    let champion_inputs = champion.as_ref().map(|champion| {
        let damage = champion.bundle.as_ref().err().cloned();
        (champion.version.bundle_digest.clone(), damage)
    });
    let gate_inputs = (
        gate::REVISION,
        &evaluated.bundle_digest,
        &champion_inputs,
        request.demonstrations_may_be_promoted,
        request.gate,
        request.allow_class_change,
    );
    let mut gated: Gated = steps.step("gate", &gate_inputs, |_| {
        gate::gate(request, &plan, &evaluated, &bundle, champion.as_ref())
    })?;
    let run = steps.record().id.clone();
    decision::write(request, &run, &gated, None)?;

    let head = trained.head().map_err(|source| PipelineError::Step {
        step: "train".to_owned(),
        source,
    })?;
    let results = Results {
        data_lock: &validated.lock,
        plan: &plan,
        embedded: &embedded,
        trained: &head,
        evaluated: &evaluated,
    };
    let registered: Registered = steps.effect("register", &evaluated.bundle_digest, |_| {
        tracking::register(request, &results, &gated)
    })?;

    let taken_back = rolled_back::reason(request, &registered.version);
    let taken_back = tracking::or_fail(request, &registered, taken_back).map_err(|source| {
        PipelineError::Step {
            step: "promote".to_owned(),
            source,
        }
    })?;
    if let Some(reason) = taken_back {
        gated.may_be_promoted = false;
        gated.held_back = Some(reason);
    }

    let promoted: Promoted = steps.effect(
        "promote",
        &(&registered.version, gated.may_be_promoted),
        |_| {
            let champion = champion.as_ref().map(|it| it.version.version.as_str());
            let promoted = promote(request, &registered.version, &gated, champion);
            tracking::or_fail(request, &registered, promoted)
        },
    )?;

    let (decision_file, decision_page) = decision::write(request, &run, &gated, Some(&promoted))?;

    let report_inputs = (
        without_secrets(request.registry_url),
        &registered.version,
        &registered.run,
        &evaluated.bundle_digest,
        promoted.is_in_production,
        gated.in_one_line(),
    );
    let reported: Reported = steps.step("report", &report_inputs, |_| {
        let outcome = Outcome {
            gated: &gated,
            registered: &registered,
            is_in_production: promoted.is_in_production,
            decision_page: &decision_page,
        };
        let reported = tracking::conclude(request, &results, &outcome);
        tracking::or_fail(request, &registered, reported)
    })?;

    steps.finish(RunStatus::Done)?;
    let promote_by_hand =
        (!promoted.is_in_production).then(|| by_hand(request, &registered.version, &gated));
    let mut verdict = gated.verdict;
    verdict.reasons.extend(gated.held_back);
    Ok(PipelineResult {
        run,
        version: registered.version,
        promoted: promoted.is_in_production,
        verdict,
        decision: decision_file,
        promote_by_hand,
        report: reported.report,
        demonstration: bundle.manifest().demonstration.clone(),
        embeddings_computed: embedded.n_computed,
        embeddings_reused: embedded.n_reused,
        bundle: evaluated.bundle,
    })
}

/// Everything the embeddings depend on. The plan stands for the photographs by their digest.
#[derive(Serialize)]
struct EmbedInputs {
    data_digest: String,
    groups: BTreeMap<String, String>,
    backbone: String,
    preprocessing: String,
    augmentation: String,
    views: fishid_training::ViewPlan,
    seed: u64,
}

impl EmbedInputs {
    fn of(train: &TrainRequest<'_>, plan: &SplitPlan) -> Result<Self, NetworkError> {
        Ok(Self {
            data_digest: plan.data_digest.clone(),
            groups: plan.groups(),
            backbone: graph_digest(train.backbone)?,
            preprocessing: train.preprocessing().digest(),
            augmentation: Augmentation::default().digest(),
            views: train.recipe.views,
            seed: train.seed,
        })
    }
}

fn validate(
    request: &PipelineRequest<'_>,
    folder: &Path,
    progress: &mut dyn Progress,
) -> anyhow::Result<Validated> {
    let train = &request.train;
    progress.started("read");
    let inspections = if let Some(inspections) = request.inspections {
        inspections.to_vec()
    } else {
        let shared = std::sync::Mutex::new(&mut *progress);
        fishid_dataset::inspect(train.dataset, &Limits::default(), &|done, total| {
            if let Ok(mut progress) = shared.lock() {
                progress.advanced(done, total, None);
            }
        })
    };
    let (problems, summary) = ahead::examine(train, &inspections)?;
    progress.finished("read", &summary);
    let inspections_file = folder.join("inspections.json");
    write_json(&inspections_file, &inspections)?;
    write_json(&folder.join("problems.json"), &problems)?;
    let lock = DataLock::of_inspections(train.dataset, train.group_column, &inspections);
    let lock_file = folder.join(DATA_LOCK_FILE);
    std::fs::write(&lock_file, lock.to_text())?;
    Ok(Validated {
        lock: lock_file,
        listing: train.dataset.listing_digest().to_owned(),
        inspections_digest: crate::steps::sha256_of(&inspections)?,
        inspections: inspections_file,
        summary,
    })
}

fn refuse_unlocked(train: &TrainRequest<'_>, validated: &Validated) -> anyhow::Result<()> {
    if train.lock.is_some() {
        let inspections: Vec<Inspection> = read_json(&validated.inspections)?;
        train.refuse_unlocked(&inspections)?;
    }
    Ok(())
}

fn split(
    train: &TrainRequest<'_>,
    validated: &Validated,
    earlier: &BTreeMap<String, Split>,
) -> anyhow::Result<SplitPlan> {
    let inspections: Vec<Inspection> = read_json(&validated.inspections)?;
    ahead::split(train, &inspections, earlier)
}

/// The embeddings, from this run's memory or from the store.
fn embeddings<'m>(
    in_memory: &'m OnceCell<Embeddings>,
    train: &TrainRequest<'_>,
    plan: &SplitPlan,
    progress: &mut dyn Progress,
) -> anyhow::Result<&'m Embeddings> {
    if in_memory.get().is_none() {
        let _ = in_memory.set(embed_plan(train, plan, progress)?);
    }
    in_memory
        .get()
        .ok_or_else(|| anyhow::anyhow!("the embeddings are gone"))
}

fn evaluate(
    train: &TrainRequest<'_>,
    plan: &SplitPlan,
    embeddings: &Embeddings,
    head: &TrainedHead,
    folder: &Path,
    progress: &mut dyn Progress,
) -> anyhow::Result<Evaluated> {
    let [validation, test] =
        [Split::Val, Split::Test].map(|split| evaluate_split(train, plan, embeddings, head, split));
    let out = folder.join("bundle");
    if out.exists() {
        // Left by a run that was forced or killed before its output was kept.
        std::fs::remove_dir_all(&out)?;
    }
    let assembled = assemble(
        train,
        plan,
        embeddings,
        head,
        [&validation, &test],
        &out,
        progress,
    )?;
    let test_scores = folder.join("test_scores.json");
    write_json::<SplitScores>(&test_scores, &test)?;
    let validation_scores = folder.join("validation_scores.json");
    write_json::<SplitScores>(&validation_scores, &validation)?;
    Ok(Evaluated {
        bundle_digest: assembled.bundle.bundle_digest()?,
        bundle: out,
        test_scores,
        validation_scores,
        accuracy: test.evaluation.accuracy,
        macro_f1: test.evaluation.macro_f1,
        n_test: test.evaluation.n,
    })
}

fn moved_meanwhile(error: RegistryError) -> anyhow::Error {
    let RegistryError::AliasMoved {
        alias,
        expected,
        found,
    } = error
    else {
        return error.into();
    };
    let [from, to] =
        [expected, found].map(|version| version.unwrap_or_else(|| "nothing".to_owned()));
    anyhow::anyhow!("{alias} moved from {from} to {to} while this run was under way; run it again")
}

/// What a person types who knows better than the gate.
fn by_hand(request: &PipelineRequest<'_>, version: &str, gated: &Gated) -> String {
    let command = decision::promote_command(request, version);
    if gated.verdict.decision == Decision::Reject {
        format!("{command} --force --why \"…\"")
    } else {
        format!("{command} --why \"…\"")
    }
}

/// Promotes what passed the gate, unless `champion`, which the gate compared it with, is no longer what is in
/// production: a promotion that a person made meanwhile stands.
fn promote(
    request: &PipelineRequest<'_>,
    version: &str,
    gated: &Gated,
    champion: Option<&str>,
) -> anyhow::Result<Promoted> {
    let model = request.train.model_name;
    let current = request
        .registry
        .alias(model, PRODUCTION)?
        .map(|version: Version| version.version);
    let is_current = current.as_deref() == Some(version);
    if gated.may_be_promoted && !is_current {
        let note = Note {
            who: request.who.to_owned(),
            why: format!("gate {}", gated.in_one_line()),
        };
        let number = VersionRef::new(version);
        request
            .registry
            .set_alias_if(model, PRODUCTION, &number, champion, &note)
            .map_err(moved_meanwhile)?;
    }
    Ok(Promoted {
        version: version.to_owned(),
        is_in_production: is_current || gated.may_be_promoted,
        why_not: (!is_current && !gated.may_be_promoted).then(|| gated.in_one_line()),
    })
}
