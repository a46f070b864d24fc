//! A pipeline run whose photographs are looked at and embedded elsewhere, as by the executors of a cluster: opened,
//! planned and finished by the wiring, settings and steps of `fishid pipeline run`.
//!
//! Start at [`Job::open`]. It does not know who embeds; the embeddings meet in the place that machines share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fishid_dataset::{CheckOptions, Dataset, Inspection, Problem};
use fishid_pipeline::{PipelineResult, is_left_out, plan_ahead};
use fishid_registry::VersionRef;
use fishid_storage::{Listed, Storage, fetch_all, is_hidden, mirror};
use fishid_training::{EmbedRequest, EmbedSpec, Embedder, MissingViews, SplitPlan, embed_jobs};

use crate::cli::{GroupColumn, RecipeArgs, RegistryArgs};
use crate::commands::pipeline::{Parts, Settings, blame};
use crate::commands::registry;
use crate::config::{self, Config};
use crate::exit::BlameInput as _;
use crate::home::Home;
use crate::photographs;
use crate::progress::{Steps, Story};

/// What a run is asked for, by the names of the flags; what is `None` is taken from the settings.
#[derive(Debug, Clone, Default)]
pub struct JobRequest {
    /// Folder or `s3://bucket/prefix` of the photographs.
    pub data: String,
    /// Address of the registry.
    pub registry: Option<String>,
    /// Name of the model.
    pub model: Option<String>,
    /// Network by its name, or an ONNX file.
    pub backbone: Option<String>,
    /// Weights of a network by name.
    pub weights: Option<String>,
    /// Views of each training photograph.
    pub views: Option<u32>,
    /// Most epochs of the head's training.
    pub epochs: Option<u32>,
    /// Seed of everything drawn.
    pub seed: Option<u64>,
    /// How a photograph is fitted to the network.
    pub fit: Option<String>,
    /// Column of `manifest.csv` that names the group.
    pub group_column: String,
    /// Whether the candidate may know other classes than the model in production.
    pub allow_class_change: bool,
    /// Folder or `s3://bucket/prefix` in which machines share embeddings.
    pub embeddings: Option<String>,
}

/// What is to be embedded of one photograph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToEmbed {
    /// Its path in the data set.
    pub path: String,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// `train`, `val` or `test`.
    pub split: &'static str,
    /// Names of the views that nobody has yet.
    pub views: Vec<String>,
}

/// What the photographs came to.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Photographs that lack a view.
    pub to_embed: Vec<ToEmbed>,
    /// Views that are there.
    pub n_there: usize,
    /// Views that are not.
    pub n_missing: usize,
    /// Photographs that are left out, and why.
    pub left_out: Vec<Problem>,
}

/// A run that was opened.
pub struct Job {
    parts: Parts,
    spec: EmbedSpec,
    inspections: Option<Vec<Inspection>>,
}

impl Job {
    /// Lists the photographs, and reads, downloads or draws the backbone.
    pub fn open(request: &JobRequest) -> anyhow::Result<Self> {
        let mut config = config::read(None)?;
        let home = Home::find()?;
        if let Some(place) = &request.embeddings {
            config.train.embeddings = Some(made(place)?);
        }
        let mut settings = settings(request, &config)?;
        settings.allow_class_change = request.allow_class_change;
        let parts = Parts::open(&settings, &config, &home, &mut Story::nested())?;
        let store = config.train.embeddings;
        let spec = parts.with_request(None, false, |run| {
            let train = &run.train;
            let preprocessing = train.preprocessing();
            Ok(EmbedSpec {
                location: train.dataset.location().to_owned(),
                augmentation: train.recipe.views.augmentation,
                seed: train.seed,
                views: train.recipe.views.all(),
                key: Embedder::load(train.backbone, 1)?.key(&preprocessing),
                preprocessing,
                store,
            })
        })?;
        Ok(Self {
            parts,
            spec,
            inspections: None,
        })
    }

    /// The photographs.
    pub fn dataset(&self) -> &Dataset {
        &self.parts.dataset
    }

    /// What other machines have to know.
    pub fn spec(&self) -> &EmbedSpec {
        &self.spec
    }

    /// The backbone's ONNX file and, where there is one, the JSON beside it.
    pub fn backbone_files(&self) -> Vec<PathBuf> {
        let Some(onnx) = &self.parts.choices.backbone.path else {
            return Vec::new();
        };
        let beside = onnx.with_extension("json");
        let beside = beside.is_file().then_some(beside);
        std::iter::once(onnx.clone()).chain(beside).collect()
    }

    /// Checks and splits the photographs by what was found in each, in the order of the data set, and says what is
    /// to be embedded. The run is finished with these inspections.
    pub fn plan(&mut self, inspections: Vec<Inspection>) -> anyhow::Result<Planned> {
        let planned = self.parts.with_request(None, false, |run| {
            let (problems, plan) = plan_ahead(run, &inspections).map_err(blame)?;
            let jobs = embed_jobs(&run.train, &plan);
            let missing = MissingViews::of(
                &EmbedRequest {
                    dataset: run.train.dataset,
                    backbone: run.train.backbone,
                    preprocessing: &self.spec.preprocessing,
                    augmentation: &self.spec.augmentation,
                    seed: self.spec.seed,
                    n_threads: 1,
                    cache_dir: run.train.cache_dir,
                    shared: run.train.shared_embeddings,
                    jobs: &jobs,
                },
                &self.spec.key,
            )?;
            for text in plan.warnings.iter().chain(&missing.warnings) {
                eprintln!("warning: {text}");
            }
            let is_gone = |problem: &Problem| problem.is_error() && is_left_out(problem.kind);
            Ok(Planned {
                to_embed: to_embed(&plan, missing.jobs),
                n_there: missing.n_there,
                n_missing: missing.n_missing,
                left_out: problems.into_iter().filter(is_gone).collect(),
            })
        })?;
        self.inspections = Some(inspections);
        Ok(planned)
    }

