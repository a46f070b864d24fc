//! `fishid prepare`: what a server lets another process do before it takes a new model in.

use std::time::Duration;

use anyhow::Context as _;
use fishid_prediction::{EngineChooser, Occasion};
use fishid_serving::only_when_idle;

use super::predict;
use crate::cli::PrepareArgs;
use crate::config::Config;
use crate::exit::{BlameInput as _, Status};
use crate::home::Home;
use crate::preparation::{be_the_first_to_go, end_with_the_server};

pub fn run(args: &PrepareArgs, config: &Config, home: &Home) -> anyhow::Result<Status> {
    let limit = Duration::try_from_secs_f64(args.within)
        .with_context(|| format!("--within {}", args.within))
        .blame_input()?;
    be_the_first_to_go();
    end_with_the_server(limit).context("no thread can be started")?;
    // The engine's threads inherit it.
    only_when_idle();
    let engine = EngineChooser::new(home.engine(), config.engine.wishes(&args.engine));
    engine
        .open(&args.bundle, Occasion::Reload)
        .map_err(predict::blame)?;
    Ok(Status::Done)
}
