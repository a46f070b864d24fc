//! A training run on a job's driver.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_array::builder::{ListBuilder, StringBuilder};
use fishid::InputError;
use fishid::job::{JobRequest, Planned};
use fishid_dataset::Inspection;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Arc;

use crate::error::{raise, without_lock};
use crate::{arrow, columns};

/// `fishid._native.Job`: the Python class `TrainingRun` is made of it.
#[pyclass]
pub struct Job(Mutex<fishid::job::Job>);

impl Job {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut fishid::job::Job) -> anyhow::Result<T> + Send,
    ) -> PyResult<T> {
        without_lock(py, || {
            work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }
}

#[pymethods]
impl Job {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "named one by one in Python")]
    fn new(
        py: Python<'_>,
        data: String,
        registry: Option<String>,
        model: Option<String>,
        backbone: Option<String>,
        weights: Option<String>,
        views: Option<u32>,
        epochs: Option<u32>,
        seed: Option<u64>,
        fit: Option<String>,
        group_column: String,
        allow_class_change: bool,
        embeddings: Option<String>,
    ) -> PyResult<Self> {
        for (name, value) in [("views", views), ("epochs", epochs)] {
            if value == Some(0) {
                let error = InputError(format!("{name} = 0: it must be at least 1"));
                return Err(raise(&error.into()));
            }
        }
        let request = JobRequest {
            data,
            registry,
            model,
            backbone,
            weights,
            views,
            epochs,
            seed,
            fit,
            group_column,
            allow_class_change,
            embeddings,
        };
        let job = without_lock(py, || fishid::job::Job::open(&request))?;
        Ok(Self(Mutex::new(job)))
    }

    fn n_photographs(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |job| Ok(job.dataset().photographs().len()))
    }

    fn listing_digest(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |job| Ok(job.dataset().listing_digest().to_owned()))
    }

    fn spec(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |job| Ok(serde_json::to_string(job.spec())?))
    }

    fn backbone_files(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let text = |path: &std::path::PathBuf| path.display().to_string();
        self.with(py, |job| {
            Ok(job.backbone_files().iter().map(text).collect())
        })
    }

    fn photographs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let table = self.with(py, |job| arrow::write(&photographs(job)?))?;
        Ok(PyBytes::new(py, &table))
    }

    /// What is to be embedded, how many views are there and are missing, and what is left out.
    fn plan<'py>(
        &self,
        py: Python<'py>,
        stream: &[u8],
    ) -> PyResult<(Bound<'py, PyBytes>, usize, usize, Bound<'py, PyBytes>)> {
        let (table, n_there, n_missing, left_out) = self.with(py, |job| {
            let inspections = inspections(job, stream)?;
            let planned = job.plan(inspections)?;
            Ok((
                arrow::write(&to_embed(&planned)?)?,
                planned.n_there,
                planned.n_missing,
                arrow::write(&left_out(&planned)?)?,
            ))
        })?;
        let bytes = |table: Vec<u8>| PyBytes::new(py, &table);
        Ok((bytes(table), n_there, n_missing, bytes(left_out)))
    }

    fn finish(&self, py: Python<'_>, force: bool) -> PyResult<String> {
        self.with(py, |job| Ok(serde_json::to_string(&job.finish(force)?)?))
    }
}

fn photographs(job: &fishid::job::Job) -> anyhow::Result<RecordBatch> {
    let photographs = job.dataset().photographs();
    let column = |text: fn(&fishid_dataset::Photograph) -> Option<&str>| {
        columns::text_column(photographs.iter().map(text))
    };
    columns::batch(vec![
        ("path", column(|it| Some(&it.path))),
        ("class", column(|it| Some(&it.class))),
        ("group", column(|it| it.group.as_deref())),
        (
            "split",
            column(|it| it.split.map(fishid_dataset::Split::as_str)),
        ),
    ])
}

/// The inspections in the order of the data set; every photograph has to be among them once.
fn inspections(job: &fishid::job::Job, stream: &[u8]) -> anyhow::Result<Vec<Inspection>> {
    let mut by_path: HashMap<String, String> = HashMap::new();
    for batch in arrow::read(stream)? {
        let paths = columns::texts(&batch, "path")?;
        by_path.extend(paths.into_iter().zip(columns::texts(&batch, "inspection")?));
    }
    let one = |photograph: &fishid_dataset::Photograph| {
        let path = &photograph.path;
        let Some(text) = by_path.get(path) else {
            anyhow::bail!(InputError(format!(
                "{path}: there is no inspection of it; give a row for each photograph"
            )));
        };
        serde_json::from_str(text)
            .map_err(|error| InputError(format!("{path}: this is no inspection: {error}")).into())
    };
    job.dataset().photographs().iter().map(one).collect()
}

fn to_embed(planned: &Planned) -> anyhow::Result<RecordBatch> {
    let rows = &planned.to_embed;
    let mut views = ListBuilder::new(StringBuilder::new());
    for row in rows {
        for view in &row.views {
            views.values().append_value(view);
        }
        views.append(true);
    }
    columns::batch(vec![
        (
            "path",
            columns::text_column(rows.iter().map(|it| Some(&it.path))),
        ),
        (
            "digest",
            columns::text_column(rows.iter().map(|it| Some(&it.digest))),
        ),
        (
            "split",
            columns::text_column(rows.iter().map(|it| Some(it.split))),
        ),
        ("views", Arc::new(views.finish())),
    ])
}

fn left_out(planned: &Planned) -> anyhow::Result<RecordBatch> {
    let rows = &planned.left_out;
    columns::batch(vec![
        (
            "path",
            columns::text_column(rows.iter().map(|it| Some(&it.path))),
        ),
        (
            "kind",
            columns::text_column(rows.iter().map(|it| Some(it.kind.as_str()))),
        ),
        (
            "reason",
            columns::text_column(rows.iter().map(|it| Some(&it.detail))),
        ),
    ])
}
