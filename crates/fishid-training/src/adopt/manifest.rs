//! What the bundle of an adopted classifier says of it. What it was made from is not known here, and nothing
//! may look as if it were.

use fishid_bundle::{Backbone, Calibration, Class, Data, Manifest, SCHEMA_VERSION};
use fishid_dataset::{Inspection, Origin};
use fishid_engine::ImageModel;
use serde_json::json;

use super::{ADOPTED, AdoptRequest};
use crate::error::TrainingError;
use crate::evaluation::Evaluation;

/// No photographs say from which probability on an answer is right often enough.
const THRESHOLD: f64 = 0.5;
/// The key of `evaluation` in the manifest: neither `val` nor `test`, for the classifier may have seen them.
const SAMPLES: &str = "samples";

/// Everything but the outputs, and `output_kind` and `largest_difference` under `training.adopted`.
pub(super) fn manifest(
    request: &AdoptRequest<'_>,
    inspections: &[Inspection],
    evaluation: &Evaluation,
    model: &ImageModel,
) -> Result<Manifest, TrainingError> {
    let (foreign, preprocessing) = (request.foreign, request.preprocessing());
    let digests: Vec<String> = inspections
        .iter()
        .map(|seen| seen.sha256.clone().unwrap_or_default())
        .collect();
    let is_drawn = request.samples.origin() == Origin::Synthetic;
    let classes = request.classes.iter().map(|slug| {
        let species = request.catalogue.resolve(slug);
        Class {
            slug: slug.clone(),
            latin: species.latin,
            ru: species.ru,
            en: species.en,
        }
    });
    let numbers = serde_json::to_value(evaluation)
        .map_err(|error| TrainingError::Data(format!("the evaluation is no JSON: {error}")))?;
    let input = &foreign.input;
    Ok(Manifest {
        schema_version: SCHEMA_VERSION,
        model_name: request.model_name.to_owned(),
        classes: classes.collect(),
        outputs: Vec::new(),
        preprocessing: fishid_bundle::Preprocessing {
            width: preprocessing.width,
            height: preprocessing.height,
            fit: preprocessing.fit.as_str().to_owned(),
            filter: preprocessing.filter.as_str().to_owned(),
        },
        calibration: Calibration {
            method: "temperature".to_owned(),
            temperature: 1.0,
            confidence_threshold: THRESHOLD,
        },
        evaluation: std::iter::once((SAMPLES.to_owned(), numbers)).collect(),
        backbone: Backbone {
            name: ADOPTED.to_owned(),
            digest: foreign.digest.clone(),
            weights: foreign.name.clone(),
            licence: None,
            source: Some(request.source.to_owned()),
            weights_set: None,
            weights_digest: Some(foreign.weights_digest.clone()),
        },
        // What it was made from is not known, and nothing here may look as if it were.
        data: Data {
            digest: "unknown".to_owned(),
            n_photographs: 0,
            counts: std::collections::BTreeMap::new(),
            group_column: request.group_column.to_owned(),
            origin: if is_drawn { "synthetic" } else { "photographs" }.to_owned(),
        },
        splits: std::collections::BTreeMap::new(),
        // Empty is "unknown" to the gate. The samples are no answer: they proved the classifier, and whether it
        // was trained on them is not known either.
        learned_photographs: Vec::new(),
        training: json!({
            "adopted": {
                "note": "Trained elsewhere. On which photographs is not known, so that no comparison can leave them out.",
                "source": request.source,
                "input": {
                    "name": input.name, "layout": input.layout, "channel_order": input.channel_order,
                    "scale": as_written(input.scale), "mean": input.mean.map(as_written),
                    "std": input.std.map(as_written),
                },
                "output": foreign.output(),
                "assumed": foreign.assumed,
                "samples": {
                    "digest": request.samples.digest(&digests),
                    "n_photographs": evaluation.n,
                    "n_groups": evaluation.n_groups,
                },
            },
            "engine": model.engine_description(),
            "engine_digest": model.engine_digest(),
            "warnings": [],
        }),
        seed: 0,
        code_version: request.code_version.to_owned(),
        demonstration: is_drawn.then(|| {
            "Demonstration model: adopted, and proven on drawn fish only. Its answers about real fish mean nothing until it is adopted with photographs.".to_owned()
        }),
    })
}

/// The shortest number that is this one: 0.485, not 0.48500001430511475.
fn as_written(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}
