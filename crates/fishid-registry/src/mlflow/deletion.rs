//! A version goes: marked, so that nobody promotes it any more; written down with what it can no longer say;
//! deleted; written down as done; and last its files, whose run is marked, too. A stop leaves the marked version,
//! which the next deletion goes on with, or its end in the history, and at worst files that no version names.

use std::collections::BTreeMap;

use super::aliases::Writer;
use super::error::MlflowError;
use super::events::{Intention, Publication, Recorded};
use super::experiment;
use super::model::{self, RemoteModel};
use super::publication::{DIGESTS_FILE, MODEL_FOLDER, shares_files};
use super::tombstone::Tombstone;
use super::wire::{ModelVersion, RunInfo};
use crate::error::RegistryError;
use crate::registry::{Action, Note};

/// Deletes a version that no alias names.
pub(crate) fn delete(
    model: &RemoteModel,
    version: &ModelVersion,
    note: &Note,
) -> Result<(), RegistryError> {
    let number = version.version.as_str();
    let writer = Writer::enter(model)?;
    check_unused(model, number, &writer.snapshot.aliases)?;
    let files = Files::of(model, version)?;
    let mark = Tombstone::set(model, number)?;
    // Looked at after the mark: whoever promotes it looks for marks after the move.
    let aliases = model.aliases()?;
    if let Err(refusal) = check_unused(model, number, &aliases) {
        mark.lift()?;
        return Err(refusal);
    }
    if let Some(files) = &files {
        mark.set_on_run(&files.run.run_id)?;
    }
    let intention = Intention {
        action: Action::Deleted,
        alias: None,
        from: None,
        to: number,
        note,
        published: Some(Publication {
            time: model::published_at(version),
            who: model::who(version),
            why: version.tag(model::WHY).unwrap_or_default().to_owned(),
        }),
    };
    let mut event = Recorded::intended(intention, writer.told.last_time());
    event.write(model)?;
    // MLflow takes the aliases of a deleted version with it.
    model.delete_version(number)?;
    event.done(model)?;
    tracing::info!(model = model.name, version = number, "deleted");
    let left = model.aliases()?;
    if let Some(files) = &files {
        // A publication may have come between the first look and the mark.
        if !shares_files(&model.client, version)? {
            files.delete(model, version)?;
        }
        mark.lift_from_run(&files.run.run_id)?;
    }
    check_kept(model, number, &aliases, &left)
}

/// Takes a version back that was created a moment ago and is told nowhere; `false` where an alias names it.
pub(crate) fn withdraw(model: &RemoteModel, version: &str) -> Result<bool, MlflowError> {
    let mark = Tombstone::set(model, version)?;
    if model.aliases()?.values().any(|holder| holder == version) {
        mark.lift()?;
        return Ok(false);
    }
    model.delete_version(version)?;
    Ok(true)
}

fn check_unused(
    model: &RemoteModel,
    version: &str,
    aliases: &BTreeMap<String, String>,
) -> Result<(), RegistryError> {
    let naming = aliases.iter().filter(|(_, holder)| *holder == version);
    let aliases: Vec<String> = naming.map(|(alias, _)| alias.clone()).collect();
    if aliases.is_empty() {
        return Ok(());
    }
    Err(RegistryError::InUse {
        model: model.name.clone(),
        version: version.to_owned(),
        aliases,
    })
}

/// Somebody who knows no marks, `MLflow`'s page or an older fishid, can have moved an alias to the version in
/// the moment before it went.
fn check_kept(
    model: &RemoteModel,
    version: &str,
    before: &BTreeMap<String, String>,
    left: &BTreeMap<String, String>,
) -> Result<(), RegistryError> {
    let gone = before
        .iter()
        .filter(|(alias, _)| !left.contains_key(*alias));
    let gone: Vec<_> = gone.collect();
    if gone.is_empty() {
        return Ok(());
    }
    let says =
        |(alias, holder): &(&String, &String)| format!("{alias} (it was at version {holder})");
    let remedy = |(_, holder): &(&String, &String)| format!("`fishid registry promote {holder}`");
    let joined = |texts: Vec<String>| texts.join(", ");
    Err(MlflowError::AliasVanished {
        model: model.name.clone(),
        version: version.to_owned(),
        aliases: joined(gone.iter().map(says).collect()),
        remedy: joined(gone.iter().map(remedy).collect()),
    }
    .into())
}

/// The files that go with a version: those in its own run, where no other version names it.
struct Files {
    run: RunInfo,
}

impl Files {
    fn of(model: &RemoteModel, version: &ModelVersion) -> Result<Option<Self>, RegistryError> {
        if version.run_id.is_empty() || shares_files(&model.client, version)? {
            return Ok(None);
        }
        let run = experiment::run(&model.client, &version.run_id)?;
        let is_ours = |run: &RunInfo| {
            version.source.trim_end_matches('/')
                == format!("{}/{MODEL_FOLDER}", run.artifact_uri.trim_end_matches('/'))
        };
        Ok(run.filter(is_ours).map(|run| Self { run }))
    }

    /// Deletes them; the run's report and numbers stay.
    fn delete(&self, model: &RemoteModel, version: &ModelVersion) -> Result<(), RegistryError> {
        let deleted = experiment::artifacts(&model.client, &self.run).and_then(|artifacts| {
            artifacts.delete(MODEL_FOLDER)?;
            artifacts.delete(DIGESTS_FILE)
        });
        match deleted {
            // The version is gone. Files that cannot be reached or deleted are said, and nobody's reason to
            // fail.
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
}
