//! Moving an alias: written down before, moved, looked at, written down after. A stop anywhere leaves the
//! alias at the old or the new version, and a history that tells which.
//!
//! The server has no compare-and-swap. What remains possible: somebody else moves the alias between the
//! last look and the move, some milliseconds; that move is then overwritten, and the history shows both.

use super::error::MlflowError;
use super::events::{Intention, Recorded, State};
use super::history::{Repair, Told, tell};
use super::model::{RemoteModel, Snapshot};
use super::stages::Stages;
use crate::error::RegistryError;
use crate::registry::{Action, Note};

/// What a writer knows before it changes anything.
pub(crate) struct Writer<'a> {
    model: &'a RemoteModel,
    pub snapshot: Snapshot,
    pub told: Told,
}

/// One move of an alias.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move<'a> {
    pub alias: &'a str,
    pub action: Action,
    pub to: &'a str,
    pub note: &'a Note,
}

impl<'a> Writer<'a> {
    /// Looks at the model and first completes what a stopped writer or a stranger left untold.
    pub fn enter(model: &'a RemoteModel) -> Result<Self, MlflowError> {
        let snapshot = model.snapshot()?;
        let mut told = tell(&snapshot);
        for repair in std::mem::take(&mut told.repairs) {
            match repair {
                Repair::Write(event) => event.write(model)?,
                Repair::Forget(key) => model.delete_tag(&key)?,
            }
        }
        Ok(Self {
            model,
            snapshot,
            told,
        })
    }

    /// Where an alias points.
    pub fn holder(&self, alias: &str) -> Option<&str> {
        self.snapshot.aliases.get(alias).map(String::as_str)
    }

    /// Moves an alias from where this writer saw it, unless it has moved since.
    pub fn move_alias(&self, step: Move<'_>, stages: &Stages) -> Result<(), RegistryError> {
        let Move {
            alias,
            action,
            to,
            note,
        } = step;
        let from = self.holder(alias).map(str::to_owned);
        let intention = Intention {
            action,
            alias: Some(alias),
            from: from.clone(),
            to,
            note,
            published: None,
        };
        let mut event = Recorded::intended(intention, self.told.last_time());
        event.write(self.model)?;
        let now = self.holder_now(alias)?;
        if now != from {
            self.model.delete_tag(&event.key)?;
            return Err(moved(alias, from, now));
        }
        self.model.point_alias(alias, to)?;
        let now = self.holder_now(alias)?;
        if now.as_deref() != Some(to) {
            // It was there, and somebody moved it on at once: theirs is the later one.
            event.state = State::Done;
            event.write(self.model)?;
            return Err(moved(alias, Some(to.to_owned()), now));
        }
        event.done(self.model)?;
        stages.follow(self.model, alias, to);
        tracing::info!(
            model = self.model.name,
            alias,
            version = to,
            "moved an alias"
        );
        Ok(())
    }

    fn holder_now(&self, alias: &str) -> Result<Option<String>, MlflowError> {
        Ok(self.model.alias(alias)?.map(|version| version.version))
    }
}

pub(crate) fn moved(alias: &str, expected: Option<String>, found: Option<String>) -> RegistryError {
    RegistryError::AliasMoved {
        alias: alias.to_owned(),
        expected,
        found,
    }
}
