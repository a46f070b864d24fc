//! The variables that lead to a server: those of the AWS tools, and two of Yandex's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::token::TokenSource;

const ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
/// The endpoint and region of Yandex Object Storage.
const YANDEX_ENDPOINT: &str = "https://storage.yandexcloud.net";
const YANDEX_REGION: &str = "ru-central1";
/// Ways that `object_store` finds itself, besides the metadata of Amazon's machines.
const OTHER_WAYS: [&str; 5] = [
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
    "AWS_SKIP_SIGNATURE",
];
/// Nine attempts within the time limit.
const MAX_RETRIES: usize = 8;

pub(super) struct Keys {
    pub id: String,
    pub secret: String,
    pub session_token: Option<String>,
}

/// How the server learns who asks.
pub(super) enum Access {
    Keys(Keys),
    /// Yandex's token in a header, instead of a signature.
    Token(TokenSource),
    /// By a way that `object_store` finds in the variables, or Amazon's machine metadata.
    Elsewhere,
    None,
}

pub(super) struct Settings {
    /// For `object_store`; without what is decided here.
    pub variables: BTreeMap<String, String>,
    endpoint: Option<String>,
    pub region: Option<String>,
    pub access: Access,
    pub sends_checksum: bool,
    pub max_retries: usize,
}

impl Settings {
    /// `overrides` go before the environment.
    pub(super) fn of(overrides: &BTreeMap<String, String>) -> Result<Self, String> {
        let environment = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        Self::from_variables(environment.chain(overrides.clone()).collect())
    }

    fn from_variables(all: BTreeMap<String, String>) -> Result<Self, String> {
        let mut variables: BTreeMap<String, String> = all
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .iter()
            .find_map(|name| variables.get(*name).cloned());
        let endpoint = ENDPOINTS
            .iter()
            .find_map(|name| variables.remove(*name))
            .or_else(|| {
                // No region of Amazon's has this name.
                let is_yandex = region.as_deref() == Some(YANDEX_REGION);
                is_yandex.then(|| YANDEX_ENDPOINT.to_owned())
            })
            .map(|endpoint| with_scheme(&endpoint));
        let is_yandex = endpoint.as_deref().is_some_and(is_yandex);
        let access = access(&variables, endpoint.as_deref(), is_yandex)?;
        let checksum = variables.remove("AWS_CHECKSUM_ALGORITHM");
        let max_retries = match variables.remove("AWS_MAX_ATTEMPTS") {
            None => MAX_RETRIES,
            Some(text) => match text.parse::<usize>() {
                Ok(n @ 1..) => n - 1,
                _ => {
                    return Err(format!(
                        "AWS_MAX_ATTEMPTS is `{text}`; give a number from 1"
                    ));
                }
            },
        };
        let sends_checksum = match checksum.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("sha256") => true,
            Some("none") => false,
            Some(other) => {
                return Err(format!(
                    "AWS_CHECKSUM_ALGORITHM is `{other}`; give SHA256 or none"
                ));
            }
        };
        variables.retain(|key, _| key.to_ascii_uppercase().starts_with("AWS_"));
        Ok(Self {
            variables,
            region: region.or_else(|| is_yandex.then(|| YANDEX_REGION.to_owned())),
            endpoint,
            access,
            sends_checksum,
            max_retries,
        })
    }

    /// The endpoint as `object_store` wants it: with the bucket in the host where that style is asked for.
    pub(super) fn endpoint_for(&self, bucket: &str) -> Option<String> {
        let endpoint = self.endpoint.as_ref()?;
        let is_virtual_hosted = self
            .variables
            .get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST")
            .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "1"));
        let (scheme, host) = endpoint.split_once("://")?;
        if is_virtual_hosted && !host.starts_with(&format!("{bucket}.")) {
            return Some(format!("{scheme}://{bucket}.{host}"));
        }
        Some(endpoint.clone())
    }

    /// The endpoint as a person knows it; passwords that somebody wrote into it stay out.
    pub(super) fn endpoint_shown(&self) -> String {
        let Some(endpoint) = &self.endpoint else {
            return "Amazon S3".to_owned();
        };
        match endpoint.split_once("://") {
            Some((scheme, rest)) => {
                let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                format!("{scheme}://{}", host.trim_end_matches('/'))
            }
            None => endpoint.clone(),
        }
    }
}

