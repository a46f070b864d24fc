//! [`Tracker`] on a server.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::address::Address;
use super::client::Client;
use super::experiment;
use super::publication::tag;
use super::settings::MlflowSettings;
use super::transfer::Content;
use super::wire::{RunInfo, Tag};
use crate::error::RegistryError;
use crate::names::{check_artifact, check_key};
use crate::tracker::{Artifact, Metric, RunId, RunStatus, Tracker};

/// The most of each that one call takes.
const MAX_METRICS: usize = 1000;
const MAX_PARAMS: usize = 100;
const MAX_TAGS: usize = 100;

/// A tracker on an `MLflow` server, 2.9 or newer.
#[derive(Debug)]
pub struct MlflowTracker {
    client: Client,
}

impl MlflowTracker {
    /// The tracker at `mlflow+http://host:port`. Makes no connection yet.
    pub fn new(url: &str, settings: &MlflowSettings) -> Result<Self, RegistryError> {
        Ok(Self {
            client: Client::new(Address::parse(url)?, settings)?,
        })
    }

    fn run(&self, run: &RunId) -> Result<RunInfo, RegistryError> {
        let found = experiment::run(&self.client, &run.0)?;
        found.ok_or_else(|| self.unknown(run))
    }

    fn log(&self, run: &RunId, what: &str, entries: &[Value]) -> Result<(), RegistryError> {
        // Repeating a batch is safe: equal metrics are stored once, equal parameters accepted.
        let body = json!({"run_id": run.0, what: entries});
        match self.client.post::<Value>("runs/log-batch", &body) {
            Err(error) if error.is_missing() => Err(self.unknown(run)),
            outcome => Ok(outcome.map(drop)?),
        }
    }

    fn unknown(&self, run: &RunId) -> RegistryError {
        RegistryError::UnknownRemoteRun {
            run: run.0.clone(),
            server: self.client.server().to_owned(),
        }
    }
}

fn tags_of(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| tag(key, value)).collect()
}

impl Tracker for MlflowTracker {
    fn start_run(
        &self,
        experiment: &str,
        name: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<RunId, RegistryError> {
        let id = experiment::experiment(&self.client, experiment)?;
        let tags = tags_of(tags);
        // What one call may carry comes at once, so that a stop leaves no nameless run.
        let (first, rest) = tags.split_at(tags.len().min(MAX_TAGS));
        let info = experiment::start(&self.client, &id, name, first)?;
        let run = RunId(info.run_id);
        let rest: Vec<Value> = rest.iter().map(|tag| json!(tag)).collect();
        for tags in rest.chunks(MAX_TAGS) {
            self.log(&run, "tags", tags)?;
        }
        Ok(run)
    }

    fn log_params(
        &self,
        run: &RunId,
        params: &BTreeMap<String, String>,
    ) -> Result<(), RegistryError> {
        let mut entries = Vec::with_capacity(params.len());
        for (name, value) in params {
            check_key(name)?;
            entries.push(json!({"key": name, "value": value}));
        }
        for params in entries.chunks(MAX_PARAMS) {
            self.log(run, "params", params)?;
        }
        Ok(())
    }

    fn log_metrics(&self, run: &RunId, metrics: &[Metric]) -> Result<(), RegistryError> {
        let now = Timestamp::now().as_millisecond();
        let mut entries = Vec::with_capacity(metrics.len());
        for metric in metrics {
            check_key(&metric.name)?;
            entries.push(json!({
                "key": metric.name,
                "value": number(metric.value),
                "timestamp": now,
                "step": metric.step,
            }));
        }
        for metrics in entries.chunks(MAX_METRICS) {
            self.log(run, "metrics", metrics)?;
        }
        Ok(())
    }

    fn set_tags(&self, run: &RunId, tags: &BTreeMap<String, String>) -> Result<(), RegistryError> {
        let entries: Vec<Value> = tags_of(tags).iter().map(|tag| json!(tag)).collect();
        for tags in entries.chunks(MAX_TAGS) {
            self.log(run, "tags", tags)?;
        }
        Ok(())
    }

    fn log_artifact(
        &self,
        run: &RunId,
        path: &str,
        content: Artifact<'_>,
    ) -> Result<(), RegistryError> {
        check_artifact(path)?;
        let artifacts = experiment::artifacts(&self.client, &self.run(run)?)?;
        match content {
            Artifact::Bytes(bytes) => {
                artifacts.put(path, Content::Bytes(Bytes::copy_from_slice(bytes)))
            }
            Artifact::File(file) => artifacts.put_file(path, file),
        }
    }

    fn finish(&self, run: &RunId, status: RunStatus) -> Result<(), RegistryError> {
        match experiment::update(&self.client, &run.0, status) {
            Err(error) if error.is_missing() => Err(self.unknown(run)),
            outcome => Ok(outcome?),
        }
    }
}

/// A bare not-a-number would be stored as 0; as text it is kept.
fn number(value: f64) -> Value {
    if value.is_nan() {
        json!("NaN")
    } else if value.is_infinite() {
        json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        json!(value)
    }
}
