//! The head and the numbers, over plain rows.
#![expect(
    clippy::needless_pass_by_value,
    reason = "arguments that Python hands over are made for the call"
)]

use fishid::InputError;
use fishid_training::{
    BootstrapOptions, Evaluation, EvaluationInput, FitRequest, Recipe, Silent, TrainingRows,
    calibrate, fit, predict_logits,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use serde_json::json;

use crate::error::without_lock;

/// Rows as Python hands them over: values, little-endian f32, then a label and a group for each.
type Rows = (PyBackedBytes, Vec<usize>, Vec<String>);

/// Rows as the head takes them.
struct Given {
    values: Vec<f32>,
    labels: Vec<usize>,
    groups: Vec<String>,
    is_original: Vec<bool>,
}

impl Given {
    fn new((values, labels, groups): Rows) -> Self {
        Self {
            values: numbers(&values),
            is_original: vec![true; labels.len()],
            labels,
            groups,
        }
    }

    fn rows(&self, width: usize) -> TrainingRows<'_> {
        TrainingRows {
            dim: width,
            embeddings: &self.values,
            labels: &self.labels,
            groups: &self.groups,
            is_original: &self.is_original,
        }
    }
}

fn numbers(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers.iter().map(|it| f32::from_le_bytes(*it)).collect()
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|it| it.to_le_bytes()).collect()
}

/// What a head is trained with, besides its rows.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct HeadSettings {
    width: usize,
    n_classes: usize,
    seed: u64,
    epochs: Option<usize>,
}

/// The head's facts as JSON, its weights and its bias.
#[pyfunction]
pub fn train_head(
    py: Python<'_>,
    train: Rows,
    validation: Rows,
    settings: HeadSettings,
) -> PyResult<(String, Py<PyBytes>, Py<PyBytes>)> {
    let (facts, head) = without_lock(py, || {
        let HeadSettings {
            width,
            n_classes,
            seed,
            epochs,
        } = settings;
        let mut recipe = Recipe::default();
        if let Some(epochs) = epochs {
            recipe.max_epochs = epochs;
        }
        let [train, validation] = [train, validation].map(Given::new);
        for rows in [&train, &validation] {
            if let Some(label) = rows.labels.iter().find(|label| **label >= n_classes) {
                anyhow::bail!(InputError(format!(
                    "label {label}: labels are below the number of classes, {n_classes}"
                )));
            }
        }
        let fitted = fit(
            &FitRequest {
                train: train.rows(width),
                validation: (!validation.labels.is_empty()).then(|| validation.rows(width)),
                n_classes,
                recipe: &recipe,
                seed,
            },
            &mut Silent,
        )?;
        let calibrated = calibrate(
            &predict_logits(&fitted.head, &validation.values),
            &validation.labels,
        );
        let facts = json!({
            "temperature": calibrated.temperature,
            "confidence_threshold": calibrated.confidence_threshold,
            "threshold_is_measured": calibrated.threshold_is_measured,
            "setting": fitted.setting,
            "best_epoch": fitted.best_epoch,
            "n_settings": fitted.trials.len(),
        });
        Ok((facts.to_string(), fitted.head))
    })?;
    let array = |values: &[f32]| PyBytes::new(py, &bytes(values)).unbind();
    Ok((facts, array(&head.weights), array(&head.bias)))
}

/// The numbers of `fishid evaluate --json`, as JSON. `probabilities` are rows of little-endian f32.
#[pyfunction]
pub fn evaluate(
    py: Python<'_>,
    probabilities: &[u8],
    truth: Vec<String>,
    groups: Vec<String>,
    classes: Vec<String>,
    seed: u64,
) -> PyResult<String> {
    without_lock(py, || {
        let values = numbers(probabilities);
        let n = truth.len();
        if classes.is_empty() || values.len() != n * classes.len() || groups.len() != n {
            anyhow::bail!(InputError(format!(
                "{} probabilities, {n} true classes, {} groups and {} classes do not belong together",
                values.len(),
                groups.len(),
                classes.len()
            )));
        }
        let rows: Vec<Vec<f32>> = values
            .chunks_exact(classes.len())
            .map(<[f32]>::to_vec)
            .collect();
        let input = EvaluationInput {
            probabilities: &rows,
            truth: &truth,
            groups: &groups,
            classes: &classes,
        };
        let bootstrap = BootstrapOptions {
            seed,
            ..BootstrapOptions::default()
        };
        Ok(serde_json::to_string(&Evaluation::compute(
            &input, &bootstrap,
        ))?)
    })
}
