//! What a bundle must show before it is published or promoted by hand: that the real engine answers with it
//! as it should. And what speaks against a promotion until a person insists: that the gate refused it, or that
//! it is a demonstration in the place of a real model.

use std::path::Path;

use anyhow::Context as _;
use fishid_bundle::Bundle;
use fishid_engine::EngineOptions;
use fishid_prediction::{GOLDEN_TOLERANCE, Predictor};
use fishid_registry::{Action, Event, PRODUCTION, RegistryError, Version, VersionRef};

use super::Chosen;
use crate::exit::InputError;

/// Lets the bundle answer its golden photographs. `what` names it in the refusal; an engine that is not there
/// is not the bundle's fault.
pub fn prove(bundle: &Path, what: &str) -> anyhow::Result<()> {
    let outcome = Predictor::open(bundle, &EngineOptions::default())
        .and_then(|predictor| predictor.prove(GOLDEN_TOLERANCE));
    match outcome {
        Ok(_) => Ok(()),
        Err(error) if error.is_the_bundles_fault() => {
            anyhow::bail!(InputError(format!("{what} is refused: {error}")))
        }
        Err(error) => Err(error).with_context(|| format!("{what} cannot be proven")),
    }
}

/// The tag with the gate's decision in one line.
const GATE_TAG: &str = "gate";
/// How the decision of a candidate that was refused begins, there.
const REFUSED: &str = "refused";
/// How the reason of a promotion by the gate begins in the history.
const PASSED_BY_GATE: &str = "gate passed";

/// What the gate last said of the version, for people; `None` where it was never asked.
pub fn gate_decision(chosen: &Chosen, version: &Version) -> anyhow::Result<Option<String>> {
    let history = chosen
        .registry
        .history(&chosen.model)
        .map_err(super::blame)?;
    Ok(latest_decision(
        version.tags.get(GATE_TAG).map(String::as_str),
        &history,
        &version.version,
    ))
}

/// A version is tagged when it is published, and never again: one that a later run of the same photographs let
/// through, such as with `--allow-class-change`, has that decision in the history only.
fn latest_decision(tag: Option<&str>, history: &[Event], version: &str) -> Option<String> {
    let passed = history.iter().rev().find(|event| {
        event.action == Action::Promoted
            && event.to == version
            && event.alias.as_deref() == Some(PRODUCTION)
            && event.why.starts_with(PASSED_BY_GATE)
    });
    passed
        .map(|event| event.why.trim_start_matches("gate ").to_owned())
        .or_else(|| tag.map(str::to_owned))
}

/// Everything that a person overrides with `--force`, one sentence each.
pub fn objections(
    chosen: &Chosen,
    candidate: &Version,
    bundle: &Path,
    decision: Option<&str>,
    cache: &Path,
) -> anyhow::Result<Vec<String>> {
    let refused = decision
        .filter(|decision| decision.starts_with(REFUSED))
        .map(|decision| format!("the gate {decision}"));
    let demonstration = demonstration(chosen, candidate, bundle, cache)?;
    Ok(refused.into_iter().chain(demonstration).collect())
}

/// What speaks against a demonstration while a real model is in production.
fn demonstration(
    chosen: &Chosen,
    candidate: &Version,
    bundle: &Path,
    cache: &Path,
) -> anyhow::Result<Option<String>> {
    if Bundle::open(bundle)?.manifest().demonstration.is_none() {
        return Ok(None);
    }
    let why = match real_model_in_production(chosen, cache) {
        Ok(None) => return Ok(None),
        Ok(Some(current)) => format!("version {current} in production is a real model"),
        // Promoting is the remedy for a damaged alias, so that this must not stand in its way.
        Err(error) => format!("what is in production cannot be told ({error})"),
    };
    Ok(Some(format!(
        "version {} is a demonstration and {why}",
        candidate.version
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn promoted(to: &str, why: &str) -> Event {
        serde_json::from_value(serde_json::json!({
            "seq": 1, "time": "2026-01-01T00:00:00Z", "who": "anna", "why": why,
            "action": "promoted", "alias": PRODUCTION, "from": null, "to": to,
        }))
        .unwrap()
    }

    #[track_caller]
    fn check(tag: Option<&str>, history: &[Event], decision: Option<&str>) {
        assert_eq!(latest_decision(tag, history, "4").as_deref(), decision);
    }

    #[test]
    fn the_tag_is_the_decision_unless_a_later_run_let_the_version_through() {
        let refused = Some("refused: the classes changed");
        check(None, &[], None);
        check(refused, &[], refused);
        check(refused, &[promoted("4", "by hand")], refused);
        check(refused, &[promoted("3", "gate passed: well")], refused);
        let history = [
            promoted("4", "gate passed: well"),
            promoted("4", "it is spring"),
        ];
        check(refused, &history, Some("passed: well"));
    }
}
