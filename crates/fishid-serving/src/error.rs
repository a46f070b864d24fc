//! What a caller may get instead of an answer. Every expected state is a variant.

use std::sync::Arc;
use std::time::Duration;

/// A part of a photograph's way, as named in the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Bytes to pixels.
    Decode,
    /// Pixels to what the model takes.
    Preprocess,
    /// Waiting for a worker, both times together.
    Queue,
    /// The model itself.
    Inference,
    /// Looking for a stored answer.
    Cache,
}

impl Phase {
    /// The label value in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Preprocess => "preprocess",
            Self::Queue => "queue",
            Self::Inference => "inference",
            Self::Cache => "cache",
        }
    }
}

/// Why a photograph got no answer. `E` is the model's own error.
#[derive(Debug, thiserror::Error)]
pub enum ServeError<E> {
    /// As many photographs are accepted already as the queue holds.
    #[error("{accepted} photographs are accepted already, which is all that is accepted at once")]
    QueueFull {
        /// How many were accepted and not yet answered.
        accepted: usize,
        /// When a place is likely to be free, from what photographs took lately.
        retry_after: Duration,
    },
    /// Refused at once: behind what is accepted already, the answer would come too late.
    #[error("an answer would take {expected:?}, and {deadline:?} are allowed")]
    OutOfReach {
        /// The time that was allowed.
        deadline: Duration,
        /// From now to the answer, from what photographs took lately.
        expected: Duration,
        /// When the same photograph would likely be taken.
        retry_after: Duration,
    },
    /// The answer did not come in time; the work was given up.
    #[error("no answer within {deadline:?}")]
    DeadlineExceeded {
        /// The time that was allowed.
        deadline: Duration,
    },
    /// No model has been brought in yet.
    #[error("no model is loaded")]
    NoModel,
    /// The service takes no more photographs because it is ending.
    #[error("the service is shutting down")]
    Draining,
    /// The photograph could not be made into the model's input.
    #[error("the photograph was refused")]
    Refused(#[source] Arc<E>),
    /// The model failed on a photograph it had accepted.
    #[error("the model failed")]
    Failed(#[source] Arc<E>),
    /// The model's code panicked; the worker lives on.
    #[error("the model panicked in {}: {message}", phase.name())]
    Panicked {
        /// Where.
        phase: Phase,
        /// The panic's own words, for the log.
        message: String,
    },
}

// Derived `Clone` would ask `E: Clone`, which errors with a source seldom are.
impl<E> Clone for ServeError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::QueueFull {
                accepted,
                retry_after,
            } => Self::QueueFull {
                accepted: *accepted,
                retry_after: *retry_after,
            },
            Self::OutOfReach {
                deadline,
                expected,
                retry_after,
            } => Self::OutOfReach {
                deadline: *deadline,
                expected: *expected,
                retry_after: *retry_after,
            },
            Self::DeadlineExceeded { deadline } => Self::DeadlineExceeded {
                deadline: *deadline,
            },
            Self::NoModel => Self::NoModel,
            Self::Draining => Self::Draining,
            Self::Refused(error) => Self::Refused(Arc::clone(error)),
            Self::Failed(error) => Self::Failed(Arc::clone(error)),
            Self::Panicked { phase, message } => Self::Panicked {
                phase: *phase,
                message: message.clone(),
            },
        }
    }
}

/// Why a model was not brought in. The one before it goes on answering.
#[derive(Debug, thiserror::Error)]
pub enum InstallError<E: std::error::Error + 'static> {
    /// Its warm-up, the proof on its golden photographs, failed.
    #[error("model version {version} failed its warm-up")]
    WarmUp {
        /// The version refused.
        version: String,
        /// What its warm-up said.
        #[source]
        source: E,
    },
    /// It answers, but slower than a client is made to wait.
    #[error(
        "model version {version} takes {fastest:?} for one photograph at its fastest, longer than the {deadline:?} in which a request must be answered"
    )]
    TooSlow {
        /// The version refused.
        version: String,
        /// The shortest of its answers.
        fastest: Duration,
        /// The time a request has.
        deadline: Duration,
    },
    /// Its warm-up panicked.
    #[error("model version {version} panicked in its warm-up: {message}")]
    Panicked {
        /// The version refused.
        version: String,
        /// The panic's own words.
        message: String,
    },
}
