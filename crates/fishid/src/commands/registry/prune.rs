//! `fishid registry prune`: old versions go, one by one, each recorded in the history.

use fishid_registry::VersionRef;
use fishid_registry::prune::{PruneDecision, plan};
use serde_json::json;

use super::super::{print_json, print_line};
use super::{Chosen, blame, choose, note};
use crate::cli::PruneArgs;
use crate::config::Config;
use crate::home::Home;

pub fn run(args: &PruneArgs, config: &Config, home: &Home) -> anyhow::Result<()> {
    let Chosen {
        registry, model, ..
    } = choose(&args.registry, config, home)?;
    let versions = registry.versions(&model).map_err(blame)?;
    let history = registry.history(&model).map_err(blame)?;
    let decisions = plan(&versions, &history, args.keep, jiff::Timestamp::now());
    let note = note(&args.why, "pruned");
    let mut removed = Vec::new();
    // The oldest first: what a stop leaves is the newer ones.
    for decision in decisions.iter().rev().filter(|decision| !decision.kept) {
        if !args.dry_run {
            registry
                .delete(&model, &VersionRef::new(&decision.version), &note)
                .map_err(blame)?;
        }
        removed.push(decision);
    }
    let kept: Vec<&PruneDecision> = decisions.iter().filter(|decision| decision.kept).collect();
    if args.json {
        return print_json(&json!({
            "dry_run": args.dry_run,
            "removed": removed,
            "kept": kept,
        }));
    }
    let word = if args.dry_run {
        "would remove"
    } else {
        "removed"
    };
    for decision in &removed {
        print_line(&format!("{word} {}: {}", decision.version, decision.why))?;
    }
    for decision in &kept {
        print_line(&format!("kept {}: {}", decision.version, decision.why))?;
    }
    Ok(())
}
