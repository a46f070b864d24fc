//! A version that a person took out of production does not come back by itself: the next run with the same
//! photographs would promote it again, perhaps the same night.

use fishid_registry::{Action, PRODUCTION};

use crate::run::PipelineRequest;

/// Why this version may not be promoted; `None` when it was never rolled back, or was promoted since.
pub(crate) fn reason(
    request: &PipelineRequest<'_>,
    version: &str,
) -> anyhow::Result<Option<String>> {
    let history = request.registry.history(request.train.model_name)?;
    let last_move = history.iter().rev().find(|event| {
        event.alias.as_deref() == Some(PRODUCTION)
            && (event.to == version || event.from.as_deref() == Some(version))
            && !(event.action == Action::Promoted && event.from.as_deref() == Some(version))
    });
    Ok(last_move
        .filter(|event| event.action == Action::RolledBack && event.to != version)
        .map(|event| {
            format!(
                "Version {version} was rolled back by {} ({}); promote it by hand if it should come back.",
                event.who, event.why
            )
        }))
}
