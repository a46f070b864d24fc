//! `s3://bucket/prefix`: any server that speaks S3, set up by the environment variables of the AWS tools.
//!
//! Knows Yandex Object Storage by its endpoint: its region, and the token of the machine it runs on in place
//! of keys. Start at [`open`]; what the variables mean is in `settings`, what a refusal means in `fault`.

mod fault;
mod settings;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::error::{StorageError, reason};
use settings::{Access, Settings};
use token::TokenConnector;

pub(crate) use fault::{Place, is_explained, is_passing};
pub use fault::{S3Fault, S3Problem};

/// A connection that carries nothing for this long is broken.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The default gives up after three minutes; somebody waits at the terminal.
const RETRY_TIMEOUT: Duration = Duration::from_mins(1);
const MAX_BACKOFF: Duration = Duration::from_secs(5);

pub(crate) struct Opened {
    pub store: Arc<dyn ObjectStore>,
    pub prefix: Path,
    pub place: Place,
}

pub(crate) fn open(
    location: &str,
    rest: &str,
    overrides: &BTreeMap<String, String>,
) -> Result<Opened, StorageError> {
    let failed = |reason: String| StorageError::Settings {
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
    let settings = Settings::of(overrides).map_err(failed)?;
    let place = Place {
        bucket: bucket.to_owned(),
        endpoint: settings.endpoint_shown(),
        uses_token: matches!(settings.access, Access::Token(_)),
    };
    if matches!(settings.access, Access::None) {
        return Err(StorageError::S3 {
            path: location.to_owned(),
            problem: place.of(S3Fault::NoKey),
        });
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !bucket.bytes().all(is_name) {
        return Err(failed(format!(
            "{bucket:?} is no name of a bucket; such names have letters, digits, `-` and `.`"
        )));
    }
    let endpoint = settings.endpoint_for(bucket).map_err(failed)?;
    let store = builder(bucket, settings, endpoint)
        .build()
        .map_err(|error| failed(reason(&error)))?;
    Ok(Opened {
        store: Arc::new(store),
        prefix,
        place,
    })
}

fn builder(bucket: &str, settings: Settings, endpoint: Option<String>) -> AmazonS3Builder {
    // Whole requests have no limit, since a part may take minutes on a slow line; silence has.
    let client = ClientOptions::new()
        .with_timeout_disabled()
        .with_read_timeout(READ_TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT);
    let mut builder = AmazonS3Builder::new().with_client_options(client);
    if settings.sends_checksum {
        builder = builder.with_checksum_algorithm(Checksum::SHA256);
    }
    for (key, value) in &settings.variables {
        if let Ok(key) = key.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(endpoint) = endpoint {
        // A server in the next room speaks plain HTTP; whoever writes http:// means it.
        if endpoint.starts_with("http://") {
            builder = builder.with_allow_http(true);
        }
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    match settings.access {
        Access::Token(source) => {
            builder = builder
                .with_skip_signature(true)
                .with_http_connector(TokenConnector::new(source));
        }
        Access::Keys(keys) => {
            builder = builder
                .with_access_key_id(keys.id)
                .with_secret_access_key(keys.secret);
            if let Some(token) = keys.session_token {
                builder = builder.with_token(token);
            }
        }
        Access::Elsewhere | Access::None => {}
    }
    let retry = RetryConfig {
        backoff: BackoffConfig {
            max_backoff: MAX_BACKOFF,
            ..BackoffConfig::default()
        },
        max_retries: settings.max_retries,
        retry_timeout: RETRY_TIMEOUT,
    };
    builder.with_retry(retry).with_bucket_name(bucket)
}
