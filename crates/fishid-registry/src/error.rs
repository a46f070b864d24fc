//! What can go wrong with a registry, in words that name the thing and the remedy.

use std::io;
use std::path::{Path, PathBuf};

use fishid_bundle::BundleError;
use fishid_storage::StorageError;

use crate::mlflow::MlflowError;

/// Why a registry or a tracker did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The address has a scheme no registry answers to.
    #[error(
        "unknown registry scheme in {url:?}. Use file:///folder, a path or mlflow+http://host:5000"
    )]
    UnknownScheme {
        /// The address as given.
        url: String,
    },
    /// The address is no address.
    #[error(
        "{url:?} is no registry address: {reason}. Use file:///folder, a path or mlflow+http://host:5000"
    )]
    BadAddress {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that cannot be a model, an alias, a metric or an artifact.
    #[error("{name:?} cannot be the name of {kind}: {rule}")]
    BadName {
        /// What it was to name, such as `a model`.
        kind: &'static str,
        /// The name as given.
        name: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// No version of this number.
    #[error("the model {model} has no version {number}; {known}")]
    UnknownVersion {
        /// The model.
        model: String,
        /// The number asked for.
        number: u64,
        /// What there is instead.
        known: String,
    },
    /// A version that an alias names is not deleted.
    #[error(
        "version {version} of {model} is not deleted: it is in {}. Promote another version first", .aliases.join(", ")
    )]
    InUse {
        /// The model.
        model: String,
        /// The version.
        version: String,
        /// The aliases that point at it.
        aliases: Vec<String>,
    },
    /// A version that is being deleted is not promoted.
    #[error(
        "version {version} of {model} is being deleted and was not promoted; {left}. Was that deletion stopped, `fishid registry prune` completes it; to keep the version, take its tags fishid.deleting.… away on MLflow's page"
    )]
    BeingDeleted {
        /// The model.
        model: String,
        /// The version.
        version: String,
        /// Where the alias is.
        left: String,
    },
    /// A version was deleted while it was being promoted.
    #[error(
        "version {version} of {model} was deleted meanwhile and not promoted; {left}. Promote another version"
    )]
    DeletedMeanwhile {
        /// The model.
        model: String,
        /// The version.
        version: String,
        /// Where the alias is.
        left: String,
    },
    /// No such alias.
    #[error(
        "nothing of the model {model} is in {alias}. Promote a version first: `fishid registry promote VERSION`"
    )]
    UnknownAlias {
        /// The model.
        model: String,
        /// The alias asked for.
        alias: String,
    },
    /// Somebody moved the alias between the look and the move.
    #[error(
        "{alias} moved from {} to {} meanwhile and was left there. Look at what is there now: `fishid registry history`", holder(.expected.as_deref()), holder(.found.as_deref())
    )]
    AliasMoved {
        /// The alias.
        alias: String,
        /// The version it was to point at before the move; `None` for nothing.
        expected: Option<String>,
        /// The version it points at.
        found: Option<String>,
    },
    /// No move of the alias is left to take back.
    #[error(
        "{alias} of the model {model} points at version {current} and no move before it is left to go back over, so there is nothing to roll back to"
    )]
    NothingToRollBack {
        /// The model.
        model: String,
        /// The alias.
        alias: String,
        /// Where it points.
        current: String,
    },
    /// A line of a history is none of its events.
    #[error(
        "{} is damaged: line {line}: {reason}. Restore the file from a backup or delete that line: every version and alias has a file of its own and stays as it is", .path.display()
    )]
    DamagedHistory {
        /// The history.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// An alias's file is not what was written.
    #[error(
        "{} is damaged: {reason}. Set the alias anew, which replaces the file; for production: `fishid registry promote VERSION`", .path.display()
    )]
    DamagedAlias {
        /// The alias's file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the registry is not what was written.
    #[error("{} is damaged: {reason}. Publish the bundle again as a new version, or restore the file from a backup", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The bundle changed under the publication's hands.
    #[error("{} changed while it was being published. Publish it again when nothing writes to it", .path.display())]
    ChangedMeanwhile {
        /// The file of the bundle.
        path: PathBuf,
    },
    /// A run that is not there.
    #[error("there is no run {run} in {}", .folder.display())]
    UnknownRun {
        /// The run asked for.
        run: String,
        /// The folder of runs.
        folder: PathBuf,
    },
    /// A run that is not on the server.
    #[error("there is no run {run} on the MLflow server {server}, or it was deleted there")]
    UnknownRemoteRun {
        /// The run asked for.
        run: String,
        /// The server's address.
        server: String,
    },
    /// A parameter was logged with another value before.
    #[error("the parameter {name} of run {run} is {old:?} already and cannot become {new:?}")]
    ChangedParameter {
        /// The run.
        run: String,
        /// The parameter.
        name: String,
        /// Its value.
        old: String,
        /// The value refused.
        new: String,
    },
    /// An `MLflow` server did not do what it was asked.
    #[error(transparent)]
    Mlflow(#[from] MlflowError),
    /// Files that the server keeps in S3 were not reached there.
    #[error("the files of {what}: {source}")]
    Files {
        /// The run or version.
        what: String,
        /// What is wrong, with the remedy.
        source: StorageError,
    },
    /// The bundle itself is no good.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The operating system refused.
    #[error("{action} {}: {source}", .path.display())]
    Io {
        /// What was being done, such as `cannot read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

fn holder(version: Option<&str>) -> String {
    version.map_or_else(
        || "nothing".to_owned(),
        |number| format!("version {number}"),
    )
}

impl RegistryError {
    /// A closure for `map_err` that adds the path and what was being done.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    pub(crate) fn files(what: &str, source: StorageError) -> Self {
        Self::Files {
            what: what.to_owned(),
            source,
        }
    }

    /// The version asked for is none of those of these numbers, which ascend.
    pub(crate) fn unknown_version(model: &str, number: u64, known: &[u64]) -> Self {
        let known = match known {
            [] => "nothing was published yet: `fishid registry publish BUNDLE`".to_owned(),
            [only] => format!("there is only version {only}"),
            [first, .., last] => format!("there are versions {first} to {last}"),
        };
        Self::UnknownVersion {
            model: model.to_owned(),
            number,
            known,
        }
    }

    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
