//! What the writer refuses, and what it leaves behind when it does: nothing.

use std::fs;
use std::path::Path;

use fishid_bundle::{BundleError, BundleParts, MAX_GOLDEN_BYTES, golden_size};

use crate::parts;

/// Changes the parts, writes them, expects an error with `message` and an untouched folder.
fn check_refused(change: impl FnOnce(&mut BundleParts), message: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = parts::tiny();
    change(&mut parts);
    let error = fishid_bundle::write(&folder.path().join("bundle"), parts)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(message),
        "{error:?} does not say {message:?}"
    );
    assert_eq!(entries(folder.path()), Vec::<String>::new());
}

fn entries(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn parts_that_make_no_bundle_are_refused_in_words() {
    check_refused(|p| p.model_onnx.clear(), "the network is empty");
    check_refused(
        |p| p.manifest.schema_version = 2,
        "schema_version is 2, not 1",
    );
    check_refused(|p| p.manifest.model_name.clear(), "model_name is empty");
    check_refused(
        |p| p.manifest.classes.truncate(1),
        "at least 2 classes, there are 1",
    );
    check_refused(
        |p| p.manifest.classes[1] = p.manifest.classes[0].clone(),
        "the class abramis_brama stands twice",
    );
    check_refused(
        |p| drop(p.manifest.outputs.remove(0)),
        "the output probabilities is missing",
    );
    check_refused(
        |p| p.manifest.outputs[1].shape = vec![-1, 4],
        "logits has the shape [-1, 4]",
    );
    check_refused(
        |p| p.manifest.outputs[0].dtype = "float16".into(),
        "float16, not float32",
    );
    check_refused(|p| p.manifest.preprocessing.height = 0, "8x0 pixels");
    check_refused(
        |p| p.manifest.calibration.temperature = f64::NAN,
        "the temperature is NaN",
    );
    check_refused(
        |p| p.manifest.calibration.method = "isotonic".into(),
        "isotonic is unknown",
    );
    check_refused(|p| p.manifest.data.origin = "dreams".into(), "dreams");
    check_refused(
        |p| drop(p.manifest.splits.insert("fish-9".into(), "later".into())),
        "the group fish-9 is in the split \"later\"",
    );
}

#[test]
fn golden_photographs_must_be_named_safely_and_expect_probabilities() {
    for name in [
        "",
        "../photo.png",
        "/photo.png",
        "a/b.png",
        "a\\b.png",
        ".hidden",
        "a\0b",
        "a b",
    ] {
        check_refused(
            |p| p.golden[0].file_name = name.into(),
            "cannot be the name of a golden",
        );
    }
    check_refused(
        |p| p.golden[0].file_name = "Expected.json".into(),
        "the name of the expect",
    );
    check_refused(
        |p| p.golden[0].file_name = "PHOTO_01.png".into(),
        "two golden photographs",
    );
    check_refused(|p| p.golden.clear(), "there are no golden photographs");
    check_refused(|p| p.golden[2].bytes.clear(), "photo_02.png is empty");
    check_refused(
        |p| p.golden[2].probabilities = vec![0.5, 0.5],
        "2 probabilities for 3 classes",
    );
    check_refused(
        |p| p.golden[2].probabilities = vec![0.5, 0.5, 0.5],
        "sum to 1.5, not to 1",
    );
    check_refused(
        |p| p.golden[2].probabilities[0] = f32::NAN,
        "NaN is not a probability",
    );
}

#[test]
fn golden_photographs_may_take_two_million_bytes_and_not_one_more() {
    let mut parts = parts::tiny();
    let spare = MAX_GOLDEN_BYTES - golden_size(&parts.golden, &parts.manifest.classes);
    let grown = parts.golden[0].bytes.len() + spare as usize;
    parts.golden[0].bytes.resize(grown, 0);
    let folder = tempfile::tempdir().unwrap();
    let bundle = fishid_bundle::write(&folder.path().join("bundle"), parts).unwrap();
    bundle.verify().unwrap();
    let taken: u64 = bundle
        .file_digests()
        .unwrap()
        .iter()
        .filter(|f| f.path.starts_with("golden/"))
        .map(|f| f.bytes)
        .sum();
    assert_eq!(taken, MAX_GOLDEN_BYTES);
    check_refused(
        |p| p.golden[0].bytes.resize(grown + 1, 0),
        "take 2000001 bytes, a bundle carries at most 2000000",
    );
}

#[test]
fn a_taken_target_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("thesis.txt"), "years of work").unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "also work").unwrap();
    for target in [&taken, &file] {
        let error = fishid_bundle::write(target, parts::tiny()).unwrap_err();
        assert!(
            matches!(error, BundleError::TargetNotEmpty { .. }),
            "{error}"
        );
    }
    assert_eq!(
        fs::read_to_string(taken.join("thesis.txt")).unwrap(),
        "years of work"
    );
    assert_eq!(fs::read_to_string(file).unwrap(), "also work");
}

#[test]
fn an_empty_folder_and_missing_parents_are_fine_targets() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    fishid_bundle::write(&empty, parts::tiny())
        .unwrap()
        .verify()
        .unwrap();
    let deep = folder.path().join("a/b/c");
    fishid_bundle::write(&deep, parts::tiny())
        .unwrap()
        .verify()
        .unwrap();
    assert_eq!(
        entries(&folder.path().join("a/b")),
        ["c"],
        "nothing partial is left"
    );
}

#[test]
fn the_input_example_is_named_in_mlmodel_and_holds_the_photograph_by_rows() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let mut parts = parts::tiny();
    parts.input_example = Some((0..192).collect());
    fishid_bundle::write(&dir, parts).unwrap();
    let mlmodel = fs::read_to_string(dir.join("MLmodel")).unwrap();
    assert!(mlmodel.contains(
        "saved_input_example_info:\n  artifact_path: input_example.json\n  type: ndarray\n"
    ));
    let text = fs::read_to_string(dir.join("input_example.json")).unwrap();
    assert!(
        text.starts_with(r#"{"image":[[[[0,1,2],[3,4,5],"#),
        "{text}"
    );
    assert!(text.contains("[21,22,23]],[[24,25,26],"), "{text}");
    assert!(text.ends_with("[189,190,191]]]]}"), "{text}");
}

#[test]
fn an_input_example_of_another_size_is_refused() {
    check_refused(
        |p| p.input_example = Some(vec![0; 191]),
        "the input example has 191 bytes, 8×8 pixels have three each",
    );
}
