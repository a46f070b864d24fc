//! One row of the table: a photograph and its answer, or why there is none.

use fishid_image::PhotoError;
use serde::{Deserialize, Serialize};

use crate::{PredictError, Reply};

/// Why a photograph has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A stable word: one of [`fishid_image::PhotoError::kind`], `unreadable` or `internal`.
    pub kind: &'static str,
    /// In words.
    pub message: String,
}

impl Refusal {
    /// One that cannot be read.
    pub fn unreadable(message: impl Into<String>) -> Self {
        Self {
            kind: "unreadable",
            message: message.into(),
        }
    }
}

impl From<&PhotoError> for Refusal {
    fn from(error: &PhotoError) -> Self {
        Self {
            kind: error.kind(),
            message: error.to_string(),
        }
    }
}

/// What a journal keeps and a table shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Where the photograph is, as a person can open it.
    pub path: String,
    /// The reply of `POST /predict`.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    /// SHA-256 of the model that answered, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_digest: Option<String>,
    /// Why there is no answer, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The same as a stable word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<String>,
}

impl Row {
    /// Of a photograph that was answered.
    pub fn answered(path: String, reply: Reply, model_digest: &str) -> Self {
        Self {
            path,
            reply: Some(reply),
            model_digest: Some(model_digest.to_owned()),
            error: None,
            error_kind: None,
        }
    }

    /// Of a photograph that was not.
    pub fn refused(path: String, refusal: Refusal) -> Self {
        Self {
            path,
            reply: None,
            model_digest: None,
            error: Some(refusal.message),
            error_kind: Some(refusal.kind.to_owned()),
        }
    }
}

/// What is the photograph's own fault becomes a row; anything else would happen to the next one as well, and is
/// given back.
pub(super) fn refusal(error: PredictError) -> Result<Refusal, PredictError> {
    match &error {
        PredictError::Photo(photo) => Ok(photo.into()),
        PredictError::Panicked { .. } => Ok(Refusal {
            kind: "internal",
            message: error.to_string(),
        }),
        _ => Err(error),
    }
}
