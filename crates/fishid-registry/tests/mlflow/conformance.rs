//! The suite that every registry passes, against a real server: files passed through by it, and files in S3.

use std::fs;
use std::path::{Path, PathBuf};

use fishid_registry::conformance::{CHECKS, run, tiny_bundle};
use fishid_registry::{
    MlflowRegistry, MlflowSettings, ModelRegistry, Note, PublishNote, RegistryError, Secret,
    VersionRef, open,
};
use fishid_testing::mlflow::{MlflowServer, require_mlflow, require_stack_python};
use fishid_testing::s3::S3Server;

#[test]
fn a_server_keeps_every_promise() {
    let Some(server) = require_mlflow() else {
        return;
    };
    let failures = run(|| open(&server.registry_url()));
    assert!(CHECKS.len() > 10);
    assert!(failures.is_empty(), "{failures:#?}");
}

/// The server only says where the files are; the client brings them there and takes them from there.
#[test]
fn a_server_whose_files_lie_in_s3_keeps_every_promise() {
    let (Some(python), Some(mut s3)) = (require_stack_python(), S3Server::with_bucket("models"))
    else {
        return;
    };
    let s3_folder = s3.bucket("models");
    let root = "s3://models/artifacts";
    let arguments = ["--no-serve-artifacts", "--default-artifact-root", root];
    let server = MlflowServer::start(&python, &arguments);
    let storage = s3.settings().into_iter();
    let settings = MlflowSettings {
        storage: storage
            .chain([("AWS_MAX_ATTEMPTS".to_owned(), "1".to_owned())])
            .map(|(name, value)| (name, Secret::new(value)))
            .collect(),
        ..MlflowSettings::default()
    };
    let open = || -> Result<Box<dyn ModelRegistry>, RegistryError> {
        let registry = MlflowRegistry::new(&server.registry_url(), &settings)?;
        Ok(Box::new(registry))
    };
    let failures = run(open);
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(!server.artifacts().exists(), "the server kept files itself");

    let scratch = tempfile::tempdir().unwrap();
    let bundle = scratch.path().join("bundle");
    tiny_bundle(&bundle, 77).unwrap();
    let registry = open().unwrap();
    let version = registry
        .publish("fish", &bundle, &PublishNote::default())
        .unwrap();
    let number = VersionRef::new(&version.version);
    let run = version.run.unwrap().0;
    let model_files = || -> Vec<PathBuf> {
        let files = files_below(&s3_folder).into_iter();
        let is_of_model = |file: &PathBuf| {
            let file = file.to_string_lossy();
            file.contains(&run) && file.contains("/model")
        };
        files.filter(is_of_model).collect()
    };
    assert!(
        model_files()
            .iter()
            .any(|file| file.ends_with("model/MLmodel"))
    );

    let cache = scratch.path().join("cache");
    s3.stop();
    let error = registry.fetch("fish", &number, &cache).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("cannot be reached"), "{error}");
    assert!(error.contains("AWS_ENDPOINT_URL"), "{error}");
    s3.start_again();
    let folder = registry.fetch("fish", &number, &cache).unwrap();
    assert!(folder.join("MLmodel").is_file());

    let note = Note::default();
    registry.delete("fish", &number, &note).unwrap();
    assert_eq!(model_files(), Vec::<PathBuf>::new());
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}
