//! Who asks an `MLflow` server, whom it trusts, and how long it waits. Reads no environment by itself: the
//! caller hands in a look-up.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A password or token. Neither logged nor shown: its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular.
    #[default]
    None,
    /// By token.
    Token(Secret),
    /// By name and password.
    Basic(String, Secret),
}

/// What an [`crate::MlflowRegistry`] and an [`crate::MlflowTracker`] are opened with beside an address.
#[derive(Clone, Debug, Default)]
pub struct MlflowSettings {
    /// Who asks; a name and password in the address go before these.
    pub credentials: Credentials,
    /// A PEM file of certificate authorities; `None` for the machine's own.
    pub certificate_file: Option<PathBuf>,
    /// Accept whatever certificate a server shows. Said aloud whenever it is used.
    pub insecure_tls: bool,
    /// How long to wait for what.
    pub timing: Timing,
    /// The way to artifacts that lie in S3 themselves, by the names of the AWS tools' variables; before the
    /// environment.
    pub storage: BTreeMap<String, Secret>,
}

impl MlflowSettings {
    /// The settings by the names that `MLflow`'s own clients read. `lookup` gives the value of a variable.
    ///
    /// As there, a name and password go before a token.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let user = set("MLFLOW_TRACKING_USERNAME").zip(set("MLFLOW_TRACKING_PASSWORD"));
        let token = set("MLFLOW_TRACKING_TOKEN");
        Self {
            credentials: match (user, token) {
                (Some((name, password)), _) => Credentials::Basic(name, Secret::new(password)),
                (None, Some(token)) => Credentials::Token(Secret::new(token.trim())),
                (None, None) => Credentials::None,
            },
            certificate_file: set("MLFLOW_TRACKING_SERVER_CERT_PATH").map(PathBuf::from),
            insecure_tls: set("MLFLOW_TRACKING_INSECURE_TLS")
                .is_some_and(|value| matches!(value.to_lowercase().as_str(), "1" | "true")),
            timing: Timing::default(),
            storage: BTreeMap::new(),
        }
    }
}

/// How long a call waits, and how often it is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// For a connection.
    pub connect_timeout: Duration,
    /// For the answer to a call without a file, and for the next piece of a file.
    pub read_timeout: Duration,
    /// An upload that is slower than this many bytes a second, after [`Self::read_timeout`], is given up.
    pub min_upload_rate: u64,
    /// Tries of a call that may be repeated, the first one included.
    pub attempts: u32,
    /// Wait before the second try, doubled before each further one, with jitter.
    pub first_backoff: Duration,
    /// Longest wait between two tries, also when the server asks for a longer one.
    pub longest_backoff: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            min_upload_rate: 64 * 1024,
            attempts: 5,
            first_backoff: Duration::from_millis(200),
            longest_backoff: Duration::from_secs(5),
        }
    }
}

impl Timing {
    /// How long the upload of so many bytes may take.
    pub(crate) fn upload_timeout(&self, bytes: u64) -> Duration {
        self.read_timeout + Duration::from_secs(bytes / self.min_upload_rate.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> MlflowSettings {
        MlflowSettings::from_environment(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_name_and_password_go_before_a_token_and_half_of_them_is_nobody() {
        let user = [
            ("MLFLOW_TRACKING_USERNAME", "anna"),
            ("MLFLOW_TRACKING_PASSWORD", "p"),
            ("MLFLOW_TRACKING_TOKEN", "t"),
        ];
        let basic = Credentials::Basic("anna".to_owned(), Secret::new("p"));
        assert_eq!(read(&user).credentials, basic);
        let token = Credentials::Token(Secret::new("t"));
        assert_eq!(read(&user[1..]).credentials, token);
        assert_eq!(read(&user[..1]).credentials, Credentials::None);
        assert_eq!(
            read(&[("MLFLOW_TRACKING_TOKEN", " ")]).credentials,
            Credentials::None
        );
    }

    #[test]
    fn secrets_are_not_shown_by_debug() {
        let settings = read(&[("MLFLOW_TRACKING_TOKEN", "geheim")]);
        assert!(!format!("{settings:?}").contains("geheim"));
    }

    #[test]
    fn insecure_means_true_and_nothing_else() {
        for (value, insecure) in [("true", true), ("1", true), ("false", false), ("no", false)] {
            let settings = read(&[("MLFLOW_TRACKING_INSECURE_TLS", value)]);
            assert_eq!(settings.insecure_tls, insecure, "{value}");
        }
    }
}
