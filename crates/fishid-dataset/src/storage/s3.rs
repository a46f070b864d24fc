//! `s3://bucket/prefix`: any server that speaks S3, set up by the environment variables of the AWS tools.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{BackoffConfig, RetryConfig};

use super::Storage;
use crate::DatasetError;

pub(super) fn open(
    location: &str,
    rest: &str,
    settings: &BTreeMap<String, String>,
) -> Result<Storage, DatasetError> {
    let failed = |reason: String| DatasetError::Storage {
        location: location.to_owned(),
        reason,
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(failed(
            "it names no bucket; write s3://bucket/prefix".to_owned(),
        ));
    }
    let prefix = Path::parse(prefix).map_err(|error| failed(error.to_string()))?;
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .chain(settings.clone())
        .filter(|(key, value)| key.to_ascii_uppercase().starts_with("AWS_") && !value.is_empty())
        .collect();
    let store = builder(bucket, &variables)
        .build()
        .map_err(|error| failed(super::reason(&error)))?;
    Ok(Storage::of_store(
        Arc::new(store),
        prefix,
        location.to_owned(),
    ))
}

fn builder(bucket: &str, variables: &BTreeMap<String, String>) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::new();
    for (key, value) in variables {
        if let Ok(key) = key.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    // A server in the next room (MinIO and its like) speaks plain HTTP; whoever writes http:// means it.
    let is_plain = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
        .iter()
        .any(|name| {
            variables
                .get(*name)
                .is_some_and(|endpoint| endpoint.starts_with("http://"))
        });
    if is_plain {
        builder = builder.with_allow_http(true);
    }
    // The default gives up after three minutes; somebody waits at the terminal.
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 8,
        retry_timeout: Duration::from_mins(1),
    };
    builder.with_retry(retry).with_bucket_name(bucket)
}
