//! A registry, or one bundle, as the place where a server's models come from.

use std::path::PathBuf;

use fishid_prediction::{Predictor, PredictorOptions};
use fishid_registry::{ModelRegistry, PRODUCTION, VersionRef};
use fishid_server::FishModel;
use fishid_serving::{ModelSource, SourceError, VersionTag};

/// Follows the alias `production` of a registry.
pub struct RegistrySource {
    pub registry: Box<dyn ModelRegistry>,
    pub model: String,
    pub bundle_cache: PathBuf,
    pub options: PredictorOptions,
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
        let predictor = Predictor::open_with(bundle, &self.options)?;
        Ok(FishModel::new(predictor, Some(&tag.0)))
    }
}
