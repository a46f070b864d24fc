//! Wrong usage ends with 64 and help with 0: what scripts rely on. More of the binary is tested end to end
//! in `tests/e2e`.
#![allow(clippy::unwrap_used)]

use assert_cmd::Command;

/// Runs the binary and compares the exit status and a word on either stream.
fn check(arguments: &[&str], status: i32, word: &str) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::cargo_bin("fishid").unwrap();
    let output = command
        .args(arguments)
        .env("FISHID_HOME", home.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}");
    let text = [output.stdout, output.stderr].concat();
    assert!(
        String::from_utf8_lossy(&text).contains(word),
        "{arguments:?} does not say {word}"
    );
}

#[test]
fn help_and_version_are_not_errors() {
    check(&["--help"], 0, "Usage");
    check(&["--version"], 0, env!("CARGO_PKG_VERSION"));
}

#[test]
fn wrong_usage_is_64() {
    check(&["swim"], 64, "swim");
    check(&["train", "--data"], 64, "--data");
    check(
        &["serve", "--bundle", "a", "--registry", "b"],
        64,
        "--registry",
    );
}

#[test]
fn an_input_that_is_not_acceptable_is_2() {
    check(&["registry", "rollback"], 2, "production");
}

#[test]
fn a_folder_without_photographs_is_named_and_not_acceptable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    // The bundle is not opened for nothing: any folder will do for one.
    check(
        &["predict", path, path],
        2,
        &format!("no photographs in {path}"),
    );
}
