//! Marks on what is about to be deleted, so that two writers who know nothing of each other cannot miss each
//! other: the one that deletes marks first and looks at the other's work then; the other one does its work
//! first and looks for marks then. Whatever the order on the server, at least one of them sees the other.

use std::hash::{BuildHasher as _, RandomState};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::client::Client;
use super::error::MlflowError;
use super::model::RemoteModel;
use super::wire::Tag;

/// Keys of these tags begin with it. Each deletion has a key of its own, so none takes away another's.
pub(crate) const KEY: &str = "fishid.deleting";

/// What becomes of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Stays,
    /// A deletion marked it: one that is going on, or one that was stopped.
    IsBeingDeleted,
    IsGone,
}

/// The mark of one deletion, on its version and on the run whose files go with it.
#[derive(Debug)]
pub(crate) struct Tombstone<'a> {
    model: &'a RemoteModel,
    version: &'a str,
    key: String,
    since: String,
}

/// Whether a deletion marked what has these tags.
pub(crate) fn is_marked(tags: &[Tag]) -> bool {
    tags.iter().any(|tag| tag.key.starts_with(KEY))
}

impl<'a> Tombstone<'a> {
    /// Marks a version. What points at it must be looked at afterwards.
    pub fn set(model: &'a RemoteModel, version: &'a str) -> Result<Self, MlflowError> {
        let random = RandomState::new().hash_one(std::process::id());
        let mark = Self {
            model,
            version,
            key: format!("{KEY}.{random:016x}"),
            since: Timestamp::now().to_string(),
        };
        model.set_version_tag(version, &mark.key, &mark.since)?;
        Ok(mark)
    }

    /// Takes the mark away: the version stays.
    pub fn lift(&self) -> Result<(), MlflowError> {
        self.model.delete_version_tag(self.version, &self.key)
    }

    /// Marks a run, too: publications pass it over from now on.
    pub fn set_on_run(&self, run: &str) -> Result<(), MlflowError> {
        let body = json!({"run_id": run, "key": self.key, "value": self.since});
        self.client().post::<Value>("runs/set-tag", &body).map(drop)
    }

    /// Takes the mark off a run whose files are gone, or stay.
    pub fn lift_from_run(&self, run: &str) -> Result<(), MlflowError> {
        let body = json!({"run_id": run, "key": self.key});
        match self.client().post::<Value>("runs/delete-tag", &body) {
            // The first of two tries may have done it.
            Err(error) if error.is_missing() => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    fn client(&self) -> &Client {
        &self.model.client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_any_deletion_counts() {
        let tag = |key: &str| Tag {
            key: key.to_owned(),
            value: String::new(),
        };
        assert!(!is_marked(&[]));
        assert!(!is_marked(&[tag("fishid.who"), tag("team")]));
        assert!(is_marked(&[tag("team"), tag("fishid.deleting.0a")]));
    }
}
