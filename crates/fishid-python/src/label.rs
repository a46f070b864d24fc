//! Answers for photographs of a folder or an S3 prefix, in the columns of `fishid predict --out`.

use std::collections::HashMap;

use fishid_prediction::Circumstances;
use fishid_prediction::scoring::{Photograph, Row, Threads, score, to_batch};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Arc;

use crate::error::without_lock;
use crate::{arrow, bundle, columns, process};

/// A folder answers at once; S3 answers many as fast as one.
const READERS_OF_A_FOLDER: usize = 2;
const READERS_OF_S3: usize = 8;

#[pyfunction]
pub fn label<'py>(
    py: Python<'py>,
    stream: &[u8],
    data: &str,
    bundle: &str,
    threads: Option<usize>,
    lang: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let answer = without_lock(py, || {
        let language = bundle::language(lang)?;
        let n_workers = process::threads(threads);
        let predictor = process::predictor(bundle, n_workers)?;
        let place = process::place(data)?;
        let mut keys = Vec::new();
        for batch in arrow::read(stream)? {
            keys.extend(columns::texts(&batch, "path")?);
        }
        let photographs: Vec<Photograph> = keys
            .iter()
            .map(|key| Photograph {
                path: place.full_path(key),
                place: Arc::clone(&place),
                key: key.clone(),
            })
            .collect();
        let paths: Vec<String> = photographs.iter().map(|it| it.path.clone()).collect();
        let threads = Threads {
            n_workers,
            n_readers: if place.is_remote() {
                READERS_OF_S3
            } else {
                READERS_OF_A_FOLDER
            },
        };
        let mut rows: HashMap<String, Row> = HashMap::new();
        for scored in score(&predictor, photographs.into_iter().map(Ok), threads)? {
            let scored = scored?;
            let row = match scored.answer {
                Ok(prediction) => {
                    let circumstances = Circumstances {
                        language,
                        processing_time_ms: scored.spent.as_secs_f64() * 1e3,
                        model_version: predictor.digest_version().to_owned(),
                        cached: false,
                    };
                    let reply = prediction.reply(predictor.names(), circumstances);
                    Row::answered(scored.path.clone(), reply, predictor.digest())
                }
                Err(refusal) => Row::refused(scored.path.clone(), refusal),
            };
            rows.insert(scored.path, row);
        }
        let in_order: Vec<Row> = paths
            .iter()
            .filter_map(|path| rows.get(path))
            .cloned()
            .collect();
        anyhow::ensure!(in_order.len() == paths.len(), "photographs were lost");
        arrow::write(&to_batch(&in_order)?)
    })?;
    Ok(PyBytes::new(py, &answer))
}
