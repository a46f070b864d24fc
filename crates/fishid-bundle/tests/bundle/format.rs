//! Schema version 1 is frozen: today's reader reads it, today's writer writes it.

use std::fs;

use fishid_bundle::Bundle;

use crate::parts;

/// `find . -type f | sed 's|^\./||' | LC_ALL=C sort | xargs sha256sum | sha256sum` inside v1.
const BUNDLE_DIGEST: &str = "339c432aebc40e8e27ee3e3cea40741179091512fe122a275f3bbe2f7b967cb6";
/// As computed in Python by `tests/interchange/load_bundle.py`.
const MODEL_DIGEST: &str = "11859f529d2e6b10cfcdbe5c76ec165dd384a1ee2ff683a33e4bc3084bb5a881";

#[test]
fn version_1_is_read_and_has_the_digests_it_always_had() {
    let bundle = Bundle::open(parts::v1()).unwrap();
    bundle.verify().unwrap();
    assert_eq!(bundle.manifest(), &parts::tiny().manifest);
    assert_eq!(bundle.golden().unwrap(), parts::tiny().golden);
    assert_eq!(bundle.bundle_digest().unwrap(), BUNDLE_DIGEST);
    assert_eq!(bundle.model_digest().unwrap(), MODEL_DIGEST);
}

/// With `FISHID_WRITE_GOLDEN=1` the files are put in place first: for the folder of a new format
/// version only, and with this test alone, since others read the folder meanwhile.
#[test]
fn the_writer_reproduces_every_byte_of_version_1() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = fishid_bundle::write(&folder.path().join("tiny"), parts::tiny()).unwrap();
    let files = bundle.files().unwrap();
    if std::env::var_os("FISHID_WRITE_GOLDEN").is_some() {
        for file in &files {
            fs::copy(bundle.dir().join(file), parts::v1().join(file)).unwrap();
        }
    }
    for file in &files {
        let written = fs::read(bundle.dir().join(file)).unwrap();
        let kept = fs::read(parts::v1().join(file)).unwrap();
        let text = String::from_utf8_lossy;
        assert!(
            written == kept,
            "{file} is now\n{}\nand was\n{}",
            text(&written),
            text(&kept)
        );
    }
    assert_eq!(files, Bundle::open(parts::v1()).unwrap().files().unwrap());
}
