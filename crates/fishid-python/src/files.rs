//! Files of folders and S3 prefixes: listed, and carried both ways.

use std::sync::Arc;

use arrow_array::Int64Array;
use fishid_storage::Listed;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::without_lock;
use crate::{arrow, columns, process};

/// Every photograph, whatever the layout.
#[pyfunction]
pub fn list_photographs<'py>(py: Python<'py>, data: &str) -> PyResult<Bound<'py, PyBytes>> {
    let table = without_lock(py, || listed(fishid::job::photographs_of(data)?))?;
    Ok(PyBytes::new(py, &table))
}

/// Every file but hidden ones.
#[pyfunction]
pub fn list_files<'py>(py: Python<'py>, place: &str) -> PyResult<Bound<'py, PyBytes>> {
    let table = without_lock(py, || listed(fishid::job::files_of(place)?))?;
    Ok(PyBytes::new(py, &table))
}

fn listed(mut files: Vec<Listed>) -> anyhow::Result<Vec<u8>> {
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let paths = files.iter().map(|file| Some(&file.path));
    let sizes = files.iter().map(|file| file.size as i64);
    let versions = files.iter().map(|file| Some(&file.version));
    arrow::write(&columns::batch(vec![
        ("path", columns::text_column(paths)),
        ("size", Arc::new(Int64Array::from_iter_values(sizes))),
        ("version", columns::text_column(versions)),
    ])?)
}

/// Files brought, and files that were there already.
#[pyfunction]
pub fn upload(py: Python<'_>, folder: &str, to: &str) -> PyResult<(usize, usize)> {
    without_lock(py, || fishid::job::upload(folder, to))
}

/// Files fetched, and files that were there already.
#[pyfunction]
pub fn download(py: Python<'_>, place: &str, folder: &str) -> PyResult<(usize, usize)> {
    without_lock(py, || fishid::job::download(place, folder))
}

/// A file's content; none when it does not exist.
#[pyfunction]
pub fn read_file<'py>(
    py: Python<'py>,
    place: &str,
    name: &str,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let content = without_lock(py, || Ok(process::place(place)?.read_if_present(name)?))?;
    Ok(content.map(|content| PyBytes::new(py, &content)))
}

/// Readers see the old content or the new.
#[pyfunction]
pub fn write_file(py: Python<'_>, place: &str, name: &str, content: &[u8]) -> PyResult<()> {
    without_lock(py, || {
        process::place(place)?.put(name, content.to_vec())?;
        Ok(())
    })
}

/// Those that are not there are no error.
#[pyfunction]
pub fn remove_files(py: Python<'_>, place: &str, names: Vec<String>) -> PyResult<()> {
    without_lock(py, || {
        let place = process::place(place)?;
        for name in names {
            place.delete(&name)?;
        }
        Ok(())
    })
}
