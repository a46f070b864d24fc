//! What a model registry is: numbered immutable versions of a model, aliases that move between
//! them, and a history of every move.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use fishid_bundle::Manifest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::RegistryError;
use crate::tracker::RunId;

/// Versions of models and the aliases that point at them.
///
/// A version never changes and its number is never given twice. Everything is synchronous: a
/// caller inside an async runtime runs it on a blocking thread.
pub trait ModelRegistry: Send + Sync {
    /// Stores the bundle in the folder `bundle` as a new version of `model`.
    ///
    /// The version's tags are [`PublishNote::tags_with`] the bundle's manifest.
    ///
    /// A bundle whose digest is already there is not stored again: its version is returned as it
    /// is, and `note` is dropped.
    fn publish(
        &self,
        model: &str,
        bundle: &Path,
        note: &PublishNote,
    ) -> Result<Version, RegistryError>;

    /// All versions, oldest first; none for a model that was never published.
    fn versions(&self, model: &str) -> Result<Vec<Version>, RegistryError>;

    /// One version. Unknown numbers and aliases are errors.
    fn get(&self, model: &str, version: &VersionRef) -> Result<Version, RegistryError>;

    /// A local folder with the bundle of this version, its digest verified just now.
    ///
    /// Backends whose bundles are elsewhere keep a copy under `cache_dir`; the folder registry
    /// hands out its own folder. Either is not to be written to.
    fn fetch(
        &self,
        model: &str,
        version: &VersionRef,
        cache_dir: &Path,
    ) -> Result<PathBuf, RegistryError>;

    /// Moves `alias` to a version whose bundle is intact. Moving it to where it stands changes
    /// nothing and is not recorded.
    fn set_alias(
        &self,
        model: &str,
        alias: &str,
        version: &VersionRef,
        note: &Note,
    ) -> Result<Version, RegistryError>;

    /// [`Self::set_alias`], if `alias` still points at the version `expected` (`None`: at nothing), else
    /// [`RegistryError::AliasMoved`]. For decisions that took a while: nobody's move between the look
    /// and the decision is overwritten.
    fn set_alias_if(
        &self,
        model: &str,
        alias: &str,
        version: &VersionRef,
        expected: Option<&str>,
        note: &Note,
    ) -> Result<Version, RegistryError>;

    /// Deletes a version by its number, with its files. One that an alias names is refused. Its number is
    /// never given again, and the history keeps its publication and its end.
    fn delete(&self, model: &str, version: &VersionRef, note: &Note) -> Result<(), RegistryError>;

    /// The version that `alias` points at now, if any.
    fn alias(&self, model: &str, alias: &str) -> Result<Option<Version>, RegistryError>;

    /// Takes the last move of `alias` back: it returns to the version it pointed at before.
    ///
    /// Rolling back twice goes back two moves, not forth again.
    fn rollback(&self, model: &str, alias: &str, note: &Note) -> Result<Version, RegistryError>;

    /// Everything that happened to `model`, oldest first.
    fn history(&self, model: &str) -> Result<Vec<Event>, RegistryError>;
}

/// Who does something, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// A person or a program.
    pub who: String,
    /// The reason, for people.
    pub why: String,
}

/// Who publishes a bundle, why, and what to remember with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishNote {
    /// A person or a program.
    pub who: String,
    /// The reason, for people.
    pub why: String,
    /// Free labels kept with the version, such as the backbone.
    pub tags: BTreeMap<String, String>,
    /// The tracked run that made the bundle, where there is one: it and the version then name each
    /// other, and on a server the run holds the model's files. A registry starts none of its own then.
    pub run: Option<RunId>,
}

impl PublishNote {
    /// The note's tags, and what made the bundle where the note does not say it: `backbone`,
    /// `backbone_digest`, `weights`, `code_version` and `seed`, and of its evaluation `test_accuracy` and
    /// `test_macro_f1`.
    pub fn tags_with(&self, manifest: &Manifest) -> BTreeMap<String, String> {
        let backbone = &manifest.backbone;
        let made_by = [
            ("backbone", backbone.name.clone()),
            ("backbone_digest", backbone.digest.clone()),
            ("weights", backbone.weights.clone()),
            ("code_version", manifest.code_version.clone()),
            ("seed", manifest.seed.to_string()),
        ];
        let test = manifest.evaluation.get("test");
        let evaluated = [("test_accuracy", "accuracy"), ("test_macro_f1", "macro_f1")]
            .into_iter()
            .filter_map(|(tag, field)| Some((tag, test?.get(field)?.as_f64()?.to_string())));
        let mut tags = self.tags.clone();
        for (name, value) in made_by.into_iter().chain(evaluated) {
            tags.entry(name.to_owned()).or_insert(value);
        }
        tags
    }
}

/// One version of a model. `registry show --json` prints it as it serialises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The model's name.
    pub model: String,
    /// Its number, as text because that is what `MLflow` calls it.
    pub version: String,
    /// When it was published.
    pub created_at: Timestamp,
    /// Who published it.
    pub who: String,
    /// Why it was published.
    pub why: String,
    /// Name of the whole content, see `fishid_bundle::Bundle::bundle_digest`.
    pub bundle_digest: String,
    /// Name of what answers, see `fishid_bundle::Bundle::model_digest`.
    pub model_digest: String,
    /// Free labels.
    pub tags: BTreeMap<String, String>,
    /// The aliases that point here now, sorted.
    pub aliases: Vec<String>,
    /// The tracked run that made it, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

/// A version by its number or by an alias; text of digits only is a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionRef {
    /// The version of this number.
    Number(u64),
    /// The version this alias points at.
    Alias(String),
}

impl VersionRef {
    /// The reference that `text` means.
    pub fn new(text: &str) -> Self {
        text.parse()
            .map_or_else(|_| Self::Alias(text.to_owned()), Self::Number)
    }
}

impl FromStr for VersionRef {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Alias(alias) => alias.fmt(f),
        }
    }
}

/// One entry of a model's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the history, from 1, without gaps.
    pub seq: u64,
    /// When it happened.
    pub time: Timestamp,
    /// Who did it.
    pub who: String,
    /// Why.
    pub why: String,
    /// What was done.
    pub action: Action,
    /// The alias that moved; `None` for a publication or deletion.
    pub alias: Option<String>,
    /// The version the alias pointed at before, if any.
    pub from: Option<String>,
    /// The version that was published or deleted, or that the alias points at since.
    pub to: String,
}

/// What an [`Event`] records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A version came into being.
    Published,
    /// An alias moved to a version.
    Promoted,
    /// An alias went back to where it was before its last promotion.
    RolledBack,
    /// A version was deleted.
    Deleted,
    /// An alias was taken off the version `to`. fishid does not do this, others on a server can.
    Removed,
}
