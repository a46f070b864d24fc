//! Runs in a folder.
//!
//! ```text
//! ROOT/<run>/run.json        experiment, name, tags, status, times
//! ROOT/<run>/params.json     parameters
//! ROOT/<run>/metrics.jsonl   one measurement per line, with its time
//! ROOT/<run>/artifacts/…     files
//! ```

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Artifact, Metric, RunId, RunStatus, Tracker};
use crate::error::RegistryError;
use crate::folder::durable::{create_folders, read_if_there, replace};
use crate::names::{check_artifact, check_key};

const RUN_FILE: &str = "run.json";
const PARAMS_FILE: &str = "params.json";
const METRICS_FILE: &str = "metrics.jsonl";

/// A tracker in a folder of this machine. One run is written by one process at a time.
#[derive(Clone, Debug)]
pub struct FolderTracker {
    root: PathBuf,
}

/// `run.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    experiment: String,
    name: String,
    tags: BTreeMap<String, String>,
    status: RunStatus,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
}

impl FolderTracker {
    /// The tracker whose runs are the folders in `root`, which is created by the first run.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder of a run, which exists.
    pub fn folder(&self, run: &RunId) -> Result<PathBuf, RegistryError> {
        let is_name =
            !run.0.is_empty() && run.0.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let folder = self.root.join(&run.0);
        if is_name && folder.is_dir() {
            return Ok(folder);
        }
        Err(RegistryError::UnknownRun {
            run: run.0.clone(),
            folder: self.root.clone(),
        })
    }

    fn change(&self, run: &RunId, change: impl FnOnce(&mut Run)) -> Result<(), RegistryError> {
        let folder = self.folder(run)?;
        let path = folder.join(RUN_FILE);
        let text = fs::read(&path).map_err(RegistryError::io("cannot read", &path))?;
        let mut run: Run = serde_json::from_slice(&text)
            .map_err(|error| RegistryError::damaged(&path, error.to_string()))?;
        change(&mut run);
        write_json(&folder, RUN_FILE, &run)
    }

    /// A new folder named by the second it was made in, numbered where several were.
    fn new_folder(&self, now: Timestamp) -> Result<(RunId, PathBuf), RegistryError> {
        create_folders(&self.root)?;
        let second = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut number = 1;
        loop {
            let id = format!("{second}-{number}");
            let folder = self.root.join(&id);
            match fs::create_dir(&folder) {
                Ok(()) => return Ok((RunId(id), folder)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(RegistryError::io("cannot create", &folder)(error)),
            }
        }
    }
}

impl Tracker for FolderTracker {
    fn start_run(
        &self,
        experiment: &str,
        name: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<RunId, RegistryError> {
        let started_at = Timestamp::now();
        let (id, folder) = self.new_folder(started_at)?;
        let run = Run {
            experiment: experiment.to_owned(),
            name: name.to_owned(),
            tags: tags.clone(),
            status: RunStatus::Running,
            started_at,
            ended_at: None,
        };
        write_json(&folder, RUN_FILE, &run)?;
        Ok(id)
    }

    fn log_params(
        &self,
        run: &RunId,
        params: &BTreeMap<String, String>,
    ) -> Result<(), RegistryError> {
        let folder = self.folder(run)?;
        let path = folder.join(PARAMS_FILE);
        let mut all: BTreeMap<String, String> = match read_if_there(&path)? {
            Some(text) => serde_json::from_slice(&text)
                .map_err(|error| RegistryError::damaged(&path, error.to_string()))?,
            None => BTreeMap::new(),
        };
        for (name, new) in params {
            check_key(name)?;
            let old = all.entry(name.clone()).or_insert_with(|| new.clone());
            if old != new {
                return Err(RegistryError::ChangedParameter {
                    run: run.0.clone(),
                    name: name.clone(),
                    old: old.clone(),
                    new: new.clone(),
                });
            }
        }
        write_json(&folder, PARAMS_FILE, &all)
    }

    fn log_metrics(&self, run: &RunId, metrics: &[Metric]) -> Result<(), RegistryError> {
        let path = self.folder(run)?.join(METRICS_FILE);
        let time = Timestamp::now();
        let mut lines = String::new();
        for metric in metrics {
            check_key(&metric.name)?;
            let line = json!({
                "time": time,
                "name": metric.name,
                "value": number(metric.value),
                "step": metric.step,
            });
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(RegistryError::io("cannot open", &path))?;
        file.write_all(lines.as_bytes())
            .map_err(RegistryError::io("cannot append to", &path))
    }

    fn log_artifact(
        &self,
        run: &RunId,
        path: &str,
        content: Artifact<'_>,
    ) -> Result<(), RegistryError> {
        check_artifact(path)?;
        let target = self.folder(run)?.join("artifacts").join(path);
        if let Some(parent) = target.parent() {
            create_folders(parent)?;
        }
        match content {
            Artifact::Bytes(bytes) => {
                fs::write(&target, bytes).map_err(RegistryError::io("cannot write", &target))
            }
            Artifact::File(file) => fs::copy(file, &target)
                .map(drop)
                .map_err(RegistryError::io("cannot copy to the run", file)),
        }
    }

    fn set_tags(&self, run: &RunId, tags: &BTreeMap<String, String>) -> Result<(), RegistryError> {
        self.change(run, |run| run.tags.extend(tags.clone()))
    }

    fn finish(&self, run: &RunId, status: RunStatus) -> Result<(), RegistryError> {
        self.change(run, |run| {
            run.status = status;
            run.ended_at = (status != RunStatus::Running).then(Timestamp::now);
        })
    }
}

/// JSON has no not-a-number and no infinities; `MLflow` takes them as text, and so does this file.
fn number(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else {
        json!(value.to_string())
    }
}

fn write_json(folder: &Path, name: &str, value: &impl Serialize) -> Result<(), RegistryError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| RegistryError::damaged(&folder.join(name), error.to_string()))?;
    text.push(b'\n');
    replace(folder, name, &text)
}
