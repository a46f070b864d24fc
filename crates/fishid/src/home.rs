//! `FISHID_HOME`: where caches and the default registry live.

use std::path::PathBuf;

use anyhow::Context as _;

/// The folders under `FISHID_HOME`.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

impl Home {
    /// `$FISHID_HOME`, else `$XDG_DATA_HOME/fishid`, else `~/.local/share/fishid`.
    pub fn find() -> anyhow::Result<Self> {
        let set = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let root = set("FISHID_HOME")
            .or_else(|| set("XDG_DATA_HOME").map(|share| share.join("fishid")))
            .or_else(|| set("HOME").map(|home| home.join(".local/share/fishid")))
            .context(
                "neither FISHID_HOME nor HOME is set: set FISHID_HOME to a folder for caches",
            )?;
        Ok(Self(std::path::absolute(&root).with_context(|| {
            format!("FISHID_HOME {}", root.display())
        })?))
    }

    /// The registry used when none is named: a plain path, in which a `%` is only a `%`.
    pub fn registry_url(&self) -> String {
        self.0.join("registry").display().to_string()
    }

    /// Embeddings under content keys.
    pub fn embeddings(&self) -> PathBuf {
        self.0.join("embeddings")
    }

    /// Weights downloaded from a hub.
    pub fn weights(&self) -> PathBuf {
        self.0.join("weights")
    }

    /// Backbones that fishid writes itself.
    pub fn backbones(&self) -> PathBuf {
        self.0.join("backbones")
    }

    /// Synthetic photographs of the demonstration.
    pub fn synthetic(&self) -> PathBuf {
        self.0.join("synthetic")
    }

    /// Outputs of pipeline steps.
    pub fn pipeline(&self) -> PathBuf {
        self.0.join("pipeline")
    }

    /// Tracked runs: parameters, metrics, artifacts.
    pub fn tracking(&self) -> PathBuf {
        self.0.join("tracking")
    }

    /// Records of pipeline runs.
    pub fn runs(&self) -> PathBuf {
        self.0.join("runs")
    }

    /// What was measured and proven of the engine, and its compiled graphs.
    pub fn engine(&self) -> PathBuf {
        self.0.join("engine")
    }

    /// Bundles fetched from a registry.
    pub fn bundles(&self) -> PathBuf {
        self.0.join("bundles")
    }
}