fn with_scheme(endpoint: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    if endpoint.contains("://") {
        endpoint.to_owned()
    } else {
        format!("https://{endpoint}")
    }
}

fn is_yandex(endpoint: &str) -> bool {
    let host = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    ["storage.yandexcloud.net", "storage.yandexcloud.kz"]
        .iter()
        .any(|known| host == *known || host.ends_with(&format!(".{known}")))
}

/// Keys go before tokens: whoever set them means them.
fn access(
    variables: &BTreeMap<String, String>,
    endpoint: Option<&str>,
    is_yandex: bool,
) -> Result<Access, String> {
    let get = |name: &str| variables.get(name).cloned();
    match (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
        (Some(id), Some(secret)) => {
            return Ok(Access::Keys(Keys {
                id,
                secret,
                session_token: get("AWS_SESSION_TOKEN"),
            }));
        }
        (Some(_), None) => {
            return Err(
                "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not; set both".to_owned(),
            );
        }
        (None, Some(_)) => {
            return Err(
                "AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not; set both".to_owned(),
            );
        }
        (None, None) => {}
    }
    if OTHER_WAYS.iter().any(|name| variables.contains_key(*name)) {
        return Ok(Access::Elsewhere);
    }
    let metadata = get("YC_METADATA_ADDR");
    if (is_yandex || metadata.is_some())
        && let Some(token) = get("YC_TOKEN")
    {
        return Ok(Access::Token(TokenSource::Given(token)));
    }
    if let Some(keys) = shared_credentials(variables)? {
        return Ok(Access::Keys(keys));
    }
    if is_yandex || metadata.is_some() {
        return Ok(Access::Token(TokenSource::metadata(metadata.as_deref())));
    }
    // Only Amazon's own machines have Amazon's metadata.
    Ok(match endpoint {
        Some(endpoint) if !endpoint.contains(".amazonaws.com") => Access::None,
        _ => Access::Elsewhere,
    })
}

/// The keys in the file that `aws configure` writes, where there is one.
fn shared_credentials(variables: &BTreeMap<String, String>) -> Result<Option<Keys>, String> {
    let named = variables.get("AWS_SHARED_CREDENTIALS_FILE");
    let file = match named {
        Some(file) => PathBuf::from(file),
        None => match variables.get("HOME") {
            Some(home) => PathBuf::from(home).join(".aws/credentials"),
            None => return Ok(None),
        },
    };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(format!("cannot read {}: {error}", file.display())),
    };
    let asked = variables.get("AWS_PROFILE");
    let profile = asked.map_or("default", String::as_str);
    let keys = keys_of_profile(&text, profile);
    if keys.is_none() && asked.is_some() {
        return Err(format!(
            "{} has no keys for the profile `{profile}`; add them, or set AWS_PROFILE to one that has",
            file.display()
        ));
    }
    Ok(keys)
}

fn keys_of_profile(text: &str, profile: &str) -> Option<Keys> {
    let mut is_here = false;
    let mut values = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            is_here = name.trim() == profile;
        } else if is_here && let Some((key, value)) = line.split_once('=') {
            values.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    Some(Keys {
        id: values.remove("aws_access_key_id")?,
        secret: values.remove("aws_secret_access_key")?,
        session_token: values.remove("aws_session_token"),
    })
}

#[cfg(test)]
mod tests {
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
        assert_eq!(by_region.endpoint_for("fish").unwrap(), YANDEX_ENDPOINT);
        assert_eq!(by_region.endpoint_shown(), YANDEX_ENDPOINT);
        let amazon = settings(&[("AWS_REGION", "eu-north-1")]);
        assert!(amazon.endpoint_for("fish").is_none());
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
        let endpoint = ("AWS_ENDPOINT_URL", "https://user:pass@s3.example:9000");
        let path = settings(&[endpoint]);
        assert_eq!(
            path.endpoint_for("fish").unwrap(),
            "https://user:pass@s3.example:9000"
        );
        assert_eq!(path.endpoint_shown(), "https://s3.example:9000");
        let hosted = settings(&[
            ("AWS_ENDPOINT_URL", YANDEX_ENDPOINT),
            ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true"),
        ]);
        assert_eq!(
            hosted.endpoint_for("fish").unwrap(),
            "https://fish.storage.yandexcloud.net"
        );
        assert_eq!(hosted.endpoint_shown(), YANDEX_ENDPOINT);
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
}
