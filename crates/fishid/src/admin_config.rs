//! `[admin]`: the secrets of the operators' routes. They are read as text and printed nowhere, not even in the
//! error about a wrong value.

use std::path::PathBuf;

use anyhow::Context as _;
use figment::Figment;
use figment::value::Value;
use fishid_server::{AdminConfig, Secret};
use serde::Deserialize;
use serde::de::Error as _;

/// The secrets that may stand in the environment, and their settings.
const IN_ENVIRONMENT: [(&str, &str); 2] = [
    ("FISHID_ADMIN__TOKEN", "admin.token"),
    ("FISHID_ADMIN__WEBHOOK_SECRET", "admin.webhook_secret"),
];

/// `[admin]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// The bearer token of `POST /admin/reload`.
    token: Option<Text>,
    /// A file that holds it.
    token_file: Option<PathBuf>,
    /// What an `MLflow` server signs its webhooks with.
    webhook_secret: Option<Text>,
    /// A file that holds it.
    webhook_secret_file: Option<PathBuf>,
}

/// Text that is not printed.
#[derive(Clone)]
struct Text(String);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Text(…)")
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde's own words about a value of the wrong kind would quote it.
        match <Value as Deserialize>::deserialize(deserializer) {
            Ok(Value::String(_, text)) => Ok(Self(text)),
            _ => Err(D::Error::custom("it must be text in quotes")),
        }
    }
}

/// Whether a variable of the environment, without its prefix and in any case, is one of the secrets.
pub fn is_secret(key: &str) -> bool {
    IN_ENVIRONMENT
        .iter()
        .any(|(name, _)| name["FISHID_".len()..].eq_ignore_ascii_case(key))
}

/// The secrets of the environment as the text that they are: figment would read a token of digits as a number.
pub fn environment(variable: impl Fn(&str) -> Option<String>) -> Figment {
    let found = IN_ENVIRONMENT
        .iter()
        .filter_map(|(name, key)| Some((*key, variable(name).filter(|text| !text.is_empty())?)));
    found.fold(Figment::new(), |figment, (key, text)| {
        figment.merge((key, text))
    })
}

impl AdminSettings {
    /// Reads the files; a secret that is too short to be one is refused.
    pub fn secrets(&self) -> anyhow::Result<AdminConfig> {
        Ok(AdminConfig {
            token: secret("admin.token", self.token.as_ref(), self.token_file.as_ref())?,
            webhook_secret: secret(
                "admin.webhook_secret",
                self.webhook_secret.as_ref(),
                self.webhook_secret_file.as_ref(),
            )?,
        })
    }
}

fn secret(
    key: &str,
    text: Option<&Text>,
    file: Option<&PathBuf>,
) -> anyhow::Result<Option<Secret>> {
    // What was set nearer to the command than a file goes first.
    let (place, text) = match (text, file) {
        (Some(text), _) => (key.to_owned(), text.0.clone()),
        (None, Some(file)) => {
            let place = format!("{key}_file = {}", file.display());
            let text = std::fs::read_to_string(file).with_context(|| place.clone())?;
            (place, text)
        }
        (None, None) => return Ok(None),
    };
    Ok(Some(Secret::new(&text).context(place)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use figment::providers::{Format as _, Toml};

    const TOKEN: &str = "0123456789012345";

    fn settings(text: &str, from_environment: Option<&str>) -> Result<AdminSettings, String> {
        let variable = |name: &str| {
            let is_token = name == "FISHID_ADMIN__TOKEN";
            from_environment.filter(|_| is_token).map(str::to_owned)
        };
        let environment = environment(variable);
        let figment = Figment::from(Toml::string(text)).merge(environment);
        figment
            .extract_inner("admin")
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_of_digits_is_text_and_is_printed_nowhere() {
        let found = settings("", Some(TOKEN)).unwrap();
        assert!(!format!("{found:?}").contains(TOKEN));
        let secrets = found.secrets().unwrap();
        assert!(secrets.token.is_some() && secrets.webhook_secret.is_none());
        assert!(!format!("{secrets:?}").contains(TOKEN));

        let error = settings("[admin]\ntoken = 1234567890123456\n", None).unwrap_err();
        assert!(error.contains("text in quotes"), "{error}");
        assert!(!error.contains("1234567890"), "{error}");
    }

    #[test]
    fn a_secret_may_lie_in_a_file_and_is_refused_when_short() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
        let text = format!(
            "[admin]\nwebhook_secret_file = {:?}\n",
            file.display().to_string()
        );
        assert!(
            settings(&text, None)
                .unwrap()
                .secrets()
                .unwrap()
                .webhook_secret
                .is_some()
        );
        std::fs::write(&file, "short-one\n").unwrap();
        let error = format!(
            "{:#}",
            settings(&text, None).unwrap().secrets().unwrap_err()
        );
        assert!(error.contains("admin.webhook_secret_file"), "{error}");
        assert!(!error.contains("short-one"), "{error}");
        std::fs::remove_file(&file).unwrap();
        assert!(settings(&text, None).unwrap().secrets().is_err());
    }

    #[test]
    fn the_secrets_of_the_environment_are_known_by_name() {
        assert!(is_secret("admin__token") && is_secret("ADMIN__WEBHOOK_SECRET"));
        assert!(!is_secret("admin__token_file") && !is_secret("serve__poll_s"));
    }
}
