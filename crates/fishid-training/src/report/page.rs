//! What the templates show, already in words and rounded numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ReportInput, chart};
use crate::evaluation::Evaluation;

#[derive(Debug, Serialize)]
pub(super) struct Page {
    model_name: String,
    demonstration: Option<String>,
    n_classes: usize,
    n_photographs: usize,
    n_groups: usize,
    tiles: Vec<Tile>,
    summary: String,
    intervals_note: String,
    splits: Vec<SplitRow>,
    data: Vec<DataRow>,
    data_totals: [usize; 3],
    classes: Vec<ClassRow>,
    confusion: Vec<ConfusionRow>,
    confusion_heads: Vec<String>,
    reliability_svg: String,
    loss_svg: String,
    f1_svg: String,
    mistakes: Vec<Mistake>,
    n_mistakes: usize,
    trials: Vec<TrialRow>,
    n_trials: usize,
    n_inner_folds: usize,
    lineage: Vec<(String, String)>,
    warnings: Vec<String>,
    unknown_classes: Vec<String>,
    temperature: String,
    threshold: String,
    threshold_is_measured: bool,
    has_validation: bool,
    lda_shrinkage: Option<f64>,
    licence: String,
}

#[derive(Debug, Serialize)]
struct Tile {
    name: &'static str,
    value: String,
    note: String,
}

#[derive(Debug, Serialize)]
struct SplitRow {
    name: &'static str,
    n: usize,
    n_groups: usize,
    accuracy: String,
    accuracy_ci: String,
    balanced_accuracy: String,
    macro_f1: String,
    macro_f1_ci: String,
    top_3: String,
    ece: String,
}

#[derive(Debug, Serialize)]
struct DataRow {
    en: String,
    ru: String,
    latin: String,
    counts: [usize; 3],
}

#[derive(Debug, Serialize)]
struct ClassRow {
    slug: String,
    en: String,
    ru: String,
    latin: String,
    n: usize,
    precision: f64,
    recall: f64,
    f1: f64,
    precision_text: String,
    recall_text: String,
    f1_text: String,
}

#[derive(Debug, Serialize)]
struct ConfusionRow {
    en: String,
    ru: String,
    n: usize,
    cells: Vec<ConfusionCell>,
}

#[derive(Debug, Serialize)]
struct ConfusionCell {
    count: usize,
    /// Share of the row, in percent of full colour.
    strength: usize,
    is_diagonal: bool,
    title: String,
}

/// A wrong answer with its photograph.
#[derive(Debug, Serialize)]
pub(super) struct Mistake {
    pub(super) picture: Option<String>,
    pub(super) path: String,
    pub(super) truth_en: String,
    pub(super) truth_ru: String,
    pub(super) answer_en: String,
    pub(super) answer_ru: String,
    pub(super) confidence: String,
}

#[derive(Debug, Serialize)]
struct TrialRow {
    learning_rate: String,
    weight_decay: String,
    dropout: String,
    best_epoch: usize,
    macro_f1: String,
    accuracy: String,
    loss: String,
    is_chosen: bool,
}

pub(crate) fn percent(share: f64) -> String {
    format!("{:.1}\u{a0}%", share * 100.0)
}

pub(crate) fn interval([low, high]: [f64; 2]) -> String {
    format!("{:.1}–{:.1}\u{a0}%", low * 100.0, high * 100.0)
}

