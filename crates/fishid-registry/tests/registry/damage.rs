//! Strangers' and damaged files in a registry's folder: what is ignored, and whether the remedy that the
//! message names works.

use std::fs;
use std::path::{Path, PathBuf};

use fishid_registry::conformance::tiny_bundle;
use fishid_registry::{FolderRegistry, ModelRegistry, Note, PublishNote, VersionRef};
use tempfile::TempDir;

const MODEL: &str = "fish-classifier";
const ALIAS: &str = "production";

struct Subject {
    scratch: TempDir,
    registry: FolderRegistry,
}

impl Subject {
    /// Versions 1 to 3, each promoted after it was published.
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let registry = FolderRegistry::new(scratch.path().join("registry"));
        let subject = Self { scratch, registry };
        for seed in 1..=3 {
            subject.publish(seed);
            subject.promote(seed);
        }
        subject
    }

    fn publish(&self, seed: u64) -> String {
        let bundle = self.scratch.path().join(seed.to_string());
        tiny_bundle(&bundle, seed).unwrap();
        let note = PublishNote::default();
        self.registry
            .publish(MODEL, &bundle, &note)
            .unwrap()
            .version
    }

    fn promote(&self, number: u64) {
        let version = VersionRef::Number(number);
        let note = Note::default();
        self.registry
            .set_alias(MODEL, ALIAS, &version, &note)
            .unwrap();
    }

    fn rollback(&self) -> String {
        let note = Note::default();
        self.registry.rollback(MODEL, ALIAS, &note).unwrap().version
    }

    fn file(&self, path: &str) -> PathBuf {
        self.registry.root().join(MODEL).join(path)
    }

    fn holder(&self) -> String {
        self.registry.alias(MODEL, ALIAS).unwrap().unwrap().version
    }

    fn numbers(&self) -> Vec<String> {
        let versions = self.registry.versions(MODEL).unwrap();
        versions
            .into_iter()
            .map(|version| version.version)
            .collect()
    }
}

fn garble_line(path: &Path, line: usize) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[line - 1] = "garbage";
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

fn delete_line(path: &Path, line: usize) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.remove(line - 1);
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

#[test]
fn a_plain_file_in_staging_stops_no_writer() {
    let subject = Subject::new();
    fs::write(subject.file("staging/stray"), "x").unwrap();
    assert_eq!(subject.publish(4), "4");
    assert!(!subject.file("staging/stray").exists());
}

#[test]
fn strangers_among_the_versions_are_no_versions_and_in_nobodys_way() {
    let subject = Subject::new();
    let stored = fs::read(subject.file("versions/1/version.json")).unwrap();
    for name in ["007", "+5", "4", "18446744073709551615"] {
        fs::create_dir(subject.file(&format!("versions/{name}"))).unwrap();
    }
    for name in ["007", "+5"] {
        fs::write(
            subject.file(&format!("versions/{name}/version.json")),
            &stored,
        )
        .unwrap();
    }
    fs::write(subject.file("versions/4/notes.txt"), "x").unwrap();
    fs::write(subject.file("versions/6"), "x").unwrap();
    assert_eq!(subject.numbers(), ["1", "2", "3"]);
    assert_eq!(subject.registry.history(MODEL).unwrap().len(), 6);
    let missing = subject.registry.get(MODEL, &VersionRef::Number(4));
    let error = missing.unwrap_err().to_string();
    assert!(
        error.contains("no version 4; there are versions 1 to 3"),
        "{error}"
    );
    assert_eq!(subject.publish(5), "5", "4 is taken by a stranger");
    assert_eq!(subject.publish(6), "7", "and so is 6");
}

/// Garbles a line, does what the message says, and expects the history but for what only that line knew.
fn check_history(line: usize, remaining: &[u64]) {
    let subject = Subject::new();
    let path = subject.file("history.jsonl");
    garble_line(&path, line);
    let note = Note::default();
    let errors = [
        subject.registry.history(MODEL).unwrap_err(),
        subject.registry.rollback(MODEL, ALIAS, &note).unwrap_err(),
    ];
    for error in errors.map(|error| error.to_string()) {
        assert!(error.contains(&format!("line {line}")), "{error}");
        assert!(error.contains("delete that line"), "{error}");
    }
    assert_eq!(
        subject.holder(),
        "3",
        "readers of an alias do not need the history"
    );
    delete_line(&path, line);
    let seqs = || -> Vec<u64> {
        let history = subject.registry.history(MODEL).unwrap();
        history.iter().map(|event| event.seq).collect()
    };
    assert_eq!(seqs(), remaining, "line {line}");
    assert_eq!(subject.rollback(), "2", "line {line}");
    assert_eq!(subject.publish(4), "4", "line {line}");
    assert_eq!(seqs(), [remaining, &[7, 8]].concat(), "line {line}");
}

#[test]
fn deleting_a_damaged_line_of_the_history_repairs_it() {
    // The publication of version 1 is found again in its own file, its promotion is not.
    check_history(1, &[1, 2, 3, 4, 5, 6]);
    check_history(2, &[1, 3, 4, 5, 6]);
    check_history(4, &[1, 2, 3, 5, 6]);
    check_history(5, &[1, 2, 3, 4, 5, 6]);
}

fn check_alias(content: &[u8], number: u64) {
    let subject = Subject::new();
    let path = subject.file("aliases/production.json");
    fs::write(&path, content).unwrap();
    let version = VersionRef::Number(number);
    let note = Note::default();
    let errors = [
        subject.registry.alias(MODEL, ALIAS).unwrap_err(),
        subject.registry.rollback(MODEL, ALIAS, &note).unwrap_err(),
        subject
            .registry
            .set_alias_if(MODEL, ALIAS, &version, Some("3"), &note)
            .unwrap_err(),
    ];
    for error in errors.map(|error| error.to_string()) {
        assert!(error.contains("production.json is damaged"), "{error}");
        assert!(error.contains("fishid registry promote"), "{error}");
    }
    assert_eq!(
        subject.numbers(),
        ["1", "2", "3"],
        "versions are not hidden by it"
    );
    subject.promote(number);
    assert_eq!(subject.holder(), number.to_string());
    let last = subject.registry.history(MODEL).unwrap().pop().unwrap();
    assert_eq!((last.seq, last.from.as_deref()), (7, Some("3")));
}

#[test]
fn promoting_repairs_a_damaged_alias() {
    check_alias(b"{", 2);
    check_alias(b"", 1);
    // Also to where it pointed before.
    check_alias(&[0; 16], 3);
}
