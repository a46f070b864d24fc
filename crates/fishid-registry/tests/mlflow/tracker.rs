//! The tracker on a real server.

use std::collections::BTreeMap;
use std::fs;

use fishid_registry::{Artifact, Metric, RunId, RunStatus, Tracker as _};
use fishid_testing::mlflow::{MlflowServer, require_mlflow};
use serde_json::Value;

fn get(server: &MlflowServer, call: &str) -> Value {
    let url = format!("{}/api/2.0/{call}", server.url());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let answer = reqwest::get(url).await.unwrap();
        answer.json().await.unwrap()
    })
}

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn value_of<'a>(list: &'a Value, key: &str) -> &'a Value {
    let entries = list.as_array().unwrap();
    let found = entries.iter().find(|entry| entry["key"] == key);
    &found.unwrap_or_else(|| panic!("{key} in {list}"))["value"]
}

#[test]
fn a_run_keeps_what_was_logged() {
    let Some(server) = require_mlflow() else {
        return;
    };
    let tracker = crate::tracker(server);
    let run = tracker
        .start_run("tracked", "nightly", &map(&[("backbone", "b4")]))
        .unwrap();
    // More than one batch of each.
    let params: BTreeMap<String, String> =
        (0..150).map(|n| (format!("p{n}"), n.to_string())).collect();
    tracker.log_params(&run, &params).unwrap();
    tracker.log_params(&run, &params).unwrap();
    let mut metrics: Vec<Metric> = (0..1500)
        .map(|step| Metric {
            name: "loss/val".to_owned(),
            value: f64::from(step) / 2.0,
            step: step as u64,
        })
        .collect();
    for (name, value) in [("nan", f64::NAN), ("recall/esox_lucius", 1.0)] {
        metrics.push(Metric {
            name: name.to_owned(),
            value,
            step: 0,
        });
    }
    tracker.log_metrics(&run, &metrics).unwrap();
    tracker
        .set_tags(&run, &map(&[("gate", "promote"), ("backbone", "b5")]))
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.html");
    fs::write(&report, "<p>").unwrap();
    tracker
        .log_artifact(&run, "report.html", Artifact::File(&report))
        .unwrap();
    tracker
        .log_artifact(&run, "plots/Щука 1.svg", Artifact::Bytes(b"<svg/>"))
        .unwrap();
    tracker.finish(&run, RunStatus::Failed).unwrap();

    let answer = get(server, &format!("mlflow/runs/get?run_id={run}"));
    let (info, data) = (&answer["run"]["info"], &answer["run"]["data"]);
    assert_eq!(info["status"], "FAILED");
    assert_eq!(info["run_name"], "nightly");
    assert!(info["end_time"].as_i64() >= info["start_time"].as_i64());
    assert_eq!(data["params"].as_array().unwrap().len(), 150);
    assert_eq!(value_of(&data["params"], "p149"), "149");
    assert_eq!(value_of(&data["tags"], "backbone"), "b5");
    assert_eq!(value_of(&data["tags"], "gate"), "promote");
    assert_eq!(value_of(&data["metrics"], "recall/esox_lucius"), 1.0);
    let call =
        format!("mlflow/metrics/get-history?run_id={run}&metric_key=loss/val&max_results=2000");
    let history = get(server, &call);
    let points = history["metrics"].as_array().unwrap();
    assert_eq!(points.len(), 1500);
    assert_eq!(
        (&points[7]["step"], &points[7]["value"]),
        (&7.into(), &3.5.into())
    );
    let call = format!("mlflow/metrics/get-history?run_id={run}&metric_key=nan");
    let history = get(server, &call);
    let point = &history["metrics"][0];
    assert_eq!(point["value"], "NaN", "{history}");
    let list = get(
        server,
        &format!("mlflow/artifacts/list?run_id={run}&path=plots"),
    );
    assert_eq!(list["files"][0]["path"], "plots/Щука 1.svg");
    let experiment = get(
        server,
        "mlflow/experiments/get-by-name?experiment_name=tracked",
    );
    assert_eq!(
        experiment["experiment"]["experiment_id"],
        info["experiment_id"]
    );
}

#[test]
fn a_parameter_cannot_change_and_an_unknown_run_is_named() {
    let Some(server) = require_mlflow() else {
        return;
    };
    let tracker = crate::tracker(server);
    let run = tracker
        .start_run("tracked-too", "nightly", &BTreeMap::new())
        .unwrap();
    tracker.log_params(&run, &map(&[("seed", "0")])).unwrap();
    let error = tracker
        .log_params(&run, &map(&[("seed", "1")]))
        .unwrap_err();
    assert!(
        error.to_string().contains("INVALID_PARAMETER_VALUE"),
        "{error}"
    );
    let nowhere = RunId("0".repeat(32));
    let errors = [
        tracker.finish(&nowhere, RunStatus::Failed).unwrap_err(),
        tracker
            .log_artifact(&nowhere, "a", Artifact::Bytes(b""))
            .unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("there is no run 000"), "{error}");
    }
}

#[test]
fn a_deleted_experiment_is_brought_back() {
    let Some(server) = require_mlflow() else {
        return;
    };
    let tracker = crate::tracker(server);
    let start = || {
        tracker
            .start_run("deleted-once", "nightly", &BTreeMap::new())
            .unwrap()
    };
    let first = start();
    let id = |run: &RunId| {
        let answer = get(server, &format!("mlflow/runs/get?run_id={run}"));
        answer["run"]["info"]["experiment_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let experiment = id(&first);
    let url = format!("{}/api/2.0/mlflow/experiments/delete", server.url());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let body = serde_json::json!({"experiment_id": experiment});
        let request = reqwest::Client::new().post(url).json(&body);
        assert!(request.send().await.unwrap().status().is_success());
    });
    assert_eq!(id(&start()), experiment);
}
