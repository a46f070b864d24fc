//! A registry in a folder.
//!
//! ```text
//! ROOT/<model>/lock                          held by whoever writes
//! ROOT/<model>/versions/<n>/bundle/…         the bundle, files read-only
//! ROOT/<model>/versions/<n>/version.json     what was published, by whom, each file's digest
//! ROOT/<model>/aliases/<alias>.json          the event that set the alias
//! ROOT/<model>/history.jsonl                 every event, one per line
//! ROOT/<model>/staging/…                     a publication or a deletion under way
//! ```
//!
//! Each change has one instant at which it happens: the rename of a finished version folder (out of staging,
//! or back into it when the version is deleted), or of a finished alias file. Those files are the truth, and each carries the event that made it. The
//! history is written after them, so a crash in between leaves it one event short: readers add
//! that event from its file, and the next writer appends it before anything else. A crash earlier
//! leaves only something in `staging` or a hidden file, which nobody reads and the next writer
//! removes. Readers take no lock.

pub(crate) mod durable;
mod history;
mod model;
mod publication;
mod writer;

use std::path::{Path, PathBuf};

use crate::error::RegistryError;
use crate::moves::previous_holder;
use crate::names::{check_alias, check_model};
use crate::registry::{Action, Event, ModelRegistry, Note, PublishNote, Version, VersionRef};
use model::ModelFolder;
use writer::Writer;

/// A registry in a folder of this machine, or of a file system it shares with others.
#[derive(Clone, Debug)]
pub struct FolderRegistry {
    root: PathBuf,
}

impl FolderRegistry {
    /// The registry in `root`, which is created by the first publication.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn model(&self, name: &str) -> Result<ModelFolder, RegistryError> {
        check_model(name)?;
        Ok(ModelFolder::new(&self.root, name))
    }

    /// Moves an alias after `allow` has agreed, under the lock, to where it points now; that is an error
    /// when its file is damaged, which the move repairs.
    fn promote(
        &self,
        model: &str,
        alias: &str,
        version: &VersionRef,
        note: &Note,
        allow: impl FnOnce(Result<Option<&str>, RegistryError>) -> Result<(), RegistryError>,
    ) -> Result<Version, RegistryError> {
        check_alias(alias)?;
        let model = self.model(model)?;
        model.resolve(version)?;
        let writer = Writer::lock(&model)?;
        // Once more under the lock: an alias may have moved meanwhile.
        let number = model.resolve(version)?;
        let (from, is_there) = match model.holder(alias)? {
            Ok(from) => {
                allow(Ok(from.as_deref()))?;
                let is_there = from.as_deref() == Some(number.to_string().as_str());
                (from, is_there)
            }
            Err(lost) => {
                allow(Err(lost.error))?;
                (lost.last_known, false)
            }
        };
        model.verify(number)?;
        if !is_there {
            writer.move_alias(alias, Action::Promoted, from, number, note)?;
        }
        model.version(number)
    }
}

impl ModelRegistry for FolderRegistry {
    fn publish(
        &self,
        model: &str,
        bundle: &Path,
        note: &PublishNote,
    ) -> Result<Version, RegistryError> {
        let model = self.model(model)?;
        let number = publication::publish(&model, bundle, note)?;
        model.version(number)
    }

    fn versions(&self, model: &str) -> Result<Vec<Version>, RegistryError> {
        let model = self.model(model)?;
        model
            .numbers()?
            .into_iter()
            .map(|number| model.version(number))
            .collect()
    }

    fn get(&self, model: &str, version: &VersionRef) -> Result<Version, RegistryError> {
        let model = self.model(model)?;
        let number = model.resolve(version)?;
        model.version(number)
    }

    fn fetch(
        &self,
        model: &str,
        version: &VersionRef,
        _cache_dir: &Path,
    ) -> Result<PathBuf, RegistryError> {
        let model = self.model(model)?;
        let number = model.resolve(version)?;
        model.verify(number)?;
        Ok(model.bundle(number))
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
            let found = found?;
            if found == expected {
                return Ok(());
            }
            Err(RegistryError::AliasMoved {
                alias: alias.to_owned(),
                expected: expected.map(str::to_owned),
                found: found.map(str::to_owned),
            })
        })
    }

    fn alias(&self, model: &str, alias: &str) -> Result<Option<Version>, RegistryError> {
        check_alias(alias)?;
        let model = self.model(model)?;
        match model.alias_event(alias)? {
            Some(event) => model.version(model.number_in(&event)?).map(Some),
            None => Ok(None),
        }
    }

    fn rollback(&self, model: &str, alias: &str, note: &Note) -> Result<Version, RegistryError> {
        check_alias(alias)?;
        let model = self.model(model)?;
        let unknown = || RegistryError::UnknownAlias {
            model: model.name().to_owned(),
            alias: alias.to_owned(),
        };
        if model.alias_event(alias)?.is_none() {
            return Err(unknown());
        }
        let writer = Writer::lock(&model)?;
        let current = model.alias_event(alias)?.ok_or_else(unknown)?.to;
        let Some(previous) = previous_holder(&model.events()?, alias) else {
            let alias = alias.to_owned();
            return Err(RegistryError::NothingToRollBack {
                model: model.name().to_owned(),
                alias,
                current,
            });
        };
        let number = model.resolve(&VersionRef::new(&previous))?;
        model.verify(number)?;
        writer.move_alias(alias, Action::RolledBack, Some(current), number, note)?;
        model.version(number)
    }

    fn delete(&self, model: &str, version: &VersionRef, note: &Note) -> Result<(), RegistryError> {
        let model = self.model(model)?;
        model.resolve(version)?;
        let writer = Writer::lock(&model)?;
        let number = model.resolve(version)?;
        let aliases = model.version(number)?.aliases;
        if !aliases.is_empty() {
            return Err(RegistryError::InUse {
                model: model.name().to_owned(),
                version: number.to_string(),
                aliases,
            });
        }
        writer.delete_version(number, note)
    }

    fn history(&self, model: &str) -> Result<Vec<Event>, RegistryError> {
        self.model(model)?.events()
    }
}
