//! The stage `Production` of servers that have stages, kept where the alias `production` is. The alias is the
//! truth: a stage that cannot be set is said and nothing more.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::model::RemoteModel;
use crate::PRODUCTION;

/// Whether the server has stages is found out by using one.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    are_missing: AtomicBool,
}

impl Stages {
    /// Puts the version an alias has moved to into the stage of the same meaning and archives the one there.
    pub fn follow(&self, model: &RemoteModel, alias: &str, version: &str) {
        if alias != PRODUCTION || self.are_missing.load(Ordering::Relaxed) {
            return;
        }
        let body = json!({
            "name": model.name,
            "version": version,
            "stage": "Production",
            "archive_existing_versions": true,
        });
        match model
            .client
            .post::<Value>("model-versions/transition-stage", &body)
        {
            Ok(_) => {}
            Err(error) if error.is_unknown_call() => {
                tracing::debug!(server = model.client.server(), "this server has no stages");
                self.are_missing.store(true, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::warn!(%error, version, "the alias moved, the stage did not; the alias is what counts");
            }
        }
    }
}
