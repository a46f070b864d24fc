//! `fishid tune`: measures how the engine should run a network on this machine, and keeps it.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context as _;
use fishid_engine::{Measurement, Plan};
use fishid_prediction::{EngineChooser, TuneOptions};
use serde_json::json;

use super::{predict, print_json, print_line};
use crate::cli::TuneArgs;
use crate::config::Config;
use crate::exit::{BlameInput as _, InputError, Status};
use crate::home::Home;

/// More than this for a single plan is a slip of the keyboard.
const LONGEST_PER_PLAN: Duration = Duration::from_mins(10);

pub fn run(args: &TuneArgs, config: &Config, home: &Home) -> anyhow::Result<Status> {
    if !args.bundle.is_dir() {
        anyhow::bail!(InputError(format!(
            "{}: no such bundle folder",
            args.bundle.display()
        )));
    }
    let engine = EngineChooser::new(home.engine(), config.engine.wishes(&args.engine));
    let options = TuneOptions {
        goal: args.goal,
        per_plan: Duration::try_from_secs_f64(args.seconds)
            .ok()
            .filter(|time| *time <= LONGEST_PER_PLAN)
            .with_context(|| format!("--seconds {}: 0 to 600 are taken", args.seconds))
            .blame_input()?,
    };
    let mut seen = HashSet::new();
    let tuned = engine
        .tune(&args.bundle, options, |plan, outcome| {
            let by_turns = if seen.insert(plan.clone()) {
                ""
            } else {
                "by turns: "
            };
            eprintln!("{by_turns}{}", line(plan, outcome));
        })
        .map_err(predict::blame)?;
    if args.json {
        let refused: Vec<_> = tuned
            .refused
            .iter()
            .map(|(plan, reason)| json!({"plan": plan, "reason": reason}))
            .collect();
        print_json(&json!({
            "chosen": tuned.chosen,
            "goal": args.goal,
            "measured": tuned.measured,
            "refused": refused,
            "machine": tuned.machine,
            "kept_in": tuned.kept_in,
        }))?;
    } else {
        print_line(&format!(
            "chosen: {}; kept in {}",
            tuned.chosen,
            tuned.kept_in.display()
        ))?;
    }
    Ok(Status::Done)
}

fn line(plan: &Plan, outcome: Result<&Measurement, &str>) -> String {
    match outcome {
        Ok(found) => format!(
            "{plan}: {:.1} ms alone, {:.1} photographs per second",
            found.latency_ms, found.photographs_per_second
        ),
        Err(reason) => format!("{plan}: not used, {reason}"),
    }
}
