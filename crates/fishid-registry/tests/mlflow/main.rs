//! The implementations on an `MLflow` server, against a real one where `FISHID_STACK_PYTHON` names a Python
//! with `MLflow`, and against one that fails on purpose.
#![allow(clippy::unwrap_used)]

mod conformance;
mod crashes;
mod failures;
mod meanwhile;
mod old_server;
mod registry;
mod tracker;
mod worker;

use fishid_registry::{MlflowRegistry, MlflowSettings, MlflowTracker};
use fishid_testing::mlflow::MlflowServer;

fn registry(server: &MlflowServer) -> MlflowRegistry {
    MlflowRegistry::new(&server.registry_url(), &MlflowSettings::default()).unwrap()
}

fn tracker(server: &MlflowServer) -> MlflowTracker {
    MlflowTracker::new(&server.registry_url(), &MlflowSettings::default()).unwrap()
}
