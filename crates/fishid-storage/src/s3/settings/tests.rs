#![allow(clippy::unwrap_used)]

use super::*;

fn settings(variables: &[(&str, &str)]) -> Settings {
    let all = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::from_variables(all.collect()).unwrap()
}

#[test]
fn yandex_is_known_by_its_endpoint_and_by_its_region() {
    let by_endpoint = settings(&[("AWS_ENDPOINT_URL", "storage.yandexcloud.net/")]);
    assert_eq!(by_endpoint.region.as_deref(), Some("ru-central1"));
    assert!(
        matches!(by_endpoint.access, Access::Token(TokenSource::Metadata(address)) if address == "http://169.254.169.254")
    );
    let by_region = settings(&[("AWS_DEFAULT_REGION", "ru-central1")]);
    assert_eq!(
        by_region.endpoint_for("fish").unwrap().unwrap(),
        YANDEX_ENDPOINT
    );
    assert_eq!(by_region.endpoint_shown(), YANDEX_ENDPOINT);
    let amazon = settings(&[("AWS_REGION", "eu-north-1")]);
    assert!(amazon.endpoint_for("fish").unwrap().is_none());
    assert!(matches!(amazon.access, Access::Elsewhere));
    let neighbour = settings(&[(
        "AWS_ENDPOINT_URL",
        "http://notstorage.yandexcloud.net.example:9000",
    )]);
    assert!(matches!(neighbour.access, Access::None));
}

#[test]
fn keys_go_before_the_token_and_half_of_a_key_is_an_error() {
    let yandex = ("AWS_ENDPOINT_URL", YANDEX_ENDPOINT);
    let keys = [
        yandex,
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("YC_TOKEN", "t1"),
    ];
    assert!(matches!(settings(&keys).access, Access::Keys(_)));
    assert!(matches!(
        settings(&[yandex, ("YC_TOKEN", "t1")]).access,
        Access::Token(TokenSource::Given(_))
    ));
    let half = BTreeMap::from([("AWS_ACCESS_KEY_ID".to_owned(), "id".to_owned())]);
    let Err(error) = Settings::from_variables(half) else {
        panic!("half of a key was taken");
    };
    assert!(error.contains("AWS_SECRET_ACCESS_KEY"), "{error}");
}

#[test]
fn the_bucket_stands_in_the_path_unless_asked_otherwise() {
    let endpoint = ("AWS_ENDPOINT_URL", "https://s3.example:9000/");
    let path = settings(&[endpoint]);
    assert_eq!(
        path.endpoint_for("fish").unwrap().unwrap(),
        "https://s3.example:9000"
    );
    assert_eq!(path.endpoint_shown(), "https://s3.example:9000");
    let hosted = settings(&[
        ("AWS_ENDPOINT_URL", YANDEX_ENDPOINT),
        ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true"),
    ]);
    assert_eq!(
        hosted.endpoint_for("fish").unwrap().unwrap(),
        "https://fish.storage.yandexcloud.net"
    );
    assert_eq!(hosted.endpoint_shown(), YANDEX_ENDPOINT);
    let of_an_address = settings(&[
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true"),
    ]);
    let error = of_an_address.endpoint_for("fish").unwrap_err();
    assert!(
        error.contains("AWS_VIRTUAL_HOSTED_STYLE_REQUEST"),
        "{error}"
    );
}

/// What is set cannot be used; the error names the variable and shows no secret.
fn check_refused(variables: &[(&str, &str)], words: &[&str]) {
    let all = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let Err(error) = Settings::from_variables(all.collect()) else {
        panic!("{variables:?} were taken");
    };
    for word in words {
        assert!(error.contains(word), "{error}");
    }
    assert!(!error.contains("geheim"), "{error}");
}

#[test]
fn what_no_request_can_be_made_of_is_refused_by_its_variable() {
    let id = ("AWS_ACCESS_KEY_ID", "id");
    for (endpoint, word) in [
        ("http://127.0.0.1:70x", "port"),
        ("http://a b:9000", "AWS_ENDPOINT_URL"),
        ("ftp://s3.example", "http://"),
        ("http://", "host"),
        ("http://s3.example?a=b", "`?`"),
    ] {
        check_refused(
            &[("AWS_ENDPOINT_URL", endpoint)],
            &["AWS_ENDPOINT_URL", word],
        );
    }
    check_refused(
        &[("AWS_ENDPOINT_URL_S3", "http://user:geheim@s3.example")],
        &[
            "AWS_ENDPOINT_URL_S3",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
        ],
    );
    check_refused(
        &[id, ("AWS_SECRET_ACCESS_KEY", "geheim\nrest")],
        &["AWS_SECRET_ACCESS_KEY", "set it anew"],
    );
    check_refused(&[("YC_TOKEN", "geheim rest")], &["YC_TOKEN"]);
    check_refused(
        &[("AWS_SKIP_SIGNATURE", "maybe")],
        &["AWS_SKIP_SIGNATURE", "maybe"],
    );
    let trimmed = settings(&[id, ("AWS_SECRET_ACCESS_KEY", " secret\n")]);
    assert!(matches!(trimmed.access, Access::Keys(keys) if keys.secret == "secret"));
}

#[test]
fn a_switch_that_is_off_leaves_the_file_of_keys_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let text = "[default]\naws_access_key_id = a\naws_secret_access_key = b\n";
    std::fs::write(&file, text).unwrap();
    for (value, has_keys) in [("false", true), ("0", true), ("true", false)] {
        let settings = settings(&[
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
            ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()),
            ("AWS_SKIP_SIGNATURE", value),
        ]);
        assert_eq!(
            matches!(settings.access, Access::Keys(_)),
            has_keys,
            "{value}"
        );
    }
}

#[test]
fn attempts_and_checksums_are_numbers_and_names() {
    let plain = settings(&[]);
    assert!(plain.sends_checksum);
    assert_eq!(plain.max_retries, 8);
    let other = settings(&[
        ("AWS_MAX_ATTEMPTS", "1"),
        ("AWS_CHECKSUM_ALGORITHM", "None"),
    ]);
    assert!(!other.sends_checksum);
    assert_eq!(other.max_retries, 0);
    for (name, value) in [("AWS_MAX_ATTEMPTS", "0"), ("AWS_CHECKSUM_ALGORITHM", "md5")] {
        let variables = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        assert!(Settings::from_variables(variables).is_err_and(|error| error.contains(value)));
    }
}
