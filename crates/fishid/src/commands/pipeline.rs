//! `fishid pipeline run`: wires data, backbone, registry and folders into the nine steps.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use fishid_dataset::synth::{SynthRequest, synthesise};
use fishid_dataset::{DataLock, Dataset, Inspection, Ratios};
use fishid_pipeline::record::RunRecord;
use fishid_pipeline::steps::Folders;
use fishid_pipeline::{NotAcceptable, PipelineError, PipelineRequest, PipelineResult};
use fishid_registry::{Tracker, without_secrets};
use fishid_storage::Storage;
use fishid_taxonomy::Catalogue;
use fishid_training::{GateLimits, TrainRequest, TrainingError};

use super::recipe::{CODE_VERSION, Choices, choice, choose};
use super::{data, print_json, print_line, registry};
use crate::backbone::{Choice, Weights};
use crate::cli::{GroupColumn, PipelineRunArgs, RecipeArgs, RegistryArgs};
use crate::config::Config;
use crate::exit::{InputError, Status};
use crate::home::Home;
use crate::progress::{Bar, Steps, Story};
use crate::surroundings;

/// What a run is started with; kept in its record for `--resume`.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    pub data: Option<String>,
    #[serde(default)]
    pub lock: Option<PathBuf>,
    pub backbone: Option<String>,
    #[serde(default)]
    pub weights: Option<String>,
    pub group_column: String,
    pub fit: Option<String>,
    #[serde(default)]
    pub views: Option<u32>,
    #[serde(default)]
    pub epochs: Option<u32>,
    pub seed: Option<u64>,
    pub registry: Option<String>,
    /// As it was given. The record on disk is no place for a password: a resumed run has it from the
    /// environment.
    #[serde(skip)]
    registry_with_secrets: Option<String>,
    pub model: Option<String>,
    #[serde(default)]
    pub allow_class_change: bool,
    /// Of records from before the gate had limits: those of now.
    #[serde(default)]
    pub gate: Option<GateLimits>,
}

impl Settings {
    pub fn new(
        data: Option<&String>,
        recipe: &RecipeArgs,
        registry: &RegistryArgs,
        config: &Config,
    ) -> anyhow::Result<Self> {
        // A resumed run may be started from another folder and with other settings around it, and one
        // folder should have one name however it was reached.
        let absolute = |text: &String| -> anyhow::Result<String> {
            if text.contains("://") {
                return Ok(text.clone());
            }
            let path = std::path::absolute(text).with_context(|| text.clone())?;
            Ok(path.canonicalize().unwrap_or(path).display().to_string())
        };
        let choice = choice(recipe, config)?;
        let backbone = recipe.backbone.as_ref().or(config.train.backbone.as_ref());
        let weights = recipe.weights.as_ref().or(config.train.weights.as_ref());
        let registry_url = registry.registry.as_ref().or(config.registry.url.as_ref());
        let registry_url = registry_url.map(absolute).transpose()?;
        Ok(Self {
            data: data.map(absolute).transpose()?,
            lock: None,
            backbone: match choice {
                Choice::File(_) => backbone.map(absolute).transpose()?,
                _ => backbone.cloned(),
            },
            weights: match choice {
                Choice::Network(_, Weights::File(_)) | Choice::Unnamed(Weights::File(_)) => {
                    weights.map(absolute).transpose()?
                }
                _ => weights.cloned(),
            },
            group_column: recipe.group.group_column.clone(),
            fit: recipe.fit.clone(),
            views: recipe.views,
            epochs: recipe.epochs,
            seed: recipe.seed.or(config.train.seed),
            registry: registry_url.as_deref().map(without_secrets),
            registry_with_secrets: registry_url,
            model: Some(
                registry
                    .model
                    .clone()
                    .unwrap_or_else(|| config.registry.model.clone()),
            ),
            allow_class_change: false,
            gate: Some(config.gate.clone()),
        })
    }

    pub fn recipe(&self) -> RecipeArgs {
        RecipeArgs {
            backbone: self.backbone.clone(),
            weights: self.weights.clone(),
            group: GroupColumn {
                group_column: self.group_column.clone(),
            },
            fit: self.fit.clone(),
            views: self.views,
            epochs: self.epochs,
            seed: self.seed,
        }
    }

    pub fn registry(&self) -> RegistryArgs {
        RegistryArgs {
            registry: self
                .registry_with_secrets
                .as_ref()
                .or(self.registry.as_ref())
                .cloned(),
            model: self.model.clone(),
        }
    }
}

pub fn run(args: &PipelineRunArgs, config: &Config, home: &Home) -> anyhow::Result<Status> {
    let settings = if args.resume {
        unfinished(home)?
    } else {
        let lock = args.locked.lock.as_ref();
        Settings {
            lock: lock.map(std::path::absolute).transpose()?,
            allow_class_change: args.gate.allow_class_change,
            ..Settings::new(args.data.as_ref(), &args.recipe, &args.registry, config)?
        }
    };
    let result = carry_out(&settings, args.force, config, home)?;
    if args.json {
        print_json(&result)?;
        return Ok(Status::Done);
    }
    if let Some(reason) = &result.demonstration {
        print_line(reason)?;
    }
    let place = if result.promoted {
        "in production"
    } else {
        "registered, not in production"
    };
    print_line(&format!(
        "version {} is {place}; report {}",
        result.version,
        result.report.display()
    ))?;
    if !result.promoted {
        result
            .verdict
            .reasons
            .iter()
            .try_for_each(|reason| print_line(reason))?;
    }
    print_line(&format!(
        "the gate's decision: {}",
        result.decision.display()
    ))?;
    if let Some(command) = &result.promote_by_hand {
        print_line(&format!("to promote it all the same: {command}"))?;
    }
    Ok(Status::Done)
}

