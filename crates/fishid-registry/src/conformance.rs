//! One suite for every [`ModelRegistry`]: what the trait's documentation promises, as checks.
//!
//! A backend's tests call [`run`] with a closure that opens it. Each check uses model names of its
//! own, so one server can stand behind all of them. What only one backend can promise, such as
//! surviving a kill, is tested beside that backend.

mod bundles;
mod checks;
mod subject;

use std::fmt::Display;

use crate::registry::ModelRegistry;
pub use bundles::tiny_bundle;
pub use checks::CHECKS;

/// Why a check failed.
pub type Failure = String;

/// One promise of the trait.
#[derive(Clone, Copy)]
pub struct Check {
    /// The promise, as a sentence.
    pub name: &'static str,
    /// Checks it on an open registry, with a model name nobody else uses.
    pub run: fn(&dyn ModelRegistry, &str) -> Result<(), Failure>,
}

/// Runs every check on a registry from `open` and returns the failures, each with its check's name.
pub fn run<E: Display>(
    open: impl Fn() -> Result<Box<dyn ModelRegistry>, E>,
) -> Vec<(&'static str, Failure)> {
    let outcome = |check: &Check| {
        let registry = open().map_err(|error| format!("the registry cannot be opened: {error}"))?;
        (check.run)(
            registry.as_ref(),
            &check
                .name
                .replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
        )
    };
    CHECKS
        .iter()
        .filter_map(|check| Some((check.name, outcome(check).err()?)))
        .collect()
}
