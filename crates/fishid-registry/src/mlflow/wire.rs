//! What `MLflow` answers. Empty lists and zeros are absent keys there, so every field has a default; fields
//! that are not read are left out.

use serde::{Deserialize, Deserializer};

/// A key and its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(default)]
pub(crate) struct Tag {
    pub key: String,
    pub value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Experiment {
    pub experiment_id: String,
    pub lifecycle_stage: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ExperimentAnswer {
    pub experiment: Experiment,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CreatedExperiment {
    pub experiment_id: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RunInfo {
    pub run_id: String,
    pub artifact_uri: String,
    pub lifecycle_stage: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Run {
    pub info: RunInfo,
    pub data: RunData,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RunData {
    pub tags: Vec<Tag>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RunAnswer {
    pub run: Run,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RunsAnswer {
    pub runs: Vec<Run>,
}

/// An alias among those of a model.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AliasEntry {
    pub alias: String,
    pub version: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RegisteredModel {
    pub tags: Vec<Tag>,
    pub aliases: Vec<AliasEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RegisteredModelAnswer {
    pub registered_model: RegisteredModel,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ModelVersion {
    pub name: String,
    pub version: String,
    #[serde(deserialize_with = "milliseconds")]
    pub creation_timestamp: i64,
    pub user_id: String,
    pub description: String,
    pub source: String,
    pub run_id: String,
    pub status: String,
    pub tags: Vec<Tag>,
}

impl ModelVersion {
    pub fn tag(&self, key: &str) -> Option<&str> {
        let found = self.tags.iter().find(|tag| tag.key == key);
        found.map(|tag| tag.value.as_str())
    }

    pub fn number(&self) -> Option<u64> {
        self.version.parse().ok()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ModelVersionAnswer {
    pub model_version: ModelVersion,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ModelVersionsAnswer {
    pub model_versions: Vec<ModelVersion>,
    pub next_page_token: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DownloadUri {
    pub artifact_uri: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListedFile {
    pub path: String,
    pub is_dir: bool,
    #[serde(deserialize_with = "size")]
    pub file_size: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FilesAnswer {
    pub files: Vec<ListedFile>,
}

/// Protobuf's JSON writes 64-bit integers as text, `MLflow` mostly as numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Integer {
    Number(i64),
    Text(String),
}

fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match Integer::deserialize(deserializer)? {
        Integer::Number(number) => Ok(number),
        Integer::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = milliseconds(deserializer)?;
    u64::try_from(number).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn absent_keys_are_empty_and_integers_may_be_text() {
        let empty: RegisteredModelAnswer = serde_json::from_str("{}").unwrap();
        assert!(empty.registered_model.aliases.is_empty());
        let version: ModelVersion = serde_json::from_str(
            r#"{"version": "4", "creation_timestamp": "12", "tags": [{"key": "a"}], "new": 1}"#,
        )
        .unwrap();
        assert_eq!(
            (version.number(), version.creation_timestamp),
            (Some(4), 12)
        );
        assert_eq!(version.tag("a"), Some(""));
        let file: ListedFile = serde_json::from_str(r#"{"path": "a", "file_size": 7}"#).unwrap();
        assert_eq!(file.file_size, 7);
    }
}
