//! The last step: head and backbone become one ONNX file, which must answer as the head does on the
//! validation photographs before it is written into a bundle with its proofs and its report.

mod onnx_check;

use std::path::Path;

use fishid_bundle::{
    Backbone, Bundle, BundleParts, Calibration, Class, Data, GoldenPhoto, Manifest, Output,
    SCHEMA_VERSION,
};
use fishid_dataset::{Origin, Split};
use fishid_engine::{EngineOptions, ImageModel};
use fishid_network::{Head, classifier};
use serde_json::json;

use self::onnx_check::largest_difference;
use crate::demonstration::demonstration_reason;
use crate::embedding::Embeddings;
use crate::error::TrainingError;
use crate::golden::{GoldenCandidate, answered_golden, margin, select_golden};
use crate::progress::Progress;
use crate::report::{ReportInput, model_card, report_html};
use crate::splits::SplitPlan;
use crate::train::{SplitScores, TrainRequest, TrainedHead};

/// f32 arithmetic in another order moves a probability by some 1e-6; a wrong graph by 1e-1.
const TOLERANCE: f32 = 1e-3;

/// A bundle on disk and how exactly its ONNX file answers as the head did.
#[derive(Debug)]
pub struct Assembled {
    /// The bundle.
    pub bundle: Bundle,
    /// Largest absolute difference of a probability.
    pub difference: f32,
}

