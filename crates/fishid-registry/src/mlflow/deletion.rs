//! A version goes: written down with what it can no longer say, the version deleted, written down as done,
//! and last its files. A stop leaves the version or its end in the history, and at worst files that no
//! version names.

use super::aliases::Writer;
use super::error::MlflowError;
use super::events::{Intention, Publication, Recorded};
use super::experiment;
use super::model::{self, RemoteModel};
use super::publication::{DIGESTS_FILE, MODEL_FOLDER, shares_files};
use super::wire::ModelVersion;
use crate::error::RegistryError;
use crate::registry::{Action, Note};

/// Deletes a version that no alias names.
pub(crate) fn delete(
    model: &RemoteModel,
    version: &ModelVersion,
    note: &Note,
) -> Result<(), RegistryError> {
    let writer = Writer::enter(model)?;
    // MLflow would take the aliases of a deleted version with it.
    let aliases: Vec<String> = writer
        .snapshot
        .aliases
        .iter()
        .filter(|(_, holder)| **holder == version.version)
        .map(|(alias, _)| alias.clone())
        .collect();
    if !aliases.is_empty() {
        return Err(RegistryError::InUse {
            model: model.name.clone(),
            version: version.version.clone(),
            aliases,
        });
    }
    let shares = version.run_id.is_empty() || shares_files(&model.client, version)?;
    let intention = Intention {
        action: Action::Deleted,
        alias: None,
        from: None,
        to: &version.version,
        note,
        published: Some(Publication {
            time: model::published_at(version),
            who: model::who(version),
            why: version.tag(model::WHY).unwrap_or_default().to_owned(),
        }),
    };
    let mut event = Recorded::intended(intention, writer.told.last_time());
    event.write(model)?;
    let aliases = model.aliases()?;
    if aliases.values().any(|holder| *holder == version.version) {
        model.delete_tag(&event.key)?;
        return Err(RegistryError::InUse {
            model: model.name.clone(),
            version: version.version.clone(),
            aliases: aliases
                .into_iter()
                .filter(|(_, holder)| *holder == version.version)
                .map(|(alias, _)| alias)
                .collect(),
        });
    }
    model.delete_version(&version.version)?;
    event.done(model)?;
    tracing::info!(model = model.name, version = version.version, "deleted");
    if !shares {
        delete_files(model, version)?;
    }
    Ok(())
}

/// Deletes the model's files of a run whose version is gone; its report and numbers stay.
fn delete_files(model: &RemoteModel, version: &ModelVersion) -> Result<(), RegistryError> {
    let Some(run) = experiment::run(&model.client, &version.run_id)? else {
        return Ok(());
    };
    let is_ours = version.source.trim_end_matches('/')
        == format!("{}/{MODEL_FOLDER}", run.artifact_uri.trim_end_matches('/'));
    if !is_ours {
        return Ok(());
    }
    let deleted = experiment::artifacts(&model.client, &run).and_then(|artifacts| {
        artifacts.delete(MODEL_FOLDER)?;
        artifacts.delete(DIGESTS_FILE)
    });
    match deleted {
        // The version is gone. Files that cannot be reached or deleted are said, and nobody's reason to fail.
        Err(
            error @ (RegistryError::Files { .. }
            | RegistryError::Mlflow(
                MlflowError::ArtifactScheme { .. } | MlflowError::Failing { .. },
            )),
        ) => {
            tracing::warn!(%error, version = version.version, "some of its files stay");
            Ok(())
        }
        outcome => outcome,
    }
}
