//! A process that publishes, promotes and rolls back, to be killed or raced by the other tests.
//!
//! It is this test binary itself, told by the environment what to do. After each step it prints a
//! line, so that the parent knows what must have survived.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fishid_registry::conformance::tiny_bundle;
use fishid_registry::{FolderRegistry, ModelRegistry, Note, PublishNote, VersionRef};

pub const MODEL: &str = "fish-classifier";
const ROOT: &str = "FISHID_TEST_WORKER_ROOT";
const SEEDS: &str = "FISHID_TEST_WORKER_SEEDS";

/// Starts a worker on the registry in `root`, for the seeds `first..first + n`.
pub fn start(root: &Path, first: u64, n: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "worker::a_worker_does_what_it_prints",
            "--nocapture",
        ])
        .env(ROOT, root)
        .env(SEEDS, format!("{first} {n}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The worker itself; run among the other tests, it does two seeds in a folder of its own.
#[test]
fn a_worker_does_what_it_prints() {
    if let (Some(root), Ok(seeds)) = (std::env::var_os(ROOT), std::env::var(SEEDS)) {
        let (first, n) = seeds.split_once(' ').unwrap();
        return work(
            &PathBuf::from(root),
            first.parse().unwrap(),
            n.parse().unwrap(),
            io::stdout(),
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let mut printed = Vec::new();
    work(folder.path(), 1, 2, &mut printed);
    let printed = String::from_utf8(printed).unwrap();
    let steps: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert_eq!(
        steps,
        [
            "published",
            "promoted",
            "published",
            "promoted",
            "rolled-back"
        ]
    );
    let registry = FolderRegistry::new(folder.path());
    assert_eq!(registry.versions(MODEL).unwrap().len(), 2);
    assert_eq!(
        registry
            .alias(MODEL, "production")
            .unwrap()
            .unwrap()
            .version,
        "1"
    );
}

fn work(root: &Path, first: u64, n: u64, mut output: impl Write) {
    let registry = FolderRegistry::new(root);
    let scratch = tempfile::tempdir_in(root.parent().unwrap()).unwrap();
    let note = || Note {
        who: "worker".to_owned(),
        why: "test".to_owned(),
    };
    // "step" marks the worker's lines among those of the test harness.
    let mut say = |what: &str, version: &str, detail: &str| {
        writeln!(output, "step {what} {version} {detail}").unwrap();
        output.flush().unwrap();
    };
    for seed in first..first + n {
        let bundle = tiny_bundle(&scratch.path().join(seed.to_string()), seed).unwrap();
        let published = registry
            .publish(MODEL, bundle.dir(), &PublishNote::default())
            .unwrap();
        say("published", &published.version, &published.bundle_digest);
        let version = VersionRef::new(&published.version);
        let promoted = registry
            .set_alias(MODEL, "production", &version, &note())
            .unwrap();
        say("promoted", &promoted.version, &seed.to_string());
        // Others may have moved the alias back to its start meanwhile: not this test's matter.
        if seed % 2 == 0
            && let Ok(previous) = registry.rollback(MODEL, "production", &note())
        {
            say("rolled-back", &previous.version, &seed.to_string());
        }
    }
}