fn unfinished(home: &Home) -> anyhow::Result<Settings> {
    let Some(record) = RunRecord::last_unfinished(&home.runs())? else {
        anyhow::bail!(InputError(
            "there is no unfinished run; start one with `fishid pipeline run`".to_owned()
        ));
    };
    eprintln!("resuming run {}", record.id);
    serde_json::from_value(record.settings)
        .with_context(|| format!("the settings of run {} cannot be read", record.id))
}

/// Runs all steps with these settings.
pub fn carry_out(
    settings: &Settings,
    force: bool,
    config: &Config,
    home: &Home,
) -> anyhow::Result<PipelineResult> {
    let mut story = Story::nested();
    let parts = Parts::open(settings, config, home, &mut story)?;
    parts.with_request(None, force, |request| {
        fishid_pipeline::run(request, &mut Steps, &mut story).map_err(blame)
    })
}

/// Everything that a run is made of, opened.
pub struct Parts {
    pub dataset: Dataset,
    pub choices: Choices,
    settings: Settings,
    config: Config,
    home: Home,
    chosen: registry::Chosen,
    tracker: Box<dyn Tracker>,
    lock: Option<DataLock>,
    catalogue: Catalogue,
    shared_embeddings: Option<Storage>,
}

impl Parts {
    pub fn open(
        settings: &Settings,
        config: &Config,
        home: &Home,
        story: &mut Story,
    ) -> anyhow::Result<Self> {
        let chosen = registry::choose(&settings.registry(), config, home)?;
        let recipe_args = settings.recipe();
        let location = match &settings.data {
            Some(location) => location.clone(),
            None => synthetic(home)?,
        };
        let lock = data::expected(settings.lock.as_deref())?;
        let dataset = data::open(&location, &recipe_args.group)?;
        Ok(Self {
            choices: choose(&recipe_args, &dataset, config, home, story)?,
            tracker: registry::tracker(&chosen, home)?,
            shared_embeddings: config.train.shared_embeddings()?,
            catalogue: config.catalogue()?,
            settings: settings.clone(),
            config: config.clone(),
            home: home.clone(),
            dataset,
            chosen,
            lock,
        })
    }

    /// Hands a run's request to `work`. `inspections` are those of the data set, where they were made elsewhere.
    pub fn with_request<T>(
        &self,
        inspections: Option<&[Inspection]>,
        force: bool,
        work: impl FnOnce(&PipelineRequest<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let Self {
            choices,
            settings,
            chosen,
            home,
            ..
        } = self;
        work(&PipelineRequest {
            train: TrainRequest {
                dataset: &self.dataset,
                backbone: &choices.backbone,
                catalogue: &self.catalogue,
                recipe: &choices.recipe,
                fit: choices.fit,
                filter: choices.filter,
                seed: choices.seed,
                ratios: Ratios::default(),
                earlier: &BTreeMap::new(),
                lock: self.lock.as_ref(),
                group_column: &settings.group_column,
                n_threads: 0,
                cache_dir: &home.embeddings(),
                shared_embeddings: self.shared_embeddings.as_ref(),
                model_name: &chosen.model,
                code_version: CODE_VERSION,
            },
            inspections,
            registry: &*chosen.registry,
            registry_url: &chosen.url,
            tracker: &*self.tracker,
            // A server that a team shares is no place for demonstrations.
            demonstrations_may_be_promoted: !chosen.url.starts_with("mlflow+http"),
            gate: settings.gate.as_ref().unwrap_or(&self.config.gate),
            allow_class_change: settings.allow_class_change,
            who: &registry::who(),
            environment_tags: surroundings::tags(),
            folders: Folders {
                state: home.pipeline(),
                runs: home.runs(),
            },
            bundle_cache: &home.bundles(),
            settings: serde_json::to_value(settings)?,
            force,
        })
    }
}

/// Draws the demonstration's fish, or finds them drawn.
fn synthetic(home: &Home) -> anyhow::Result<String> {
    eprintln!("no photographs were named: drawing synthetic fish for a demonstration");
    let request = SynthRequest {
        dir: home.synthetic(),
        n_species: 15,
        per_class: 24,
        seed: 0,
    };
    let bar = Bar::new("drawing");
    synthesise(&request, &|done, total| bar.set(done, total))?;
    Ok(request.dir.display().to_string())
}

/// Errors of a step that lie in the photographs or the settings are the input's fault.
pub fn blame(error: PipelineError) -> anyhow::Error {
    let is_input = matches!(&error, PipelineError::Step { source, .. } if source.chain().any(|cause| {
        cause.is::<NotAcceptable>()
            || matches!(cause.downcast_ref(), Some(TrainingError::Data(_) | TrainingError::Setting { .. }))
    }));
    if is_input {
        InputError(error.to_string()).into()
    } else {
        error.into()
    }
}
