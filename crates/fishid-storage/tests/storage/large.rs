//! A large file is carried in little memory: measured in a process of its own, against a real server.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use fishid_testing::s3::S3Server;

use crate::support::{content, open};

const N_BYTES: usize = 300 << 20;
/// Four parts on their way and one being read are 40 MB; the rest is the program and its buffers.
const MAX_RESIDENT: u64 = 128 << 20;
/// Set for the process that carries.
const FILE: &str = "FISHID_TEST_LARGE_FILE";

/// The most memory this process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}

fn carry(source: &Path) {
    let storage = open("s3://fish/large", &std::collections::BTreeMap::new());
    let stored = storage.put_file("fish.bin", source).unwrap();
    assert_eq!(stored.size, N_BYTES as u64);
    let after_put = peak();
    let target = source.with_extension("back");
    assert_eq!(storage.get_file("fish.bin", &target, None).unwrap(), stored);
    eprintln!(
        "up {} MB, down {} MB at most",
        after_put >> 20,
        peak() >> 20
    );
    assert!(peak() < MAX_RESIDENT, "{} MB", peak() >> 20);
}

#[test]
fn a_file_of_300_mb_goes_up_and_down_in_128_mb_of_memory() {
    if let Some(source) = std::env::var_os(FILE) {
        return carry(Path::new(&source));
    }
    let Some(server) = S3Server::with_bucket("fish") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("fish.bin");
    let piece = content(1 << 20, 7);
    let mut file = BufWriter::new(std::fs::File::create(&source).unwrap());
    for n in 0..N_BYTES >> 20 {
        file.write_all(&piece[n..]).unwrap();
        file.write_all(&piece[..n]).unwrap();
    }
    file.into_inner().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "large::a_file_of_300_mb_goes_up_and_down_in_128_mb_of_memory",
            "--nocapture",
        ])
        .envs(server.settings())
        .env(FILE, &source)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let measured = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{measured}");
    assert!(text.contains("1 passed"), "{text}");
    eprintln!(
        "{}",
        measured
            .lines()
            .find(|line| line.contains("at most"))
            .unwrap_or_default()
    );
    assert_eq!(server.unfinished_uploads("fish"), 0);
}
