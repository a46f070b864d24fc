//! The parts of the tiny bundle kept in `tests/golden/v1`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fishid_bundle::{
    Backbone, BundleParts, Calibration, Class, Data, GoldenPhoto, Manifest, Output, Preprocessing,
    SCHEMA_VERSION,
};
use serde_json::json;

/// What ONNX Runtime answered for the golden photographs, as `make_parts.py` printed it.
const PROBABILITIES: [[f32; 3]; 4] = [
    [0.845_777_63, 0.084_796_69, 0.069_425_66],
    [0.119_671_41, 0.800_110_46, 0.080_218_15],
    [0.137_123_84, 0.112_267_494, 0.750_608_7],
    [0.401_759_56, 0.328_932_9, 0.269_307_5],
];

/// The bundle of schema version 1 that is kept for ever.
pub fn v1() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

pub fn tiny() -> BundleParts {
    let golden = PROBABILITIES
        .iter()
        .enumerate()
        .map(|(index, probabilities)| {
            let file_name = format!("photo_{index:02}.png");
            let bytes = fs::read(v1().join("golden").join(&file_name)).unwrap();
            GoldenPhoto {
                file_name,
                bytes,
                probabilities: probabilities.to_vec(),
            }
        });
    BundleParts {
        model_onnx: fs::read(v1().join("model.onnx")).unwrap(),
        manifest: manifest(),
        golden: golden.collect(),
        input_example: None,
        report_html: "<!doctype html><title>Tiny</title><p>Щука, Окунь, Лещ</p>\n".to_owned(),
        model_card: "# Tiny\n\nThree classes, eight pixels.\n".to_owned(),
    }
}

fn manifest() -> Manifest {
    let output = |name: &str, shape: &[i64]| Output {
        name: name.to_owned(),
        dtype: "float32".to_owned(),
        shape: shape.to_vec(),
    };
    Manifest {
        schema_version: SCHEMA_VERSION,
        model_name: "fish-classifier".to_owned(),
        classes: vec![
            class("abramis_brama", "Abramis brama", "Лещ", "Bream"),
            class("esox_lucius", "Esox lucius", "Щука", "Pike"),
            class("perca_fluviatilis", "Perca fluviatilis", "Окунь", "Perch"),
        ],
        outputs: vec![
            output("probabilities", &[-1, 3]),
            output("logits", &[-1, 3]),
            output("embedding", &[-1, 3]),
            output("activation", &[-1, 3, 2, 2]),
        ],
        preprocessing: Preprocessing {
            width: 8,
            height: 8,
            fit: "stretch".to_owned(),
            filter: "catmull_rom".to_owned(),
        },
        calibration: Calibration {
            method: "temperature".to_owned(),
            temperature: 1.25,
            confidence_threshold: 0.5,
        },
        evaluation: BTreeMap::from([(
            "test".to_owned(),
            // A number that reads back one bit off unless JSON is read exactly.
            json!({"n": 4, "macro_f1": 0.123_456_789_012_345_68, "accuracy": 1.0}),
        )]),
        backbone: Backbone {
            name: "tiny".to_owned(),
            digest: "00".repeat(32),
            weights: "random:0".to_owned(),
            licence: Some("MIT".to_owned()),
            source: None,
            weights_set: None,
            weights_digest: None,
        },
        data: Data {
            digest: "11".repeat(32),
            n_photographs: 12,
            counts: BTreeMap::from([
                ("train".to_owned(), counts(2)),
                ("val".to_owned(), counts(1)),
                ("test".to_owned(), counts(1)),
            ]),
            group_column: "group".to_owned(),
            origin: "synthetic".to_owned(),
        },
        splits: BTreeMap::from([
            ("fish-1".to_owned(), "train".to_owned()),
            ("fish-2".to_owned(), "val".to_owned()),
            ("fish-3".to_owned(), "test".to_owned()),
        ]),
        learned_photographs: Vec::new(),
        training: json!({"weight_decay": 0.01, "learning_rate": 0.003, "epochs": 5}),
        seed: 7,
        code_version: "0.1.0".to_owned(),
        demonstration: Some("not trained on photographs".to_owned()),
    }
}

fn class(slug: &str, latin: &str, ru: &str, en: &str) -> Class {
    Class {
        slug: slug.to_owned(),
        latin: latin.to_owned(),
        ru: ru.to_owned(),
        en: en.to_owned(),
    }
}

fn counts(each: usize) -> BTreeMap<String, usize> {
    ["abramis_brama", "esox_lucius", "perca_fluviatilis"]
        .map(|slug| (slug.to_owned(), each))
        .into()
}
