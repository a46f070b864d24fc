//! The model in production: which version, where its groups stood, what it learned from. Knows nothing of how
//! it is judged.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use fishid_bundle::{Bundle, BundleError};
use fishid_dataset::Split;
use fishid_registry::{PRODUCTION, RegistryError, Version, VersionRef};
use fishid_training::SplitPlan;

use crate::run::PipelineRequest;

/// The model in production.
pub(crate) struct Champion {
    pub version: Version,
    /// Its bundle, or what is wrong with it. A damaged model must not stop the one that could replace it.
    pub bundle: Result<Bundle, String>,
}

impl Champion {
    /// Where the champion's groups stood; a demonstration's groups bind nobody.
    pub(crate) fn earlier_splits(&self) -> BTreeMap<String, Split> {
        let Ok(bundle) = &self.bundle else {
            return BTreeMap::new();
        };
        let manifest = bundle.manifest();
        if manifest.demonstration.is_some() {
            return BTreeMap::new();
        }
        let entry = |(group, split): (&String, &String)| Some((group.clone(), split.parse().ok()?));
        manifest.splits.iter().filter_map(entry).collect()
    }
}

/// The groups of `plan` with a photograph that a bundle's model was trained or tuned on.
pub(crate) fn learned_from(bundle: &Bundle, plan: &SplitPlan) -> BTreeSet<String> {
    let manifest = bundle.manifest();
    let trained_on: BTreeSet<String> = manifest
        .splits
        .iter()
        .filter(|(_, split)| *split != Split::Test.as_str())
        .map(|(group, _)| group.clone())
        .collect();
    let photographs = manifest.learned_photographs.iter().cloned().collect();
    plan.groups_learned_from(&trained_on, &photographs)
}

/// Whether a bundle says what its model was trained on. An adopted one cannot, see `fishid registry adopt`.
pub(crate) fn knows_its_lineage(bundle: &Bundle) -> bool {
    let manifest = bundle.manifest();
    !manifest.splits.is_empty() || !manifest.learned_photographs.is_empty()
}

/// The model in production, if there is one.
pub(crate) fn find(request: &PipelineRequest<'_>) -> anyhow::Result<Option<Champion>> {
    let model = request.train.model_name;
    let Some(version) = request.registry.alias(model, PRODUCTION)? else {
        return Ok(None);
    };
    let number = VersionRef::new(&version.version);
    let fetched = request
        .registry
        .fetch(model, &number, request.bundle_cache)
        .and_then(|folder| Ok(Bundle::open(folder)?));
    let bundle = match fetched {
        Ok(bundle) => Ok(bundle),
        Err(error) if is_damage(&error) => {
            tracing::warn!(version = %version.version, %error, "the model in production cannot be read");
            Err(error.to_string())
        }
        // A registry that does not answer now may answer the next time.
        Err(error) => {
            return Err(error).with_context(|| {
                format!(
                    "version {} is in production and cannot be fetched",
                    version.version
                )
            });
        }
    };
    Ok(Some(Champion { version, bundle }))
}

fn is_damage(error: &RegistryError) -> bool {
    match error {
        RegistryError::Damaged { .. } => true,
        RegistryError::Bundle(error) => !matches!(error, BundleError::Io { .. }),
        _ => false,
    }
}
