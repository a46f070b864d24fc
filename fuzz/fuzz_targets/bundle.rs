//! A whole bundle in which one file holds any bytes: opened and verified, or refused.
//!
//! Input: which file (one byte), its content.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fishid_bundle::Bundle;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// The manifest is read first and by far the most.
const FILES: [&str; 4] = [
    "fishid.json",
    "MLmodel",
    "golden/expected.json",
    "golden/photo_00.png",
];

fn whole() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/fishid-bundle/tests/golden/v1")
}

/// A copy of the kept bundle; in memory where there is such a place, since every input writes to it.
fn copy() -> &'static Path {
    static COPY: OnceLock<TempDir> = OnceLock::new();
    COPY.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let copy = if memory.is_dir() {
            TempDir::new_in(memory)
        } else {
            TempDir::new()
        };
        let copy = copy.expect("a folder can be made");
        fs::create_dir(copy.path().join("golden")).expect("it is empty");
        for folder in ["", "golden"] {
            for entry in fs::read_dir(whole().join(folder)).expect("the kept bundle is there") {
                let entry = entry.expect("it can be listed");
                if entry.path().is_file() {
                    let to = copy.path().join(folder).join(entry.file_name());
                    fs::copy(entry.path(), to).expect("it can be copied");
                }
            }
        }
        copy
    })
    .path()
}

fuzz_target!(|input: &[u8]| {
    let Some((&which, content)) = input.split_first() else {
        return;
    };
    let file = FILES[usize::from(which) % FILES.len()];
    let path = copy().join(file);
    fs::write(&path, content).expect("it can be written");
    let opened = Bundle::open(copy());
    if let Ok(bundle) = &opened {
        if bundle.verify().is_ok() {
            let golden = bundle.golden().expect("a bundle that is verified has them");
            let n_classes = bundle.manifest().classes.len();
            assert!(
                golden
                    .iter()
                    .all(|photo| photo.probabilities.len() == n_classes)
            );
            assert_eq!(bundle.model_digest().expect("it has a network").len(), 64);
        }
    }
    fs::copy(whole().join(file), path).expect("the kept file can be put back");
});
