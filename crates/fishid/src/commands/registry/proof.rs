//! What a bundle must show before it is published or promoted by hand: that the real engine answers with it
//! as it should, and that it is no demonstration in the place of a real model.

use std::path::Path;

use anyhow::Context as _;
use fishid_bundle::Bundle;
use fishid_engine::{EngineError, EngineOptions};
use fishid_prediction::{GOLDEN_TOLERANCE, PredictError, Predictor};
use fishid_registry::{PRODUCTION, RegistryError, Version, VersionRef};

use super::Chosen;
use crate::exit::InputError;

/// Lets the bundle answer its golden photographs. `what` names it in the refusal; an engine that is not there
/// is not the bundle's fault.
pub fn prove(bundle: &Path, what: &str) -> anyhow::Result<()> {
    let outcome = Predictor::open(bundle, &EngineOptions::default())
        .and_then(|predictor| predictor.prove(GOLDEN_TOLERANCE));
    match outcome {
        Ok(_) => Ok(()),
        Err(PredictError::Engine(error)) if !matches!(error, EngineError::Model { .. }) => {
            Err(error).with_context(|| format!("{what} cannot be proven"))
        }
        Err(error) => anyhow::bail!(InputError(format!("{what} is refused: {error}"))),
    }
}

/// Refuses a demonstration while a real model is in production.
pub fn refuse_demonstration(
    chosen: &Chosen,
    candidate: &Version,
    bundle: &Path,
    cache: &Path,
) -> anyhow::Result<()> {
    if Bundle::open(bundle)?.manifest().demonstration.is_none() {
        return Ok(());
    }
    let why = match real_model_in_production(chosen, cache) {
        Ok(None) => return Ok(()),
        Ok(Some(current)) => format!("version {current} in production is a real model"),
        // Promoting is the remedy for a damaged alias, so that this must not stand in its way.
        Err(error) => format!("what is in production cannot be told ({error})"),
    };
    let number = &candidate.version;
    anyhow::bail!(InputError(format!(
        "version {number} is a demonstration and {why}. Promote it all the same: `fishid registry promote {number} --force`"
    )))
}

/// The number of the version in production if it is no demonstration.
fn real_model_in_production(
    chosen: &Chosen,
    cache: &Path,
) -> Result<Option<String>, RegistryError> {
    let Chosen {
        registry, model, ..
    } = chosen;
    let Some(current) = registry.alias(model, PRODUCTION)? else {
        return Ok(None);
    };
    let folder = registry.fetch(model, &VersionRef::new(&current.version), cache)?;
    let is_real = Bundle::open(folder)?.manifest().demonstration.is_none();
    Ok(is_real.then_some(current.version))
}
