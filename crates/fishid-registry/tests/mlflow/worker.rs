//! A process that publishes, promotes and rolls back on a server, to be killed by other tests. It is this
//! test binary itself, told by the environment what to do; after each step it prints a line.

use std::io::{self, Write as _};
use std::process::{Child, Command, Stdio};

use fishid_registry::conformance::tiny_bundle;
use fishid_registry::{ModelRegistry as _, Note, PublishNote, VersionRef, open};

const URL: &str = "FISHID_TEST_WORKER_URL";
const MODEL: &str = "FISHID_TEST_WORKER_MODEL";
const SEEDS: &str = "FISHID_TEST_WORKER_SEEDS";

/// Starts a worker on a model, for the seeds from `first` on.
pub fn start(url: &str, model: &str, first: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "worker::a_worker_does_what_it_prints",
            "--nocapture",
        ])
        .env(URL, url)
        .env(MODEL, model)
        .env(SEEDS, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The worker itself; among the other tests it does two seeds on a model of its own.
#[test]
fn a_worker_does_what_it_prints() {
    let set = |name| std::env::var(name).ok();
    if let (Some(url), Some(model), Some(first)) = (set(URL), set(MODEL), set(SEEDS)) {
        return work(&url, &model, first.parse().unwrap(), 1000);
    }
    let Some(server) = fishid_testing::mlflow::require_mlflow() else {
        return;
    };
    let model = "a-worker";
    work(&server.registry_url(), model, 1, 2);
    let registry = crate::registry(server);
    assert_eq!(registry.versions(model).unwrap().len(), 2);
    let holder = registry.alias(model, "production").unwrap().unwrap();
    assert_eq!(holder.version, "1", "promoted twice, rolled back once");
}

fn work(url: &str, model: &str, first: u64, n: u64) {
    let registry = open(url).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let note = || Note {
        who: "worker".to_owned(),
        why: "test".to_owned(),
    };
    // "step" marks the worker's lines among those of the test harness.
    let say = |what: &str, version: &str, detail: &str| {
        let mut output = io::stdout();
        writeln!(output, "step {what} {version} {detail}").unwrap();
        output.flush().unwrap();
    };
    for seed in first..first + n {
        let bundle = tiny_bundle(&scratch.path().join(seed.to_string()), seed).unwrap();
        let published = registry
            .publish(model, bundle.dir(), &PublishNote::default())
            .unwrap();
        say("published", &published.version, &published.bundle_digest);
        let version = VersionRef::new(&published.version);
        let promoted = registry
            .set_alias(model, "production", &version, &note())
            .unwrap();
        say("promoted", &promoted.version, "-");
        if seed % 2 == 0
            && let Ok(previous) = registry.rollback(model, "production", &note())
        {
            say("rolled-back", &previous.version, "-");
        }
    }
}
