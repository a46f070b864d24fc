//! What a check works with: one registry with a scratch folder, and comparisons that report instead of
//! panicking.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::path::PathBuf;

use tempfile::TempDir;

use super::{Failure, tiny_bundle};
use crate::registry::{Event, ModelRegistry, Note, PublishNote, Version, VersionRef};

pub(super) type Outcome = Result<(), Failure>;

pub(super) const ALIAS: &str = "production";

/// One registry under one check, with a scratch folder.
pub(super) struct Subject<'a> {
    pub(super) registry: &'a dyn ModelRegistry,
    pub(super) model: &'a str,
    pub(super) scratch: TempDir,
}

impl<'a> Subject<'a> {
    pub(super) fn new(registry: &'a dyn ModelRegistry, model: &'a str) -> Result<Self, Failure> {
        Ok(Self {
            registry,
            model,
            scratch: TempDir::new().map_err(failed("a scratch folder"))?,
        })
    }

    pub(super) fn bundle(&self, seed: u64) -> Result<PathBuf, Failure> {
        let dir = self.scratch.path().join(seed.to_string());
        if !dir.exists() {
            tiny_bundle(&dir, seed).map_err(failed("writing a bundle"))?;
        }
        Ok(dir)
    }

    pub(super) fn publish(&self, seed: u64) -> Result<Version, Failure> {
        let note = PublishNote {
            who: "Анна".to_owned(),
            why: format!("seed {seed}"),
            tags: BTreeMap::from([("backbone".to_owned(), "tiny".to_owned())]),
            run: None,
        };
        self.registry
            .publish(self.model, &self.bundle(seed)?, &note)
            .map_err(failed("publish"))
    }

    pub(super) fn promote(&self, version: &str) -> Result<Version, Failure> {
        self.registry
            .set_alias(
                self.model,
                ALIAS,
                &VersionRef::new(version),
                &note("promote", version),
            )
            .map_err(failed("set_alias"))
    }

    pub(super) fn rollback(&self) -> Result<String, Failure> {
        let version = self
            .registry
            .rollback(self.model, ALIAS, &note("roll back", "it"));
        Ok(version.map_err(failed("rollback"))?.version)
    }

    pub(super) fn holder(&self) -> Result<Option<String>, Failure> {
        let version = self
            .registry
            .alias(self.model, ALIAS)
            .map_err(failed("alias"))?;
        Ok(version.map(|version| version.version))
    }

    pub(super) fn history(&self) -> Result<Vec<Event>, Failure> {
        self.registry.history(self.model).map_err(failed("history"))
    }
}

pub(super) fn note(action: &str, object: &str) -> Note {
    Note {
        who: "Борис".to_owned(),
        why: format!("{action} {object}"),
    }
}

pub(super) fn failed<E: Display>(what: &str) -> impl FnOnce(E) -> Failure {
    move |error| format!("{what}: {error}")
}

// By value, so that a check compares what it just made without naming it.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn same<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: found {found:?}, expected {expected:?}"))
}

pub(super) fn refused<T: Debug, E: Display>(
    what: &str,
    result: Result<T, E>,
    must_say: &str,
) -> Outcome {
    match result {
        Ok(value) => Err(format!("{what} was accepted: {value:?}")),
        Err(error) if error.to_string().contains(must_say) => Ok(()),
        Err(error) => Err(format!("{what}: {error:#} does not say {must_say:?}")),
    }
}
