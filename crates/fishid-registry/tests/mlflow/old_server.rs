//! The oldest server that is spoken to: other errors for a file that is not there, stages instead of nothing.

use fishid_registry::conformance::{run, tiny_bundle};
use fishid_registry::{ModelRegistry as _, Note, PublishNote, VersionRef, open};
use fishid_testing::mlflow::MlflowServer;
use serde_json::json;

use crate::registry::http;

/// `make test-full` installs `MLflow` 2.9 and names its Python here.
fn old_server() -> Option<MlflowServer> {
    let python = std::env::var_os("FISHID_MLFLOW_2_9_PYTHON").filter(|value| !value.is_empty());
    if python.is_none() {
        eprintln!("skipped: FISHID_MLFLOW_2_9_PYTHON is not set; `make test-full` sets it");
    }
    Some(MlflowServer::start(python?.as_ref(), &[]))
}

#[test]
fn a_server_of_2_9_keeps_every_promise_and_has_the_stage_too() {
    let Some(server) = old_server() else {
        return;
    };
    let failures = run(|| open(&server.registry_url()));
    assert!(failures.is_empty(), "{failures:#?}");

    let scratch = tempfile::tempdir().unwrap();
    let bundle = scratch.path().join("bundle");
    tiny_bundle(&bundle, 29).unwrap();
    let registry = crate::registry(&server);
    let version = registry
        .publish("staged", &bundle, &PublishNote::default())
        .unwrap();
    let number = VersionRef::new(&version.version);
    registry
        .set_alias("staged", "production", &number, &Note::default())
        .unwrap();
    let url = format!("{}/api/2.0/mlflow/model-versions/get", server.url());
    let body = json!({"name": "staged", "version": version.version});
    let answer = http("GET", &url, &body);
    assert_eq!(answer["model_version"]["current_stage"], "Production");
}
