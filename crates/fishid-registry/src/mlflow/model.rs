//! One registered model on a server: reading it, and the single calls that change it. In which order those
//! are made, and why, is in `aliases`, `publication` and `deletion`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::client::Client;
use super::error::MlflowError;
use super::events::{self, Recorded};
use super::tombstone::{self, Fate};
use super::wire::{
    DownloadUri, ModelVersion, ModelVersionAnswer, ModelVersionsAnswer, RegisteredModelAnswer, Tag,
};
use crate::error::RegistryError;
use crate::registry::{Version, VersionRef};
use crate::tracker::RunId;

/// Tags of a version that fishid gives a meaning; the others are the user's.
pub(crate) const BUNDLE_DIGEST: &str = "bundle_digest";
pub(crate) const MODEL_DIGEST: &str = "model_digest";
pub(crate) const WHO: &str = "fishid.who";
pub(crate) const WHY: &str = "fishid.why";
pub(crate) const PUBLISHED_AT: &str = "fishid.published_at";

const PAGE: &str = "500";
/// More pages than any model has.
const MAX_PAGES: usize = 2000;

/// A registered model by its name, which was checked.
#[derive(Clone, Debug)]
pub(crate) struct RemoteModel {
    pub client: Client,
    pub name: String,
}

/// A model as it was at one moment: its aliases and what was recorded of their moves come in one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// Alias → version.
    pub aliases: BTreeMap<String, String>,
    /// What fishid wrote down, in no order.
    pub recorded: Vec<Recorded>,
    /// Ascending by number.
    pub versions: Vec<ModelVersion>,
}

