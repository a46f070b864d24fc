//! A registry as the place where a server's models come from.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use fishid_prediction::{EngineChooser, Occasion};
use fishid_registry::{ModelRegistry, PRODUCTION, VersionRef, without_secrets};
use fishid_server::FishModel;
use fishid_serving::{ModelSource, SourceError, VersionTag, at_low_priority};

use crate::bundle_cache::sweep;
use crate::commands::registry::{self, Chosen};
use crate::home::Home;
use crate::last_served::LastServed;
use crate::preparation::Preparation;

/// Follows the alias `production` of a registry.
pub struct RegistrySource {
    registry: Box<dyn ModelRegistry>,
    /// The same one, asked without patience while nothing answers.
    hasty: Box<dyn ModelRegistry>,
    /// Where it is, for messages.
    place: String,
    model: String,
    bundle_cache: PathBuf,
    engine: EngineChooser,
    preparation: Preparation,
    last_served: LastServed,
    /// Where the bundle loaded last lies.
    loaded: Mutex<Option<(VersionTag, PathBuf)>>,
    is_first_load: AtomicBool,
    /// The bundles that answered last, the newest at the end: a rollback goes to the one before.
    answered: Mutex<Vec<PathBuf>>,
}

impl RegistrySource {
    pub fn new(
        chosen: Chosen,
        engine: EngineChooser,
        preparation: Preparation,
        home: &Home,
    ) -> anyhow::Result<Self> {
        let bundle_cache = home.bundles();
        Ok(Self {
            hasty: registry::hasty(&chosen)?,
            place: without_secrets(&chosen.url),
            last_served: LastServed::new(&bundle_cache, &chosen.url, &chosen.model),
            registry: chosen.registry,
            model: chosen.model,
            bundle_cache,
            engine,
            preparation,
            loaded: Mutex::new(None),
            is_first_load: AtomicBool::new(true),
            answered: Mutex::default(),
        })
    }

    fn open(&self, bundle: &Path, version: &str) -> Result<FishModel, SourceError> {
        let answers_already = self
            .answered
            .lock()
            .is_ok_and(|answered| !answered.is_empty());
        let occasion = if answers_already {
            self.preparation.prepare(bundle)?;
            Occasion::Reload
        } else {
            Occasion::FirstStart
        };
        let predictor = self.engine.open(bundle, occasion)?;
        Ok(FishModel::new(predictor, Some(version)))
    }
}

impl ModelSource for RegistrySource {
    type Model = FishModel;

    fn place(&self) -> String {
        format!("alias {PRODUCTION} of {} in {}", self.model, self.place)
    }

    fn current(&self) -> Result<Option<VersionTag>, SourceError> {
        let version = self.registry.alias(&self.model, PRODUCTION)?;
        Ok(version.map(|version| VersionTag(version.version)))
    }

    /// Tells a person who has just started the server why it may not answer yet.
    fn first_look(&self) -> Result<Option<VersionTag>, SourceError> {
        let Self { model, place, .. } = self;
        let found = self.hasty.alias(model, PRODUCTION);
        match &found {
            Ok(Some(_)) => {}
            Ok(None) => eprintln!(
                "no version of {model} is in production in {place}: answering 503 until one is promoted"
            ),
            Err(error) => eprintln!(
                "the registry cannot be asked now ({error}): answering with the model served last, if it is here"
            ),
        }
        Ok(found?.map(|version| VersionTag(version.version)))
    }

    fn load(&self, tag: &VersionTag) -> Result<FishModel, SourceError> {
        // Files that do not come must not keep the model waiting that was served last.
        let is_first = self.is_first_load.swap(false, Ordering::Relaxed);
        let registry = if is_first && self.last_served.is_there() {
            &self.hasty
        } else {
            &self.registry
        };
        let version = VersionRef::new(&tag.0);
        let fetch = || registry.fetch(&self.model, &version, &self.bundle_cache);
        // Hashing takes as much of a processor as it gets; nobody waits for a reload.
        let bundle = if is_first {
            fetch()?
        } else {
            at_low_priority(fetch)?
        };
        let model = self.open(&bundle, &tag.0)?;
        if let Ok(mut loaded) = self.loaded.lock() {
            *loaded = Some((tag.clone(), bundle));
        }
        Ok(model)
    }

    fn installed(&self, tag: &VersionTag) {
        let loaded = self.loaded.lock().ok().and_then(|mut loaded| loaded.take());
        let Some((_, bundle)) = loaded.filter(|(loaded, _)| loaded == tag) else {
            return;
        };
        if let Err(error) = self.last_served.write(&tag.0, &bundle) {
            tracing::warn!(
                error = format!("{error:#}"),
                "cannot write down what is served, a start without the registry will not find it"
            );
        }
        if let Ok(mut answered) = self.answered.lock() {
            answered.push(bundle);
            let older = answered.len().saturating_sub(2);
            answered.drain(..older);
            sweep(&self.bundle_cache, &answered);
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
