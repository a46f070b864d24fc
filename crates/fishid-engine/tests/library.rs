//! Libraries that are not there, not ONNX Runtime, or too old. None of them loads, so nothing here
//! initialises the process's runtime; they are stand-ins compiled on the spot.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use fishid_engine::{EngineError, use_library};

/// Compiles a shared library from C.
fn compile(folder: &Path, source: &str) -> PathBuf {
    let (code, library) = (folder.join("library.c"), folder.join("libonnxruntime.so"));
    std::fs::write(&code, source).unwrap();
    let compiler = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&code)
        .status();
    assert!(compiler.unwrap().success(), "the C compiler failed");
    library
}

/// A stand-in that answers what ONNX Runtime of that version answers to "who are you".
fn of_version(version: &str) -> String {
    format!(
        "#include <stdint.h>\n\
         typedef struct {{ const void *(*get_api)(uint32_t); const char *(*version)(void); }} Base;\n\
         static const void *get_api(uint32_t wanted) {{ (void)wanted; return 0; }}\n\
         static const char *version(void) {{ return \"{version}\"; }}\n\
         static const Base base = {{ get_api, version }};\n\
         const Base *OrtGetApiBase(void) {{ return &base; }}\n"
    )
}

#[track_caller]
fn check(path: &Path, parts: &[&str]) -> EngineError {
    let Err(error) = use_library(path) else {
        panic!("{} was loaded", path.display())
    };
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "`{message}` lacks `{part}`");
    }
    error
}

#[test]
fn a_library_too_old_is_refused_with_both_versions_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile(folder.path(), &of_version("1.16.3"));
    let error = check(
        &library,
        &["1.16.3", "1.24", "make setup", "ORT_DYLIB_PATH"],
    );
    assert!(
        matches!(error, EngineError::LibraryTooOld { .. }),
        "{error:?}"
    );
}

#[test]
fn a_missing_library_is_refused_with_its_path_and_the_remedy() {
    let error = check(
        Path::new("/nowhere/libonnxruntime.so"),
        &["/nowhere/libonnxruntime.so", "make setup"],
    );
    assert!(
        matches!(error, EngineError::LibraryMissing { .. }),
        "{error:?}"
    );
}

#[test]
fn a_file_that_is_no_library_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libonnxruntime.so");
    std::fs::write(&path, "not a library").unwrap();
    let error = check(&path, &["libonnxruntime.so", "cannot be loaded"]);
    assert!(
        matches!(error, EngineError::LibraryBroken { .. }),
        "{error:?}"
    );
}

#[test]
fn a_library_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile(folder.path(), "int something_else(void) { return 0; }\n");
    check(&library, &["it is not ONNX Runtime"]);
}
