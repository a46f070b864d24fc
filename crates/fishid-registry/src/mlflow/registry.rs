//! [`ModelRegistry`] on a server: what each promise of the trait comes to.

use std::path::{Path, PathBuf};

use super::address::Address;
use super::aliases::{Move, Writer, moved};
use super::client::Client;
use super::download::Remote;
use super::history::tell;
use super::model::RemoteModel;
use super::settings::MlflowSettings;
use super::stages::Stages;
use super::wire::ModelVersion;
use super::{deletion, download, foreign, publication};
use crate::error::RegistryError;
use crate::moves::previous_holder;
use crate::names::{check_alias, check_model};
use crate::registry::{Action, Event, ModelRegistry, Note, PublishNote, Version, VersionRef};

/// A registry on an `MLflow` server, 2.9 or newer.
///
/// A move of an alias is looked at before and after, but the server has no compare-and-swap: what somebody
/// else does in the milliseconds between is overwritten, and the history shows both moves.
#[derive(Debug)]
pub struct MlflowRegistry {
    client: Client,
    stages: Stages,
}

impl MlflowRegistry {
    /// The registry at `mlflow+http://host:port`. Makes no connection yet.
    pub fn new(url: &str, settings: &MlflowSettings) -> Result<Self, RegistryError> {
        Ok(Self {
            client: Client::new(Address::parse(url)?, settings)?,
            stages: Stages::default(),
        })
    }

    /// The files of any registered version, whoever registered it, in the new folder `target`.
    ///
    /// # Errors
    /// An unknown version, files that lie where fishid does not reach, a server that fails.
    pub fn fetch_files(
        &self,
        model: &str,
        version: &VersionRef,
        target: &Path,
    ) -> Result<(), RegistryError> {
        let model = self.model(model)?;
        let version = model.resolve(version)?;
        foreign::fetch(&model, &version, target)
    }

    fn model(&self, name: &str) -> Result<RemoteModel, RegistryError> {
        check_model(name)?;
        Ok(RemoteModel {
            client: self.client.clone(),
            name: name.to_owned(),
        })
    }

    /// Moves an alias to a version whose files are what was published.
    fn promote(
        &self,
        model: &str,
        alias: &str,
        version: &VersionRef,
        note: &Note,
        allow: impl Fn(Option<&str>) -> Result<(), RegistryError>,
    ) -> Result<Version, RegistryError> {
        check_alias(alias)?;
        let model = self.model(model)?;
        let version = model.resolve(version)?;
        // Refused before the files are read, which takes a while.
        let holder = model.alias(alias)?.map(|version| version.version);
        allow(holder.as_deref())?;
        Remote::of(&model, &version)?.verify()?;
        let writer = Writer::enter(&model)?;
        allow(writer.holder(alias))?;
        if writer.holder(alias) == Some(version.version.as_str()) {
            self.stages.follow(&model, alias, &version.version);
        } else {
            let step = Move {
                alias,
                action: Action::Promoted,
                to: &version.version,
                note,
            };
            writer.move_alias(step, &self.stages)?;
        }
        describe(&model, &version)
    }
}

impl ModelRegistry for MlflowRegistry {
    fn publish(
        &self,
        model: &str,
        bundle: &Path,
        note: &PublishNote,
    ) -> Result<Version, RegistryError> {
        let model = self.model(model)?;
        let version = publication::publish(&model, bundle, note)?;
        describe(&model, &version)
    }

    fn versions(&self, model: &str) -> Result<Vec<Version>, RegistryError> {
        let model = self.model(model)?;
        let versions = model.versions()?;
        let aliases = model.aliases()?;
        Ok(versions
            .iter()
            .map(|version| model.describe(version, &aliases))
            .collect())
    }

    fn get(&self, model: &str, version: &VersionRef) -> Result<Version, RegistryError> {
        let model = self.model(model)?;
        let version = model.resolve(version)?;
        describe(&model, &version)
    }

    fn fetch(
        &self,
        model: &str,
        version: &VersionRef,
        cache_dir: &Path,
    ) -> Result<PathBuf, RegistryError> {
        let model = self.model(model)?;
        let version = model.resolve(version)?;
        download::fetch(&model, &version, cache_dir)
    }

    fn set_alias(
        &self,
        model: &str,
        alias: &str,
        version: &VersionRef,
        note: &Note,
    ) -> Result<Version, RegistryError> {
        self.promote(model, alias, version, note, |_| Ok(()))
    }

    fn set_alias_if(
        &self,
        model: &str,
        alias: &str,
        version: &VersionRef,
        expected: Option<&str>,
        note: &Note,
    ) -> Result<Version, RegistryError> {
        self.promote(model, alias, version, note, |found| {
            if found == expected {
                return Ok(());
            }
            let owned = |version: Option<&str>| version.map(str::to_owned);
            Err(moved(alias, owned(expected), owned(found)))
        })
    }

    fn alias(&self, model: &str, alias: &str) -> Result<Option<Version>, RegistryError> {
        check_alias(alias)?;
        let model = self.model(model)?;
        match model.alias(alias)? {
            Some(version) => describe(&model, &version).map(Some),
            None => Ok(None),
        }
    }

    fn rollback(&self, model: &str, alias: &str, note: &Note) -> Result<Version, RegistryError> {
        check_alias(alias)?;
        let model = self.model(model)?;
        if model.alias(alias)?.is_none() {
            return Err(model.unknown_alias(alias));
        }
        let writer = Writer::enter(&model)?;
        let Some(current) = writer.holder(alias) else {
            return Err(model.unknown_alias(alias));
        };
        let Some(previous) = previous_holder(&writer.told.events, alias) else {
            return Err(RegistryError::NothingToRollBack {
                model: model.name.clone(),
                alias: alias.to_owned(),
                current: current.to_owned(),
            });
        };
        let version = model.resolve(&VersionRef::new(&previous))?;
        Remote::of(&model, &version)?.verify()?;
        let step = Move {
            alias,
            action: Action::RolledBack,
            to: &previous,
            note,
        };
        writer.move_alias(step, &self.stages)?;
        describe(&model, &version)
    }

    fn delete(&self, model: &str, version: &VersionRef, note: &Note) -> Result<(), RegistryError> {
        let model = self.model(model)?;
        let version = model.resolve(version)?;
        deletion::delete(&model, &version, note)
    }

    fn history(&self, model: &str) -> Result<Vec<Event>, RegistryError> {
        let model = self.model(model)?;
        Ok(tell(&model.snapshot()?).events)
    }
}

fn describe(model: &RemoteModel, version: &ModelVersion) -> Result<Version, RegistryError> {
    Ok(model.describe(version, &model.aliases()?))
}
