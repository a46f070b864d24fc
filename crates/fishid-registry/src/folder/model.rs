//! One model's folder: where things are, and reading them. Changes are the writer's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fishid_bundle::{Bundle, FileDigest, digest_of_lines, sha256_file};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::durable::{names_in, read_if_there};
use super::history;
use crate::error::RegistryError;
use crate::registry::{Action, Event, Version, VersionRef};
use crate::tracker::RunId;

/// The file that makes a folder a version.
pub(crate) const VERSION_FILE: &str = "version.json";

/// The event of its deletion, in the folder of a version that is about to go.
pub(crate) const DELETION_FILE: &str = "deletion.json";
/// Names of deleted versions' folders in staging end with it.
pub(crate) const DELETED: &str = ".deleted";

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
    /// The tracked run that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Every file of the bundle: says which one is damaged, where the digest only says that one is.
    pub files: Vec<FileDigest>,
}

pub(crate) struct ModelFolder {
    name: String,
    dir: PathBuf,
}

impl ModelFolder {
    pub fn new(root: &Path, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            dir: root.join(name),
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
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

    pub fn aliases_folder(&self) -> PathBuf {
        self.dir.join("aliases")
    }

    pub fn history_file(&self) -> PathBuf {
        self.dir.join("history.jsonl")
    }

    pub fn folder_of(&self, number: u64) -> PathBuf {
        self.versions_folder().join(number.to_string())
    }

    /// The bundle of a version.
    pub fn bundle(&self, number: u64) -> PathBuf {
        self.folder_of(number).join("bundle")
    }

    /// The numbers of all versions, ascending. A folder of another name or without its file is no
    /// version, whoever put it there.
    pub fn numbers(&self) -> Result<Vec<u64>, RegistryError> {
        let names = names_in(&self.versions_folder())?;
        let mut numbers: Vec<u64> = names
            .iter()
            .filter_map(|name| name.parse().ok().filter(|n: &u64| n.to_string() == *name))
            .filter(|number| self.is_version(*number))
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn is_version(&self, number: u64) -> bool {
        self.folder_of(number).join(VERSION_FILE).is_file()
    }

    /// The number a reference stands for; that version exists.
    pub fn resolve(&self, version: &VersionRef) -> Result<u64, RegistryError> {
        let number = match version {
            VersionRef::Number(number) => *number,
            VersionRef::Alias(alias) => {
                crate::names::check_alias(alias)?;
                let Some(event) = self.alias_event(alias)? else {
                    let (model, alias) = (self.name.clone(), alias.clone());
                    return Err(RegistryError::UnknownAlias { model, alias });
                };
                self.number_in(&event)?
            }
        };
        if self.is_version(number) {
            return Ok(number);
        }
        Err(RegistryError::unknown_version(
            &self.name,
            number,
            &self.numbers()?,
        ))
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
            run: stored.run,
        })
    }

    /// Reads every file of a version and compares it with what was published.
    pub fn verify(&self, number: u64) -> Result<(), RegistryError> {
        let stored = self.stored(number)?;
        let dir = self.bundle(number);
        if digest_of_lines(&stored.files) != stored.bundle_digest {
            let path = self.folder_of(number).join(VERSION_FILE);
            return Err(RegistryError::damaged(
                &path,
                "its digests contradict each other",
            ));
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
        read_json(&self.alias_file(alias)).map_err(|error| match error {
            RegistryError::Damaged { path, reason } => RegistryError::DamagedAlias { path, reason },
            other => other,
        })
    }

    fn alias_file(&self, alias: &str) -> PathBuf {
        self.aliases_folder().join(format!("{alias}.json"))
    }

    /// Where `alias` points, for whoever is about to move it. A damaged file, which that move repairs,
    /// is `Err` with where the history saw it last.
    pub fn holder(&self, alias: &str) -> Result<Result<Option<String>, LostHolder>, RegistryError> {
        match self.alias_event(alias) {
            Ok(event) => Ok(Ok(event.map(|event| event.to))),
            Err(error @ RegistryError::DamagedAlias { .. }) => {
                let written = history::read(&self.history_file())?;
                let mut moves = written.into_iter().rev();
                let last = moves.find(|event| event.alias.as_deref() == Some(alias));
                Ok(Err(LostHolder {
                    last_known: last.map(|event| event.to),
                    error,
                }))
            }
            Err(error) => Err(error),
        }
    }

    /// The number of the version an alias's event points at.
    pub fn number_in(&self, event: &Event) -> Result<u64, RegistryError> {
        event.to.parse().map_err(|_| RegistryError::DamagedAlias {
            path: self.alias_file(event.alias.as_deref().unwrap_or_default()),
            reason: format!("{:?} is no version", event.to),
        })
    }

    /// The events of all aliases whose files can be read. A damaged one must not hide the versions nor
    /// stop the move that repairs it; who asks for that alias is told.
    fn alias_events(&self) -> Result<Vec<Event>, RegistryError> {
        let mut events = Vec::new();
        for name in names_in(&self.aliases_folder())? {
            let Some(alias) = name.strip_suffix(".json") else {
                continue;
            };
            match self.alias_event(alias) {
                Err(error @ RegistryError::DamagedAlias { .. }) => tracing::warn!(%error),
                event => events.extend(event?),
            }
        }
        Ok(events)
    }

    /// The events of deleted versions whose folders are not removed yet. A folder whose event is gone
    /// already is just being removed, after its event was written.
    fn deletions(&self) -> Result<Vec<Event>, RegistryError> {
        let staging = self.staging();
        let mut events = Vec::new();
        for name in names_in(&staging)?
            .iter()
            .filter(|name| name.ends_with(DELETED))
        {
            events.extend(read_json::<Event>(&staging.join(name).join(DELETION_FILE))?);
        }
        Ok(events)
    }

    /// Every event, also the one that a crash kept from the history file.
    pub fn events(&self) -> Result<Vec<Event>, RegistryError> {
        let mut events = Vec::new();
        for _ in 0..ATTEMPTS {
            events = history::read(&self.history_file())?;
            events.extend(self.unwritten(&events)?);
            events.sort_by_key(|event| event.seq);
            // Two changes between the two reads above would leave out the first of them.
            if events.iter().zip(1..).all(|(event, seq)| event.seq == seq) {
                break;
            }
        }
        Ok(events)
    }

    /// Events that happened but are not among `written`, the content of the history file.
    pub fn unwritten(&self, written: &[Event]) -> Result<Vec<Event>, RegistryError> {
        let known: BTreeSet<u64> = written.iter().map(|event| event.seq).collect();
        let mut events = self.alias_events()?;
        events.extend(self.deletions()?);
        events.retain(|event| !known.contains(&event.seq));
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
}

/// An alias whose file is damaged.
pub(crate) struct LostHolder {
    /// Where the history saw the alias last.
    pub last_known: Option<String>,
    /// What is wrong with the file.
    pub error: RegistryError,
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

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RegistryError> {
    let Some(text) = read_if_there(path)? else {
        return Ok(None);
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| RegistryError::damaged(path, error.to_string()))
}
