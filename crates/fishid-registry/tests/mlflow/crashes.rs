//! A writer killed at any moment leaves production whole and a history that tells the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::{Instant, SystemTime};

use fishid_registry::conformance::tiny_bundle;
use fishid_registry::{Action, MlflowRegistry, ModelRegistry as _, PublishNote, VersionRef};
use fishid_testing::mlflow::require_mlflow;

use crate::worker;

const MODEL: &str = "killed-writers";

#[test]
fn a_writer_killed_at_any_moment_leaves_production_whole() {
    let Some(server) = require_mlflow() else {
        return;
    };
    let is_full = std::env::var_os("FISHID_TEST_FULL").is_some();
    let n_kills = if is_full { 50 } else { 5 };
    let scratch = tempfile::tempdir().unwrap();
    let registry = crate::registry(server);
    let mut published = BTreeMap::new();
    for kill in 0..n_kills {
        let start = Instant::now();
        let mut child = worker::start(&server.registry_url(), MODEL, 1000 * (kill + 1));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Not before the first step is done, and then at no moment in particular.
        loop {
            let line = lines.next().expect("it lives until it is killed").unwrap();
            note(&line, &mut published);
            if line.contains("step ") {
                break;
            }
        }
        std::thread::sleep(start.elapsed().mul_f64(moment(kill)));
        child.kill().unwrap();
        child.wait().unwrap();
        lines
            .map_while(Result::ok)
            .for_each(|line| note(&line, &mut published));
        check_whole(&registry, scratch.path(), kill, &published);
    }
    check_writable(&registry, scratch.path());
    eprintln!("{n_kills} kills, {} versions acknowledged", published.len());
}

/// Version → digest, of what was reported as published.
fn note(line: &str, published: &mut BTreeMap<String, String>) {
    // The harness prints the test's name before its output, on the same line.
    let Some((_, step)) = line.split_once("step ") else {
        return;
    };
    // The kill may have cut the last line; what is not whole was not said.
    if let ["published", version, digest] = step.split(' ').collect::<Vec<_>>()[..]
        && digest.len() == 64
    {
        published.insert(version.to_owned(), digest.to_owned());
    }
}

/// When to kill, in units of what the first step took: up to two of them, different in every round and run.
fn moment(round: u64) -> f64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    ((u64::from(now) / 64 + round * 7919) % 2000) as f64 / 1000.0
}

fn check_whole(
    registry: &MlflowRegistry,
    scratch: &Path,
    kill: u64,
    published: &BTreeMap<String, String>,
) {
    let versions = registry.versions(MODEL).unwrap();
    let numbers: Vec<&str> = versions.iter().map(|v| v.version.as_str()).collect();
    let expected: Vec<String> = (1..=versions.len()).map(|n| n.to_string()).collect();
    assert_eq!(numbers, expected, "no number is skipped or given twice");
    let digests: BTreeSet<&str> = versions.iter().map(|v| v.bundle_digest.as_str()).collect();
    assert_eq!(digests.len(), versions.len(), "one digest is one version");
    for version in &versions {
        let number = VersionRef::new(&version.version);
        registry
            .fetch(MODEL, &number, &scratch.join("cache"))
            .expect("every visible version is whole");
    }
    for (number, digest) in published {
        let version = registry.get(MODEL, &VersionRef::new(number)).unwrap();
        assert_eq!(&version.bundle_digest, digest, "what was reported stays");
    }

    let history = registry.history(MODEL).unwrap();
    let told: Vec<&str> = history
        .iter()
        .filter(|event| event.action == Action::Published)
        .map(|event| event.to.as_str())
        .collect();
    assert_eq!(told, numbers, "every version is recorded once");
    let mut at: Option<&str> = None;
    for event in history.iter().filter(|event| event.alias.is_some()) {
        assert_eq!(event.who, "worker", "nobody else was here: {history:#?}");
        assert_eq!(
            event.from.as_deref(),
            at,
            "each move starts where the last ended"
        );
        at = Some(&event.to);
    }
    let holder = registry.alias(MODEL, "production").unwrap();
    let holder = holder.map(|version| version.version);
    assert_eq!(
        holder.as_deref(),
        at,
        "the alias is where its last move put it"
    );
    if holder.is_some() {
        // From the server anew: what a server that starts now would load.
        let cache = scratch.join(format!("fresh-{kill}"));
        registry
            .fetch(MODEL, &VersionRef::new("production"), &cache)
            .expect("production is whole");
    }
}

/// The next writer is not in the way of what the killed ones left, and goes on with it.
fn check_writable(registry: &MlflowRegistry, scratch: &Path) {
    let before = registry.history(MODEL).unwrap();
    let n_versions = registry.versions(MODEL).unwrap().len();
    let bundle = tiny_bundle(&scratch.join("after"), 1).unwrap();
    let version = registry
        .publish(MODEL, bundle.dir(), &PublishNote::default())
        .unwrap();
    assert_eq!(version.version, (n_versions + 1).to_string());
    let after = registry.history(MODEL).unwrap();
    assert_eq!(after[..before.len()], before, "nothing is rewritten");
    assert_eq!(after.len(), before.len() + 1);
}
