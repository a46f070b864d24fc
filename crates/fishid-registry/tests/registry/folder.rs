//! The conformance suite, and what a folder promises beyond it.

use std::fs;
use std::path::{Path, PathBuf};

use fishid_registry::conformance::{CHECKS, run, tiny_bundle};
use fishid_registry::{FolderRegistry, ModelRegistry, Note, PublishNote, VersionRef, open};
use tempfile::TempDir;

const MODEL: &str = "fish-classifier";

/// A registry with as many versions as asked for, the last of them in production.
fn registry_with(n_versions: u64) -> (TempDir, FolderRegistry) {
    let folder = tempfile::tempdir().unwrap();
    let registry = FolderRegistry::new(folder.path().join("registry"));
    for seed in 1..=n_versions {
        publish(&registry, folder.path(), seed);
        promote(&registry, seed);
    }
    (folder, registry)
}

fn publish(registry: &FolderRegistry, scratch: &Path, seed: u64) -> String {
    let bundle = scratch.join(format!("bundle-{seed}"));
    if !bundle.exists() {
        tiny_bundle(&bundle, seed).unwrap();
    }
    registry
        .publish(MODEL, &bundle, &PublishNote::default())
        .unwrap()
        .version
}

fn promote(registry: &FolderRegistry, number: u64) {
    registry
        .set_alias(
            MODEL,
            "production",
            &VersionRef::Number(number),
            &Note::default(),
        )
        .unwrap();
}

fn file(registry: &FolderRegistry, path: &str) -> PathBuf {
    registry.root().join(MODEL).join(path)
}

/// Replaces a read-only file, as a careless person or a dying disk would.
fn overwrite(path: &Path, content: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}

fn check_damage(damage: impl FnOnce(&FolderRegistry), messages: &[&str]) {
    let (folder, registry) = registry_with(2);
    damage(&registry);
    let fetched = registry.fetch(MODEL, &VersionRef::Number(1), folder.path());
    let promoted = registry.set_alias(
        MODEL,
        "challenger",
        &VersionRef::Number(1),
        &Note::default(),
    );
    let rolled_back = registry.rollback(MODEL, "production", &Note::default());
    let errors = [
        fetched.unwrap_err(),
        promoted.unwrap_err(),
        rolled_back.unwrap_err(),
    ];
    for error in errors.map(|error| error.to_string()) {
        for message in messages {
            assert!(
                error.contains(message),
                "{error:?} does not say {message:?}"
            );
        }
    }
    let holder = registry.alias(MODEL, "production").unwrap().unwrap();
    assert_eq!(holder.version, "2", "a damaged version moves no alias");
    registry
        .fetch(MODEL, &VersionRef::Number(2), folder.path())
        .unwrap();
    assert_eq!(
        publish(&registry, folder.path(), 1),
        "3",
        "publishing again is the remedy"
    );
    registry
        .fetch(MODEL, &VersionRef::Number(3), folder.path())
        .unwrap();
}

#[test]
fn a_folder_keeps_every_promise_of_a_registry() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    let failures = run(|| open(&url));
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(CHECKS.len() > 10, "the suite was run, not an empty list");
}

#[test]
fn a_damaged_version_names_its_file_and_never_reaches_an_alias() {
    let bundle = |path: &str| format!("versions/1/bundle/{path}");
    check_damage(
        |r| overwrite(&file(r, &bundle("model.onnx")), b"another network"),
        &[
            "versions/1/bundle/model.onnx is damaged",
            "Publish the bundle again",
        ],
    );
    check_damage(
        |r| overwrite(&file(r, &bundle("fishid.json")), b"{"),
        &["versions/1/bundle/fishid.json is damaged"],
    );
    check_damage(
        |r| fs::remove_file(file(r, &bundle("golden/photo.png"))).unwrap(),
        &["golden/photo.png is damaged: it is missing"],
    );
    check_damage(
        |r| fs::write(file(r, &bundle("extra.txt")), "x").unwrap(),
        &["extra.txt is damaged: it was not there"],
    );
    check_damage(
        |r| fs::write(file(r, "versions/1/version.json"), "{").unwrap(),
        &["versions/1/version.json is damaged"],
    );
}

