//! What can go wrong between fishid and an `MLflow` server. Each message says which call, which server
//! without its secrets, and what to do. The server's own messages carry SQL and are never shown.

use std::time::Duration;

/// Why a server did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what its fields are")]
pub enum MlflowError {
    #[error(
        "cannot reach the MLflow server {server} ({call}): {reason}. Is it running, and is its address right?"
    )]
    Unreachable {
        server: String,
        call: String,
        reason: String,
    },
    #[error(
        "the MLflow server {server} did not answer {call} within {waited:?}. Is it overloaded, or is something between it and this machine?"
    )]
    TimedOut {
        server: String,
        call: String,
        waited: Duration,
    },
    #[error(
        "the connection to the MLflow server {server} was cut during {call}: {reason}. Try again"
    )]
    Cut {
        server: String,
        call: String,
        reason: String,
    },
    #[error(
        "no secure connection to the MLflow server {server} ({call}): {reason}. For a certificate authority of your own set MLFLOW_TRACKING_SERVER_CERT_PATH to its PEM file"
    )]
    Tls {
        server: String,
        call: String,
        reason: String,
    },
    #[error("the MLflow server {server} does not accept {who} (401 to {call}). {remedy}")]
    Unauthorized {
        server: String,
        call: String,
        who: &'static str,
        remedy: &'static str,
    },
    #[error(
        "the MLflow server {server} does not permit {call} to {who} (403). Ask its administrator for the permission to edit experiments and registered models"
    )]
    Forbidden {
        server: String,
        call: String,
        who: &'static str,
    },
    #[error(
        "the MLflow server {server} does not answer to the name it was called by (403, host check, {call}). Start it with --allowed-hosts '{host},localhost:*' or set MLFLOW_SERVER_ALLOWED_HOSTS to that"
    )]
    HostRefused {
        server: String,
        call: String,
        host: String,
    },
    #[error(
        "{server} is no MLflow server: it answered {call} with {status} and {what}. Check the address, its port and the path behind which MLflow stands"
    )]
    NotMlflow {
        server: String,
        call: String,
        status: u16,
        what: String,
    },
    #[error("the MLflow server {server} refused {call}: {code} ({status})")]
    Refused {
        server: String,
        call: String,
        code: String,
        status: u16,
    },
    #[error(
        "the MLflow server {server} cannot do {call} now: {code} ({status}). Look into its log and at its database and storage, then try again"
    )]
    Failing {
        server: String,
        call: String,
        code: String,
        status: u16,
    },
    #[error(
        "the MLflow server {server} answered {call} with what no MLflow of version 2.9 or newer answers: {reason}"
    )]
    BrokenAnswer {
        server: String,
        call: String,
        reason: String,
    },
    #[error("no client for {server} can be made: {reason}")]
    Client { server: String, reason: String },
    #[error(
        "the files of {what} lie at {scheme} addresses, which fishid does not reach. Start the MLflow server with --artifacts-destination and without --no-serve-artifacts, so that it passes files through, or give it an s3:// artifact root"
    )]
    ArtifactScheme { what: String, scheme: String },
    #[error("the {what} on the MLflow server is damaged: {reason}. Publish the bundle again")]
    Damaged { what: String, reason: String },
    #[error(
        "the {what} was not published by fishid: {reason}. Publish a bundle with `fishid registry publish`, or adopt an ONNX classifier with `fishid registry adopt`"
    )]
    Foreign { what: String, reason: String },
    #[error(
        "version {version} of {model} is deleted, and at the same moment {aliases} went from the server. Unless whoever moved it put it back (`fishid registry history` tells), promote a version now: {remedy}"
    )]
    AliasVanished {
        model: String,
        version: String,
        aliases: String,
        remedy: String,
    },
    #[error(
        "the files of the run {run} are being deleted. Publish again when that is over; was that deletion stopped, take the run's tags fishid.deleting.… away on MLflow's page first"
    )]
    RunBeingEmptied { run: String },
    #[error("the {what} on the MLflow server cannot be taken over: {reason}")]
    Unusable { what: String, reason: String },
}

impl MlflowError {
    /// `MLflow`'s name for what went wrong, where it answered with one.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } | Self::Failing { code, .. } => Some(code),
            _ => None,
        }
    }

    /// What was asked for is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.code() == Some("RESOURCE_DOES_NOT_EXIST")
    }

    /// The server met an error of its own.
    pub(crate) fn is_internal(&self) -> bool {
        matches!(self, Self::Failing { status: 500, .. })
    }

    /// What was to be created is there.
    pub(crate) fn is_there_already(&self) -> bool {
        self.code() == Some("RESOURCE_ALREADY_EXISTS")
    }

    /// The server has no such call: it is older or newer than the call, or its administrator has
    /// switched it off.
    pub(crate) fn is_unknown_call(&self) -> bool {
        match self {
            Self::NotMlflow { status, .. } => matches!(status, 404 | 405),
            Self::Refused { code, status, .. } => {
                matches!(
                    code.as_str(),
                    "ENDPOINT_NOT_FOUND" | "FEATURE_DISABLED" | "NOT_IMPLEMENTED"
                ) || matches!(status, 405 | 501)
            }
            _ => false,
        }
    }

    /// The call may have been carried out although it failed here.
    pub(crate) fn is_uncertain(&self) -> bool {
        matches!(
            self,
            Self::TimedOut { .. } | Self::Cut { .. } | Self::Failing { .. }
        )
    }

    /// Whether the server could not be asked or is not well, which may pass without anybody's doing.
    pub fn may_pass(&self) -> bool {
        self.is_uncertain() || matches!(self, Self::Unreachable { .. })
    }
}
