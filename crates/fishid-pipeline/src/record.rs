//! The run record: one JSON file a run that says which step did what, when, and why it was skipped.
//! It is replaced atomically after every change, so a killed run leaves a readable record.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::PipelineError;

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// Started and not ended: what a killed run leaves behind.
    Running,
    /// Ended well in this run.
    Done,
    /// Its inputs had not changed since an earlier run, whose output stands.
    Skipped,
    /// Ended with an error.
    Failed,
}

/// One step of one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step's name, such as `embed`.
    pub name: String,
    /// How it stands.
    pub status: StepStatus,
    /// SHA-256 of everything the step's output depends on.
    pub inputs_digest: String,
    /// When it started, UTC.
    pub started_at: Timestamp,
    /// How long it took, seconds; absent while it runs.
    pub seconds: Option<f64>,
    /// The error, or one line about the result.
    pub detail: Option<String>,
}

/// How a whole run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Not ended: running now, or killed.
    Running,
    /// Every step ended well.
    Done,
    /// A step failed.
    Failed,
}

/// A run and its steps, in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run's id: its start time and process id.
    pub id: String,
    /// How the run stands.
    pub status: RunStatus,
    /// When it started, UTC.
    pub started_at: Timestamp,
    /// The settings it was started with, enough to continue it.
    pub settings: serde_json::Value,
    /// The steps so far.
    pub steps: Vec<StepRecord>,
}

impl RunRecord {
    /// A new, running record with no step yet.
    pub fn start(settings: serde_json::Value) -> Self {
        let now = Timestamp::now();
        Self {
            id: format!("{}-{}", now.strftime("%Y%m%dT%H%M%SZ"), std::process::id()),
            status: RunStatus::Running,
            started_at: now,
            settings,
            steps: Vec::new(),
        }
    }

    /// Where a record of this id lies under `runs`.
    pub fn path(runs: &Path, id: &str) -> PathBuf {
        runs.join(id).join("run.json")
    }

    /// Replaces the record on disk.
    pub fn save(&self, runs: &Path) -> Result<(), PipelineError> {
        write_json(&Self::path(runs, &self.id), self)
    }

    /// The newest run under `runs` that has not ended well, if the newest run is such a one.
    pub fn last_unfinished(runs: &Path) -> Result<Option<Self>, PipelineError> {
        let Ok(entries) = fs::read_dir(runs) else {
            return Ok(None);
        };
        let mut ids: Vec<String> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        ids.sort();
        for id in ids.iter().rev() {
            let path = Self::path(runs, id);
            if !path.is_file() {
                continue;
            }
            let record: Self = read_json(&path)?;
            return Ok((record.status != RunStatus::Done).then_some(record));
        }
        Ok(None)
    }
}

/// Writes JSON beside its place, flushes it to disk, then renames: never half a file.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), PipelineError> {
    let text = serde_json::to_vec_pretty(value).map_err(|source| PipelineError::Json {
        path: path.to_path_buf(),
        source,
    })?;
    write(path, &text)
}

/// [`write_json`] for a page.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), PipelineError> {
    write(path, text.as_bytes())
}

fn write(path: &Path, content: &[u8]) -> Result<(), PipelineError> {
    let fail = |source| PipelineError::Io {
        path: path.to_path_buf(),
        source,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(fail)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = fs::File::create(&temporary).map_err(fail)?;
    file.write_all(content).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    fs::rename(&temporary, path).map_err(fail)
}

/// Reads JSON; an unreadable or broken file is an error that names it.
pub(crate) fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, PipelineError> {
    let bytes = fs::read(path).map_err(|source| PipelineError::Io {
        path: path.to_path_buf(),
        source,
    })?;
    serde_json::from_slice(&bytes).map_err(|source| PipelineError::Json {
        path: path.to_path_buf(),
        source,
    })
}