impl RemoteModel {
    /// Creates the model unless it is there.
    pub fn create_if_missing(&self) -> Result<(), MlflowError> {
        if self.registered()?.is_some() {
            return Ok(());
        }
        let body = json!({
            "name": self.name,
            "description": "Names fish species from photographs. Versions and the alias `production` are fishid's; `fishid registry history` tells every move.",
        });
        match self
            .client
            .post_once::<Value>("registered-models/create", &body)
        {
            Ok(_) => Ok(()),
            Err(error) if error.is_there_already() => Ok(()),
            // Lost between the request and its answer: it is there, or it is tried again.
            Err(error) if error.is_uncertain() && self.registered()?.is_some() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn registered(&self) -> Result<Option<super::wire::RegisteredModel>, MlflowError> {
        let query = [("name", self.name.as_str())];
        match self
            .client
            .get::<RegisteredModelAnswer>("registered-models/get", &query)
        {
            Ok(answer) => Ok(Some(answer.registered_model)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The model now; empty when there is none.
    pub fn snapshot(&self) -> Result<Snapshot, MlflowError> {
        // Versions first: an alias seen after them may point at a version that came meanwhile, and then
        // they are read once more. The other way round an alias's version could be gone.
        let mut versions = self.versions()?;
        let Some(registered) = self.registered()? else {
            return Ok(Snapshot::default());
        };
        let aliases: BTreeMap<String, String> = registered
            .aliases
            .into_iter()
            .map(|entry| (entry.alias, entry.version))
            .collect();
        let is_known = |version: &String| versions.iter().any(|known| known.version == *version);
        if !aliases.values().all(is_known) {
            versions = self.versions()?;
        }
        Ok(Snapshot {
            recorded: events::recorded(&registered.tags),
            aliases,
            versions,
        })
    }

    /// All versions, ascending.
    pub fn versions(&self) -> Result<Vec<ModelVersion>, MlflowError> {
        self.search(&format!("name='{}'", self.name))
    }

    /// The versions of one bundle, ascending.
    pub fn of_digest(&self, digest: &str) -> Result<Vec<ModelVersion>, MlflowError> {
        self.search(&format!(
            "name='{}' and tags.{BUNDLE_DIGEST}='{digest}'",
            self.name
        ))
    }

    fn search(&self, filter: &str) -> Result<Vec<ModelVersion>, MlflowError> {
        search_versions(&self.client, filter)
    }

    /// One version by its number.
    pub fn version(&self, number: u64) -> Result<Option<ModelVersion>, MlflowError> {
        let number = number.to_string();
        let query = [("name", self.name.as_str()), ("version", number.as_str())];
        match self
            .client
            .get::<ModelVersionAnswer>("model-versions/get", &query)
        {
            Ok(answer) => Ok(Some(answer.model_version)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The version an alias points at. Unknown aliases are `INVALID_PARAMETER_VALUE` there; the name was
    /// checked, so nothing else can be meant.
    pub fn alias(&self, alias: &str) -> Result<Option<ModelVersion>, MlflowError> {
        let query = [("name", self.name.as_str()), ("alias", alias)];
        match self
            .client
            .get::<ModelVersionAnswer>("registered-models/alias", &query)
        {
            Ok(answer) => Ok(Some(answer.model_version)),
            Err(error) if error.is_missing() || error.code() == Some("INVALID_PARAMETER_VALUE") => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Every alias and where it points.
    pub fn aliases(&self) -> Result<BTreeMap<String, String>, MlflowError> {
        let aliases = self.registered()?.map(|model| model.aliases);
        Ok(aliases
            .unwrap_or_default()
            .into_iter()
            .map(|entry| (entry.alias, entry.version))
            .collect())
    }

    /// The version a reference means.
    pub fn resolve(&self, version: &VersionRef) -> Result<ModelVersion, RegistryError> {
        match version {
            VersionRef::Number(number) => match self.version(*number)? {
                Some(version) => Ok(version),
                None => Err(self.unknown_version(*number)?),
            },
            VersionRef::Alias(alias) => {
                crate::names::check_alias(alias)?;
                self.alias(alias)?.ok_or_else(|| self.unknown_alias(alias))
            }
        }
    }

    pub fn unknown_alias(&self, alias: &str) -> RegistryError {
        RegistryError::UnknownAlias {
            model: self.name.clone(),
            alias: alias.to_owned(),
        }
    }

    pub fn unknown_version(&self, number: u64) -> Result<RegistryError, MlflowError> {
        let versions = self.versions()?;
        let numbers: Vec<u64> = versions.iter().filter_map(ModelVersion::number).collect();
        Ok(RegistryError::unknown_version(&self.name, number, &numbers))
    }

    /// A version in the registry's words. `aliases` are those of the whole model.
    pub fn describe(&self, version: &ModelVersion, aliases: &BTreeMap<String, String>) -> Version {
        let text = |key: &str| version.tag(key).map(str::to_owned);
        let is_users = |key: &str| {
            !key.starts_with("fishid.")
                && !key.starts_with("mlflow.")
                && key != BUNDLE_DIGEST
                && key != MODEL_DIGEST
        };
        Version {
            model: self.name.clone(),
            version: version.version.clone(),
            created_at: published_at(version),
            who: who(version),
            why: text(WHY).unwrap_or_else(|| version.description.clone()),
            bundle_digest: text(BUNDLE_DIGEST).unwrap_or_default(),
            model_digest: text(MODEL_DIGEST).unwrap_or_default(),
            tags: version
                .tags
                .iter()
                .filter(|tag| is_users(&tag.key))
                .map(|tag| (tag.key.clone(), tag.value.clone()))
                .collect(),
            aliases: aliases
                .iter()
                .filter(|(_, holder)| **holder == version.version)
                .map(|(alias, _)| alias.clone())
                .collect(),
            run: (!version.run_id.is_empty()).then(|| RunId(version.run_id.clone())),
        }
    }

    /// Where a version's files are: its source, or what the server makes of one that names something else
    /// (`runs:/…`, `models:/…`).
    pub fn source_of(&self, version: &ModelVersion) -> Result<String, MlflowError> {
        let is_indirect = |scheme: &str| version.source.starts_with(scheme);
        if !is_indirect("runs:") && !is_indirect("models:") {
            return Ok(version.source.clone());
        }
        let query = [
            ("name", self.name.as_str()),
            ("version", version.version.as_str()),
        ];
        let answer: DownloadUri = self.client.get("model-versions/get-download-uri", &query)?;
        Ok(answer.artifact_uri)
    }

    /// Creates a version, with everything it is to say, in one step. Each call makes another one.
    pub fn create_version(&self, new: &NewVersion<'_>) -> Result<ModelVersion, MlflowError> {
        let body = json!({
            "name": self.name,
            "source": new.source,
            "run_id": new.run,
            "tags": new.tags,
            "description": new.description,
        });
        let answer: ModelVersionAnswer = self.client.post_once("model-versions/create", &body)?;
        Ok(answer.model_version)
    }

    /// Whether a version is there, and stays.
    pub fn fate(&self, version: &str) -> Result<Fate, MlflowError> {
        let Ok(number) = version.parse() else {
            return Ok(Fate::IsGone);
        };
        Ok(match self.version(number)? {
            None => Fate::IsGone,
            Some(found) if tombstone::is_marked(&found.tags) => Fate::IsBeingDeleted,
            Some(_) => Fate::Stays,
        })
    }

    pub fn set_version_tag(
        &self,
        version: &str,
        key: &str,
        value: &str,
    ) -> Result<(), MlflowError> {
        let body = json!({"name": self.name, "version": version, "key": key, "value": value});
        self.client
            .post::<Value>("model-versions/set-tag", &body)
            .map(drop)
    }

    pub fn delete_version_tag(&self, version: &str, key: &str) -> Result<(), MlflowError> {
        let body = json!({"name": self.name, "version": version, "key": key});
        match self.client.delete("model-versions/delete-tag", &body) {
            Err(error) if error.is_missing() => Ok(()),
            outcome => outcome,
        }
    }

    pub fn delete_version(&self, version: &str) -> Result<(), MlflowError> {
        let body = json!({"name": self.name, "version": version});
        match self.client.delete("model-versions/delete", &body) {
            // The first of two tries may have done it.
            Err(error) if error.is_missing() => Ok(()),
            outcome => outcome,
        }
    }

    pub fn point_alias(&self, alias: &str, version: &str) -> Result<(), MlflowError> {
        let body = json!({"name": self.name, "alias": alias, "version": version});
        self.client
            .post::<Value>("registered-models/alias", &body)
            .map(drop)
    }

    pub fn delete_alias(&self, alias: &str) -> Result<(), MlflowError> {
        let body = json!({"name": self.name, "alias": alias});
        match self.client.delete("registered-models/alias", &body) {
            Err(error) if error.is_missing() => Ok(()),
            outcome => outcome,
        }
    }

    pub fn set_tag(&self, key: &str, value: &str) -> Result<(), MlflowError> {
        let body = json!({"name": self.name, "key": key, "value": value});
        self.client
            .post::<Value>("registered-models/set-tag", &body)
            .map(drop)
    }

    pub fn delete_tag(&self, key: &str) -> Result<(), MlflowError> {
        let body = json!({"name": self.name, "key": key});
        match self.client.delete("registered-models/delete-tag", &body) {
            Err(error) if error.is_missing() => Ok(()),
            outcome => outcome,
        }
    }
}

/// Versions of any model that a filter finds, ascending by number.
pub(crate) fn search_versions(
    client: &Client,
    filter: &str,
) -> Result<Vec<ModelVersion>, MlflowError> {
    let mut versions: Vec<ModelVersion> = Vec::new();
    let mut token = String::new();
    let mut seen = BTreeSet::new();
    loop {
        let mut query = vec![("filter", filter), ("max_results", PAGE)];
        if !token.is_empty() {
            query.push(("page_token", &token));
        }
        let answer: ModelVersionsAnswer = client.get("model-versions/search", &query)?;
        versions.extend(answer.model_versions);
        if answer.next_page_token.is_empty() {
            break;
        }
        token = answer.next_page_token;
        if !seen.insert(token.clone()) || seen.len() > MAX_PAGES {
            return Err(MlflowError::BrokenAnswer {
                server: client.server().to_owned(),
                call: "GET model-versions/search".to_owned(),
                reason: "its pages never end".to_owned(),
            });
        }
    }
    versions.retain(|version| version.number().is_some());
    versions.sort_by_key(ModelVersion::number);
    Ok(versions)
}

/// What a version is created with.
#[derive(Debug)]
pub(crate) struct NewVersion<'a> {
    pub source: &'a str,
    pub run: &'a str,
    pub tags: &'a [Tag],
    pub description: &'a str,
}

/// When a version was published: by the clock of who did it, else by the server's.
pub(crate) fn published_at(version: &ModelVersion) -> Timestamp {
    let created = Timestamp::from_millisecond(version.creation_timestamp).ok();
    let written: Option<Timestamp> = version.tag(PUBLISHED_AT).and_then(|text| text.parse().ok());
    written
        .filter(|time| !events::is_far_ahead(*time, created.unwrap_or(Timestamp::UNIX_EPOCH)))
        .or(created)
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Who published a version.
pub(crate) fn who(version: &ModelVersion) -> String {
    match version.tag(WHO) {
        Some(who) => who.to_owned(),
        None if version.user_id.is_empty() => events::UNKNOWN.to_owned(),
        None => version.user_id.clone(),
    }
}
