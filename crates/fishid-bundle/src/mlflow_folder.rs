//! An `MLflow` model folder that another program saved: which file is the ONNX network, and what its
//! signature and metadata say. Reads no network and trusts no name.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::{BundleError, MANIFEST_FILE, MLMODEL_FILE};

/// Keys of the metadata under which people leave the names of the classes.
const CLASS_KEYS: [&str; 4] = ["classes", "class_names", "labels", "names"];

/// A description with a signature of a thousand columns has a tenth of it.
const MAX_DESCRIPTION_BYTES: u64 = 1 << 20;

/// What the folder says about its model.
#[derive(Debug, Clone, PartialEq)]
pub struct MlflowOnnx {
    /// The ONNX file.
    pub model_file: PathBuf,
    /// The inputs of the signature; empty without one.
    pub inputs: Vec<TensorSpec>,
    /// The outputs of the signature; empty without one.
    pub outputs: Vec<TensorSpec>,
    /// Names of the classes in the order of the output, where the metadata has them.
    pub classes: Option<Vec<String>>,
    /// The `MLflow` run that logged the model.
    pub run_id: Option<String>,
}

/// One tensor of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Element type in numpy's spelling.
    pub dtype: String,
    /// Its sides; -1 where open.
    pub shape: Vec<i64>,
}

#[derive(Deserialize)]
struct MlModelFile {
    #[serde(default)]
    flavors: Value,
    #[serde(default)]
    signature: Option<Signature>,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    run_id: Option<String>,
}

#[derive(Deserialize)]
struct Signature {
    inputs: Option<String>,
    outputs: Option<String>,
}

impl MlflowOnnx {
    /// Reads the folder's `MLmodel`.
    ///
    /// # Errors
    /// No `MLmodel`, one without an ONNX flavor, a bundle of fishid, or a model file that is not in the folder.
    pub fn open(folder: &Path) -> Result<Self, BundleError> {
        let refused = |reason: String| BundleError::ForeignFolder {
            path: folder.to_owned(),
            reason,
        };
        if folder.join(MANIFEST_FILE).is_file() {
            return Err(refused(
                "it is a bundle already; `fishid registry publish` takes it as it is".to_owned(),
            ));
        }
        let text = description(&folder.join(MLMODEL_FILE)).map_err(|error| {
            refused(format!(
                "{MLMODEL_FILE} cannot be read ({error}); give an ONNX file, or a folder that mlflow.onnx.save_model wrote"
            ))
        })?;
        let described: MlModelFile = serde_yaml_ng::from_str(&text)
            .map_err(|error| refused(format!("{MLMODEL_FILE} is broken: {error}")))?;
        let Some(data) = described.flavors["onnx"]["data"].as_str() else {
            return Err(refused(
                "its MLmodel has no flavor `onnx`; log the model with mlflow.onnx.log_model"
                    .to_owned(),
            ));
        };
        let is_inside = Path::new(data)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let model_file = folder.join(data);
        if !is_inside || !model_file.is_file() {
            return Err(refused(format!(
                "its MLmodel names `{data}`, which is no file of the folder"
            )));
        }
        let (inputs, outputs) = described
            .signature
            .map(|signature| (tensors(signature.inputs), tensors(signature.outputs)))
            .unwrap_or_default();
        Ok(Self {
            model_file,
            inputs,
            outputs,
            classes: classes(&described.metadata),
            run_id: described.run_id,
        })
    }
}

/// The text of an `MLmodel`.
fn description(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut within = File::open(file)?.take(MAX_DESCRIPTION_BYTES + 1);
    within.read_to_string(&mut text)?;
    if text.len() as u64 > MAX_DESCRIPTION_BYTES {
        return Err(io::Error::other(format!(
            "it is larger than {MAX_DESCRIPTION_BYTES} bytes"
        )));
    }
    Ok(text)
}

/// The tensors of one side of a signature; columns of data frames and what cannot be read are left out.
fn tensors(text: Option<String>) -> Vec<TensorSpec> {
    let parsed: Option<Value> = text.and_then(|text| serde_json::from_str(&text).ok());
    let tensor = |entry: &Value| {
        let spec = entry.get("tensor-spec")?;
        let shape = spec["shape"].as_array()?.iter().map(Value::as_i64);
        Some(TensorSpec {
            name: entry["name"].as_str().map(str::to_owned),
            dtype: spec["dtype"].as_str()?.to_owned(),
            shape: shape.collect::<Option<_>>()?,
        })
    };
    let entries = parsed.as_ref().and_then(Value::as_array);
    entries.into_iter().flatten().filter_map(tensor).collect()
}

fn classes(metadata: &Value) -> Option<Vec<String>> {
    let named = CLASS_KEYS.iter().find_map(|key| metadata.get(key))?;
    let names = named.as_array()?.iter();
    names.map(|name| name.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    const MLMODEL: &str = r#"
artifact_path: model
flavors:
  onnx:
    data: model.onnx
    onnx_version: 1.23.2
  python_function:
    data: model.onnx
    loader_module: mlflow.onnx
metadata:
  classes: [esox_lucius, perca_fluviatilis]
run_id: 0a1b
signature:
  inputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3, 64, 64]}, "name": "x"}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]'
  params: null
"#;

    fn folder(mlmodel: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("MLmodel"), mlmodel).unwrap();
        fs::write(folder.path().join("model.onnx"), "network").unwrap();
        folder
    }

    #[test]
    fn the_file_the_signature_and_the_classes_are_found() {
        let folder = folder(MLMODEL);
        let found = MlflowOnnx::open(folder.path()).unwrap();
        assert_eq!(found.model_file, folder.path().join("model.onnx"));
        assert_eq!(
            found.inputs,
            [TensorSpec {
                name: Some("x".to_owned()),
                dtype: "float32".to_owned(),
                shape: vec![-1, 3, 64, 64]
            }]
        );
        assert_eq!(found.outputs[0].shape, [-1, 2]);
        assert_eq!(found.classes.unwrap(), ["esox_lucius", "perca_fluviatilis"]);
        assert_eq!(found.run_id.as_deref(), Some("0a1b"));
    }

    #[track_caller]
    fn check_refused(mlmodel: &str, words: &str) {
        let folder = folder(mlmodel);
        let error = MlflowOnnx::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(words), "`{words}` is missing in: {error}");
    }

    #[test]
    fn a_folder_that_holds_no_onnx_model_of_its_own_is_refused() {
        check_refused("flavors: {sklearn: {}}", "mlflow.onnx.log_model");
        check_refused("flavors: {onnx: {data: ../x.onnx}}", "../x.onnx");
        check_refused("flavors: {onnx: {data: gone.onnx}}", "gone.onnx");
        check_refused("flavors: [", "broken");
        check_refused(&"#".repeat(1 << 21), "larger than 1048576 bytes");
        let bundle = folder(MLMODEL);
        fs::write(bundle.path().join("fishid.json"), "{}").unwrap();
        let error = MlflowOnnx::open(bundle.path()).unwrap_err().to_string();
        assert!(error.contains("fishid registry publish"), "{error}");
        let empty = tempfile::tempdir().unwrap();
        assert!(MlflowOnnx::open(empty.path()).is_err());
    }
}
