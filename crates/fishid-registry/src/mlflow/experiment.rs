//! Experiments and runs: getting or creating an experiment, starting a run, its files and its end.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::artifacts::Artifacts;
use super::client::Client;
use super::error::MlflowError;
use super::tombstone;
use super::wire::{
    CreatedExperiment, Experiment, ExperimentAnswer, Run, RunAnswer, RunInfo, RunsAnswer, Tag,
};
use crate::error::RegistryError;
use crate::tracker::RunStatus;

/// The id of the experiment of this name, created or brought back where needed.
pub(crate) fn experiment(client: &Client, name: &str) -> Result<String, MlflowError> {
    // Twice, because somebody else can create it between the look and the creation.
    for _ in 0..2 {
        if let Some(found) = existing(client, name)? {
            if found.lifecycle_stage == "deleted" {
                let body = json!({"experiment_id": found.experiment_id});
                client.post::<Value>("experiments/restore", &body)?;
            }
            return Ok(found.experiment_id);
        }
        match client.post_once::<CreatedExperiment>("experiments/create", &json!({"name": name})) {
            Ok(created) => return Ok(created.experiment_id),
            Err(error) if error.is_there_already() || error.is_uncertain() => {}
            Err(error) => return Err(error),
        }
    }
    let found = existing(client, name)?;
    found
        .map(|experiment| experiment.experiment_id)
        .ok_or_else(|| MlflowError::BrokenAnswer {
            server: client.server().to_owned(),
            call: "POST experiments/create".to_owned(),
            reason: format!("the experiment {name} can neither be created nor found"),
        })
}

fn existing(client: &Client, name: &str) -> Result<Option<Experiment>, MlflowError> {
    let query = [("experiment_name", name)];
    match client.get::<ExperimentAnswer>("experiments/get-by-name", &query) {
        Ok(answer) => Ok(Some(answer.experiment)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Starts a run.
pub(crate) fn start(
    client: &Client,
    experiment_id: &str,
    name: &str,
    tags: &[Tag],
) -> Result<RunInfo, MlflowError> {
    let body = json!({
        "experiment_id": experiment_id,
        "run_name": name,
        "start_time": Timestamp::now().as_millisecond(),
        "tags": tags,
    });
    let answer: RunAnswer = client.post_once("runs/create", &body)?;
    Ok(answer.run.info)
}

/// A run by its id; `None` where there is none, or only a deleted one.
pub(crate) fn run(client: &Client, id: &str) -> Result<Option<RunInfo>, MlflowError> {
    Ok(run_with_tags(client, id)?.map(|run| run.info))
}

/// A run with what is written on it.
pub(crate) fn run_with_tags(client: &Client, id: &str) -> Result<Option<Run>, MlflowError> {
    match client.get::<RunAnswer>("runs/get", &[("run_id", id)]) {
        Ok(answer) => {
            let run = answer.run;
            Ok((run.info.lifecycle_stage != "deleted").then_some(run))
        }
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The newest run of an experiment that a filter finds and no deletion empties. Where there are that many of
/// those, a new run is no loss.
pub(crate) fn find(
    client: &Client,
    experiment_id: &str,
    filter: &str,
) -> Result<Option<RunInfo>, MlflowError> {
    let body = json!({
        "experiment_ids": [experiment_id],
        "filter": filter,
        "max_results": 50,
        "order_by": ["attributes.start_time DESC"],
    });
    let answer: RunsAnswer = client.post("runs/search", &body)?;
    let stays = |run: &Run| !tombstone::is_marked(&run.data.tags);
    Ok(answer.runs.into_iter().find(stays).map(|run| run.info))
}

/// Ends a run, or sets it running again.
pub(crate) fn update(client: &Client, id: &str, status: RunStatus) -> Result<(), MlflowError> {
    let mut body = json!({"run_id": id, "status": status});
    if status != RunStatus::Running {
        body["end_time"] = json!(Timestamp::now().as_millisecond());
    }
    client.post::<Value>("runs/update", &body).map(drop)
}

/// The files of a run.
pub(crate) fn artifacts(client: &Client, run: &RunInfo) -> Result<Artifacts, RegistryError> {
    Artifacts::at(client, &run.artifact_uri, &format!("run {}", run.run_id))
}
