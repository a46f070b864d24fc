//! A data set in a real S3 server is the one in the folder it was brought from, refusals on the way included.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use fishid_dataset::{CheckOptions, Dataset, OpenOptions, check};
use fishid_storage::{Storage, mirror};
use fishid_testing::s3::{Fault, Proxy, S3Server, settings};

use crate::support::{open, png, put, small_data_set};

fn options(storage: BTreeMap<String, String>) -> OpenOptions {
    OpenOptions {
        storage,
        ..OpenOptions::default()
    }
}

#[test]
fn a_prefix_in_s3_is_the_same_data_set_as_the_folder_it_was_brought_from() {
    let Some(server) = S3Server::with_bucket("fish") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    small_data_set(folder.path());
    put(folder.path(), "perca_fluviatilis/окунь 1+1%.png", png(300));
    put(folder.path(), "perca_fluviatilis/copy.png", png(0));
    let rows: String = (0..6)
        .map(|n| format!("esox_lucius/{n}.png,fish {n}\nperca_fluviatilis/{n}.png,perch {n}\n"))
        .collect();
    put(
        folder.path(),
        "manifest.csv",
        format!(
            "path,group\n{rows}perca_fluviatilis/окунь 1+1%.png,x\nperca_fluviatilis/copy.png,y\n"
        ),
    );
    let bring = |location: &str| {
        let to = Storage::open(location, &server.settings()).unwrap();
        mirror(folder.path(), &to, &|_, _| {}).unwrap()
    };
    assert_eq!(bring("s3://fish/rivers/2026").n_stored, 15);
    // A neighbour whose name begins alike is another data set.
    bring("s3://fish/rivers/2026x");

    let refused = Mutex::new(BTreeSet::new());
    let proxy = Proxy::start(server.address(), move |seen| {
        let is_photograph = seen.method == "GET" && seen.target.contains(".png");
        if is_photograph && refused.lock().unwrap().insert(seen.target.clone()) {
            Fault::Refuse(503, "SlowDown")
        } else {
            Fault::None
        }
    });
    let local = open(folder.path());
    let remote = Dataset::open("s3://fish/rivers/2026", &options(settings(&proxy.url()))).unwrap();
    assert_eq!(remote.photographs(), local.photographs());
    for photo in remote.photographs() {
        assert_eq!(
            remote.read(photo).unwrap(),
            local.read(photo).unwrap(),
            "{}",
            photo.path
        );
    }
    let found = check(&remote, &CheckOptions::default(), &|_, _| {});
    assert_eq!(found, check(&local, &CheckOptions::default(), &|_, _| {}));
    assert_eq!(
        found.iter().map(|p| p.kind.as_str()).collect::<Vec<_>>(),
        ["exact_duplicate", "label_clash"]
    );
}

#[test]
fn a_bucket_that_is_missing_or_empty_is_an_error_that_names_it() {
    let Some(server) = S3Server::with_bucket("fish") else {
        return;
    };
    put(&server.bucket("fish"), "readme.txt", "x");
    let options = options(server.settings());
    let message = |location: &str| Dataset::open(location, &options).unwrap_err().to_string();
    for (location, words) in [
        ("s3://other/fish", "bucket other does not exist"),
        ("s3://fish", "holds no photographs"),
    ] {
        let message = message(location);
        assert!(message.contains(location), "{message}");
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_data_set_is_opened_from_within_an_asynchronous_program_too() {
    let folder = tempfile::tempdir().unwrap();
    small_data_set(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let dataset = open(folder.path());
        assert_eq!(dataset.photographs().len(), 12);
        assert!(dataset.read(&dataset.photographs()[0]).is_ok());
    });
}