    /// Trains, evaluates, passes the gate, registers and promotes. Embeddings that are nowhere are computed here.
    pub fn finish(&self, force: bool) -> anyhow::Result<PipelineResult> {
        let inspections = self.inspections.as_deref();
        self.parts.with_request(inspections, force, |run| {
            fishid_pipeline::run(run, &mut Steps, &mut Story::nested()).map_err(blame)
        })
    }
}

/// A folder as an absolute path, and made where it is not there.
fn made(place: &str) -> anyhow::Result<String> {
    if place.contains("://") {
        return Ok(place.to_owned());
    }
    let folder = std::path::absolute(place).with_context(|| place.to_owned())?;
    std::fs::create_dir_all(&folder).with_context(|| place.to_owned())?;
    Ok(folder.display().to_string())
}

fn settings(request: &JobRequest, config: &Config) -> anyhow::Result<Settings> {
    let recipe = RecipeArgs {
        backbone: request.backbone.clone(),
        weights: request.weights.clone(),
        group: GroupColumn {
            group_column: request.group_column.clone(),
        },
        fit: request.fit.clone(),
        views: request.views,
        epochs: request.epochs,
        seed: request.seed,
    };
    let registry = RegistryArgs {
        registry: request.registry.clone(),
        model: request.model.clone(),
    };
    Settings::new(Some(&request.data), &recipe, &registry, config)
}

fn to_embed(plan: &SplitPlan, missing: Vec<(usize, Vec<String>)>) -> Vec<ToEmbed> {
    let one = |(index, views): (usize, Vec<String>)| {
        let planned = &plan.photographs[index];
        ToEmbed {
            path: planned.path.clone(),
            digest: planned.digest.clone(),
            split: planned.split.as_str(),
            views,
        }
    };
    missing.into_iter().map(one).collect()
}

/// Fetches a version or an alias of a model; the version's number and the bundle's folder, in the cache of this
/// machine.
pub fn fetch_bundle(
    registry: Option<String>,
    model: Option<String>,
    version: &str,
) -> anyhow::Result<(String, PathBuf)> {
    let (config, home) = (config::read(None)?, Home::find()?);
    let chosen = registry::choose(&RegistryArgs { registry, model }, &config, &home)?;
    let version = VersionRef::new(version);
    let number = chosen.registry.get(&chosen.model, &version)?.version;
    let bundle =
        chosen
            .registry
            .fetch(&chosen.model, &VersionRef::new(&number), &home.bundles())?;
    Ok((number, bundle))
}

/// Brings a folder to another one or to `s3://bucket/prefix`; how many files were brought, and were there already.
pub fn upload(folder: &str, to: &str) -> anyhow::Result<(usize, usize)> {
    let place = Storage::open(to, &BTreeMap::new()).blame_input()?;
    let mirrored = mirror(folder.as_ref(), &place, &|_, _| {}).blame_input()?;
    Ok((mirrored.n_stored, mirrored.n_skipped))
}

/// Fetches every file of a folder or prefix into a folder; how many were fetched, and were there already.
pub fn download(from: &str, folder: &str) -> anyhow::Result<(usize, usize)> {
    let place = Storage::open(from, &BTreeMap::new()).blame_input()?;
    let fetched = fetch_all(&place, folder.as_ref(), &|_, _| {})?;
    Ok((fetched.n_stored, fetched.n_skipped))
}

/// A data set and what is wrong with it, as `fishid data check` finds it.
pub fn check(data: &str, group_column: &str) -> anyhow::Result<(Dataset, Vec<Problem>)> {
    let group = GroupColumn {
        group_column: group_column.to_owned(),
    };
    let dataset = crate::commands::data::open(data, &group)?;
    let options = CheckOptions {
        catalogue: config::read(None)?.catalogue()?,
        ..CheckOptions::default()
    };
    let problems = fishid_dataset::check(&dataset, &options, &|_, _| {});
    Ok((dataset, problems))
}

/// Every file of a folder or prefix but hidden ones.
pub fn files_of(location: &str) -> anyhow::Result<Vec<Listed>> {
    let listing = Storage::open(location, &BTreeMap::new())
        .blame_input()?
        .list()?;
    for failure in &listing.failures {
        eprintln!("warning: cannot be listed: {failure}");
    }
    let is_seen = |file: &Listed| !file.path.split('/').any(is_hidden);
    Ok(listing.files.into_iter().filter(is_seen).collect())
}

/// Those whose name is that of a photograph, as `fishid predict` takes them.
pub fn photographs_of(location: &str) -> anyhow::Result<Vec<Listed>> {
    let mut files = files_of(location)?;
    files.retain(|file| photographs::is_photograph(Path::new(&file.path)));
    Ok(files)
}
