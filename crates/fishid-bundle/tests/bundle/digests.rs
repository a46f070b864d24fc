//! What changes a digest and what does not.

use std::fs;

use fishid_bundle::{Bundle, BundleParts, canonical_json};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::parts;

fn digests(change: impl FnOnce(&mut BundleParts)) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = parts::tiny();
    change(&mut parts);
    let bundle = fishid_bundle::write(&folder.path().join("any name"), parts).unwrap();
    (
        bundle.bundle_digest().unwrap(),
        bundle.model_digest().unwrap(),
    )
}

#[test]
fn the_model_digest_changes_with_what_answers_and_with_nothing_else() {
    let (bundle, model) = digests(|_| {});
    let check = |changes_answers: bool, change: fn(&mut BundleParts)| {
        let (other_bundle, other_model) = digests(change);
        assert_ne!(
            other_bundle, bundle,
            "every change changes the bundle digest"
        );
        assert_eq!(other_model != model, changes_answers);
    };
    check(true, |p| p.model_onnx.push(0));
    check(true, |p| p.manifest.calibration.confidence_threshold = 0.25);
    check(true, |p| p.manifest.preprocessing.fit = "pad".to_owned());
    check(true, |p| p.manifest.classes.swap(0, 1));
    check(true, |p| drop(p.manifest.outputs.pop()));
    check(false, |p| p.report_html.push(' '));
    check(false, |p| p.manifest.seed = 8);
    check(false, |p| p.golden[0].bytes.push(0));
}

#[test]
fn equal_parts_give_equal_digests_wherever_they_are_written() {
    assert_eq!(digests(|_| {}), digests(|_| {}));
}

#[test]
fn a_file_of_any_folder_counts_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = fishid_bundle::write(&folder.path().join("bundle"), parts::tiny()).unwrap();
    let before = bundle.bundle_digest().unwrap();
    fs::create_dir(bundle.dir().join("extra")).unwrap();
    assert_eq!(
        bundle.bundle_digest().unwrap(),
        before,
        "an empty folder is no content"
    );
    fs::write(bundle.dir().join("extra/a"), "a").unwrap();
    let with_a = bundle.bundle_digest().unwrap();
    fs::rename(bundle.dir().join("extra/a"), bundle.dir().join("extra/b")).unwrap();
    assert_ne!(with_a, before);
    assert_ne!(bundle.bundle_digest().unwrap(), with_a);
}

#[test]
fn canonical_json_sorts_keys_and_keeps_text() {
    let value = json!({"b": [1, 1.5, null], "a": {"я": "\"\n", "A": true}, "B": {}});
    assert_eq!(
        canonical_json(&value),
        r#"{"B":{},"a":{"A":true,"я":"\"\n"},"b":[1,1.5,null]}"#
    );
}

proptest! {
    #[test]
    fn canonical_json_reads_back_as_the_same_numbers(number in any::<f64>()) {
        let value = json!({ "number": number });
        let back: Value = serde_json::from_str(&canonical_json(&value)).unwrap();
        prop_assert_eq!(back, value);
    }

    #[test]
    fn no_bytes_in_the_manifest_make_opening_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("fishid.json"), bytes).unwrap();
        prop_assert!(Bundle::open(folder.path()).is_err());
    }
}
