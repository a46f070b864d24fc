//! `MLmodel`: the description by which `mlflow.onnx` and `mlflow.pyfunc` load the folder.
//!
//! The shape was observed with `MLflow` 3.17.2: `data` stands in both flavors, because the pyfunc
//! loader reads it from its own and `mlflow.onnx` from the other, and the signature holds JSON as
//! text. `tests/interchange/load_bundle.py` loads a bundle with both.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::digest::canonical_json;
use crate::environment::{CONDA_FILE, MLFLOW_VERSION, PYTHON_ENV_FILE};
use crate::example::ExampleInfo;
use crate::manifest::Manifest;
use crate::{MANIFEST_FILE, MODEL_FILE};

/// The part of `MLmodel` this crate writes and checks; what else a file holds is left alone.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MlModel {
    flavors: Flavors,
    mlflow_version: String,
    // Written for people and queries; whatever stands there is no reason to refuse a bundle.
    #[serde(skip_deserializing)]
    metadata: Metadata,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    saved_input_example_info: Option<ExampleInfo>,
    signature: Signature,
}

#[derive(Debug, Serialize, Deserialize)]
struct Flavors {
    onnx: OnnxFlavor,
    python_function: PythonFlavor,
}

#[derive(Debug, Serialize, Deserialize)]
struct OnnxFlavor {
    data: String,
    providers: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PythonFlavor {
    loader_module: String,
    data: String,
    env: PythonEnvironment,
}

#[derive(Debug, Serialize, Deserialize)]
struct PythonEnvironment {
    conda: String,
    virtualenv: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Signature {
    inputs: String,
    outputs: String,
    params: Option<String>,
}

/// What a person or a query meets in `MLflow` without opening `fishid.json`.
#[derive(Debug, Default, Serialize)]
struct Metadata {
    fishid_schema_version: u32,
    fishid_code_version: String,
    model_name: String,
    classes: Vec<String>,
    backbone: String,
    backbone_digest: String,
    data_digest: String,
    data_origin: String,
    demonstration: Option<String>,
}

impl MlModel {
    /// The description of the model that `manifest` describes.
    pub fn describing(manifest: &Manifest) -> Self {
        Self {
            flavors: Flavors {
                onnx: OnnxFlavor {
                    data: MODEL_FILE.to_owned(),
                    providers: vec!["CPUExecutionProvider".to_owned()],
                },
                python_function: PythonFlavor {
                    loader_module: "mlflow.onnx".to_owned(),
                    data: MODEL_FILE.to_owned(),
                    env: PythonEnvironment {
                        conda: CONDA_FILE.to_owned(),
                        virtualenv: PYTHON_ENV_FILE.to_owned(),
                    },
                },
            },
            mlflow_version: MLFLOW_VERSION.to_owned(),
            metadata: metadata(manifest),
            saved_input_example_info: None,
            signature: Signature {
                inputs: canonical_json(&Value::from(vec![input(manifest)])),
                outputs: canonical_json(&Value::from(outputs(manifest))),
                params: None,
            },
        }
    }

    /// With an input example beside it.
    pub fn with_example(self) -> Self {
        Self {
            saved_input_example_info: Some(ExampleInfo::of_tensors()),
            ..self
        }
    }

    /// The first way in which this file would load another model than `manifest` describes.
    pub fn contradiction(&self, manifest: &Manifest) -> Option<String> {
        let flavors = &self.flavors;
        for (flavor, data) in [
            ("onnx", &flavors.onnx.data),
            ("python_function", &flavors.python_function.data),
        ] {
            if data != MODEL_FILE {
                return Some(format!(
                    "its flavor {flavor} loads {data}, not {MODEL_FILE}"
                ));
            }
        }
        if flavors.python_function.loader_module != "mlflow.onnx" {
            return Some(format!(
                "its loader is {}, not mlflow.onnx",
                flavors.python_function.loader_module
            ));
        }
        let expected = Self::describing(manifest).signature;
        for (what, found, expected) in [
            ("inputs", &self.signature.inputs, &expected.inputs),
            ("outputs", &self.signature.outputs, &expected.outputs),
        ] {
            // Compared as JSON: MLflow may write the same signature with other white space.
            let parsed: Option<Value> = serde_json::from_str(found).ok();
            if parsed.is_none() || parsed != serde_json::from_str(expected).ok() {
                return Some(format!(
                    "the {what} of its signature are not those of {MANIFEST_FILE}"
                ));
            }
        }
        None
    }
}

fn input(manifest: &Manifest) -> Value {
    let size = &manifest.preprocessing;
    tensor(
        "image",
        "uint8",
        &[-1, i64::from(size.height), i64::from(size.width), 3],
    )
}

fn outputs(manifest: &Manifest) -> Vec<Value> {
    manifest
        .outputs
        .iter()
        .map(|o| tensor(&o.name, &o.dtype, &o.shape))
        .collect()
}

fn tensor(name: &str, dtype: &str, shape: &[i64]) -> Value {
    json!({"type": "tensor", "name": name, "tensor-spec": {"dtype": dtype, "shape": shape}})
}

fn metadata(manifest: &Manifest) -> Metadata {
    Metadata {
        fishid_schema_version: manifest.schema_version,
        fishid_code_version: manifest.code_version.clone(),
        model_name: manifest.model_name.clone(),
        classes: manifest
            .classes
            .iter()
            .map(|class| class.slug.clone())
            .collect(),
        backbone: manifest.backbone.name.clone(),
        backbone_digest: manifest.backbone.digest.clone(),
        data_digest: manifest.data.digest.clone(),
        data_origin: manifest.data.origin.clone(),
        demonstration: manifest.demonstration.clone(),
    }
}