#[test]
fn published_files_are_read_only() {
    let (_folder, registry) = registry_with(1);
    let dir = registry
        .fetch(MODEL, &VersionRef::Number(1), Path::new("unused"))
        .unwrap();
    for path in ["model.onnx", "fishid.json", "golden/photo.png"] {
        assert!(
            fs::metadata(dir.join(path))
                .unwrap()
                .permissions()
                .readonly(),
            "{path}"
        );
    }
}

#[test]
fn a_number_is_not_given_again_even_if_its_folder_is_removed_by_hand() {
    let (folder, registry) = registry_with(2);
    promote(&registry, 1);
    fs::remove_dir_all(file(&registry, "versions/2")).unwrap();
    assert_eq!(publish(&registry, folder.path(), 2), "3");
    let error = registry
        .get(MODEL, &VersionRef::Number(2))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no version 2; there are versions 1 to 3"),
        "{error}"
    );
}

#[test]
fn what_a_crash_kept_from_the_history_is_read_and_then_written() {
    let (folder, registry) = registry_with(2);
    let path = file(&registry, "history.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let history = registry.history(MODEL).unwrap();
    assert_eq!(history.len(), 4);
    // The crash came after the alias moved and before its line was written whole.
    let start_of_last = whole.trim_end().rfind('\n').unwrap() + 1;
    for cut in [start_of_last, start_of_last + 10, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(registry.history(MODEL).unwrap(), history, "cut at {cut}");
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            whole[..cut],
            "reading changes nothing"
        );
        promote(&registry, 2);
        assert_eq!(fs::read_to_string(&path).unwrap(), whole, "cut at {cut}");
    }
    // And once it came after a version appeared.
    publish(&registry, folder.path(), 3);
    let history = registry.history(MODEL).unwrap();
    fs::write(&path, &whole).unwrap();
    assert_eq!(registry.history(MODEL).unwrap(), history);
    assert_eq!(
        registry
            .rollback(MODEL, "production", &Note::default())
            .unwrap()
            .version,
        "1"
    );
    let after = registry.history(MODEL).unwrap();
    assert_eq!(after[..5], history);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 6);
}

#[test]
fn what_a_killed_publication_left_is_invisible_and_removed_by_the_next() {
    let (folder, registry) = registry_with(1);
    let leftover = file(&registry, "staging/2/bundle");
    fs::create_dir_all(&leftover).unwrap();
    fs::write(leftover.join("model.onnx"), "half a netw").unwrap();
    fs::write(
        file(&registry, "aliases/.production.json.next"),
        "{\"seq\":",
    )
    .unwrap();
    assert_eq!(registry.versions(MODEL).unwrap().len(), 1);
    assert_eq!(
        registry
            .alias(MODEL, "production")
            .unwrap()
            .unwrap()
            .version,
        "1"
    );
    assert_eq!(publish(&registry, folder.path(), 2), "2");
    promote(&registry, 2);
    assert_eq!(
        registry
            .alias(MODEL, "production")
            .unwrap()
            .unwrap()
            .version,
        "2"
    );
    assert_eq!(fs::read_dir(file(&registry, "staging")).unwrap().count(), 0);
}

#[test]
fn a_failed_publication_leaves_no_version_behind() {
    let (folder, registry) = registry_with(1);
    let bundle = tiny_bundle(&folder.path().join("broken"), 9).unwrap();
    fs::write(bundle.dir().join("fishid.json"), "{}").unwrap();
    registry
        .publish(MODEL, bundle.dir(), &PublishNote::default())
        .unwrap_err();
    assert_eq!(registry.versions(MODEL).unwrap().len(), 1);
    assert_eq!(publish(&registry, folder.path(), 2), "2");
}

#[test]
fn a_version_prints_as_json_with_its_number_as_text() {
    let (_folder, registry) = registry_with(1);
    let version = registry.get(MODEL, &VersionRef::new("production")).unwrap();
    let json = serde_json::to_value(&version).unwrap();
    assert_eq!(json["version"], "1");
    assert_eq!(json["aliases"], serde_json::json!(["production"]));
    assert_eq!(
        serde_json::from_value::<fishid_registry::Version>(json).unwrap(),
        version
    );
}
