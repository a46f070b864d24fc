//! What `fishid registry` lets into production, with the tiny model in the real engine.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use assert_cmd::Command;
use fishid_bundle::BundleParts;
use fishid_registry::{FolderRegistry, ModelRegistry as _, PublishNote};
use fishid_testing::write_bundle;

const MODEL: &str = "fish-classifier";

/// Runs `fishid registry …` and compares the exit status and words on either stream.
#[track_caller]
fn check(home: &Path, arguments: &[&str], status: i32, words: &[&str]) {
    let output = Command::cargo_bin("fishid")
        .unwrap()
        .arg("registry")
        .args(arguments)
        .args(["--registry", home.join("registry").to_str().unwrap()])
        .env("FISHID_HOME", home)
        .output()
        .unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    for word in words {
        assert!(
            text.contains(word),
            "{arguments:?} does not say {word}: {text}"
        );
    }
}

/// A bundle of seed `seed` with its path as text.
fn bundle(home: &Path, seed: u64, change: impl FnOnce(&mut BundleParts)) -> String {
    let dir = write_bundle(&home.join(format!("bundle-{seed}")), |parts| {
        parts.manifest.seed = seed;
        change(parts);
    });
    dir.to_str().unwrap().to_owned()
}

fn is_demonstration(parts: &mut BundleParts) {
    parts.manifest.demonstration = Some("made for a test".to_owned());
}

fn is_real(parts: &mut BundleParts) {
    parts.manifest.demonstration = None;
}

fn answers_otherwise(parts: &mut BundleParts) {
    for photo in &mut parts.golden {
        photo.probabilities.rotate_left(1);
    }
}

#[test]
fn a_bundle_that_the_engine_does_not_confirm_is_neither_published_nor_promoted() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let wrong = bundle(home, 1, answers_otherwise);
    let reason = ["is refused", "0 of 4 agree"];
    check(home, &["publish", &wrong], 2, &reason);
    check(home, &["list"], 0, &["no version yet"]);
    // Published by other means, it still does not reach production.
    FolderRegistry::new(home.join("registry"))
        .publish(MODEL, Path::new(&wrong), &PublishNote::default())
        .unwrap();
    check(
        home,
        &["promote", "1"],
        2,
        &["version 1 of fish-classifier is refused", reason[1]],
    );
    check(
        home,
        &["promote", "1", "--force", "--why", "I insist"],
        2,
        &reason,
    );
    check(home, &["show", "production"], 2, &["nothing of the model"]);
}

#[test]
fn a_demonstration_replaces_a_real_model_by_force_only() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    check(
        home,
        &["publish", &bundle(home, 1, is_demonstration)],
        0,
        &[],
    );
    check(home, &["publish", &bundle(home, 2, is_real)], 0, &[]);
    check(
        home,
        &["publish", &bundle(home, 3, is_demonstration)],
        0,
        &[],
    );
    check(home, &["promote", "1"], 0, &["[production]"]);
    check(home, &["promote", "3"], 0, &["[production]"]);
    check(home, &["promote", "2"], 0, &["[production]"]);
    check(
        home,
        &["promote", "1"],
        2,
        &["version 1 is a demonstration", "promote 1 --force --why"],
    );
    check(home, &["show", "production"], 0, &["fish-classifier 2 "]);
    check(home, &["promote", "1", "--force"], 64, &["--why"]);
    check(
        home,
        &["promote", "1", "--force", "--why", "for the fair"],
        0,
        &["fish-classifier 1 [production]"],
    );
    check(
        home,
        &["history"],
        0,
        &["for the fair (forced over: version 1 is a demonstration and version 2"],
    );
}

#[test]
fn a_version_that_the_gate_refused_is_promoted_by_force_only_which_the_history_keeps() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let registry = FolderRegistry::new(home.join("registry"));
    for (seed, gate) in [
        (1, None),
        (2, Some("refused: Macro-F1 0.500 against 0.750")),
        (3, Some("not comparable: 4 photographs of 2 groups")),
        (4, Some("passed: Macro-F1 0.750 against 0.750")),
    ] {
        let mut note = PublishNote::default();
        if let Some(gate) = gate {
            note.tags.insert("gate".to_owned(), gate.to_owned());
        }
        registry
            .publish(MODEL, Path::new(&bundle(home, seed, is_real)), &note)
            .unwrap();
    }
    check(home, &["promote", "1"], 0, &["gate: never asked"]);
    check(
        home,
        &["promote", "2", "--why", "it is spring"],
        2,
        &["gate: refused: Macro-F1 0.500", "promote 2 --force --why"],
    );
    check(home, &["show", "production"], 0, &["fish-classifier 1 "]);
    check(
        home,
        &["promote", "2", "--force", "--why", "it is spring"],
        0,
        &["fish-classifier 2 [production]"],
    );
    check(
        home,
        &["history"],
        0,
        &["it is spring (forced over: the gate refused: Macro-F1 0.500 against 0.750)"],
    );
    check(
        home,
        &["promote", "3", "--why", "looked at by hand"],
        0,
        &["gate: not comparable", "fish-classifier 3 [production]"],
    );
    // Where there is nothing to override, force leaves no trace.
    check(
        home,
        &["promote", "4", "--force", "--why", "to be sure"],
        0,
        &["gate: passed"],
    );
    check(home, &["history"], 0, &["to be sure\n"]);
}

#[test]
fn promoting_repairs_a_damaged_alias_and_a_demonstration_does_by_force() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    check(
        home,
        &["publish", &bundle(home, 1, is_demonstration)],
        0,
        &[],
    );
    check(home, &["publish", &bundle(home, 2, is_real)], 0, &[]);
    let alias = home
        .join("registry")
        .join(MODEL)
        .join("aliases/production.json");
    let damage = || std::fs::write(&alias, "{").unwrap();
    check(home, &["promote", "2"], 0, &["[production]"]);
    damage();
    check(
        home,
        &["show", "production"],
        1,
        &["is damaged", "fishid registry promote"],
    );
    check(
        home,
        &["promote", "1"],
        2,
        &["cannot be told", "promote 1 --force --why"],
    );
    check(
        home,
        &["promote", "1", "--force", "--why", "repair"],
        0,
        &["[production]"],
    );
    damage();
    check(home, &["promote", "2"], 0, &["[production]"]);
}

#[test]
fn an_engine_that_is_not_there_is_a_failure_and_no_refusal() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let output = Command::cargo_bin("fishid")
        .unwrap()
        .args(["registry", "publish", &bundle(home, 1, is_real)])
        .args(["--registry", home.join("registry").to_str().unwrap()])
        .env("FISHID_HOME", home)
        .env("ORT_DYLIB_PATH", home.join("nowhere.so"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot be proven"), "{text}");
}
