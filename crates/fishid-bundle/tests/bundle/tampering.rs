//! A bundle that is damaged, incomplete or from the future says so, naming the file.

use std::fs;
use std::path::Path;

use fishid_bundle::{Bundle, BundleError};
use serde_json::{Value, json};

use crate::parts;

/// Writes the tiny bundle, damages it, and returns what opening and verifying say.
fn open_damaged(damage: impl FnOnce(&Path)) -> BundleError {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    fishid_bundle::write(&dir, parts::tiny()).unwrap();
    damage(&dir);
    Bundle::open(&dir)
        .and_then(|bundle| bundle.verify())
        .unwrap_err()
}

fn check(damage: impl FnOnce(&Path), messages: &[&str]) {
    let error = open_damaged(damage).to_string();
    for message in messages {
        assert!(
            error.contains(message),
            "{error:?} does not say {message:?}"
        );
    }
}

fn edit_json(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    edit(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

fn edit_text(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_folder_without_manifest_is_no_bundle() {
    let folder = tempfile::tempdir().unwrap();
    for dir in [folder.path().to_owned(), folder.path().join("nowhere")] {
        let error = Bundle::open(&dir).unwrap_err();
        assert!(matches!(error, BundleError::NotABundle { .. }), "{error}");
        assert!(error.to_string().contains("fishid train --out"), "{error}");
    }
}

#[test]
fn every_missing_file_is_named() {
    for file in [
        "model.onnx",
        "MLmodel",
        "golden/expected.json",
        "report.html",
        "model_card.md",
        "conda.yaml",
        "python_env.yaml",
        "requirements.txt",
    ] {
        check(
            |dir| fs::remove_file(dir.join(file)).unwrap(),
            &["incomplete", file],
        );
    }
    check(
        |dir| fs::remove_file(dir.join("golden/photo_01.png")).unwrap(),
        &["photo_01.png"],
    );
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let newer = |dir: &Path| {
        edit_json(&dir.join("fishid.json"), |m| {
            m["schema_version"] = json!(2);
            m["classes"] = json!("a shape of the future");
        });
    };
    assert!(matches!(
        open_damaged(newer),
        BundleError::UnknownSchema { found: 2, .. }
    ));
    check(
        newer,
        &["schema_version 2", "reads up to 1", "newer fishid"],
    );
}

#[test]
fn a_field_added_later_is_ignored_and_keeps_the_model_digest() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = fishid_bundle::write(&folder.path().join("bundle"), parts::tiny()).unwrap();
    let before = bundle.model_digest().unwrap();
    edit_json(&bundle.dir().join("fishid.json"), |m| {
        m["mood"] = json!("cheerful");
    });
    let reopened = Bundle::open(bundle.dir()).unwrap();
    reopened.verify().unwrap();
    assert_eq!(reopened.manifest(), bundle.manifest());
    assert_eq!(reopened.model_digest().unwrap(), before);
}

#[test]
fn damaged_files_are_named_with_what_is_wrong() {
    let manifest = |dir: &Path| dir.join("fishid.json");
    check(
        |d| fs::write(manifest(d), "{").unwrap(),
        &["fishid.json", "EOF"],
    );
    check(
        |d| edit_json(&manifest(d), |m| m["seed"] = json!("x")),
        &["fishid.json", "\"x\""],
    );
    check(
        |d| edit_json(&manifest(d), |m| m["schema_version"] = json!("1")),
        &["no schema_version"],
    );
    check(
        |d| edit_json(&manifest(d), |m| m["classes"] = json!([])),
        &["at least 2 classes"],
    );
    check(
        |d| fs::write(d.join("model.onnx"), "").unwrap(),
        &["model.onnx", "empty"],
    );
    check(
        |d| fs::write(d.join("MLmodel"), "flavors: 3").unwrap(),
        &["MLmodel", "flavors"],
    );
    let mlmodel = |dir: &Path| dir.join("MLmodel");
    check(
        |d| edit_text(&mlmodel(d), "data: model.onnx", "data: other.onnx"),
        &["loads other.onnx"],
    );
    check(
        |d| edit_text(&mlmodel(d), "mlflow.onnx", "mlflow.sklearn"),
        &["mlflow.sklearn"],
    );
    check(
        |d| edit_text(&mlmodel(d), "[-1,8,8,3]", "[-1,9,8,3]"),
        &["MLmodel", "inputs"],
    );
    check(
        |d| edit_text(&mlmodel(d), "[-1,3,2,2]", "[-1,3,2,1]"),
        &["MLmodel", "outputs"],
    );
}

#[test]
fn damaged_golden_photographs_are_named_with_what_is_wrong() {
    let expected = |dir: &Path| dir.join("golden/expected.json");
    let edit = |d: &Path, e: fn(&mut Value)| edit_json(&expected(d), e);
    check(
        |d| fs::write(d.join("golden/photo_02.png"), "x").unwrap(),
        &["photo_02.png", "content"],
    );
    check(
        |d| fs::write(d.join("golden/extra.png"), "x").unwrap(),
        &["extra.png", "not name it"],
    );
    check(
        |d| edit(d, |e| e["classes"][0] = json!("salmo_salar")),
        &["expected.json", "classes"],
    );
    check(
        |d| edit(d, |e| e["photographs"] = json!([])),
        &["names no photographs"],
    );
    check(
        |d| edit(d, |e| e["photographs"][0]["probabilities"][0] = json!(0.1)),
        &["photo_00.png"],
    );
}

#[test]
fn a_golden_name_cannot_reach_outside_the_bundle() {
    for name in ["../../secret", "/etc/hostname", "golden/../../secret", ".."] {
        check(
            |dir| {
                fs::write(dir.parent().unwrap().join("secret"), "s").unwrap();
                edit_json(&dir.join("golden/expected.json"), |e| {
                    e["photographs"][0]["file"] = json!(name);
                });
            },
            &["expected.json", "cannot be the name"],
        );
    }
}

#[cfg(unix)]
#[test]
fn links_are_refused() {
    let link = |dir: &Path| std::os::unix::fs::symlink("report.html", dir.join("link")).unwrap();
    check(link, &["link", "no links"]);
}
