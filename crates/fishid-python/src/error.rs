//! Errors as the exceptions of the Python half: `InputError` for what was handed in, `FishidError` for the rest.

use fishid::InputError;
use fishid_dataset::DatasetError;
use fishid_network::NetworkError;
use fishid_prediction::PredictError;
use fishid_storage::StorageError;
use fishid_training::TrainingError;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// Gives an error its Python class.
pub fn raise(error: &anyhow::Error) -> PyErr {
    let name = if error.chain().any(is_input) {
        "InputError"
    } else {
        "FishidError"
    };
    let text = fishid::in_one_line(error);
    Python::attach(|py| {
        let class = py
            .import("fishid._errors")
            .and_then(|module| module.getattr(name))
            .and_then(|class| Ok(class.cast_into::<PyType>()?));
        match class {
            Ok(class) => PyErr::from_type(class, text),
            Err(error) => error,
        }
    })
}

fn is_input(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.is::<InputError>()
        || cause.is::<NetworkError>()
        || matches!(
            cause.downcast_ref(),
            Some(TrainingError::Data(_) | TrainingError::Setting { .. })
        )
        || matches!(
            cause.downcast_ref(),
            Some(PredictError::Photo(_) | PredictError::Bundle(_))
        )
        || matches!(
            cause.downcast_ref(),
            Some(
                StorageError::Missing { .. }
                    | StorageError::NotAFolder { .. }
                    | StorageError::UnknownScheme { .. }
                    | StorageError::Settings { .. }
            )
        )
        || cause
            .downcast_ref()
            .is_some_and(|error: &DatasetError| !is_of_the_machine(error))
}

fn is_of_the_machine(error: &DatasetError) -> bool {
    matches!(
        error,
        DatasetError::Write { .. }
            | DatasetError::Storage { .. }
            | DatasetError::Unusable(_)
            | DatasetError::Read { .. }
    )
}

/// Does `work` without the interpreter lock.
pub fn without_lock<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> anyhow::Result<T> + Send,
) -> PyResult<T> {
    py.detach(work).map_err(|error| raise(&error))
}
