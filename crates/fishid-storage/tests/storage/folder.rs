//! The same calls on a folder.

use std::collections::BTreeMap;

use fishid_storage::{Storage, StorageError};

use crate::support::{content, open, write};

#[test]
fn a_folder_takes_and_gives_files_like_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("place");
    std::fs::create_dir(&place).unwrap();
    let storage = open(place.to_str().unwrap(), &BTreeMap::new());
    assert!(!storage.is_remote());
    assert_eq!(storage.folder().as_deref(), Some(place.as_path()));

    let body = content(20 << 20, 1);
    let source = write(&folder.path().join("source"), &body);
    let stored = storage.put_file("deep/er/large.bin", &source).unwrap();
    assert_eq!(stored.size, body.len() as u64);
    assert_eq!(
        std::fs::read(place.join("deep/er/large.bin")).unwrap(),
        body
    );
    storage.put("small.txt", "perch").unwrap();
    assert_eq!(storage.read("small.txt").unwrap(), "perch");
    assert_eq!(storage.read_if_present("other.txt").unwrap(), None);

    let stat = storage.stat("small.txt").unwrap().unwrap();
    assert_eq!((stat.size, stat.sha256), (5, None));
    assert_eq!(storage.stat("other.txt").unwrap(), None);

    let target = folder.path().join("new/target.bin");
    let fetched = storage.get_file("deep/er/large.bin", &target, Some(&stored.sha256));
    assert_eq!(fetched.unwrap(), stored);
    assert_eq!(std::fs::read(&target).unwrap(), body);

    let mut paths: Vec<String> = storage
        .list()
        .unwrap()
        .files
        .into_iter()
        .map(|file| file.path)
        .collect();
    paths.sort();
    assert_eq!(paths, ["deep/er/large.bin", "small.txt"]);
    assert_eq!(storage.folders(""), ["deep"]);
    storage.delete("small.txt").unwrap();
    storage.delete("small.txt").unwrap();
    assert!(!place.join("small.txt").exists());
}

#[test]
fn a_file_that_is_not_what_was_expected_is_not_put_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path().to_str().unwrap(), &BTreeMap::new());
    storage.put("perch", "perch").unwrap();
    let target = folder.path().join("target");
    let error = storage.get_file("perch", &target, Some("00")).unwrap_err();
    assert!(matches!(error, StorageError::Corrupted { .. }), "{error}");
    assert!(!target.exists());
    assert_eq!(
        storage.list().unwrap().files.len(),
        1,
        "nothing is left behind"
    );
}

#[test]
fn places_that_are_none_are_errors_that_say_what_to_give() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder.path().join("file"), b"x");
    let message = |location: &str| {
        let error = Storage::open(location, &BTreeMap::new()).unwrap_err();
        error.to_string()
    };
    assert!(message("/nowhere/fish").contains("/nowhere/fish does not exist"));
    assert!(message(file.to_str().unwrap()).contains("is a file, not a folder"));
    assert!(message("ftp://fish").contains("s3://bucket/prefix"));
    assert!(message("s3://").contains("names no bucket"));
}
