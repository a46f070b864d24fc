//! A listing that is never whole in memory: measured in a process of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use fishid_storage::Walked;
use fishid_testing::s3::S3Server;

use crate::support::open;

const N_FILES: usize = 60_000;
/// A list of them takes three times as much.
const MAX_GROWTH: u64 = 8 << 20;
/// Set for the process that walks.
const FOLDER: &str = "FISHID_TEST_WALKED_FOLDER";

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let line = lines.find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}

fn walk(folder: &Path) {
    let storage = open(folder.to_str().unwrap(), &BTreeMap::new());
    // The first entries bring the threads and their stacks.
    let mut walk = storage.walk().unwrap();
    assert!(walk.next().is_some());
    let before = peak();
    let n = walk
        .filter(|walked| matches!(walked, Ok(Walked::File(_))))
        .count();
    let growth = peak() - before;
    eprintln!("{n} more files listed in {} KB", growth >> 10);
    assert_eq!(n, N_FILES - 1);
    assert!(growth < MAX_GROWTH, "{growth}");
}

#[test]
fn a_listing_of_many_files_takes_the_memory_of_a_few() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return walk(&PathBuf::from(folder));
    }
    let folder = tempfile::tempdir().unwrap();
    // Long names, so that it shows where they are kept.
    let name = "x".repeat(150);
    for n in 0..N_FILES {
        std::fs::write(folder.path().join(format!("{name}{n}.jpg")), b"").unwrap();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "walking::a_listing_of_many_files_takes_the_memory_of_a_few",
            "--nocapture",
        ])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let measured = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{measured}");
    assert!(measured.contains("more files listed"), "{measured}");
}

#[test]
fn a_walk_finds_what_a_list_finds_and_ends_when_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a/b/1.jpg", "2.png", "a/3.txt"] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    let mut places = vec![open(folder.path().to_str().unwrap(), &BTreeMap::new())];
    let server = S3Server::with_bucket("fish");
    if let Some(server) = &server {
        let there = open("s3://fish/rivers", &server.settings());
        fishid_storage::mirror(folder.path(), &there, &|_, _| {}).unwrap();
        places.push(there);
    }
    for place in places {
        let mut walked: Vec<_> = place.walk().unwrap().map(Result::unwrap).collect();
        let mut listed: Vec<_> = place.list().unwrap().files;
        listed.sort_by(|a, b| a.path.cmp(&b.path));
        walked.sort_by_key(|it| match it {
            Walked::File(file) => file.path.clone(),
            Walked::Unlisted(failure) => failure.clone(),
        });
        let listed: Vec<_> = listed.into_iter().map(Walked::File).collect();
        assert_eq!(walked, listed);
        assert_eq!(walked.len(), 3);
        let mut walk = place.walk().unwrap();
        assert!(walk.next().is_some());
        drop(walk);
    }
    if let Some(server) = &server {
        let missing = open("s3://lakes/pike", &server.settings());
        let mut walk = missing.walk().unwrap();
        let error = walk.next().unwrap().unwrap_err().to_string();
        assert!(error.contains("lakes"), "{error}");
        assert!(walk.next().is_none());
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_be_listed_is_told_and_the_walk_goes_on() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("1.jpg"), b"").unwrap();
    std::fs::create_dir(folder.path().join("a")).unwrap();
    symlink(folder.path(), folder.path().join("a/circle")).unwrap();
    std::fs::write(folder.path().join("z.jpg"), b"").unwrap();
    let storage = open(folder.path().to_str().unwrap(), &BTreeMap::new());
    let walked: Vec<_> = storage.walk().unwrap().map(Result::unwrap).collect();
    let is_file = |it: &&Walked| matches!(it, Walked::File(_));
    assert_eq!(walked.iter().filter(is_file).count(), 2, "{walked:?}");
    assert_eq!(walked.len(), 3, "{walked:?}");
}