/// Writes the bundle to `out`. `scores` are those of the validation and the test split.
///
/// # Errors
/// [`TrainingError::NotTheSameModel`] when the ONNX file answers differently; nothing is written then.
pub fn assemble(
    request: &TrainRequest<'_>,
    plan: &SplitPlan,
    embeddings: &Embeddings,
    trained: &TrainedHead,
    scores: [&SplitScores; 2],
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<Assembled, TrainingError> {
    progress.started("assemble");
    let head = &trained.fitted.head;
    let model_onnx = classifier(
        request.backbone,
        &Head {
            weights: head.weights.clone(),
            bias: head.bias.clone(),
            temperature: trained.calibrated.temperature,
            n_classes: head.n_classes,
        },
    )?;
    let difference = largest_difference(request, plan, embeddings, trained, &model_onnx, progress)?;
    let model = ImageModel::load(&model_onnx, &EngineOptions::default())?;
    let golden = golden(request, plan, scores, &model)?;
    let mut manifest = manifest(request, plan, trained, scores, &model)?;
    manifest.outputs = outputs(&model)?;
    let report = ReportInput {
        request,
        plan,
        trained,
        validation: scores[0],
        test: scores[1],
        manifest: &manifest,
    };
    let parts = BundleParts {
        input_example: Some(input_example(request, &golden)?),
        report_html: report_html(&report)?,
        model_card: model_card(&report)?,
        model_onnx,
        manifest,
        golden,
    };
    let bundle = fishid_bundle::write(out, parts)?;
    progress.finished(
        "assemble",
        &format!(
            "{}: answers as the head does, within {difference:.1e}",
            out.display()
        ),
    );
    Ok(Assembled { bundle, difference })
}

/// The graph's outputs with the shapes they really have: a symbolic side is known after one run.
pub(crate) fn outputs(model: &ImageModel) -> Result<Vec<Output>, TrainingError> {
    let names: Vec<&str> = model
        .outputs()
        .iter()
        .map(|output| output.name.as_str())
        .collect();
    let blank = vec![128_u8; model.height() * model.width() * 3];
    let answers = model.run(&blank, 1, &names)?;
    let output = |name: &&str| {
        let sides = answers[*name].shape.iter().skip(1).map(|side| *side as i64);
        Output {
            name: (*name).to_owned(),
            dtype: "float32".to_owned(),
            shape: std::iter::once(-1).chain(sides).collect(),
        }
    };
    Ok(names.iter().map(output).collect())
}

fn golden(
    request: &TrainRequest<'_>,
    plan: &SplitPlan,
    scores: [&SplitScores; 2],
    model: &ImageModel,
) -> Result<Vec<GoldenPhoto>, TrainingError> {
    let label = |planned: usize| {
        plan.classes
            .iter()
            .position(|class| *class == plan.photographs[planned].class)
    };
    let mut candidates = Vec::new();
    for split in scores {
        for (planned, row) in split.planned.iter().zip(&split.probabilities) {
            if let Some(class) = label(*planned) {
                candidates.push(GoldenCandidate {
                    photograph: *planned,
                    class,
                    margin: margin(row),
                });
            }
        }
    }
    // Training photographs fill up what validation and test do not have; a margin of 1 keeps them from
    // the eight near the boundary.
    for (planned, photograph) in plan.photographs.iter().enumerate() {
        if let Some(class) = label(planned).filter(|_| photograph.split == Split::Train) {
            candidates.push(GoldenCandidate {
                photograph: planned,
                class,
                margin: 1.0,
            });
        }
    }
    let chosen = select_golden(&candidates, plan.classes.len());
    let photographs = request.dataset.photographs();
    let read = |planned: &usize| -> Result<Vec<u8>, TrainingError> {
        Ok(request
            .dataset
            .read(&photographs[plan.photographs[*planned].photograph])?
            .to_vec())
    };
    let originals = chosen.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let classes = chosen
        .iter()
        .map(|planned| plan.photographs[*planned].class.as_str());
    answered_golden(
        &originals,
        &classes.collect::<Vec<_>>(),
        &request.preprocessing(),
        model,
    )
}

/// The pixels of the first golden photograph: it is in the bundle anyway.
fn input_example(
    request: &TrainRequest<'_>,
    golden: &[GoldenPhoto],
) -> Result<Vec<u8>, TrainingError> {
    let first = golden.first().ok_or_else(|| {
        TrainingError::Data("there are no golden photographs to show one as an example".to_owned())
    })?;
    let photo = request
        .preprocessing()
        .load(&first.bytes, &fishid_image::Limits::default())
        .map_err(|error| TrainingError::Data(format!("a golden photograph: {error}")))?;
    Ok(photo.pixels().to_vec())
}

fn manifest(
    request: &TrainRequest<'_>,
    plan: &SplitPlan,
    trained: &TrainedHead,
    scores: [&SplitScores; 2],
    model: &ImageModel,
) -> Result<Manifest, TrainingError> {
    let preprocessing = request.preprocessing();
    let origin = request.dataset.origin();
    let fitted = &trained.fitted;
    let classes = plan.classes.iter().map(|slug| {
        let species = request.catalogue.resolve(slug);
        Class {
            slug: slug.clone(),
            latin: species.latin,
            ru: species.ru,
            en: species.en,
        }
    });
    let evaluation = ["val", "test"]
        .iter()
        .zip(scores)
        .filter(|(_, scores)| scores.evaluation.n > 0);
    let evaluation = evaluation
        .map(|(split, scores)| {
            Ok((
                (*split).to_owned(),
                serde_json::to_value(&scores.evaluation)?,
            ))
        })
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|error| TrainingError::Data(format!("the evaluation is no JSON: {error}")))?;
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
            temperature: trained.calibrated.temperature,
            confidence_threshold: trained.calibrated.confidence_threshold,
        },
        evaluation,
        backbone: Backbone {
            name: request.backbone.name.clone(),
            digest: request.backbone.digest.clone(),
            weights: request.backbone.weights.clone(),
            licence: request.backbone.licence.clone(),
            source: request.backbone.source.clone(),
            weights_set: request.backbone.weights_set.clone(),
            weights_digest: request.backbone.weights_digest.clone(),
        },
        data: Data {
            digest: plan.data_digest.clone(),
            n_photographs: plan.photographs.len(),
            counts: plan.counts(),
            group_column: request.group_column.to_owned(),
            origin: match origin {
                Origin::Photographs => "photographs".to_owned(),
                Origin::Synthetic => "synthetic".to_owned(),
            },
        },
        splits: plan.groups(),
        learned_photographs: plan.learned_photographs(),
        training: json!({
            "recipe": request.recipe,
            "setting": fitted.setting,
            "lda_shrinkage": fitted.lda_shrinkage,
            "lda_share": request.recipe.lda_share,
            "best_epoch": fitted.best_epoch,
            "n_inner_folds": fitted.n_inner_folds,
            "trials": fitted.trials,
            "curve": fitted.curve,
            "calibration": trained.calibrated,
            "engine": model.engine_description(),
            "engine_digest": model.engine_digest(),
            "warnings": plan.warnings,
        }),
        seed: request.seed,
        code_version: request.code_version.to_owned(),
        demonstration: demonstration_reason(origin, request.backbone),
    })
}
