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
use super::tombstone::Fate;
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
        let as_before = || format!("{alias} stays where it was");
        if let Some(refusal) = self.refusal(to, as_before)? {
            return Err(refusal);
        }
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
        match self.model.point_alias(alias, to) {
            Err(error) if error.is_missing() => {
                self.model.delete_tag(&event.key)?;
                return Err(self.refusal(to, as_before)?.unwrap_or(error.into()));
            }
            outcome => outcome?,
        }
        // Looked at after the move: a deletion that marked it before looks at the aliases after its mark.
        if self.model.fate(to)? != Fate::Stays {
            let left = self.put_back(alias, to, from.as_deref())?;
            self.model.delete_tag(&event.key)?;
            let refusal = self.refusal(to, || left.clone())?;
            // The deletion saw the alias and left the version: nobody gets it now, and the next try will.
            let (model, version) = (self.model.name.clone(), to.to_owned());
            return Err(refusal.unwrap_or(RegistryError::BeingDeleted {
                model,
                version,
                left,
            }));
        }
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

    /// Why an alias is not moved to a version.
    fn refusal(
        &self,
        version: &str,
        left: impl FnOnce() -> String,
    ) -> Result<Option<RegistryError>, MlflowError> {
        let (model, version) = (self.model.name.clone(), version.to_owned());
        Ok(match self.model.fate(&version)? {
            Fate::Stays => None,
            Fate::IsBeingDeleted => Some(RegistryError::BeingDeleted {
                model,
                version,
                left: left(),
            }),
            Fate::IsGone => Some(RegistryError::DeletedMeanwhile {
                model,
                version,
                left: left(),
            }),
        })
    }

    /// Moves an alias from a version that is being deleted, with which it would go, to where it was. Answers
    /// with where it is.
    fn put_back(&self, alias: &str, to: &str, from: Option<&str>) -> Result<String, MlflowError> {
        if let Some(now) = self.holder_now(alias)?
            && now != to
        {
            return Ok(format!(
                "{alias} is in version {now} by now and was left there"
            ));
        }
        let Some(from) = from else {
            self.model.delete_alias(alias)?;
            return Ok(format!("{alias} points at nothing, as before"));
        };
        match self.model.point_alias(alias, from) {
            Err(error) if error.is_missing() => {}
            outcome => outcome?,
        }
        Ok(match self.model.fate(from)? {
            Fate::Stays => format!("{alias} points at version {from} again"),
            // While the alias was away, nothing spoke against deleting that one either.
            _ => format!(
                "{alias} was at version {from}, which is being deleted as well: promote another one now"
            ),
        })
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
