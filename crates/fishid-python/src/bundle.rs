//! A bundle opened for answering.

use std::sync::Arc;
use std::time::Instant;

use fishid::InputError;
use fishid_image::RgbPhoto;
use fishid_prediction::{Circumstances, Predictor};
use fishid_taxonomy::Language;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::without_lock;
use crate::process;

/// `fishid._native.Bundle`: the Python class of that name is made of it. Photographs come as their bytes.
#[pyclass(frozen)]
pub struct Bundle(Arc<Predictor>);

/// The language of labels by its code.
pub fn language(code: &str) -> anyhow::Result<Language> {
    code.parse()
        .map_err(|error| InputError(format!("{error}")).into())
}

#[pymethods]
impl Bundle {
    #[new]
    fn new(py: Python<'_>, folder: &str, threads: Option<usize>) -> PyResult<Self> {
        let n_threads = process::threads(threads);
        Ok(Self(without_lock(py, || {
            process::open_predictor(folder, n_threads)
        })?))
    }

    fn manifest(&self, py: Python<'_>) -> PyResult<String> {
        without_lock(py, || Ok(serde_json::to_string(self.0.manifest())?))
    }

    fn model_digest(&self) -> &str {
        self.0.digest()
    }

    fn size(&self) -> (u32, u32) {
        let preprocessing = self.0.preprocessing();
        (preprocessing.width, preprocessing.height)
    }

    /// The reply as JSON.
    fn predict(&self, py: Python<'_>, photo: &[u8], lang: &str) -> PyResult<String> {
        without_lock(py, || {
            let language = language(lang)?;
            let started = Instant::now();
            let prediction = self.0.predict(photo)?;
            let circumstances = Circumstances {
                language,
                processing_time_ms: started.elapsed().as_secs_f64() * 1e3,
                model_version: self.0.digest_version().to_owned(),
                cached: false,
            };
            let reply = prediction.reply(self.0.names(), circumstances);
            Ok(serde_json::to_string(&reply)?)
        })
    }

    fn probabilities(&self, py: Python<'_>, photo: &[u8]) -> PyResult<Vec<f32>> {
        without_lock(py, || Ok(self.0.predict(photo)?.probabilities().to_vec()))
    }

    /// The probabilities for pixels of the model's size.
    fn probabilities_of_pixels(&self, py: Python<'_>, pixels: Vec<u8>) -> PyResult<Vec<f32>> {
        let (width, height) = self.size();
        without_lock(py, || {
            let photo = RgbPhoto::new(width, height, pixels).map_err(|_| {
                InputError(format!("the model takes pixels of {width} x {height}, RGB"))
            })?;
            Ok(self.0.infer_one(photo)?.probabilities().to_vec())
        })
    }

    fn load_pixels<'py>(&self, py: Python<'py>, photo: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let photo = without_lock(py, || Ok(self.0.prepare(photo)?))?;
        Ok(PyBytes::new(py, photo.pixels()))
    }
}
