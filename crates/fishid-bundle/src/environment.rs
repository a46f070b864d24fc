//! The files from which `MLflow` builds a Python environment for the model. Versions are pinned to
//! those that `tests/interchange/load_bundle.py` loads a bundle with.

/// File of the conda environment.
pub(crate) const CONDA_FILE: &str = "conda.yaml";
/// File of the virtualenv environment.
pub(crate) const PYTHON_ENV_FILE: &str = "python_env.yaml";
/// File of the pip requirements.
pub(crate) const REQUIREMENTS_FILE: &str = "requirements.txt";

/// The `MLflow` the description was checked with.
pub(crate) const MLFLOW_VERSION: &str = "3.17.2";

const PYTHON_VERSION: &str = "3.11";

const PACKAGES: [&str; 4] = [
    "mlflow==3.17.2",
    "numpy==2.4.6",
    "onnx==1.23.2",
    "onnxruntime==1.32.0",
];

/// The text of `requirements.txt`.
pub(crate) fn requirements() -> String {
    PACKAGES.map(|package| format!("{package}\n")).concat()
}

/// The text of `conda.yaml`.
pub(crate) fn conda() -> String {
    let packages = PACKAGES
        .map(|package| format!("      - {package}\n"))
        .concat();
    format!(
        "name: fishid\nchannels:\n  - conda-forge\ndependencies:\n  - python={PYTHON_VERSION}\n  - pip\n  - pip:\n{packages}"
    )
}

/// The text of `python_env.yaml`.
pub(crate) fn python_env() -> String {
    format!(
        "python: \"{PYTHON_VERSION}\"\nbuild_dependencies:\n  - pip\n  - setuptools\n  - wheel\ndependencies:\n  - -r {REQUIREMENTS_FILE}\n"
    )
}
