//! The step runner: skips what has not changed, repeats what failed, survives torn files.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::fs;
use std::path::Path;

use fishid_pipeline::PipelineError;
use fishid_pipeline::record::{RunRecord, RunStatus, StepStatus};
use fishid_pipeline::steps::{Folders, StepOutput, StepRunner, Watcher};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Number {
    value: u32,
    file: Option<std::path::PathBuf>,
}

impl StepOutput for Number {
    fn still_there(&self) -> bool {
        self.file.as_ref().is_none_or(|file| file.is_file())
    }
    fn summary(&self) -> String {
        format!("value {}", self.value)
    }
}

struct Silent;
impl Watcher for Silent {
    fn step(&mut self, _: &str, _: bool) {}
    fn ended(&mut self, _: &str, _: f64, _: &str) {}
}

fn folders(root: &Path) -> Folders {
    Folders {
        state: root.join("state"),
        runs: root.join("runs"),
    }
}

/// Runs one step `double` on `input` and says what it gave and how the record calls it.
fn check(root: &Path, input: u32, force: bool, calls: &Cell<u32>) -> (u32, StepStatus) {
    let mut watcher = Silent;
    let mut runner =
        StepRunner::start(folders(root), serde_json::json!({}), force, &mut watcher).unwrap();
    let output = runner
        .step("double", &input, |folder| {
            calls.set(calls.get() + 1);
            let file = folder.join("big.bin");
            fs::write(&file, b"big")?;
            Ok(Number {
                value: input * 2,
                file: Some(file),
            })
        })
        .unwrap();
    runner.finish(RunStatus::Done).unwrap();
    (output.value, runner.record().steps[0].status)
}

#[test]
fn an_unchanged_step_is_skipped_and_a_changed_one_is_run() {
    let root = tempfile::tempdir().unwrap();
    let calls = Cell::new(0);
    assert_eq!(check(root.path(), 3, false, &calls), (6, StepStatus::Done));
    assert_eq!(
        check(root.path(), 3, false, &calls),
        (6, StepStatus::Skipped)
    );
    assert_eq!(check(root.path(), 4, false, &calls), (8, StepStatus::Done));
    assert_eq!(
        check(root.path(), 3, false, &calls),
        (6, StepStatus::Skipped)
    );
    assert_eq!(check(root.path(), 3, true, &calls), (6, StepStatus::Done));
    assert_eq!(calls.get(), 3);
}

#[test]
fn a_step_whose_files_are_gone_or_torn_is_run_again() {
    for damage in ["big.bin", "output.json"] {
        let root = tempfile::tempdir().unwrap();
        let calls = Cell::new(0);
        check(root.path(), 3, false, &calls);
        let step = fs::read_dir(root.path().join("state/double"))
            .unwrap()
            .next()
            .unwrap();
        let file = step.unwrap().path().join(damage);
        if damage == "output.json" {
            fs::write(&file, b"{\"inputs_dig").unwrap();
        } else {
            fs::remove_file(&file).unwrap();
        }
        assert_eq!(check(root.path(), 3, false, &calls), (6, StepStatus::Done));
        assert_eq!(calls.get(), 2);
    }
}

#[test]
fn a_failed_step_is_named_and_the_run_can_be_found_again() {
    let root = tempfile::tempdir().unwrap();
    let mut watcher = Silent;
    let settings = serde_json::json!({"data": "photos"});
    let mut runner =
        StepRunner::start(folders(root.path()), settings.clone(), false, &mut watcher).unwrap();
    let first = runner.step("double", &1, |_| {
        Ok(Number {
            value: 2,
            file: None,
        })
    });
    assert_eq!(first.unwrap().value, 2);
    let failed = runner.step::<Number>("divide", &0, |_| Err(anyhow::anyhow!("divided by zero")));
    let Err(error @ PipelineError::Step { .. }) = failed else {
        panic!("the step must fail")
    };
    assert_eq!(error.to_string(), "step divide: divided by zero");

    let runs = root.path().join("runs");
    let record = RunRecord::last_unfinished(&runs).unwrap().unwrap();
    assert_eq!(record.status, RunStatus::Failed);
    assert_eq!(record.settings, settings);
    let statuses: Vec<_> = record.steps.iter().map(|step| step.status).collect();
    assert_eq!(statuses, [StepStatus::Done, StepStatus::Failed]);
}

#[test]
fn a_run_that_ended_well_is_not_offered_for_resuming() {
    let root = tempfile::tempdir().unwrap();
    check(root.path(), 1, false, &Cell::new(0));
    assert!(
        RunRecord::last_unfinished(&root.path().join("runs"))
            .unwrap()
            .is_none()
    );
    assert!(
        RunRecord::last_unfinished(&root.path().join("nowhere"))
            .unwrap()
            .is_none()
    );
}

#[test]
fn an_effect_is_never_skipped() {
    let root = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut watcher = Silent;
        let mut runner = StepRunner::start(
            folders(root.path()),
            serde_json::json!({}),
            false,
            &mut watcher,
        )
        .unwrap();
        runner
            .effect("register", &1, |_| {
                Ok(Number {
                    value: 1,
                    file: None,
                })
            })
            .unwrap();
        assert_eq!(runner.record().steps[0].status, StepStatus::Done);
    }
}
