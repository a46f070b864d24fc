//! The variables that lead to a server: those of the AWS tools, and two of Yandex's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use url::Url;

use super::token::TokenSource;

const ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
/// The endpoint and region of Yandex Object Storage.
const YANDEX_ENDPOINT: &str = "https://storage.yandexcloud.net";
const YANDEX_REGION: &str = "ru-central1";
/// Ways that `object_store` finds itself, besides the metadata of Amazon's machines.
const OTHER_WAYS: [&str; 4] = [
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
];
/// They go into headers and signatures, which take visible ASCII only.
const VISIBLE: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "YC_TOKEN",
];
const SKIP_SIGNATURE: &str = "AWS_SKIP_SIGNATURE";
const VIRTUAL_HOSTED: &str = "AWS_VIRTUAL_HOSTED_STYLE_REQUEST";
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
    is_virtual_hosted: bool,
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
            .map(|(name, value)| {
                // A key that was pasted, or read from a file, brings its end of line.
                let is_ours = name.starts_with("AWS_") || name.starts_with("YC_");
                let value = if is_ours {
                    value.trim().to_owned()
                } else {
                    value
                };
                (name, value)
            })
            .filter(|(_, value)| !value.is_empty())
            .collect();
        for name in VISIBLE {
            variables
                .get(name)
                .map_or(Ok(()), |value| refuse_invisible(name, value))?;
        }
        let is_public = flag(&mut variables, SKIP_SIGNATURE)?;
        if is_public {
            variables.insert(SKIP_SIGNATURE.to_owned(), "true".to_owned());
        }
        let is_virtual_hosted = flag(&mut variables, VIRTUAL_HOSTED)?;
        if is_virtual_hosted {
            variables.insert(VIRTUAL_HOSTED.to_owned(), "true".to_owned());
        }
        let region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .iter()
            .find_map(|name| variables.get(*name).cloned());
        let mut endpoint = None;
        for name in ENDPOINTS {
            let value = variables.remove(name);
            if let Some(value) = value.filter(|_| endpoint.is_none()) {
                endpoint = Some(checked_endpoint(name, &value)?);
            }
        }
        // No region of Amazon's has this name.
        if endpoint.is_none() && region.as_deref() == Some(YANDEX_REGION) {
            endpoint = Some(YANDEX_ENDPOINT.to_owned());
        }
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
        variables.retain(|key, _| key.starts_with("AWS_"));
        Ok(Self {
            variables,
            region: region.or_else(|| is_yandex.then(|| YANDEX_REGION.to_owned())),
            endpoint,
            is_virtual_hosted,
            access,
            sends_checksum,
            max_retries,
        })
    }

    /// The endpoint as `object_store` wants it: with the bucket in the host where that style is asked for.
    pub(super) fn endpoint_for(&self, bucket: &str) -> Result<Option<String>, String> {
        let Some(endpoint) = &self.endpoint else {
            return Ok(None);
        };
        match endpoint.split_once("://") {
            Some((scheme, host))
                if self.is_virtual_hosted && !host.starts_with(&format!("{bucket}.")) =>
            {
                let hosted = format!("{scheme}://{bucket}.{host}");
                Url::parse(&hosted).map_err(|error| {
                    format!("{hosted} is no address ({error}); unset {VIRTUAL_HOSTED}")
                })?;
                Ok(Some(hosted))
            }
            _ => Ok(Some(endpoint.clone())),
        }
    }

    /// The endpoint as a person knows it.
    pub(super) fn endpoint_shown(&self) -> String {
        let endpoint = self.endpoint.as_deref();
        endpoint.unwrap_or("Amazon S3").to_owned()
    }
}

/// The endpoint as a URL that a request can be made of: `object_store` panics at others.
fn checked_endpoint(name: &str, value: &str) -> Result<String, String> {
    // Before anything else is said of it: what is said quotes it.
    if value.contains('@') {
        return Err(format!(
            "{name} holds a user name or a password; take them out of it and set AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY"
        ));
    }
    let failed = |reason: &str| {
        format!("{name} is {value:?}: {reason}; write it like https://storage.example:9000")
    };
    let text = if value.contains("://") {
        value.to_owned()
    } else {
        format!("https://{value}")
    };
    let url = Url::parse(&text).map_err(|error| failed(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(failed("it is neither http:// nor https://"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(failed("it has a `?` or a `#`"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Does not show the value, which may be a secret.
fn refuse_invisible(name: &str, value: &str) -> Result<(), String> {
    if value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(format!(
        "{name} has a space, a line break or a letter outside ASCII in it; set it anew"
    ))
}

/// Takes out a switch, in the spellings that `object_store` knows.
fn flag(variables: &mut BTreeMap<String, String>, name: &str) -> Result<bool, String> {
    let Some(value) = variables.remove(name) else {
        return Ok(false);
    };
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" | "y" => Ok(true),
        "0" | "false" | "off" | "no" | "n" => Ok(false),
        _ => Err(format!("{name} is {value:?}; give true or false")),
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
    let is_set = |name: &&str| variables.contains_key(*name);
    if is_set(&SKIP_SIGNATURE) || OTHER_WAYS.iter().any(is_set) {
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
    if let Some(keys) = &keys {
        for (name, value) in [
            ("aws_access_key_id", Some(&keys.id)),
            ("aws_secret_access_key", Some(&keys.secret)),
            ("aws_session_token", keys.session_token.as_ref()),
        ] {
            value
                .map_or(Ok(()), |value| refuse_invisible(name, value))
                .map_err(|reason| format!("{}: {reason}", file.display()))?;
        }
    }
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
mod tests;
