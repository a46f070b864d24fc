//! Photographs and models: pixels, checks, versions of a registry.

use fishid::InputError;
use fishid_image::{Limits, Preprocessing};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::json;

use crate::error::without_lock;

/// The pixels of a photograph in `bytes`, by the names that a bundle's manifest has for fit and filter.
#[pyfunction]
pub fn load_pixels<'py>(
    py: Python<'py>,
    photo: &[u8],
    width: u32,
    height: u32,
    fit: &str,
    filter: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let photo = without_lock(py, || {
        let fit = fit.replace('-', "_");
        let settings = json!({"width": width, "height": height, "fit": fit, "filter": filter});
        let preprocessing: Preprocessing = serde_json::from_value(settings)
            .map_err(|error| InputError(format!("no such preprocessing: {error}")))?;
        let photo = preprocessing.load(photo, &Limits::default());
        Ok(photo.map_err(fishid_prediction::PredictError::Photo)?)
    })?;
    Ok(PyBytes::new(py, photo.pixels()))
}

/// What is wrong with a data set, as JSON.
#[pyfunction]
pub fn check_dataset(py: Python<'_>, data: &str, group_column: &str) -> PyResult<String> {
    without_lock(py, || {
        let (dataset, problems) = fishid::job::check(data, group_column)?;
        let n_errors = problems.iter().filter(|problem| problem.is_error()).count();
        let answer = json!({
            "is_acceptable": n_errors == 0,
            "n_photographs": dataset.photographs().len(),
            "classes": dataset.classes(),
            "n_errors": n_errors,
            "problems": problems,
        });
        Ok(answer.to_string())
    })
}

/// Number and folder of a version.
#[pyfunction]
pub fn fetch_bundle(
    py: Python<'_>,
    registry: Option<String>,
    model: Option<String>,
    version: &str,
) -> PyResult<(String, String)> {
    without_lock(py, || {
        let (number, folder) = fishid::job::fetch_bundle(registry, model, version)?;
        Ok((number, folder.display().to_string()))
    })
}
