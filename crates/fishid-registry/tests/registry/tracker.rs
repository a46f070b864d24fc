//! The tracker in a folder.

use std::collections::BTreeMap;
use std::fs;

use fishid_registry::{Artifact, FolderTracker, Metric, RunId, RunStatus, Tracker};
use serde_json::{Value, json};
use tempfile::TempDir;

fn tracker() -> (TempDir, FolderTracker, RunId) {
    let folder = tempfile::tempdir().unwrap();
    let tracker = FolderTracker::new(folder.path().join("runs"));
    let tags = map(&[("backbone", "mobilenet_v2")]);
    let run = tracker
        .start_run("fish-classification", "nightly", &tags)
        .unwrap();
    (folder, tracker, run)
}

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn metric(name: &str, value: f64, step: u64) -> Metric {
    Metric {
        name: name.to_owned(),
        value,
        step,
    }
}

fn json_in(tracker: &FolderTracker, run: &RunId, file: &str) -> Value {
    let path = tracker.folder(run).unwrap().join(file);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_run_keeps_what_was_logged() {
    let (folder, tracker, run) = tracker();
    assert_eq!(json_in(&tracker, &run, "run.json")["status"], "RUNNING");
    tracker
        .log_params(&run, &map(&[("learning_rate", "0.003")]))
        .unwrap();
    tracker
        .log_params(&run, &map(&[("seed", "0"), ("learning_rate", "0.003")]))
        .unwrap();
    tracker
        .log_metrics(&run, &[metric("loss/val", 0.5, 1)])
        .unwrap();
    let odd = [
        metric("loss/val", f64::NAN, 2),
        metric("recall/esox_lucius", 1.0, 0),
    ];
    tracker.log_metrics(&run, &odd).unwrap();
    let report = folder.path().join("report.html");
    fs::write(&report, "<p>").unwrap();
    tracker
        .log_artifact(&run, "report.html", Artifact::File(&report))
        .unwrap();
    tracker
        .log_artifact(&run, "plots/a.svg", Artifact::Bytes(b"<svg/>"))
        .unwrap();
    tracker.finish(&run, RunStatus::Finished).unwrap();

    let record = json_in(&tracker, &run, "run.json");
    assert_eq!(record["experiment"], "fish-classification");
    assert_eq!(record["name"], "nightly");
    assert_eq!(record["tags"], json!({"backbone": "mobilenet_v2"}));
    assert_eq!(record["status"], "FINISHED");
    assert!(record["ended_at"].as_str() >= record["started_at"].as_str());
    let params = json_in(&tracker, &run, "params.json");
    assert_eq!(params, json!({"learning_rate": "0.003", "seed": "0"}));
    let dir = tracker.folder(&run).unwrap();
    let metrics = fs::read_to_string(dir.join("metrics.jsonl")).unwrap();
    let metrics: Vec<(Value, Value, Value)> = metrics
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| {
            (
                line["name"].clone(),
                line["value"].clone(),
                line["step"].clone(),
            )
        })
        .collect();
    let expected = [
        (json!("loss/val"), json!(0.5), json!(1)),
        (json!("loss/val"), json!("NaN"), json!(2)),
        (json!("recall/esox_lucius"), json!(1.0), json!(0)),
    ];
    assert_eq!(metrics, expected);
    assert_eq!(
        fs::read_to_string(dir.join("artifacts/report.html")).unwrap(),
        "<p>"
    );
    assert_eq!(
        fs::read_to_string(dir.join("artifacts/plots/a.svg")).unwrap(),
        "<svg/>"
    );
}

#[test]
fn a_parameter_cannot_change() {
    let (_folder, tracker, run) = tracker();
    tracker.log_params(&run, &map(&[("seed", "0")])).unwrap();
    let error = tracker
        .log_params(&run, &map(&[("seed", "1")]))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("seed") && error.contains("\"0\" already"),
        "{error}"
    );
    assert_eq!(json_in(&tracker, &run, "params.json"), json!({"seed": "0"}));
}

#[test]
fn names_that_a_server_would_refuse_are_refused_here() {
    let (_folder, tracker, run) = tracker();
    for name in ["", "recall/Щука", "a,b", "a(b)", "../x", "a//b"] {
        let error = tracker
            .log_metrics(&run, &[metric(name, 1.0, 0)])
            .unwrap_err();
        assert!(
            error.to_string().contains("cannot be the name of a metric"),
            "{error}"
        );
    }
    for path in ["", "/etc/x", "../x", "a/../../x", "a//b", "a\\b", "C:x"] {
        let error = tracker
            .log_artifact(&run, path, Artifact::Bytes(b""))
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("cannot be the name of an artifact"),
            "{error}"
        );
    }
    for id in ["", "..", "nowhere", "../runs"] {
        let error = tracker
            .finish(&RunId(id.to_owned()), RunStatus::Failed)
            .unwrap_err();
        assert!(error.to_string().contains("there is no run"), "{error}");
    }
}

#[test]
fn runs_of_one_second_have_different_names() {
    let (_folder, tracker, first) = tracker();
    let second = tracker
        .start_run("fish-classification", "nightly", &BTreeMap::new())
        .unwrap();
    assert_ne!(first, second);
}
