//! Report and model card of an adopted classifier: what was proven about it, and what nobody here knows.

use fishid_bundle::Manifest;
use serde::Serialize;

use crate::error::TrainingError;
use crate::evaluation::Evaluation;
use crate::report::{interval, percent, render};

#[derive(Serialize)]
struct Page {
    model_name: String,
    demonstration: Option<String>,
    summary: String,
    numbers: Vec<(&'static str, String)>,
    classes: Vec<ClassRow>,
    lineage: Vec<(&'static str, String)>,
    assumed: Vec<String>,
}

#[derive(Serialize)]
struct ClassRow {
    slug: String,
    latin: String,
    ru: String,
    en: String,
    n: usize,
    precision: String,
    recall: String,
    f1: String,
}

pub(super) fn html(manifest: &Manifest, evaluation: &Evaluation) -> Result<String, TrainingError> {
    render(
        "adopted.html",
        include_str!("../../templates/adopted.html"),
        &Page::of(manifest, evaluation),
    )
}

pub(super) fn card(manifest: &Manifest, evaluation: &Evaluation) -> Result<String, TrainingError> {
    render(
        "adopted.md",
        include_str!("../../templates/adopted.md"),
        &Page::of(manifest, evaluation),
    )
}

impl Page {
    fn of(manifest: &Manifest, evaluation: &Evaluation) -> Self {
        let adopted = &manifest.training["adopted"];
        let classes = manifest.classes.iter().map(|class| {
            let score = evaluation.per_class.get(&class.slug);
            let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), percent);
            ClassRow {
                slug: class.slug.clone(),
                latin: class.latin.clone(),
                ru: class.ru.clone(),
                en: class.en.clone(),
                n: score.map_or(0, |score| score.n),
                precision: number(score.map(|score| score.precision)),
                recall: number(score.map(|score| score.recall)),
                f1: number(score.map(|score| score.f1)),
            }
        });
        let assumed = adopted["assumed"].as_array().into_iter().flatten();
        Self {
            model_name: manifest.model_name.clone(),
            demonstration: manifest.demonstration.clone(),
            summary: format!(
                "Of {} sample photographs of {} groups it named {} right. It was trained elsewhere; whether it has seen these photographs before is not known, so that these numbers may be too good.",
                evaluation.n,
                evaluation.n_groups,
                (evaluation.n as f64 * evaluation.accuracy).round()
            ),
            numbers: vec![
                (
                    "Accuracy",
                    format!(
                        "{} (95 %: {})",
                        percent(evaluation.accuracy),
                        interval(evaluation.accuracy_ci95)
                    ),
                ),
                (
                    "Macro-F1",
                    format!(
                        "{} (95 %: {})",
                        percent(evaluation.macro_f1),
                        interval(evaluation.macro_f1_ci95)
                    ),
                ),
                ("Balanced accuracy", percent(evaluation.balanced_accuracy)),
                ("Top 3", percent(evaluation.top_3_accuracy)),
                ("Calibration error", percent(evaluation.ece)),
            ],
            classes: classes.collect(),
            lineage: lineage(manifest),
            assumed: assumed
                .filter_map(|text| text.as_str().map(str::to_owned))
                .collect(),
        }
    }
}

fn lineage(manifest: &Manifest) -> Vec<(&'static str, String)> {
    let adopted = &manifest.training["adopted"];
    let text = |value: &serde_json::Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let preprocessing = &manifest.preprocessing;
    vec![
        ("Source", text(&adopted["source"])),
        ("File", manifest.backbone.weights.clone()),
        ("File digest", manifest.backbone.digest.clone()),
        (
            "Weights digest",
            manifest.backbone.weights_digest.clone().unwrap_or_default(),
        ),
        (
            "Photographs",
            format!(
                "{} × {} pixels, {}, {}",
                preprocessing.width, preprocessing.height, preprocessing.fit, preprocessing.filter
            ),
        ),
        ("Input", text(&adopted["input"])),
        ("Output", text(&adopted["output"])),
        ("Its numbers", text(&adopted["output_kind"])),
        (
            "Largest difference of a probability after wrapping",
            text(&adopted["largest_difference"]),
        ),
        ("Samples digest", text(&adopted["samples"]["digest"])),
        ("Engine", text(&manifest.training["engine"])),
        ("Code version", manifest.code_version.clone()),
    ]
}
