//! One model's folder: where things are, reading them, and the lock under which they change.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use fishid_bundle::{Bundle, FileDigest, digest_of_lines, sha256_file};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde::de::DeserializeOwned;

use super::durable::{create_folders, names_in, read_if_there, replace, sync_folder};
use super::history;
use crate::error::RegistryError;
use crate::registry::{Action, Event, Note, Version, VersionRef};

const VERSION_FILE: &str = "version.json";

/// Times a reader looks again when a writer was at work between two of its reads.
const ATTEMPTS: usize = 5;

/// `version.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredVersion {
    /// The publication's place in the history.
    pub seq: u64,
    pub created_at: Timestamp,
    pub who: String,
    pub why: String,
    pub bundle_digest: String,
    pub model_digest: String,
    pub tags: BTreeMap<String, String>,
    /// Every file of the bundle: says which one is damaged, where the digest only says that one is.
    pub files: Vec<FileDigest>,
}

pub(crate) struct ModelFolder {
    name: String,
    dir: PathBuf,
}

/// The right to change a model's folder, and to believe what is read there meanwhile. The
/// operating system takes it back when the process ends, however it ends.
pub(crate) struct Writer<'a> {
    model: &'a ModelFolder,
    _lock: File,
}

impl ModelFolder {
    pub fn new(root: &Path, name: &str) -> Self {
        Self { name: name.to_owned(), dir: root.join(name) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn versions_folder(&self) -> PathBuf {
        self.dir.join("versions")
    }

    pub fn staging(&self) -> PathBuf {
        self.dir.join("staging")
    }

    fn aliases_folder(&self) -> PathBuf {
        self.dir.join("aliases")
    }

    fn history_file(&self) -> PathBuf {
        self.dir.join("history.jsonl")
    }

    fn folder_of(&self, number: u64) -> PathBuf {
        self.versions_folder().join(number.to_string())
    }

    /// The bundle of a version.
    pub fn bundle(&self, number: u64) -> PathBuf {
        self.folder_of(number).join("bundle")
    }

    /// The numbers of all versions, ascending.
    pub fn numbers(&self) -> Result<Vec<u64>, RegistryError> {
        let names = names_in(&self.versions_folder())?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The number a reference stands for; that version exists.
    pub fn resolve(&self, version: &VersionRef) -> Result<u64, RegistryError> {
        let number = match version {
            VersionRef::Number(number) => *number,
            VersionRef::Alias(alias) => {
                crate::names::check_alias(alias)?;
                match self.alias_event(alias)? {
                    Some(event) => self.number_in(&event)?,
                    None => {
                        let (model, alias) = (self.name.clone(), alias.clone());
                        return Err(RegistryError::UnknownAlias { model, alias });
                    }
                }
            }
        };
        if self.folder_of(number).is_dir() {
            return Ok(number);
        }
        let known = match self.numbers()?.as_slice() {
            [] => "nothing was published yet: `fishid registry publish BUNDLE`".to_owned(),
            [only] => format!("there is only version {only}"),
            [first, .., last] => format!("there are versions {first} to {last}"),
        };
        Err(RegistryError::UnknownVersion { model: self.name.clone(), number, known })
    }

    pub fn stored(&self, number: u64) -> Result<StoredVersion, RegistryError> {
        let path = self.folder_of(number).join(VERSION_FILE);
        read_json(&path)?.ok_or_else(|| RegistryError::damaged(&path, "it is missing"))
    }

    pub fn version(&self, number: u64) -> Result<Version, RegistryError> {
        let stored = self.stored(number)?;
        let version = number.to_string();
        let mut aliases: Vec<String> = self
            .alias_events()?
            .into_iter()
            .filter(|event| event.to == version)
            .filter_map(|event| event.alias)
            .collect();
        aliases.sort();
        Ok(Version {
            model: self.name.clone(),
            version,
            created_at: stored.created_at,
            who: stored.who,
            why: stored.why,
            bundle_digest: stored.bundle_digest,
            model_digest: stored.model_digest,
            tags: stored.tags,
            aliases,
        })
    }

    /// Reads every file of a version and compares it with what was published.
    pub fn verify(&self, number: u64) -> Result<(), RegistryError> {
        let stored = self.stored(number)?;
        let dir = self.bundle(number);
        if digest_of_lines(&stored.files) != stored.bundle_digest {
            let path = self.folder_of(number).join(VERSION_FILE);
            return Err(RegistryError::damaged(&path, "its digests contradict each other"));
        }
        for file in &stored.files {
            let path = dir.join(&file.path);
            if !path.is_file() {
                return Err(RegistryError::damaged(&path, "it is missing"));
            }
            if sha256_file(&path)?.0 != file.sha256 {
                return Err(RegistryError::damaged(
                    &path,
                    "its content is not the one that was published",
                ));
            }
        }
        for found in Bundle::open(&dir)?.files()? {
            if !stored.files.iter().any(|file| file.path == found) {
                return Err(RegistryError::damaged(
                    &dir.join(found),
                    "it was not there when the version was published",
                ));
            }
        }
        Ok(())
    }

    /// The event that put `alias` where it is.
    pub fn alias_event(&self, alias: &str) -> Result<Option<Event>, RegistryError> {
        read_json(&self.aliases_folder().join(format!("{alias}.json")))
    }

    /// The number of the version an alias's event points at.
    pub fn number_in(&self, event: &Event) -> Result<u64, RegistryError> {
        event.to.parse().map_err(|_| {
            RegistryError::damaged(&self.aliases_folder(), format!("{:?} is no version", event.to))
        })
    }

    fn alias_events(&self) -> Result<Vec<Event>, RegistryError> {
        let mut events = Vec::new();
        for name in names_in(&self.aliases_folder())? {
            let Some(alias) = name.strip_suffix(".json") else { continue };
            events.extend(self.alias_event(alias)?);
        }
        Ok(events)
    }

    /// Every event, also the one that a crash kept from the history file.
    pub fn events(&self) -> Result<Vec<Event>, RegistryError> {
        let mut events = Vec::new();
        for _ in 0..ATTEMPTS {
            events = history::read(&self.history_file())?;
            events.extend(self.unwritten(&events)?);
            // Two changes between the two reads above would leave out the first of them.
            if events.iter().zip(1..).all(|(event, seq)| event.seq == seq) {
                break;
            }
        }
        Ok(events)
    }

    /// Events that happened but are not among `written`, the content of the history file.
    fn unwritten(&self, written: &[Event]) -> Result<Vec<Event>, RegistryError> {
        let last = written.last().map_or(0, |event| event.seq);
        let mut events = self.alias_events()?;
        events.retain(|event| event.seq > last);
        let published: BTreeSet<&str> = written
            .iter()
            .filter(|event| event.action == Action::Published)
            .map(|event| event.to.as_str())
            .collect();
        // Only the versions the history lacks are read: a damaged file of another one is no reason
        // to stop here.
        for number in self.numbers()? {
            if !published.contains(number.to_string().as_str()) {
                events.push(self.stored(number)?.event(number));
            }
        }
        events.sort_by_key(|event| event.seq);
        Ok(events)
    }

    /// Waits for the lock, then finishes or removes what a crashed writer left.
    pub fn lock(&self) -> Result<Writer<'_>, RegistryError> {
        let folders = [self.versions_folder(), self.aliases_folder(), self.staging()];
        if !folders.iter().all(|folder| folder.is_dir()) {
            for folder in &folders {
                create_folders(folder)?;
            }
            for folder in self.dir.ancestors().take(2) {
                sync_folder(folder)?;
            }
        }
        let path = self.dir.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(RegistryError::io("cannot open", &path))?;
        lock.lock().map_err(RegistryError::io("cannot lock", &path))?;
        let writer = Writer { model: self, _lock: lock };
        writer.recover()?;
        Ok(writer)
    }
}

impl StoredVersion {
    /// The event of this publication.
    pub fn event(&self, number: u64) -> Event {
        Event {
            seq: self.seq,
            time: self.created_at,
            who: self.who.clone(),
            why: self.why.clone(),
            action: Action::Published,
            alias: None,
            from: None,
            to: number.to_string(),
        }
    }
}

impl Writer<'_> {
    fn recover(&self) -> Result<(), RegistryError> {
        let staging = self.model.staging();
        for name in names_in(&staging)? {
            let path = staging.join(name);
            tracing::info!(path = %path.display(), "removed an unfinished publication");
            fs::remove_dir_all(&path).map_err(RegistryError::io("cannot remove", &path))?;
        }
        let unwritten = self.model.unwritten(&history::read(&self.model.history_file())?)?;
        if !unwritten.is_empty() {
            tracing::info!(model = self.model.name, events = unwritten.len(), "completed the history");
            history::append(&self.model.history_file(), &unwritten)?;
        }
        Ok(())
    }

    /// The place of the next event in the history.
    pub fn next_seq(&self) -> Result<u64, RegistryError> {
        let last = history::read(&self.model.history_file())?.last().map_or(0, |event| event.seq);
        Ok(last + 1)
    }

    /// A number no version has or ever had, even if its folder was removed by hand.
    pub fn next_number(&self) -> Result<u64, RegistryError> {
        let recorded = history::read(&self.model.history_file())?;
        let recorded = recorded.iter().filter_map(|event| event.to.parse().ok());
        Ok(self.model.numbers()?.into_iter().chain(recorded).max().unwrap_or(0) + 1)
    }

    /// Makes the finished folder `staged` the version `number`: from here on it is published.
    pub fn commit_version(
        &self,
        staged: &Path,
        stored: &StoredVersion,
        number: u64,
    ) -> Result<(), RegistryError> {
        let target = self.model.folder_of(number);
        super::durable::write_new(&staged.join(VERSION_FILE), &pretty(stored, &target)?)?;
        sync_folder(staged)?;
        fs::rename(staged, &target).map_err(RegistryError::io("cannot move to", &target))?;
        sync_folder(&self.model.versions_folder())?;
        history::append(&self.model.history_file(), &[stored.event(number)])
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
    let mut text =
        serde_json::to_vec_pretty(value).map_err(|error| RegistryError::damaged(path, error))?;
    text.push(b'\n');
    Ok(text)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RegistryError> {
    let Some(text) = read_if_there(path)? else { return Ok(None) };
    serde_json::from_slice(&text).map(Some).map_err(|error| RegistryError::damaged(path, error))
}