impl Page {
    pub(super) fn new(input: &ReportInput<'_>, mistakes: Vec<Mistake>) -> Self {
        let (test, manifest, trained) = (&input.test.evaluation, input.manifest, input.trained);
        let n_wrong = (test.n as f64 * (1.0 - test.accuracy)).round() as usize;
        let data = data_rows(input);
        let mut data_totals = [0; 3];
        for row in &data {
            for (total, n) in data_totals.iter_mut().zip(row.counts) {
                *total += n;
            }
        }
        Self {
            model_name: manifest.model_name.clone(),
            demonstration: manifest.demonstration.clone(),
            n_classes: manifest.classes.len(),
            n_photographs: manifest.data.n_photographs,
            n_groups: manifest.splits.len(),
            tiles: tiles(test),
            summary: format!(
                "Of {} test photographs of {} fish groups the model had never seen, it named {} right.",
                test.n,
                test.n_groups,
                test.n - n_wrong
            ),
            intervals_note: "95 % intervals by resampling whole groups (1000 resamples): photographs of one fish are not independent.".to_owned(),
            splits: split_rows(input),
            data,
            data_totals,
            classes: class_rows(input),
            confusion: confusion_rows(input),
            confusion_heads: names(input, &test.confusion_matrix.classes).into_iter().map(|(en, _)| en).collect(),
            reliability_svg: chart::reliability(&test.reliability),
            loss_svg: chart::losses(&trained.fitted.curve, trained.fitted.best_epoch),
            f1_svg: chart::macro_f1(&trained.fitted.curve, trained.fitted.best_epoch),
            mistakes,
            n_mistakes: n_wrong,
            trials: trial_rows(input),
            n_trials: trained.fitted.trials.len(),
            n_inner_folds: trained.fitted.n_inner_folds,
            lineage: lineage(input),
            warnings: input.plan.warnings.clone(),
            unknown_classes: test.unknown_classes.clone(),
            temperature: format!("{:.3}", trained.calibrated.temperature),
            threshold: percent(trained.calibrated.confidence_threshold),
            threshold_is_measured: trained.calibrated.threshold_is_measured,
            has_validation: input.validation.evaluation.n > 0,
            lda_shrinkage: trained.fitted.lda_shrinkage,
            licence: manifest.backbone.licence.clone().unwrap_or_else(|| "not stated".to_owned()),
        }
    }
}

fn tiles(test: &Evaluation) -> Vec<Tile> {
    let tile = |name, value, note: String| Tile {
        name,
        value: percent(value),
        note,
    };
    vec![
        tile(
            "Accuracy",
            test.accuracy,
            format!("95 %: {}", interval(test.accuracy_ci95)),
        ),
        tile(
            "Macro-F1",
            test.macro_f1,
            format!("95 %: {}", interval(test.macro_f1_ci95)),
        ),
        tile(
            "Balanced accuracy",
            test.balanced_accuracy,
            "mean recall of the classes".to_owned(),
        ),
        tile(
            "Top 3",
            test.top_3_accuracy,
            "right among three answers".to_owned(),
        ),
        tile("Calibration error", test.ece, "0 % is perfect".to_owned()),
    ]
}

fn split_rows(input: &ReportInput<'_>) -> Vec<SplitRow> {
    [
        ("test", &input.test.evaluation),
        ("validation", &input.validation.evaluation),
    ]
    .into_iter()
    .filter(|(_, evaluation)| evaluation.n > 0)
    .map(|(name, evaluation)| SplitRow {
        name,
        n: evaluation.n,
        n_groups: evaluation.n_groups,
        accuracy: percent(evaluation.accuracy),
        accuracy_ci: interval(evaluation.accuracy_ci95),
        balanced_accuracy: percent(evaluation.balanced_accuracy),
        macro_f1: percent(evaluation.macro_f1),
        macro_f1_ci: interval(evaluation.macro_f1_ci95),
        top_3: percent(evaluation.top_3_accuracy),
        ece: percent(evaluation.ece),
    })
    .collect()
}

fn names(input: &ReportInput<'_>, slugs: &[String]) -> Vec<(String, String)> {
    let name = |slug: &String| {
        let species = input.request.catalogue.resolve(slug);
        (species.en, species.ru)
    };
    slugs.iter().map(name).collect()
}

fn data_rows(input: &ReportInput<'_>) -> Vec<DataRow> {
    let counts = &input.manifest.data.counts;
    let mut rows: BTreeMap<&String, [usize; 3]> = BTreeMap::new();
    for (place, split) in ["train", "val", "test"].into_iter().enumerate() {
        for (class, n) in counts.get(split).into_iter().flatten() {
            rows.entry(class).or_default()[place] = *n;
        }
    }
    rows.into_iter()
        .map(|(slug, counts)| {
            let species = input.request.catalogue.resolve(slug);
            DataRow {
                en: species.en,
                ru: species.ru,
                latin: species.latin,
                counts,
            }
        })
        .collect()
}

fn class_rows(input: &ReportInput<'_>) -> Vec<ClassRow> {
    let mut rows: Vec<ClassRow> = input
        .test
        .evaluation
        .per_class
        .iter()
        .map(|(slug, score)| {
            let species = input.request.catalogue.resolve(slug);
            ClassRow {
                slug: slug.clone(),
                en: species.en,
                ru: species.ru,
                latin: species.latin,
                n: score.n,
                precision: score.precision * 100.0,
                recall: score.recall * 100.0,
                f1: score.f1 * 100.0,
                precision_text: percent(score.precision),
                recall_text: percent(score.recall),
                f1_text: percent(score.f1),
            }
        })
        .collect();
    rows.sort_by(|a, b| a.f1.total_cmp(&b.f1).then(a.slug.cmp(&b.slug)));
    rows
}

