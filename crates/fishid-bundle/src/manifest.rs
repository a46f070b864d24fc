//! `fishid.json`: what the model is, what it answers, what it was made from.
//!
//! Plain data with one JSON shape; the rules that the values must meet are in `validation`.
//! Fields may be added within one schema version, so a reader ignores the ones it does not know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The schema version this build writes, and the newest it reads.
pub const SCHEMA_VERSION: u32 = 1;

/// The content of `fishid.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the bundle format; [`SCHEMA_VERSION`] for bundles written by this build.
    pub schema_version: u32,
    /// Registry name of the model, `fish-classifier` by default.
    pub model_name: String,
    /// Classes in the order of the probabilities.
    pub classes: Vec<Class>,
    /// Outputs of `model.onnx`: `probabilities` and `logits` always.
    pub outputs: Vec<Output>,
    /// How a photograph becomes the pixels of the input `image`.
    pub preprocessing: Preprocessing,
    /// How logits become probabilities, and when an answer counts as sure.
    pub calibration: Calibration,
    /// Evaluation per split (`val`, `test`), each the object `fishid evaluate --json` prints.
    #[serde(default)]
    pub evaluation: BTreeMap<String, Value>,
    /// The backbone under the head.
    pub backbone: Backbone,
    /// The photographs the model was made from.
    pub data: Data,
    /// Group of photographs → `train`, `val` or `test`.
    #[serde(default)]
    pub splits: BTreeMap<String, String>,
    /// The photographs of `train` and `val`, each by the first 16 digits of its SHA-256, sorted: a later model is
    /// not compared on them, whatever their groups are called by then. Empty in older bundles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned_photographs: Vec<String>,
    /// Settings of the training run, as the trainer describes them.
    #[serde(default)]
    pub training: Value,
    /// Seed of the training run.
    pub seed: u64,
    /// Version of the code that made the bundle.
    pub code_version: String,
    /// Why this is a demonstration model, to be shown wherever it answers; `None` for real ones.
    #[serde(default)]
    pub demonstration: Option<String>,
}

/// One class and its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Name in files and replies, such as `esox_lucius`.
    pub slug: String,
    /// Scientific name, such as `Esox lucius`.
    pub latin: String,
    /// Russian name.
    pub ru: String,
    /// English name.
    pub en: String,
}

/// One output of `model.onnx`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Name in the graph: `probabilities`, `logits`, `embedding` or `activation`.
    pub name: String,
    /// Element type in numpy's spelling, `float32`.
    pub dtype: String,
    /// Shape, -1 for the batch: `[-1, classes]`, `[-1, d]` or `[-1, classes, h, w]`.
    pub shape: Vec<i64>,
}

/// The pixels the graph expects; the JSON is the one of `fishid-image`'s type of this name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Width of the input in pixels.
    pub width: u32,
    /// Height of the input in pixels.
    pub height: u32,
    /// How a photograph is fitted into the input: `stretch`, `pad` or `center_crop`.
    pub fit: String,
    /// Resampling filter: `bilinear`, `catmull_rom` or `lanczos3`.
    pub filter: String,
}

/// How sure an answer is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Method; `temperature` is the only one of schema version 1.
    pub method: String,
    /// The logits are divided by this number before the softmax.
    pub temperature: f64,
    /// From this probability on an answer counts as sure, below it the answer is "not sure".
    pub confidence_threshold: f64,
}

/// The backbone and where its weights come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backbone {
    /// Name, such as `mobilenet_v2` or `tf-efficientnet-b4`.
    pub name: String,
    /// SHA-256 of the backbone's file, lower-case hexadecimal.
    pub digest: String,
    /// `imagenet`, `random:SEED`, or the file the weights were read from.
    pub weights: String,
    /// Licence of the weights, where known.
    #[serde(default)]
    pub licence: Option<String>,
    /// Where the weights were published, where known.
    #[serde(default)]
    pub source: Option<String>,
    /// Name of the published set of weights, such as `ns_jft_in1k`, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_set: Option<String>,
    /// SHA-256 over the weights by name, whatever file they stand in; where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_digest: Option<String>,
}

/// The photographs the model was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// Digest of the data set.
    pub digest: String,
    /// Photographs in all splits together.
    pub n_photographs: usize,
    /// Split → class → photographs.
    #[serde(default)]
    pub counts: BTreeMap<String, BTreeMap<String, usize>>,
    /// Column of the manifest that named the groups.
    pub group_column: String,
    /// `photographs` or `synthetic`.
    pub origin: String,
}

impl Manifest {
    /// The output of this name, if the graph has it.
    pub fn output(&self, name: &str) -> Option<&Output> {
        self.outputs.iter().find(|output| output.name == name)
    }
}
