//! The suite that every registry passes, against a real server.

use fishid_registry::conformance::{CHECKS, run};
use fishid_registry::open;
use fishid_testing::mlflow::require_mlflow;

#[test]
fn a_server_keeps_every_promise() {
    let Some(server) = require_mlflow() else {
        return;
    };
    let failures = run(|| open(&server.registry_url()));
    assert!(CHECKS.len() > 10);
    assert!(failures.is_empty(), "{failures:#?}");
}
