//! What `GET /model` says about the model that answers.

use std::collections::BTreeMap;

use fishid_bundle::Class;
use fishid_prediction::Predictor;
use fishid_serving::{Freshness, Identity};
use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The model that answers now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelDescription {
    /// Name in the registry.
    #[schema(example = "fish-classifier")]
    pub name: String,
    /// Version in the registry, or the first 12 hexadecimal digits of the digest.
    #[schema(example = "1")]
    pub version: String,
    /// Digest of everything in the model that changes an answer.
    pub digest: String,
    /// Why this is a demonstration model; null for a model of photographs.
    pub demonstration: Option<String>,
    /// What it can answer, in the order of its probabilities.
    pub classes: Vec<ClassDescription>,
    /// From this probability on an answer counts as confident.
    pub confidence_threshold: f64,
    /// Per split, the numbers of its evaluation.
    pub evaluation: BTreeMap<String, Value>,
    /// What it was made from.
    pub lineage: Lineage,
    /// How a photograph becomes its input.
    pub preprocessing: PreprocessingDescription,
    /// What computes it.
    pub engine: EngineDescription,
    /// What it can give beside probabilities, such as `embedding` and `activation`.
    pub extras: Vec<String>,
}

/// Reply of `GET /model`: the model, and whether the registry still names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelState {
    /// The model that answers now.
    #[serde(flatten)]
    pub model: ModelDescription,
    /// The registry could not be asked at the last look: it may name another model by now.
    pub stale: bool,
    /// When the registry last answered; null when it never did since the start, or a single bundle is served.
    #[schema(example = "2026-11-25T09:36:27Z")]
    pub registry_answered_at: Option<String>,
}

impl ModelState {
    pub(crate) fn new(model: ModelDescription, freshness: Freshness) -> Self {
        let text = |time| {
            let time = Timestamp::try_from(time).ok()?;
            Some(time.round(Unit::Second).unwrap_or(time).to_string())
        };
        Self {
            model,
            stale: freshness.may_be_stale,
            registry_answered_at: freshness.asked_at.and_then(text),
        }
    }
}

/// A class and its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClassDescription {
    /// Name in replies.
    #[schema(example = "esox_lucius")]
    pub slug: String,
    /// Latin name.
    #[schema(example = "Esox lucius")]
    pub latin: String,
    /// Russian name.
    #[schema(example = "Щука")]
    pub ru: String,
    /// English name.
    #[schema(example = "Northern pike")]
    pub en: String,
}

impl From<&Class> for ClassDescription {
    fn from(class: &Class) -> Self {
        let Class {
            slug,
            latin,
            ru,
            en,
        } = class.clone();
        Self {
            slug,
            latin,
            ru,
            en,
        }
    }
}

/// What a model was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Lineage {
    /// Name of the network under the head.
    pub backbone: String,
    /// Digest of its file.
    pub backbone_digest: String,
    /// Where its weights come from.
    pub weights: String,
    /// Name of the published set of weights, where known.
    pub weights_set: Option<String>,
    /// Digest of the weights themselves, where known.
    pub weights_digest: Option<String>,
    /// Licence of the weights, where known.
    pub licence: Option<String>,
    /// Where the weights were published, where known.
    pub weights_source: Option<String>,
    /// `photographs` or `synthetic`.
    pub origin: String,
    /// Digest of the data set.
    pub data_digest: String,
    /// Photographs in all splits together.
    pub n_photographs: usize,
    /// Per split and class, how many photographs.
    pub counts: BTreeMap<String, BTreeMap<String, usize>>,
    /// Seed of the training run.
    pub seed: u64,
    /// Version of the code that made it.
    pub code_version: String,
    /// When it was made, where the bundle says so.
    pub trained_at: Option<String>,
}

/// Size, fit and filter of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PreprocessingDescription {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `stretch`, `pad` or `center_crop`.
    pub fit: String,
    /// The resizing kernel.
    pub filter: String,
}

/// What computes the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EngineDescription {
    /// Library and version in words.
    pub description: String,
    /// Execution provider.
    #[schema(example = "CPUExecutionProvider")]
    pub execution_provider: String,
    /// The numbers it computes in.
    #[schema(example = "f32")]
    pub precision: String,
    /// Photographs answered side by side.
    pub streams: usize,
    /// Threads of one answer.
    pub threads: usize,
    /// Photographs of one run at most.
    pub batch: usize,
    /// `measurement` on this machine, `facts` of the processor and its quota, or `fallback` after the plan before it
    /// failed; null where it was given.
    #[schema(example = "measurement")]
    pub chosen_by: Option<String>,
    /// What this plan gave when it was measured; null where it was not.
    pub measured: Option<EngineMeasurement>,
    /// The largest difference of a probability from f32 on the model's golden photographs; null where the engine was
    /// given.
    pub golden_max_difference: Option<f64>,
}

/// What the engine gave when it was measured on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EngineMeasurement {
    /// One photograph at a time, median milliseconds, without decoding.
    #[schema(example = 38.2)]
    pub latency_ms: f64,
    /// All streams busy.
    #[schema(example = 26.1)]
    pub photographs_per_second: f64,
}

impl ModelDescription {
    pub(crate) fn new(predictor: &Predictor, identity: &Identity) -> Self {
        let manifest = predictor.manifest();
        let preprocessing = &manifest.preprocessing;
        let options = predictor.engine_options();
        let choice = predictor.engine_choice();
        let is_extra = |name: &&String| !matches!(name.as_str(), "probabilities" | "logits");
        Self {
            name: identity.name.clone(),
            version: identity.version.clone(),
            digest: identity.digest.clone(),
            demonstration: manifest.demonstration.clone(),
            classes: manifest
                .classes
                .iter()
                .map(ClassDescription::from)
                .collect(),
            confidence_threshold: manifest.calibration.confidence_threshold,
            evaluation: manifest.evaluation.clone(),
            lineage: Lineage {
                backbone: manifest.backbone.name.clone(),
                backbone_digest: manifest.backbone.digest.clone(),
                weights: manifest.backbone.weights.clone(),
                weights_set: manifest.backbone.weights_set.clone(),
                weights_digest: manifest.backbone.weights_digest.clone(),
                licence: manifest.backbone.licence.clone(),
                weights_source: manifest.backbone.source.clone(),
                origin: manifest.data.origin.clone(),
                data_digest: manifest.data.digest.clone(),
                n_photographs: manifest.data.n_photographs,
                counts: manifest.data.counts.clone(),
                seed: manifest.seed,
                code_version: manifest.code_version.clone(),
                trained_at: manifest
                    .training
                    .get("trained_at")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            },
            preprocessing: PreprocessingDescription {
                width: preprocessing.width,
                height: preprocessing.height,
                fit: preprocessing.fit.clone(),
                filter: preprocessing.filter.clone(),
            },
            engine: EngineDescription {
                description: predictor.engine_description().to_owned(),
                execution_provider: options.provider.name().to_owned(),
                precision: options.precision.to_string(),
                streams: predictor.n_sessions(),
                threads: options.resolved_threads(),
                batch: predictor.batch(),
                chosen_by: choice.map(|choice| choice.chosen_by.name().to_owned()),
                measured: choice
                    .and_then(|choice| choice.measured.as_ref())
                    .map(|found| EngineMeasurement {
                        latency_ms: found.latency_ms,
                        photographs_per_second: found.photographs_per_second,
                    }),
                golden_max_difference: choice
                    .and_then(|choice| choice.golden_max_difference)
                    .map(f64::from),
            },
            extras: predictor
                .output_names()
                .iter()
                .filter(is_extra)
                .cloned()
                .collect(),
        }
    }
}
