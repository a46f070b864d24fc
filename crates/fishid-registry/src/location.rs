//! From a registry's address to the registry.

use std::path::PathBuf;

use crate::error::RegistryError;
use crate::folder::FolderRegistry;
use crate::mlflow::{MlflowRegistry, MlflowSettings, MlflowTracker, is_mlflow, without_secrets};
use crate::registry::ModelRegistry;
use crate::tracker::Tracker;

/// [`open_with`] the default settings: nobody in particular asks.
pub fn open(url: &str) -> Result<Box<dyn ModelRegistry>, RegistryError> {
    open_with(url, &MlflowSettings::default())
}

/// Opens the registry at `url`: `file:///folder` (percent-encoded where needed), a plain path, or
/// `mlflow+http://host:port` (`mlflow+https`).
///
/// Nothing is read or created yet; a folder that does not exist is an empty registry.
pub fn open_with(
    url: &str,
    settings: &MlflowSettings,
) -> Result<Box<dyn ModelRegistry>, RegistryError> {
    if is_mlflow(url) {
        return Ok(Box::new(MlflowRegistry::new(url, settings)?));
    }
    Ok(Box::new(FolderRegistry::new(folder_of(url)?)))
}

/// The tracker that belongs to the registry at `url`: the same `MLflow` server, or `None` where the
/// registry is a folder.
pub fn open_tracker(
    url: &str,
    settings: &MlflowSettings,
) -> Result<Option<Box<dyn Tracker>>, RegistryError> {
    if is_mlflow(url) {
        return Ok(Some(Box::new(MlflowTracker::new(url, settings)?)));
    }
    Ok(None)
}

/// The `MLflow` registry at `url`, for what only such a server has; `None` where the registry is a folder.
pub fn open_mlflow(
    url: &str,
    settings: &MlflowSettings,
) -> Result<Option<MlflowRegistry>, RegistryError> {
    if is_mlflow(url) {
        return Ok(Some(MlflowRegistry::new(url, settings)?));
    }
    Ok(None)
}

fn folder_of(url: &str) -> Result<PathBuf, RegistryError> {
    // A server's address that lacks its mlflow+ may carry a password all the same.
    let shown = without_secrets(url);
    let bad = |reason: &str| RegistryError::BadAddress {
        url: shown.clone(),
        reason: reason.to_owned(),
    };
    if url.is_empty() {
        return Err(bad("it is empty"));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        if url.starts_with("file:") {
            return Err(bad("after file: come three slashes"));
        }
        return Ok(PathBuf::from(url));
    };
    if matches!(scheme, "http" | "https" | "mlflow") {
        return Err(bad(
            "an MLflow server's address begins with mlflow+http:// or mlflow+https://",
        ));
    }
    if scheme != "file" {
        return Err(RegistryError::UnknownScheme { url: shown });
    }
    let path = rest
        .strip_prefix("localhost")
        .filter(|path| path.starts_with('/'))
        .unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(bad(
            "it names a host or a relative folder; after file: come three slashes",
        ));
    }
    let decoded = percent_decoded(path).ok_or_else(|| bad("it has a broken % sequence"))?;
    if decoded.contains('\0') {
        return Err(bad("a path has no zero byte"));
    }
    Ok(PathBuf::from(decoded))
}

/// `text` with every `%41` replaced by the byte it stands for, if that is UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.extend(hex::decode(digits).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn check(url: &str, folder: &str) {
        assert_eq!(folder_of(url).unwrap(), PathBuf::from(folder));
    }

    fn check_refused(url: &str, message: &str) {
        let error = folder_of(url).unwrap_err().to_string();
        assert!(
            error.contains(message),
            "{error:?} does not say {message:?}"
        );
        assert!(
            error.contains("file:///folder"),
            "{error:?} names no remedy"
        );
    }

    #[test]
    fn file_addresses_and_paths_are_folders() {
        check("file:///srv/models", "/srv/models");
        check("file://localhost/srv/models", "/srv/models");
        check(
            "file:///srv/my%20models/%D0%A9%D1%83%D0%BA%D0%B0",
            "/srv/my models/Щука",
        );
        check("/srv/models", "/srv/models");
        check("models/50%", "models/50%");
    }

    #[test]
    fn other_addresses_are_refused_with_the_ones_that_work() {
        check_refused("s3://bucket/models", "unknown registry scheme");
        check_refused("ftp://host/models", "unknown registry scheme");
        check_refused("http://host:5000", "begins with mlflow+http://");
        check_refused("mlflow://host:5000", "begins with mlflow+http://");
        check_refused("file://host/models", "names a host");
        check_refused("file://localhosts/models", "names a host");
        check_refused("file:models", "three slashes");
        check_refused("file:///a%2", "broken % sequence");
        check_refused("file:///a%zz", "broken % sequence");
        check_refused("file:///a%ff", "broken % sequence");
        check_refused("file:///a%00", "zero byte");
        check_refused("", "empty");
    }

    #[test]
    fn no_refusal_says_a_password() {
        for scheme in ["http", "https", "mlflow", "ftp", "file", "mlflow+ftp"] {
            for password in ["geheim", "ge/heim", "ge?geheim"] {
                let url = format!("{scheme}://anna:{password}@host/models");
                let error = open(&url).err().unwrap().to_string();
                assert!(!error.contains("heim"), "{url}: {error}");
                assert!(error.contains("host"), "{url}: {error}");
            }
        }
    }
}