fn confusion_rows(input: &ReportInput<'_>) -> Vec<ConfusionRow> {
    let matrix = &input.test.evaluation.confusion_matrix;
    let names = names(input, &matrix.classes);
    matrix
        .counts
        .iter()
        .enumerate()
        .map(|(row, counts)| {
            let n: usize = counts.iter().sum();
            let cell = |(column, count): (usize, &usize)| ConfusionCell {
                count: *count,
                strength: (count * 100).checked_div(n).unwrap_or(0),
                is_diagonal: row == column,
                title: format!(
                    "{} answered as {}: {count} of {n}",
                    names[row].0, names[column].0
                ),
            };
            let cells = counts.iter().enumerate().map(cell).collect();
            ConfusionRow {
                en: names[row].0.clone(),
                ru: names[row].1.clone(),
                n,
                cells,
            }
        })
        .collect()
}

fn trial_rows(input: &ReportInput<'_>) -> Vec<TrialRow> {
    let fitted = &input.trained.fitted;
    let mut trials = fitted.trials.clone();
    trials.sort_by(|a, b| {
        b.macro_f1
            .total_cmp(&a.macro_f1)
            .then(a.loss.total_cmp(&b.loss))
    });
    trials
        .iter()
        .map(|trial| TrialRow {
            learning_rate: format!("{:.0e}", trial.setting.learning_rate),
            weight_decay: format!("{}", trial.setting.weight_decay),
            dropout: format!("{}", trial.setting.dropout),
            best_epoch: trial.best_epoch,
            macro_f1: format!("{:.3}", trial.macro_f1),
            accuracy: format!("{:.3}", trial.accuracy),
            loss: format!("{:.3}", trial.loss),
            is_chosen: trial.setting == fitted.setting,
        })
        .collect()
}

/// A folder by its own name: where it stood on the trainer's machine is nobody's business, and the report
/// of the same photographs elsewhere should be the same.
fn place(location: &str) -> String {
    if location.starts_with("s3://") {
        return location.to_owned();
    }
    let name = location.trim_end_matches('/').rsplit('/').next();
    name.unwrap_or(location).to_owned()
}

fn lineage(input: &ReportInput<'_>) -> Vec<(String, String)> {
    let manifest = input.manifest;
    let preprocessing = &manifest.preprocessing;
    let (training, trained) = (&manifest.training, input.trained);
    let row = |name: &str, value: String| (name.to_owned(), value);
    vec![
        row(
            "Backbone",
            format!(
                "{} (weights: {})",
                manifest.backbone.name, manifest.backbone.weights
            ),
        ),
        row("Backbone digest", manifest.backbone.digest.clone()),
        row(
            "Backbone source",
            manifest
                .backbone
                .source
                .clone()
                .unwrap_or_else(|| "not stated".to_owned()),
        ),
        row(
            "Backbone licence",
            manifest
                .backbone
                .licence
                .clone()
                .unwrap_or_else(|| "not stated".to_owned()),
        ),
        row("Photographs", place(input.request.dataset.location())),
        row("Data digest", manifest.data.digest.clone()),
        row(
            "Groups from",
            format!(
                "column `{}` of manifest.csv, near-duplicates joined",
                manifest.data.group_column
            ),
        ),
        row(
            "Input",
            format!(
                "{} × {} pixels, {}, {}",
                preprocessing.width, preprocessing.height, preprocessing.fit, preprocessing.filter
            ),
        ),
        row(
            "Head",
            match (trained.fitted.lda_shrinkage, training["lda_share"].as_f64()) {
                (None, _) => "linear: trained with Burn on standardised embeddings",
                (Some(_), Some(1.0)) => "linear: a shrinkage discriminant of standardised embeddings",
                _ => "linear: trained with Burn on standardised embeddings, averaged with a shrinkage discriminant",
            }
            .to_owned(),
        ),
        row(
            "Engine",
            training["engine"]
                .as_str()
                .unwrap_or("not stated")
                .to_owned(),
        ),
        row("Seed", manifest.seed.to_string()),
        row("Code version", manifest.code_version.clone()),
    ]
}
