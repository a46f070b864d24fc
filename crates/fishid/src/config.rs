//! Settings: flag > environment (`FISHID_SECTION__KEY`) > `fishid.toml` > default. An unknown key is an
//! error that names it, because a misspelt setting that is silently ignored costs a night.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use figment::Figment;
use figment::providers::{Env, Format as _, Toml};
use fishid_storage::Storage;
use fishid_taxonomy::Catalogue;
use fishid_training::GateLimits;
use serde::Deserialize;

use crate::admin_config::{self, AdminSettings};
use crate::exit::BlameInput as _;

/// Read from the current folder when it is there.
const SETTINGS_FILE: &str = "fishid.toml";
/// The server that `MLflow`'s clients use; goes before `fishid.toml`.
const TRACKING_URI: &str = "MLFLOW_TRACKING_URI";

/// Everything that can be set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which registry and which model in it.
    pub registry: RegistryConfig,
    /// The server.
    pub serve: ServeConfig,
    /// Who may ask a server for a look at its registry.
    pub admin: AdminSettings,
    /// Training.
    pub train: TrainConfig,
    /// What a candidate may cost.
    pub gate: GateLimits,
    /// Pretrained weights.
    pub weights: WeightsConfig,
    /// Names of species.
    pub species: SpeciesConfig,
}

/// `[species]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeciesConfig {
    /// A file of names beside the built-in ones, in the form of `crates/fishid-taxonomy/species.toml`.
    pub names: Option<PathBuf>,
}

impl Config {
    /// The built-in names and the user's own.
    pub fn catalogue(&self) -> anyhow::Result<Catalogue> {
        let Some(file) = &self.species.names else {
            return Ok(Catalogue::builtin().clone());
        };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("species.names = {}", file.display()))
            .blame_input()?;
        Catalogue::builtin()
            .clone()
            .extended_with(&text)
            .with_context(|| file.display().to_string())
            .blame_input()
    }
}

/// `[registry]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// `file:///folder` or `mlflow+http://host:port`; default: `$FISHID_HOME/registry`.
    pub url: Option<String>,
    /// The model's name.
    pub model: String,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            url: None,
            model: "fish-classifier".to_owned(),
        }
    }
}

/// `[serve]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServeConfig {
    /// Address and port.
    pub listen: String,
    /// Photographs accepted and not yet answered; one more is refused with 503.
    pub queue_capacity: usize,
    /// The time from a whole photograph to its answer, milliseconds. One that would not be answered in it is
    /// refused with 503 at once.
    pub deadline_ms: u64,
    /// Requests with photographs under way at the same time, uploads included; one more is refused with 503.
    pub max_in_flight: usize,
    /// Connections open at the same time; one more waits to be accepted.
    pub max_connections: usize,
    /// Threads of the engine; default: all cores of this machine.
    pub threads: Option<usize>,
    /// Threads that decode photographs; default: all cores of this machine.
    pub decode_threads: Option<usize>,
    /// Decoded photographs that may wait for each stream of the engine.
    pub decode_ahead: usize,
    /// Memory for decoding, MiB.
    pub decode_memory_mib: u64,
    /// Answers kept in memory.
    pub cache_entries: u64,
    /// How long an answer is kept, seconds.
    pub cache_ttl_s: u64,
    /// How often the registry is looked at, seconds (1 to 10).
    pub poll_s: u64,
    /// How long fetching, loading and proving a new model may take, seconds.
    pub load_timeout_s: u64,
    /// Origins such as `https://fish.example` whose pages may read answers.
    pub allowed_origins: Vec<String>,
    /// How long accepted requests may take after SIGTERM, seconds.
    pub drain_s: u64,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            queue_capacity: 256,
            deadline_ms: 5_000,
            max_in_flight: 512,
            max_connections: 1_024,
            threads: None,
            decode_threads: None,
            decode_ahead: 2,
            decode_memory_mib: 512,
            cache_entries: 10_000,
            cache_ttl_s: 3_600,
            poll_s: 5,
            load_timeout_s: 300,
            allowed_origins: Vec::new(),
            drain_s: 30,
        }
    }
}

impl ServeConfig {
    /// Refuses limits under which no request would ever pass.
    fn validate(&self) -> anyhow::Result<()> {
        for (key, value) in [
            ("max_in_flight", self.max_in_flight as u64),
            ("max_connections", self.max_connections as u64),
            ("decode_memory_mib", self.decode_memory_mib),
        ] {
            anyhow::ensure!(value >= 1, "serve.{key} = 0: it must be at least 1");
        }
        Ok(())
    }
}

/// `[train]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// The network or ONNX backbone used when `--backbone` is not given.
    pub backbone: Option<String>,
    /// The weights used when `--weights` is not given.
    pub weights: Option<String>,
    /// Seed used when `--seed` is not given.
    pub seed: Option<u64>,
    /// Folder or `s3://bucket/prefix` that machines share their embeddings in.
    pub embeddings: Option<String>,
}

impl TrainConfig {
    /// The place of the shared embeddings, where one is set.
    pub fn shared_embeddings(&self) -> anyhow::Result<Option<Storage>> {
        let place = self.embeddings.as_deref();
        let opened = place.map(|place| Storage::open(place, &BTreeMap::new()));
        opened.transpose().context("train.embeddings").blame_input()
    }
}

/// `[weights]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WeightsConfig {
    /// Address of the hub or of a mirror; default: `HF_ENDPOINT`, else Hugging Face.
    pub hub: Option<String>,
    /// Never ask the network; `HF_HUB_OFFLINE` does the same.
    pub offline: bool,
    /// How long `--weights auto` downloads before it does without, seconds. What came is kept.
    pub auto_timeout_s: u64,
}

