//! A writer killed at any moment harms nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Instant, SystemTime};

use fishid_registry::conformance::tiny_bundle;
use fishid_registry::{Action, FolderRegistry, ModelRegistry, PublishNote, VersionRef};

use crate::worker::{self, MODEL};

/// What workers have reported as done, over all kills.
#[derive(Default)]
struct Acknowledged {
    /// Version → digest.
    published: BTreeMap<String, String>,
    /// The version the alias was last reported at, in the present round.
    alias: Option<String>,
}

impl Acknowledged {
    fn note(&mut self, line: &str) {
        // The harness prints the test's name before its output, on the same line.
        let Some((_, step)) = line.split_once("step ") else {
            return;
        };
        let words: Vec<&str> = step.split(' ').collect();
        // The kill may have cut the last line; what is not whole was not said.
        let [what, version, detail] = words[..] else {
            return;
        };
        if what == "published" {
            if detail.len() == 64 {
                self.published.insert(version.to_owned(), detail.to_owned());
            }
        } else {
            self.alias = Some(version.to_owned());
        }
    }
}

#[test]
fn a_writer_killed_at_any_moment_leaves_a_whole_registry() {
    let n_kills = if std::env::var_os("FISHID_TEST_FULL").is_some() {
        50
    } else {
        5
    };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("registry");
    fs::create_dir(&root).unwrap();
    let mut acknowledged = Acknowledged::default();
    for kill in 0..n_kills {
        let start = Instant::now();
        let mut child = worker::start(&root, 1000 * (kill + 1), 1000);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Not before the first step is done, and then at no moment in particular.
        loop {
            let line = lines
                .next()
                .expect("the worker lives until it is killed")
                .unwrap();
            acknowledged.note(&line);
            if line.contains("step ") {
                break;
            }
        }
        std::thread::sleep(start.elapsed().mul_f64(moment(kill)));
        child.kill().unwrap();
        child.wait().unwrap();
        lines
            .map_while(Result::ok)
            .for_each(|line| acknowledged.note(&line));
        check_whole(&root, &acknowledged);
    }
    check_writable(&root, folder.path());
    eprintln!(
        "{n_kills} kills, {} versions acknowledged",
        acknowledged.published.len()
    );
}

/// When to kill, in units of what the first step took: up to two of them, different in every
/// round and every run.
fn moment(round: u64) -> f64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    ((u64::from(now) / 64 + round * 7919) % 2000) as f64 / 1000.0
}

fn check_whole(root: &Path, acknowledged: &Acknowledged) {
    let registry = FolderRegistry::new(root);
    let versions = registry.versions(MODEL).unwrap();
    let numbers: Vec<String> = versions
        .iter()
        .map(|version| version.version.clone())
        .collect();
    let expected: Vec<String> = (1..=versions.len())
        .map(|number| number.to_string())
        .collect();
    assert_eq!(
        numbers, expected,
        "no number is skipped and none is given twice"
    );
    let digests: BTreeSet<&str> = versions.iter().map(|v| v.bundle_digest.as_str()).collect();
    assert_eq!(digests.len(), versions.len(), "one digest is one version");
    for version in &versions {
        let number = VersionRef::new(&version.version);
        registry
            .fetch(MODEL, &number, root)
            .expect("every visible version is whole");
    }
    for (number, digest) in &acknowledged.published {
        let version = registry.get(MODEL, &VersionRef::new(number)).unwrap();
        assert_eq!(
            &version.bundle_digest, digest,
            "what was reported done stays"
        );
    }

    let history = registry.history(MODEL).unwrap();
    assert!(
        history.iter().zip(1..).all(|(event, seq)| event.seq == seq),
        "{history:#?}"
    );
    let published: Vec<&str> = history
        .iter()
        .filter(|event| event.action == Action::Published)
        .map(|event| event.to.as_str())
        .collect();
    assert_eq!(published, numbers, "every version is recorded once");
    let mut at: Option<&str> = None;
    for event in history.iter().filter(|event| event.alias.is_some()) {
        assert_eq!(
            event.from.as_deref(),
            at,
            "each move starts where the last one ended"
        );
        at = Some(&event.to);
    }
    let holder = registry
        .alias(MODEL, "production")
        .unwrap()
        .map(|version| version.version);
    assert_eq!(
        holder.as_deref(),
        at,
        "the alias is where its last recorded move put it"
    );
    if let Some(reported) = &acknowledged.alias {
        assert!(
            history
                .iter()
                .any(|event| event.alias.is_some() && &event.to == reported)
        );
        assert!(holder.is_some());
    }
}

/// The next writer is not in the way of what the killed ones left, and removes it.
fn check_writable(root: &Path, scratch: &Path) {
    let registry = FolderRegistry::new(root);
    let n_before = registry.versions(MODEL).unwrap().len();
    let history = registry.history(MODEL).unwrap();
    let bundle = tiny_bundle(&scratch.join("after"), 1).unwrap();
    let version = registry
        .publish(MODEL, bundle.dir(), &PublishNote::default())
        .unwrap();
    assert_eq!(version.version, (n_before + 1).to_string());
    assert_eq!(
        registry.history(MODEL).unwrap()[..history.len()],
        history,
        "nothing is rewritten"
    );
    assert_eq!(
        fs::read_dir(root.join(MODEL).join("staging"))
            .unwrap()
            .count(),
        0
    );
    let text = fs::read_to_string(root.join(MODEL).join("history.jsonl")).unwrap();
    assert_eq!(
        text.lines().count(),
        history.len() + 1,
        "the file is complete again"
    );
}
