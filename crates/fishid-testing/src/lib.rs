//! Fixtures that several rooms test with: a tiny model that the real engine runs, and photographs.
//!
//! A model hub that fails on purpose is in [`hub`], a real `MLflow` server in [`mlflow`], a real S3 server with a
//! proxy that fails on purpose in [`s3`], a real Redis in [`redis`]. [`logs`] catches what is logged.
//!
//! Only ever a dev-dependency. Panics where a test could only unwrap.

pub mod http;
pub mod hub;
pub mod logs;
pub mod mlflow;
pub mod redis;
pub mod s3;
mod small_backbone;

use std::fs;
use std::path::{Path, PathBuf};

use fishid_bundle::{Bundle, BundleParts};
use fishid_image::{RgbPhoto, encode_jpeg, encode_png};

pub use small_backbone::{small_backbone, write_small_backbone};

/// A whole bundle of three classes and 8×8 pixels, which answers by colour: reddish photographs are bream,
/// greenish ones pike, bluish ones perch.
pub fn tiny_bundle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fishid-bundle/tests/golden/v1")
}

/// The parts of [`tiny_bundle`], to be changed by a test.
pub fn tiny_parts() -> BundleParts {
    let bundle = Bundle::open(tiny_bundle()).expect("the kept bundle opens");
    BundleParts {
        model_onnx: fs::read(bundle.model_path()).expect("the kept network is there"),
        manifest: bundle.manifest().clone(),
        golden: bundle
            .golden()
            .expect("the kept golden photographs are whole"),
        input_example: None,
        report_html: "<!doctype html><title>Tiny</title>".to_owned(),
        model_card: "# Tiny\n".to_owned(),
    }
}

/// A bundle in `dir` that differs from [`tiny_bundle`] in what `change` does.
pub fn write_bundle(dir: &Path, change: impl FnOnce(&mut BundleParts)) -> PathBuf {
    let mut parts = tiny_parts();
    change(&mut parts);
    fishid_bundle::write(dir, parts).expect("the changed parts make a bundle");
    dir.to_owned()
}

/// A photograph of one colour as JPEG.
pub fn jpeg(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    encode_jpeg(&RgbPhoto::filled(width, height, colour), 90).expect("a small photograph encodes")
}

/// A photograph of one colour as PNG.
pub fn png(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    encode_png(&RgbPhoto::filled(width, height, colour)).expect("a small photograph encodes")
}

/// The folder with the real photographs and backbone, from `FISHID_TEST_DATA`; without it the reason for the
/// skip is printed and the test returns.
pub fn require_test_data() -> Option<PathBuf> {
    let data = std::env::var_os("FISHID_TEST_DATA").filter(|value| !value.is_empty());
    if data.is_none() {
        eprintln!("skipped: FISHID_TEST_DATA is not set");
    }
    // Cargo runs a test in its crate's folder, the variable is written for the repository's.
    data.map(|path| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(path)
    })
}
