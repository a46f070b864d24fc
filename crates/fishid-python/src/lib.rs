//! The native half of the Python package `fishid`: what executors, a job's driver and notebooks need of the crates
//! below, with the interpreter lock released while they work.
//!
//! Thin: it turns arguments and answers over. Batches come and go as Arrow IPC streams, so that any pyarrow will
//! do; the Python half, in `python/fishid`, makes them of tables and gives the functions their names for people.

mod arrow;
mod bundle;
mod columns;
mod data;
mod embed;
mod error;
mod files;
mod job;
mod label;
mod learn;
mod process;

use pyo3::prelude::*;

/// The module `fishid._native`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<job::Job>()?;
    module.add_class::<bundle::Bundle>()?;
    module.add_function(wrap_pyfunction!(embed::inspect, module)?)?;
    module.add_function(wrap_pyfunction!(embed::embed, module)?)?;
    module.add_function(wrap_pyfunction!(label::label, module)?)?;
    module.add_function(wrap_pyfunction!(files::list_photographs, module)?)?;
    module.add_function(wrap_pyfunction!(files::list_files, module)?)?;
    module.add_function(wrap_pyfunction!(files::upload, module)?)?;
    module.add_function(wrap_pyfunction!(files::download, module)?)?;
    module.add_function(wrap_pyfunction!(files::read_file, module)?)?;
    module.add_function(wrap_pyfunction!(files::write_file, module)?)?;
    module.add_function(wrap_pyfunction!(files::remove_files, module)?)?;
    module.add_function(wrap_pyfunction!(data::check_dataset, module)?)?;
    module.add_function(wrap_pyfunction!(data::load_pixels, module)?)?;
    module.add_function(wrap_pyfunction!(data::fetch_bundle, module)?)?;
    module.add_function(wrap_pyfunction!(learn::train_head, module)?)?;
    module.add_function(wrap_pyfunction!(learn::evaluate, module)?)?;
    Ok(())
}
