//! What executors do: looking at photographs and embedding them.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, Int32Array, RecordBatch};
use arrow_schema::{DataType, Field};
use fishid::InputError;
use fishid_dataset::inspect_paths;
use fishid_training::{EmbedSpec, EmbeddedViews, Wanted};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::without_lock;
use crate::{arrow, columns, process};

type Answers = [Result<EmbeddedViews, String>];

fn spec_of(text: &str) -> anyhow::Result<EmbedSpec> {
    serde_json::from_str(text)
        .map_err(|error| InputError(format!("this is no spec of a training run: {error}")).into())
}

#[pyfunction]
pub fn inspect<'py>(
    py: Python<'py>,
    stream: &[u8],
    spec: &str,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyBytes>> {
    let answer = without_lock(py, || {
        let place = process::place(&spec_of(spec)?.location)?;
        let mut paths = Vec::new();
        for batch in arrow::read(stream)? {
            paths.extend(columns::texts(&batch, "path")?);
        }
        let inspections = inspect_paths(&place, &paths, process::threads(threads));
        let texts = inspections.iter().map(serde_json::to_string);
        let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
        let reasons = inspections
            .iter()
            .map(|it| it.seen.as_ref().err().map(|(_, reason)| reason));
        arrow::write(&columns::batch(vec![
            ("path", columns::text_column(paths.iter().map(Some))),
            ("inspection", columns::text_column(texts.iter().map(Some))),
            ("error", columns::text_column(reasons)),
        ])?)
    })?;
    Ok(PyBytes::new(py, &answer))
}

#[pyfunction]
pub fn embed<'py>(
    py: Python<'py>,
    stream: &[u8],
    spec: &str,
    backbone: &str,
    threads: Option<usize>,
    keep: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let answer = without_lock(py, || {
        let spec = spec_of(spec)?;
        let embedder = process::embedder(backbone, process::threads(threads))?;
        let place = process::place(&spec.location)?;
        let mut wanted = Vec::new();
        for batch in arrow::read(stream)? {
            let paths = columns::texts(&batch, "path")?.into_iter();
            let views = columns::lists(&batch, "views")?;
            wanted.extend(paths.zip(views).map(|(path, views)| Wanted { path, views }));
        }
        let answers = embedder.embed(&spec, &place, &wanted)?;
        if !keep {
            return arrow::write(&rows(&wanted, &answers)?);
        }
        let Some(store) = &spec.store else {
            anyhow::bail!(InputError(
                "embeddings cannot be kept: give the TrainingRun a `work` folder or prefix"
                    .to_owned()
            ));
        };
        embedder.keep(&spec, &*process::place(store)?, &answers)?;
        arrow::write(&summary(&wanted, &answers)?)
    })?;
    Ok(PyBytes::new(py, &answer))
}

/// A row for each view; one for a photograph that has none.
fn rows(wanted: &[Wanted], answers: &Answers) -> anyhow::Result<RecordBatch> {
    let [mut paths, mut digests, mut views, mut errors] = [(); 4].map(|()| StringBuilder::new());
    let item = Field::new("item", DataType::Float32, true);
    let mut embeddings = ListBuilder::new(Float32Builder::new()).with_field(item);
    for (wanted, answer) in wanted.iter().zip(answers) {
        match answer {
            Ok(photograph) => {
                for (view, embedding) in &photograph.views {
                    paths.append_value(&wanted.path);
                    digests.append_value(&photograph.digest);
                    views.append_value(view);
                    embeddings.values().append_slice(embedding);
                    embeddings.append(true);
                    errors.append_null();
                }
            }
            Err(reason) => {
                paths.append_value(&wanted.path);
                digests.append_null();
                views.append_null();
                embeddings.append(false);
                errors.append_value(reason);
            }
        }
    }
    let done = |mut builder: StringBuilder| -> ArrayRef { Arc::new(builder.finish()) };
    columns::batch(vec![
        ("path", done(paths)),
        ("digest", done(digests)),
        ("view", done(views)),
        ("embedding", Arc::new(embeddings.finish())),
        ("error", done(errors)),
    ])
}

/// A row for each photograph.
fn summary(wanted: &[Wanted], answers: &Answers) -> anyhow::Result<RecordBatch> {
    let views = answers
        .iter()
        .map(|answer| answer.as_ref().map_or(0, |it| it.views.len() as i32));
    let digests = answers
        .iter()
        .map(|answer| answer.as_ref().ok().map(|it| &it.digest));
    let errors = answers.iter().map(|answer| answer.as_ref().err());
    columns::batch(vec![
        (
            "path",
            columns::text_column(wanted.iter().map(|it| Some(&it.path))),
        ),
        ("digest", columns::text_column(digests)),
        ("n_views", Arc::new(Int32Array::from_iter_values(views))),
        ("error", columns::text_column(errors)),
    ])
}
