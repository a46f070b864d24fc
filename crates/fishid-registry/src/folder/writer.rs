//! Changing a model's folder: one writer at a time, each change in one step, recovery first.

use std::fs::{self, File};
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::durable::{create_folders, names_in, replace, sync_folder, write_new};
use super::history;
use super::model::{DELETED, DELETION_FILE, ModelFolder, StoredVersion, VERSION_FILE};
use crate::error::RegistryError;
use crate::registry::{Action, Event, Note};

/// The right to change a model's folder, and to believe what is read there meanwhile. The
/// operating system takes it back when the process ends, however it ends.
pub(crate) struct Writer<'a> {
    model: &'a ModelFolder,
    _lock: File,
}

impl<'a> Writer<'a> {
    /// Waits for the lock, then finishes or removes what a crashed writer left.
    pub fn lock(model: &'a ModelFolder) -> Result<Self, RegistryError> {
        let dir = model.dir();
        let folders = [
            model.versions_folder(),
            model.aliases_folder(),
            model.staging(),
        ];
        if !folders.iter().all(|folder| folder.is_dir()) {
            for folder in &folders {
                create_folders(folder)?;
            }
            for folder in dir.ancestors().take(2) {
                sync_folder(folder)?;
            }
        }
        let path = dir.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(RegistryError::io("cannot open", &path))?;
        lock.lock()
            .map_err(RegistryError::io("cannot lock", &path))?;
        let writer = Self { model, _lock: lock };
        writer.recover()?;
        Ok(writer)
    }

    fn recover(&self) -> Result<(), RegistryError> {
        // First what happened, then what is left of it: a deletion's event lies in what is removed.
        self.complete_history()?;
        let staging = self.model.staging();
        for name in names_in(&staging)? {
            let path = staging.join(name);
            tracing::info!(path = %path.display(), "removed an unfinished publication");
            let removed = if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(RegistryError::io("cannot remove", &path))?;
        }
        Ok(())
    }

    fn complete_history(&self) -> Result<(), RegistryError> {
        let unwritten = self
            .model
            .unwritten(&history::read(&self.model.history_file())?)?;
        if !unwritten.is_empty() {
            tracing::info!(
                model = self.model.name(),
                events = unwritten.len(),
                "completed the history"
            );
            history::append(&self.model.history_file(), &unwritten)?;
        }
        Ok(())
    }

    /// The place of the next event in the history.
    pub fn next_seq(&self) -> Result<u64, RegistryError> {
        let last = history::read(&self.model.history_file())?
            .last()
            .map_or(0, |event| event.seq);
        Ok(last + 1)
    }

    /// A number no version has or ever had, even if its folder was removed by hand, and under which
    /// nothing else lies.
    pub fn next_number(&self) -> Result<u64, RegistryError> {
        let recorded = history::read(&self.model.history_file())?;
        let recorded = recorded.iter().filter_map(|event| event.to.parse().ok());
        let last: u64 = self
            .model
            .numbers()?
            .into_iter()
            .chain(recorded)
            .max()
            .unwrap_or(0);
        (last..=u64::MAX)
            .skip(1)
            .find(|number| self.model.folder_of(*number).symlink_metadata().is_err())
            .ok_or_else(|| {
                let folder = self.model.versions_folder();
                RegistryError::damaged(&folder, "it has a version of the highest number there is")
            })
    }

    /// Makes the finished folder `staged` the version `number`: from here on it is published.
    pub fn commit_version(
        &self,
        staged: &Path,
        stored: &StoredVersion,
        number: u64,
    ) -> Result<(), RegistryError> {
        let target = self.model.folder_of(number);
        write_new(&staged.join(VERSION_FILE), &pretty(stored, &target)?)?;
        sync_folder(staged)?;
        fs::rename(staged, &target).map_err(RegistryError::io("cannot move to", &target))?;
        sync_folder(&self.model.versions_folder())?;
        history::append(&self.model.history_file(), &[stored.event(number)])
    }

    /// Deletes the version `number`, which no alias names, and records it.
    pub fn delete_version(&self, number: u64, note: &Note) -> Result<(), RegistryError> {
        let event = Event {
            seq: self.next_seq()?,
            time: Timestamp::now(),
            who: note.who.clone(),
            why: note.why.clone(),
            action: Action::Deleted,
            alias: None,
            from: None,
            to: number.to_string(),
        };
        let folder = self.model.folder_of(number);
        replace(&folder, DELETION_FILE, &pretty(&event, &folder)?)?;
        // From here on it is gone, and its end is told by the file inside.
        let gone = self.model.staging().join(format!("{number}{DELETED}"));
        fs::rename(&folder, &gone).map_err(RegistryError::io("cannot move to", &gone))?;
        sync_folder(&self.model.versions_folder())?;
        sync_folder(&self.model.staging())?;
        history::append(&self.model.history_file(), &[event])?;
        fs::remove_dir_all(&gone).map_err(RegistryError::io("cannot remove", &gone))
    }

    /// Moves `alias` to the version `number` and records it.
    pub fn move_alias(
        &self,
        alias: &str,
        action: Action,
        from: Option<String>,
        number: u64,
        note: &Note,
    ) -> Result<(), RegistryError> {
        let event = Event {
            seq: self.next_seq()?,
            time: Timestamp::now(),
            who: note.who.clone(),
            why: note.why.clone(),
            action,
            alias: Some(alias.to_owned()),
            from,
            to: number.to_string(),
        };
        let folder = self.model.aliases_folder();
        replace(&folder, &format!("{alias}.json"), &pretty(&event, &folder)?)?;
        history::append(&self.model.history_file(), &[event])
    }
}

fn pretty(value: &impl Serialize, path: &Path) -> Result<Vec<u8>, RegistryError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| RegistryError::damaged(path, error.to_string()))?;
    text.push(b'\n');
    Ok(text)
}
