//! The address of an `MLflow` server: `mlflow+http://host:port`, with a path where it stands behind one.

use reqwest::Url;

use super::settings::Secret;
use crate::error::RegistryError;

/// What an address says.
#[derive(Debug)]
pub(crate) struct Address {
    /// Fit to put paths behind: ends with `/`, without name and password.
    pub base: Url,
    /// Name and password that stood in the address.
    pub user: Option<(String, Secret)>,
}

/// Whether `url` is meant for an `MLflow` server.
pub(crate) fn is_mlflow(url: &str) -> bool {
    url.starts_with("mlflow+")
}

/// `url` without name and password, fit for records, logs and messages.
pub fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| {
        (&url[..scheme.len() + "://".len()], rest)
    });
    let end_of_host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let at = rest[..end_of_host].rfind('@').or_else(|| {
        // What looks like a host is none where no port follows its colon: a password may hold an unencoded
        // slash, and then the host comes after the last @.
        let (_, port) = rest[..end_of_host].rsplit_once(':')?;
        let is_port = !scheme.is_empty() && port.parse::<u16>().is_err();
        is_port.then(|| rest.rfind('@'))?
    });
    match at {
        Some(at) => format!("{scheme}{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

impl Address {
    /// Reads `mlflow+http://…` and `mlflow+https://…`.
    pub fn parse(url: &str) -> Result<Self, RegistryError> {
        let bad = |reason: &str| RegistryError::BadAddress {
            url: without_secrets(url),
            reason: reason.to_owned(),
        };
        let plain = url.strip_prefix("mlflow+").unwrap_or(url);
        let mut base = Url::parse(plain).map_err(|error| bad(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(bad("after mlflow+ come http:// or https://"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(bad("a query or fragment has no place in it"));
        }
        let user = match (base.username(), base.password()) {
            ("", None) => None,
            (name, password) => {
                let decoded = |text: &str| {
                    crate::location::percent_decoded(text)
                        .ok_or_else(|| bad("its name or password has a broken % sequence"))
                };
                Some((
                    decoded(name)?,
                    Secret::new(decoded(password.unwrap_or_default())?),
                ))
            }
        };
        // Neither fails for an address with a host, which http and https always have.
        let _ = base.set_username("");
        let _ = base.set_password(None);
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self { base, user })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn check(url: &str, base: &str, user: Option<(&str, &str)>) {
        let address = Address::parse(url).unwrap();
        assert_eq!(address.base.as_str(), base);
        let found = address
            .user
            .as_ref()
            .map(|(name, password)| (name.as_str(), password.reveal()));
        assert_eq!(found, user);
    }

    #[test]
    fn an_address_may_have_a_path_a_name_and_a_password() {
        check("mlflow+http://host:5000", "http://host:5000/", None);
        check("mlflow+https://host/mlflow", "https://host/mlflow/", None);
        check(
            "mlflow+https://anna:p%40ss@host",
            "https://host/",
            Some(("anna", "p@ss")),
        );
    }

    #[test]
    fn other_addresses_are_refused_without_their_secrets() {
        for url in [
            "mlflow+ftp://anna:geheim@host",
            "mlflow+http://anna:geheim@host/?a=b",
            "mlflow+http://anna:geheim@",
            "mlflow+http://anna:geheim%zz@host",
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(!error.contains("geheim"), "{error}");
            assert!(error.contains("mlflow+http"), "{error}");
        }
    }

    #[test]
    fn a_password_is_cut_out_of_any_address() {
        for (url, shown) in [
            ("mlflow+http://a:b@host:5000/x", "mlflow+http://host:5000/x"),
            ("mlflow+http://a:b@c@host", "mlflow+http://host"),
            ("mlflow+http://host/a@b", "mlflow+http://host/a@b"),
            ("file:///srv/a@b", "file:///srv/a@b"),
            ("registry", "registry"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
