//! Published weights through the hub: settings and environment in, checkpoints out.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use fishid_hub::{CachedFile, Hub, HubFile, HubSettings, Sha256Hex, Timing, Token};
use fishid_network::efficientnet::{Checkpoint, PretrainedSet};
use fishid_training::Progress;

use crate::config::Config;
use crate::home::Home;

/// The file in a timm repository.
const FILE: &str = "model.safetensors";
/// A hub that does not answer a `--weights auto` by then is not there.
const SHORT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The network must not be asked, and the cache has nothing.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not in the cache, and the settings say offline")]
pub struct Offline(String);

/// The hub and its cache, as the settings have it.
pub struct Downloads {
    settings: HubSettings,
    is_offline: bool,
    auto_timeout: Duration,
}

impl Downloads {
    /// Reads settings and the hub's customary variables. Makes no connection.
    pub fn new(config: &Config, home: &Home) -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut settings = HubSettings::new(home.weights());
        if let Some(address) = config.weights.hub.clone().or_else(|| set("HF_ENDPOINT")) {
            settings.base_url = address;
        }
        settings.token = set("HF_TOKEN").and_then(|token| Token::new(&token));
        let says_offline =
            |value: String| !matches!(&*value.to_ascii_lowercase(), "0" | "false" | "no" | "off");
        Self {
            settings,
            is_offline: config.weights.offline || set("HF_HUB_OFFLINE").is_some_and(says_offline),
            auto_timeout: Duration::from_secs(config.weights.auto_timeout_s),
        }
    }

    /// How long `--weights auto` may take.
    pub fn auto_timeout(&self) -> Duration {
        self.auto_timeout
    }

    /// The weights of `set`, from the cache or the hub; `limit` also shortens the wait for a connection.
    pub fn fetch(
        &self,
        set: &PretrainedSet,
        limit: Option<Duration>,
        story: &mut dyn Progress,
    ) -> anyhow::Result<Checkpoint> {
        let cached = self.fetch_file(set, limit, story)?;
        let mut checkpoint = open_checkpoint(set, &cached.path)?;
        let commit = cached.commit.as_deref().unwrap_or("unknown");
        checkpoint.source = Some(format!(
            "{} (commit {commit}, SHA-256 {})",
            cached.url,
            cached.sha256.as_str()
        ));
        Ok(checkpoint)
    }

    /// Whether the weights of `set` are in the cache, whole.
    pub fn has(&self, set: &PretrainedSet) -> bool {
        Hub::new(self.settings.clone())
            .and_then(|hub| hub.cached(&hub_file(set)))
            .is_ok_and(|cached| cached.is_some())
    }

    /// The same, as the file.
    pub fn fetch_file(
        &self,
        set: &PretrainedSet,
        limit: Option<Duration>,
        story: &mut dyn Progress,
    ) -> anyhow::Result<CachedFile> {
        let mut settings = self.settings.clone();
        if limit.is_some() {
            settings.timing = Timing {
                connect_timeout: SHORT_CONNECT_TIMEOUT,
                ..settings.timing
            };
        }
        let hub = Hub::new(settings)?;
        let file = hub_file(set);
        if let Some(cached) = hub.cached(&file)? {
            return Ok(cached);
        }
        if self.is_offline {
            hub.refuse_damaged(&file)?;
            return Err(Offline(file.to_string()).into());
        }
        story.started("download");
        let mut tell = |progress: fishid_hub::Progress| {
            if let Some(total) = progress.total {
                story.advanced(progress.bytes as usize, total as usize, None);
            }
        };
        let cached = hub.fetch(&file, limit, &mut tell)?;
        story.finished(
            "download",
            &format!("{} verified, {} bytes", file, cached.size),
        );
        Ok(cached)
    }
}

fn hub_file(set: &PretrainedSet) -> HubFile {
    let file = HubFile::new(&set.repository(), set.commit.unwrap_or("main"), FILE);
    match set.sha256.and_then(Sha256Hex::parse) {
        Some(digest) => file.with_sha256(digest),
        None => file,
    }
}

/// Reads published weights from a verified file.
pub fn open_checkpoint(set: &PretrainedSet, path: &Path) -> anyhow::Result<Checkpoint> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let mut checkpoint = Checkpoint::import(set.architecture, &bytes, Some(set.card()))
        .with_context(|| format!("{} of {} cannot be used", path.display(), set.repository()))?;
    "imagenet".clone_into(&mut checkpoint.weights);
    Ok(checkpoint)
}
