//! What a bundle must show before it is published or promoted by hand: that the real engine answers with it
//! as it should, and that it is no demonstration in the place of a real model.

use std::path::Path;

use anyhow::Context as _;
use fishid_bundle::Bundle;
use fishid_engine::{EngineError, EngineOptions};
use fishid_prediction::{GOLDEN_TOLERANCE, PredictError, Predictor};
use fishid_registry::{PRODUCTION, Version, VersionRef};

use super::{Chosen, blame};
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
    let Chosen {
        registry, model, ..
    } = chosen;
    let Some(current) = registry.alias(model, PRODUCTION).map_err(blame)? else {
        return Ok(());
    };
    let folder = registry
        .fetch(model, &VersionRef::new(&current.version), cache)
        .map_err(blame)?;
    if Bundle::open(folder)?.manifest().demonstration.is_some() {
        return Ok(());
    }
    anyhow::bail!(InputError(format!(
        "version {} is a demonstration and version {} in production is a real model. Promote it all the same: `fishid registry promote {} --force`",
        candidate.version, current.version, candidate.version
    )))
}
