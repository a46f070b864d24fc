//! Bundles small enough to publish by the dozen. Their network is no ONNX file: a registry does
//! not look into it.

use std::collections::BTreeMap;
use std::path::Path;

use fishid_bundle::{
    Backbone, Bundle, BundleError, BundleParts, Calibration, Class, Data, GoldenPhoto, Manifest,
    Output, Preprocessing, SCHEMA_VERSION, write,
};
use serde_json::Value;

/// Writes a bundle of two classes to `dir`. Equal seeds give equal digests, others give others.
pub fn tiny_bundle(dir: &Path, seed: u64) -> Result<Bundle, BundleError> {
    let text = |text: &str| text.to_owned();
    let class = |slug: &str, ru: &str| Class {
        slug: text(slug),
        latin: text(slug),
        ru: text(ru),
        en: text(slug),
    };
    let output = |name: &str| Output {
        name: text(name),
        dtype: text("float32"),
        shape: vec![-1, 2],
    };
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        model_name: text("conformance"),
        classes: vec![
            class("esox_lucius", "Щука"),
            class("perca_fluviatilis", "Окунь"),
        ],
        outputs: vec![output("probabilities"), output("logits")],
        preprocessing: Preprocessing {
            width: 8,
            height: 8,
            fit: text("stretch"),
            filter: text("bilinear"),
        },
        calibration: Calibration {
            method: text("temperature"),
            temperature: 1.0,
            confidence_threshold: 0.5,
        },
        evaluation: BTreeMap::new(),
        backbone: Backbone {
            name: text("none"),
            digest: "00".repeat(32),
            weights: format!("random:{seed}"),
            licence: None,
            source: None,
            weights_set: None,
            weights_digest: None,
        },
        data: Data {
            digest: "00".repeat(32),
            n_photographs: 0,
            counts: BTreeMap::new(),
            group_column: text("group"),
            origin: text("synthetic"),
        },
        splits: BTreeMap::new(),
        learned_photographs: Vec::new(),
        training: Value::Null,
        seed,
        code_version: text("0"),
        demonstration: Some(text("made for a test")),
    };
    let golden = GoldenPhoto {
        file_name: text("photo.png"),
        bytes: b"no photograph".to_vec(),
        probabilities: vec![0.5, 0.5],
    };
    write(
        dir,
        BundleParts {
            model_onnx: format!("no network, number {seed}").into_bytes(),
            manifest,
            golden: vec![golden],
            input_example: None,
            report_html: text("<!doctype html>\n"),
            model_card: text("# Test\n"),
        },
    )
}
