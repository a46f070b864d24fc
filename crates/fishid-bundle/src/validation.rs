//! The rules a manifest's values must meet, the same for writing and for verifying.

use std::collections::BTreeSet;

use crate::manifest::{Class, Manifest, Output, SCHEMA_VERSION};

/// The first rule that `manifest` breaks, in words.
pub(crate) fn first_problem(manifest: &Manifest) -> Option<String> {
    schema(manifest)
        .or_else(|| classes(&manifest.classes))
        .or_else(|| outputs(&manifest.outputs, manifest.classes.len()))
        .or_else(|| preprocessing(manifest))
        .or_else(|| calibration(manifest))
        .or_else(|| data(manifest))
}

fn schema(manifest: &Manifest) -> Option<String> {
    if manifest.schema_version != SCHEMA_VERSION {
        return Some(format!(
            "schema_version is {}, not {SCHEMA_VERSION}",
            manifest.schema_version
        ));
    }
    manifest
        .model_name
        .trim()
        .is_empty()
        .then(|| "model_name is empty".to_owned())
}

fn classes(classes: &[Class]) -> Option<String> {
    if classes.len() < 2 {
        return Some(format!(
            "a classifier needs at least 2 classes, there are {}",
            classes.len()
        ));
    }
    let mut seen = BTreeSet::new();
    classes.iter().find_map(|class| {
        if class.slug.is_empty() {
            Some("a class has an empty slug".to_owned())
        } else if !seen.insert(&class.slug) {
            Some(format!("the class {} stands twice", class.slug))
        } else {
            None
        }
    })
}

fn outputs(outputs: &[Output], n_classes: usize) -> Option<String> {
    let n_classes = n_classes as i64;
    let mut seen = BTreeSet::new();
    for output in outputs {
        let Output { name, dtype, shape } = output;
        if !seen.insert(name) {
            return Some(format!("the output {name} stands twice"));
        }
        if dtype != "float32" {
            return Some(format!("the output {name} is {dtype}, not float32"));
        }
        let fits = match (name.as_str(), shape.as_slice()) {
            ("probabilities" | "logits", &[-1, classes]) => classes == n_classes,
            ("embedding", &[-1, d]) => d > 0,
            ("activation", &[-1, classes, h, w]) => classes == n_classes && h > 0 && w > 0,
            ("probabilities" | "logits" | "embedding" | "activation", _) => false,
            (_, shape) => shape.first() == Some(&-1),
        };
        if !fits {
            return Some(format!(
                "the output {name} has the shape {shape:?} with {n_classes} classes"
            ));
        }
    }
    ["probabilities", "logits"]
        .iter()
        .find(|name| !outputs.iter().any(|output| output.name == **name))
        .map(|name| format!("the output {name} is missing"))
}

fn preprocessing(manifest: &Manifest) -> Option<String> {
    let preprocessing = &manifest.preprocessing;
    if preprocessing.width == 0 || preprocessing.height == 0 {
        return Some(format!(
            "the input is {}x{} pixels",
            preprocessing.width, preprocessing.height
        ));
    }
    (preprocessing.fit.is_empty() || preprocessing.filter.is_empty())
        .then(|| "preprocessing names no fit or no filter".to_owned())
}

fn calibration(manifest: &Manifest) -> Option<String> {
    let calibration = &manifest.calibration;
    if calibration.method != "temperature" {
        return Some(format!(
            "the calibration method {} is unknown",
            calibration.method
        ));
    }
    if !(calibration.temperature.is_finite() && calibration.temperature > 0.0) {
        return Some(format!("the temperature is {}", calibration.temperature));
    }
    (!(0.0..=1.0).contains(&calibration.confidence_threshold)).then(|| {
        format!(
            "the confidence threshold is {}",
            calibration.confidence_threshold
        )
    })
}

fn data(manifest: &Manifest) -> Option<String> {
    if !matches!(manifest.data.origin.as_str(), "photographs" | "synthetic") {
        return Some(format!("the data's origin is {:?}", manifest.data.origin));
    }
    let named = manifest
        .splits
        .iter()
        .find(|(_, split)| !matches!(split.as_str(), "train" | "val" | "test"));
    named.map(|(group, split)| format!("the group {group} is in the split {split:?}"))
}
