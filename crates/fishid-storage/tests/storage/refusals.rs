//! What S3 refuses, in words a person can act on: bucket, endpoint, remedy, never a secret.

use std::collections::BTreeMap;

use fishid_storage::{S3Fault, Storage, StorageError};
use fishid_testing::s3::{ACCESS_KEY, Fault, SECRET_KEY, settings};

use crate::support::{Setting, open};

/// Every call against `location` fails for the same reason, which the message explains.
fn check(storage: &Storage, fault: S3Fault, words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let source = crate::support::write(&folder.path().join("source"), b"perch");
    let errors = [
        storage.list().unwrap_err(),
        storage.read("fish.txt").unwrap_err(),
        storage.stat("fish.txt").unwrap_err(),
        storage.put("fish.txt", "perch").unwrap_err(),
        storage.put_file("fish.txt", &source).unwrap_err(),
        storage
            .get_file("fish.txt", &folder.path().join("target"), None)
            .unwrap_err(),
    ];
    for error in errors {
        let text = error.to_string();
        let StorageError::S3 { problem, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(problem.fault, fault, "{text}");
        for word in words {
            assert!(text.contains(word), "{text} lacks {word}");
        }
        assert!(!format!("{text} {error:?}").contains(SECRET_KEY), "{text}");
    }
}

fn with(
    mut settings: BTreeMap<String, String>,
    changes: &[(&str, &str)],
) -> BTreeMap<String, String> {
    for (name, value) in changes {
        settings.insert((*name).to_owned(), (*value).to_owned());
    }
    settings
}

#[test]
fn a_missing_bucket_is_named() {
    let Some(setting) = Setting::start(|_| Fault::None) else {
        return;
    };
    let url = setting.server.url();
    let storage = open("s3://lakes/pike", &setting.server.settings());
    check(
        &storage,
        S3Fault::NoBucket,
        &["bucket lakes does not exist", &url, "create it"],
    );
}

#[test]
fn a_wrong_key_and_a_wrong_secret_are_told_apart() {
    let Some(setting) = Setting::start(|_| Fault::None) else {
        return;
    };
    let url = setting.server.url();
    let settings = setting.server.settings();
    let unknown = with(settings.clone(), &[("AWS_ACCESS_KEY_ID", "someone")]);
    let storage = open("s3://fish/rivers", &unknown);
    check(
        &storage,
        S3Fault::UnknownKey,
        &["AWS_ACCESS_KEY_ID", "bucket fish", &url],
    );
    let wrong = with(
        settings,
        &[("AWS_SECRET_ACCESS_KEY", "fishid-test-secret-2")],
    );
    let storage = open("s3://fish/rivers", &wrong);
    check(
        &storage,
        S3Fault::WrongSecret,
        &["AWS_SECRET_ACCESS_KEY", "bucket fish", &url],
    );
}

#[test]
fn an_expired_key_and_a_wrong_clock_say_what_to_do() {
    for (status, code, fault, words) in [
        (
            400,
            "ExpiredToken",
            S3Fault::Expired,
            &["AWS_SESSION_TOKEN", "expired"],
        ),
        (
            403,
            "RequestTimeTooSkewed",
            S3Fault::ClockSkew,
            &["clock", "timedatectl"],
        ),
        (
            403,
            "AccessDenied",
            S3Fault::Denied,
            &["denies access", "right to read"],
        ),
    ] {
        let Some(setting) = Setting::start(move |_| Fault::Refuse(status, code)) else {
            return;
        };
        check(&setting.through(), fault, words);
        check(
            &setting.through(),
            fault,
            &["bucket fish", &setting.proxy.url()],
        );
        let key = format!("{:?}", setting.through());
        assert!(!key.contains(SECRET_KEY), "{key}");
    }
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    // A port that was free a moment ago: nobody listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = with(settings(&url), &[("AWS_MAX_ATTEMPTS", "2")]);
    let storage = open("s3://fish/rivers", &settings);
    check(
        &storage,
        S3Fault::Unreachable,
        &["cannot be reached", &url, "AWS_ENDPOINT_URL"],
    );
}

#[test]
fn a_server_that_speaks_no_tls_is_told_from_one_that_is_away() {
    let Some(setting) = Setting::start(|_| Fault::None) else {
        return;
    };
    let url = setting.server.url().replace("http://", "https://");
    let settings = with(settings(&url), &[("AWS_MAX_ATTEMPTS", "1")]);
    check(
        &open("s3://fish/rivers", &settings),
        S3Fault::NoTls,
        &["TLS", &url, "http://"],
    );
}

#[test]
fn no_key_at_all_is_an_error_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let settings: BTreeMap<String, String> = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("HOME", folder.path().to_str().unwrap()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let error = Storage::open("s3://fish/rivers", &settings).unwrap_err();
    assert!(error.to_string().contains("AWS_ACCESS_KEY_ID"), "{error}");
    assert!(error.to_string().contains("bucket fish"), "{error}");
}

#[test]
fn keys_come_from_the_file_of_the_aws_tools_too() {
    let Some(setting) = Setting::start(|_| Fault::None) else {
        return;
    };
    let file = crate::support::write(
        &setting.path("credentials"),
        format!(
            "[other]\naws_access_key_id = x\n\n[fish]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\n"
        )
        .as_bytes(),
    );
    let mut settings = setting.server.settings();
    settings.remove("AWS_ACCESS_KEY_ID");
    settings.remove("AWS_SECRET_ACCESS_KEY");
    let settings = with(
        settings,
        &[
            ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()),
            ("AWS_PROFILE", "fish"),
        ],
    );
    open("s3://fish/rivers", &settings)
        .put("a.txt", "perch")
        .unwrap();
    let settings = with(settings, &[("AWS_PROFILE", "other")]);
    let error = Storage::open("s3://fish/rivers", &settings)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("profile `other`") && error.contains("AWS_PROFILE"),
        "{error}"
    );
}
