//! Opening and verifying a bundle.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::digest::{self, FileDigest, digest_of_lines, sha256_file};
use crate::error::BundleError;
use crate::golden::{self, EXPECTED_FILE, GoldenPhoto};
use crate::manifest::{Manifest, SCHEMA_VERSION};
use crate::mlmodel::MlModel;
use crate::{
    GOLDEN_FOLDER, MANIFEST_FILE, MLMODEL_FILE, MODEL_CARD_FILE, MODEL_FILE, REPORT_FILE,
    environment, validation,
};

/// A bundle on disk whose manifest has been read.
#[derive(Clone, Debug)]
pub struct Bundle {
    dir: PathBuf,
    manifest: Manifest,
}

impl Bundle {
    /// Opens the bundle in `dir`: its schema is one this build reads and every file is there.
    ///
    /// What the files hold is checked by [`Bundle::verify`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, BundleError> {
        let dir = dir.as_ref();
        let path = dir.join(MANIFEST_FILE);
        let raw = read_manifest(dir)?;
        let found = raw.get("schema_version").and_then(Value::as_u64);
        let Some(found) = found.filter(|version| *version > 0) else {
            return Err(BundleError::malformed(&path, "it has no schema_version"));
        };
        if found > u64::from(SCHEMA_VERSION) {
            return Err(BundleError::UnknownSchema {
                path,
                found,
                supported: SCHEMA_VERSION,
            });
        }
        let manifest = serde_json::from_value(raw)
            .map_err(|error| BundleError::malformed(&path, error.to_string()))?;
        let expected = format!("{GOLDEN_FOLDER}/{EXPECTED_FILE}");
        for file in [
            MODEL_FILE,
            MLMODEL_FILE,
            &expected,
            REPORT_FILE,
            MODEL_CARD_FILE,
            environment::CONDA_FILE,
            environment::PYTHON_ENV_FILE,
            environment::REQUIREMENTS_FILE,
        ] {
            if !dir.join(file).is_file() {
                let file = file.to_owned();
                return Err(BundleError::MissingFile {
                    dir: dir.to_owned(),
                    file,
                });
            }
        }
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
        })
    }

    /// Checks that the files hold what they should and agree with each other: the manifest's
    /// values, `MLmodel` against the manifest, the golden photographs and their expectations.
    pub fn verify(&self) -> Result<(), BundleError> {
        if let Some(reason) = validation::first_problem(&self.manifest) {
            return Err(BundleError::malformed(
                &self.dir.join(MANIFEST_FILE),
                reason,
            ));
        }
        let model = self.model_path();
        let size = fs::metadata(&model)
            .map_err(BundleError::io("cannot read", &model))?
            .len();
        if size == 0 {
            return Err(BundleError::malformed(&model, "it is empty"));
        }
        self.verify_mlmodel()?;
        let golden = self.golden()?;
        for file in self.files()? {
            let Some(name) = file.strip_prefix("golden/") else {
                continue;
            };
            if name != EXPECTED_FILE && !golden.iter().any(|photo| photo.file_name == name) {
                return Err(BundleError::inconsistent(
                    &self.dir.join(&file),
                    format!("{EXPECTED_FILE} does not name it"),
                ));
            }
        }
        Ok(())
    }

    fn verify_mlmodel(&self) -> Result<(), BundleError> {
        let path = self.dir.join(MLMODEL_FILE);
        let text = fs::read_to_string(&path).map_err(BundleError::io("cannot read", &path))?;
        let mlmodel: MlModel = serde_yaml_ng::from_str(&text)
            .map_err(|error| BundleError::malformed(&path, error.to_string()))?;
        match mlmodel.contradiction(&self.manifest) {
            Some(reason) => Err(BundleError::inconsistent(&path, reason)),
            None => Ok(()),
        }
    }

    /// The golden photographs, read and checked against the manifest's classes and their digests.
    pub fn golden(&self) -> Result<Vec<GoldenPhoto>, BundleError> {
        golden::read(&self.dir, &self.manifest.classes)
    }

    /// Name of the whole content: SHA-256 of the line `sha256  path` of every file.
    ///
    /// Reads every file. Nothing of it is kept in the bundle.
    pub fn bundle_digest(&self) -> Result<String, BundleError> {
        Ok(digest_of_lines(&self.file_digests()?))
    }

    /// Name of what answers: SHA-256 over `model.onnx` and the sections `calibration`, `classes`,
    /// `outputs` and `preprocessing` of the manifest. Two bundles of one model digest give the
    /// same answers, whatever their reports say.
    pub fn model_digest(&self) -> Result<String, BundleError> {
        let (model, _) = sha256_file(&self.model_path())?;
        Ok(digest::model_digest(&read_manifest(&self.dir)?, &model))
    }

    /// Paths of all files, relative to the bundle, with `/`, sorted.
    pub fn files(&self) -> Result<Vec<String>, BundleError> {
        digest::list_files(&self.dir)
    }

    /// Digest and size of every file, sorted by path.
    pub fn file_digests(&self) -> Result<Vec<FileDigest>, BundleError> {
        let digest_of = |path: String| {
            let (sha256, bytes) = sha256_file(&self.dir.join(&path))?;
            Ok(FileDigest {
                path,
                sha256,
                bytes,
            })
        };
        self.files()?.into_iter().map(digest_of).collect()
    }

    /// The bundle's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the bundle says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The network's file.
    pub fn model_path(&self) -> PathBuf {
        self.dir.join(MODEL_FILE)
    }
}

fn read_manifest(dir: &Path) -> Result<Value, BundleError> {
    let path = dir.join(MANIFEST_FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Err(BundleError::NotABundle {
                dir: dir.to_owned(),
            });
        }
        Err(error) => return Err(BundleError::io("cannot read", &path)(error)),
    };
    serde_json::from_slice(&text).map_err(|error| BundleError::malformed(&path, error.to_string()))
}
