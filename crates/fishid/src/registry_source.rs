//! A registry as the place where a server's models come from.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use fishid_prediction::{Predictor, PredictorOptions};
use fishid_registry::{ModelRegistry, PRODUCTION, VersionRef};
use fishid_server::FishModel;
use fishid_serving::{ModelSource, SourceError, VersionTag};

use crate::commands::registry::Chosen;
use crate::home::Home;
use crate::last_served::LastServed;

/// Follows the alias `production` of a registry.
pub struct RegistrySource {
    registry: Box<dyn ModelRegistry>,
    model: String,
    bundle_cache: PathBuf,
    options: PredictorOptions,
    last_served: LastServed,
    /// Where the bundle loaded last lies.
    loaded: Mutex<Option<(VersionTag, PathBuf)>>,
}

impl RegistrySource {
    pub fn new(chosen: Chosen, options: PredictorOptions, home: &Home) -> Self {
        let bundle_cache = home.bundles();
        Self {
            last_served: LastServed::new(&bundle_cache, &chosen.url, &chosen.model),
            registry: chosen.registry,
            model: chosen.model,
            bundle_cache,
            options,
            loaded: Mutex::new(None),
        }
    }

    fn open(&self, bundle: &Path, version: &str) -> Result<FishModel, SourceError> {
        let predictor = Predictor::open_with(bundle, &self.options)?;
        Ok(FishModel::new(predictor, Some(version)))
    }
}

impl ModelSource for RegistrySource {
    type Model = FishModel;

    fn current(&self) -> Result<Option<VersionTag>, SourceError> {
        let version = self.registry.alias(&self.model, PRODUCTION)?;
        Ok(version.map(|version| VersionTag(version.version)))
    }

    fn load(&self, tag: &VersionTag) -> Result<FishModel, SourceError> {
        let bundle =
            self.registry
                .fetch(&self.model, &VersionRef::new(&tag.0), &self.bundle_cache)?;
        let model = self.open(&bundle, &tag.0)?;
        if let Ok(mut loaded) = self.loaded.lock() {
            *loaded = Some((tag.clone(), bundle));
        }
        Ok(model)
    }

    fn installed(&self, tag: &VersionTag) {
        let loaded = self.loaded.lock().ok().and_then(|mut loaded| loaded.take());
        if let Some((_, bundle)) = loaded.filter(|(loaded, _)| loaded == tag)
            && let Err(error) = self.last_served.write(&tag.0, &bundle)
        {
            tracing::warn!(
                error = format!("{error:#}"),
                "cannot write down what is served, a start without the registry will not find it"
            );
        }
    }

    fn fall_back(&self) -> Result<Option<(VersionTag, FishModel)>, SourceError> {
        let Some(served) = self.last_served.read()? else {
            return Ok(None);
        };
        let model = self.open(&served.bundle, &served.version)?;
        Ok(Some((VersionTag(served.version), model)))
    }
}
