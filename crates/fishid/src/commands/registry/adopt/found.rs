//! Where an adopted classifier is: a file, a folder, or a version of the registry.

use std::path::{Path, PathBuf};

use fishid_bundle::MlflowOnnx;
use fishid_registry::VersionRef;

use super::super::{Chosen, fetch_files};
use crate::exit::{BlameInput as _, InputError};

/// How `MLflow` names a registered model.
const REMOTE: &str = "models:/";

/// The classifier on this machine, and what is written beside it.
pub struct Found {
    pub file: PathBuf,
    pub folder: Option<MlflowOnnx>,
    /// For the record: where it is from.
    pub source: String,
    /// For messages: what the person called it.
    pub name: String,
}

/// Whether the classifier is in the registry.
pub fn is_remote(model: &str) -> bool {
    model.starts_with(REMOTE)
}

/// Finds the classifier; one of the registry is downloaded into `workplace`.
pub fn find(model: &str, chosen: &Chosen, workplace: &Path) -> anyhow::Result<Found> {
    if is_remote(model) {
        let (name, version) = reference(model)?;
        let target = workplace.join("download");
        fetch_files(chosen, name, &version, &target)?;
        let mut found = in_folder(&target, model)?;
        found.source = match version {
            VersionRef::Number(number) => format!("{REMOTE}{name}/{number}"),
            VersionRef::Alias(alias) => format!("{REMOTE}{name}@{alias}"),
        };
        return Ok(found);
    }
    let path = Path::new(model);
    if path.is_dir() {
        return in_folder(path, model);
    }
    if !path.is_file() {
        anyhow::bail!(InputError(format!(
            "{model}: no such file; give an ONNX file, a folder with MLmodel, or models:/NAME/VERSION"
        )));
    }
    Ok(Found {
        file: path.to_owned(),
        folder: None,
        source: last_part(path, model),
        name: model.to_owned(),
    })
}

fn in_folder(path: &Path, name: &str) -> anyhow::Result<Found> {
    let folder = MlflowOnnx::open(path).blame_input()?;
    let run = folder.run_id.as_ref();
    Ok(Found {
        file: folder.model_file.clone(),
        source: run.map_or_else(|| last_part(path, name), |run| format!("MLflow run {run}")),
        folder: Some(folder),
        name: name.to_owned(),
    })
}

/// The path itself stays on this machine: it may say who works here.
fn last_part(path: &Path, otherwise: &str) -> String {
    path.file_name().map_or_else(
        || otherwise.to_owned(),
        |part| part.to_string_lossy().into_owned(),
    )
}

/// `models:/NAME/VERSION` and `models:/NAME@ALIAS`.
fn reference(model: &str) -> Result<(&str, VersionRef), InputError> {
    let rest = model.strip_prefix(REMOTE).unwrap_or(model);
    let parts = rest.split_once('@').or_else(|| {
        let (name, version) = rest.split_once('/')?;
        version.parse::<u64>().ok().map(|_| (name, version))
    });
    match parts {
        Some((name, version)) if !name.is_empty() && !version.is_empty() => {
            Ok((name, VersionRef::new(version)))
        }
        _ => Err(InputError(format!(
            "{model}: give models:/NAME/VERSION with the version's number, or models:/NAME@ALIAS"
        ))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_aliases_are_named_as_mlflow_names_them() {
        let found = |model| reference(model).map_err(|error| error.0);
        assert_eq!(
            found("models:/fish/3").unwrap(),
            ("fish", VersionRef::Number(3))
        );
        assert_eq!(
            found("models:/fish@best").unwrap(),
            ("fish", VersionRef::Alias("best".to_owned()))
        );
        for model in [
            "models:/fish",
            "models:/fish/Production",
            "models:/@a",
            "models:/",
        ] {
            assert!(found(model).unwrap_err().contains("models:/NAME@ALIAS"));
        }
    }
}
