//! The step runner: runs a named step, or takes its earlier output when nothing it depends on changed.
//! It does not know what a step does. A step's output is JSON; big results are files that the output
//! names, and the step's own `still_there` check says whether they still exist.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::PipelineError;
use crate::record::{RunRecord, RunStatus, StepRecord, StepStatus, read_json, write_json};

/// What is told to whoever watches a run.
pub trait Watcher {
    /// A step starts (`skipped` = its earlier output stands).
    fn step(&mut self, name: &str, skipped: bool);
    /// A step ended after so many seconds, with one line about the result.
    fn ended(&mut self, name: &str, seconds: f64, detail: &str);
}

/// Where the steps keep what they made.
#[derive(Clone, Debug)]
pub struct Folders {
    /// Outputs of steps, reused by later runs with the same inputs.
    pub state: PathBuf,
    /// One folder a run, with its record.
    pub runs: PathBuf,
}

/// A step's result.
pub trait StepOutput: Serialize + DeserializeOwned {
    /// Whether the files that this output names still exist.
    fn still_there(&self) -> bool {
        true
    }
    /// One line for the record and the screen.
    fn summary(&self) -> String;
}

#[derive(Serialize, Deserialize)]
struct Kept {
    inputs_digest: String,
    output: serde_json::Value,
}

/// Runs steps in order and keeps the record.
pub struct StepRunner<'w> {
    folders: Folders,
    record: RunRecord,
    watcher: &'w mut dyn Watcher,
    force: bool,
}

impl<'w> StepRunner<'w> {
    /// Starts a run. With `force` no earlier output is taken.
    pub fn start(
        folders: Folders,
        settings: serde_json::Value,
        force: bool,
        watcher: &'w mut dyn Watcher,
    ) -> Result<Self, PipelineError> {
        let record = RunRecord::start(settings);
        record.save(&folders.runs)?;
        Ok(Self {
            folders,
            record,
            watcher,
            force,
        })
    }

    /// The record so far.
    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// A folder of this step for files of this `inputs_digest`.
    pub fn step_folder(&self, name: &str, inputs_digest: &str) -> PathBuf {
        self.folders
            .state
            .join(name)
            .join(inputs_digest.get(..16).unwrap_or(inputs_digest))
    }

    /// Runs `work`, or returns the kept output when `inputs` are the same as when it was made.
    /// Outputs are kept per inputs, so that two data sets do not drive out each other's.
    /// `work` gets the folder in which the step may leave files.
    pub fn step<T: StepOutput>(
        &mut self,
        name: &str,
        inputs: &impl Serialize,
        work: impl FnOnce(&Path) -> Result<T, anyhow::Error>,
    ) -> Result<T, PipelineError> {
        self.run(name, inputs, true, work)
    }

    /// Runs `work` always: for steps whose effect lies outside the state folder (a registry).
    pub fn effect<T: StepOutput>(
        &mut self,
        name: &str,
        inputs: &impl Serialize,
        work: impl FnOnce(&Path) -> Result<T, anyhow::Error>,
    ) -> Result<T, PipelineError> {
        self.run(name, inputs, false, work)
    }

    fn run<T: StepOutput>(
        &mut self,
        name: &str,
        inputs: &impl Serialize,
        reusable: bool,
        work: impl FnOnce(&Path) -> Result<T, anyhow::Error>,
    ) -> Result<T, PipelineError> {
        let digest = digest_of(name, inputs)?;
        let folder = self.step_folder(name, &digest);
        let kept_file = folder.join("output.json");
        if reusable
            && !self.force
            && let Some(output) = kept_output::<T>(&kept_file, &digest)
        {
            self.watcher.step(name, true);
            self.push(
                name,
                StepStatus::Skipped,
                &digest,
                Some(output.summary()),
                Some(0.0),
            )?;
            return Ok(output);
        }
        self.watcher.step(name, false);
        self.push(name, StepStatus::Running, &digest, None, None)?;
        let started = Instant::now();
        let result = fs::create_dir_all(&folder)
            .map_err(|error| anyhow::anyhow!("cannot make {}: {error}", folder.display()))
            .and_then(|()| work(&folder));
        let seconds = started.elapsed().as_secs_f64();
        match result {
            Ok(output) => {
                if reusable {
                    let value =
                        serde_json::to_value(&output).map_err(|source| PipelineError::Json {
                            path: kept_file.clone(),
                            source,
                        })?;
                    write_json(
                        &kept_file,
                        &Kept {
                            inputs_digest: digest,
                            output: value,
                        },
                    )?;
                }
                let summary = output.summary();
                self.end_last(StepStatus::Done, seconds, summary.clone())?;
                self.watcher.ended(name, seconds, &summary);
                Ok(output)
            }
            Err(source) => {
                self.end_last(StepStatus::Failed, seconds, format!("{source:#}"))?;
                self.finish(RunStatus::Failed)?;
                Err(PipelineError::Step {
                    step: name.to_owned(),
                    source,
                })
            }
        }
    }

    /// Marks the run as ended.
    pub fn finish(&mut self, status: RunStatus) -> Result<(), PipelineError> {
        self.record.status = status;
        self.record.save(&self.folders.runs)
    }

    fn push(
        &mut self,
        name: &str,
        status: StepStatus,
        digest: &str,
        detail: Option<String>,
        seconds: Option<f64>,
    ) -> Result<(), PipelineError> {
        self.record.steps.push(StepRecord {
            name: name.to_owned(),
            status,
            inputs_digest: digest.to_owned(),
            started_at: Timestamp::now(),
            seconds,
            detail,
        });
        self.record.save(&self.folders.runs)
    }

    fn end_last(
        &mut self,
        status: StepStatus,
        seconds: f64,
        detail: String,
    ) -> Result<(), PipelineError> {
        if let Some(last) = self.record.steps.last_mut() {
            last.status = status;
            last.seconds = Some(seconds);
            last.detail = Some(detail);
        }
        self.record.save(&self.folders.runs)
    }
}

/// The output kept for these inputs; a missing, torn or outdated one counts as none.
fn kept_output<T: StepOutput>(file: &Path, digest: &str) -> Option<T> {
    let kept: Kept = read_json(file).ok()?;
    if kept.inputs_digest != digest {
        return None;
    }
    let output: T = serde_json::from_value(kept.output).ok()?;
    output.still_there().then_some(output)
}

/// SHA-256 of a value's JSON.
pub fn sha256_of(value: &impl Serialize) -> Result<String, PipelineError> {
    digest_of("", value)
}

fn digest_of(name: &str, inputs: &impl Serialize) -> Result<String, PipelineError> {
    let value = serde_json::to_vec(inputs).map_err(|source| PipelineError::Json {
        path: PathBuf::from(name),
        source,
    })?;
    let mut hasher = Sha256::new();
    hasher.update(name.as_bytes());
    hasher.update([0]);
    hasher.update(&value);
    Ok(hex::encode(hasher.finalize()))
}