impl Default for WeightsConfig {
    fn default() -> Self {
        Self {
            hub: None,
            offline: false,
            auto_timeout_s: 90,
        }
    }
}

/// Reads the settings; `file` is `--config`, without it `fishid.toml` in the current folder if there.
pub fn read(file: Option<&Path>) -> anyhow::Result<Config> {
    let mut figment = Figment::new();
    match file {
        Some(path) if !path.is_file() => {
            anyhow::bail!(crate::exit::InputError(format!(
                "--config {}: no such file",
                path.display()
            )))
        }
        Some(path) => figment = figment.merge(Toml::file_exact(path)),
        None if Path::new(SETTINGS_FILE).is_file() => {
            figment = figment.merge(Toml::file_exact(SETTINGS_FILE));
        }
        None => {}
    }
    // Only FISHID_SECTION__KEY is a setting; FISHID_HOME and its like are not.
    let environment = Env::prefixed("FISHID_")
        .filter(|key| key.as_str().contains("__") && !admin_config::is_secret(key.as_str()))
        .split("__");
    let config = figment
        .merge(tracking_uri(std::env::var(TRACKING_URI).ok()))
        .merge(environment)
        .merge(admin_config::environment(|name| std::env::var(name).ok()))
        .extract::<Config>()
        .map_err(|error| anyhow::anyhow!(explain(&error)));
    config
        .and_then(|config| {
            config.gate.validate()?;
            config.serve.validate()?;
            Ok(config)
        })
        .context("the settings are not acceptable")
        .blame_input()
}

/// `MLflow`'s own variable names a registry where it names a server; its clients' folders and databases are
/// none of fishid's.
fn tracking_uri(value: Option<String>) -> Figment {
    let value = value.map(|value| value.trim().to_owned());
    let url = match value.filter(|value| !value.is_empty()) {
        Some(url) if url.starts_with("mlflow+") => url,
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
            format!("mlflow+{url}")
        }
        Some(url) => {
            let scheme = url.split_once(':').map_or("a folder", |(scheme, _)| scheme);
            tracing::warn!("{TRACKING_URI} names no MLflow server ({scheme}) and is not used");
            return Figment::new();
        }
        None => return Figment::new(),
    };
    Figment::new().merge(("registry.url", url))
}

/// figment's error as one sentence that names the key, where it came from and what is allowed.
fn explain(error: &figment::Error) -> String {
    let from = error
        .metadata
        .as_ref()
        .map_or_else(String::new, |metadata| {
            let source = metadata
                .source
                .as_ref()
                .map_or_else(|| metadata.name.to_string(), ToString::to_string);
            format!(" (in {source})")
        });
    let at = if error.path.is_empty() {
        String::new()
    } else {
        format!("{}: ", error.path.join("."))
    };
    format!("{at}{}{from}", error.kind)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What `text` as fishid.toml gives.
    fn check(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fishid.toml");
        std::fs::write(&file, text).unwrap();
        read(Some(&file)).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_file_overrides_a_default() {
        let config = check("[serve]\nqueue_capacity = 7\n").unwrap();
        assert_eq!(config.serve.queue_capacity, 7);
        assert_eq!(config.serve.deadline_ms, 5_000);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        for (text, key) in [
            ("[serve]\nlistn = \"x\"\n", "listn"),
            ("[servr]\nlisten = \"x\"\n", "servr"),
            ("[gate]\nmax_latency = 2\n", "max_latency"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_kind_names_its_key() {
        let error = check("[serve]\nqueue_capacity = \"many\"\n").unwrap_err();
        assert!(error.contains("serve.queue_capacity"), "{error}");
    }

    #[test]
    fn a_limit_that_lets_nothing_pass_names_its_key() {
        for key in ["max_in_flight", "max_connections", "decode_memory_mib"] {
            let error = check(&format!("[serve]\n{key} = 0\n")).unwrap_err();
            assert!(error.contains(&format!("serve.{key} = 0")), "{error}");
        }
    }

    #[test]
    fn a_limit_of_the_gate_that_decides_nothing_names_its_key() {
        let config = check("[gate]\nmax_latency_ratio = 3\n").unwrap();
        assert!((config.gate.max_latency_ratio - 3.0).abs() < 1e-9);
        assert_eq!(config.gate.min_groups, 5);
        let error = check("[gate]\nmax_size_ratio = 0.5\n").unwrap_err();
        assert!(error.contains("gate.max_size_ratio = 0.5"), "{error}");
    }

    #[test]
    fn the_server_of_mlflow_clients_is_a_registry_and_their_folders_are_not() {
        let url = |value: &str| {
            let figment = tracking_uri(Some(value.to_owned()));
            figment.extract::<Config>().unwrap().registry.url
        };
        let server = Some("mlflow+http://host:5000".to_owned());
        assert_eq!(url("http://host:5000"), server);
        assert_eq!(url("mlflow+http://host:5000"), server);
        assert_eq!(url("sqlite:///mlflow.db"), None);
        assert_eq!(url("./mlruns"), None);
        assert_eq!(url(" "), None);
    }

    #[test]
    fn a_missing_file_that_was_asked_for_is_an_error() {
        let error = read(Some(Path::new("/nowhere/fishid.toml"))).unwrap_err();
        assert!(error.to_string().contains("/nowhere/fishid.toml"));
    }
}
