//! What each command wires together.

pub mod data;
mod evaluate;
mod health;
pub mod pipeline;
mod predict;
mod prepare;
mod recipe;
pub mod registry;
mod serve;
mod train;
mod tune;
mod up;
mod weights;

use fishid_training::TrainingError;

use crate::cli::{Cli, Command, PipelineCommand};
use crate::config;
use crate::exit::{InputError, Status};
use crate::home::Home;

/// Runs the command; errors carry whose fault they are (see `exit`).
pub fn run(cli: Cli) -> anyhow::Result<Status> {
    let config = config::read(cli.config.as_deref())?;
    let home = Home::find()?;
    match cli.command {
        Command::Data(command) => data::run(command, &config),
        Command::Weights(command) => weights::run(command, &config, &home),
        Command::Train(args) => train::run(&args, &config, &home),
        Command::Evaluate(args) => evaluate::run(&args, &config),
        Command::Predict(args) => predict::run(&args, &config, &home),
        Command::Registry(command) => registry::run(command, &config, &home),
        Command::Pipeline(PipelineCommand::Run(args)) => pipeline::run(&args, &config, &home),
        Command::Serve(args) => serve::run(&args, cli.config.as_deref(), &config, &home),
        Command::Tune(args) => tune::run(&args, &config, &home),
        Command::Prepare(args) => prepare::run(&args, &config, &home),
        Command::Health(args) => health::run(&args),
        Command::Up(args) => up::run(&args, cli.config.as_deref(), &config, &home),
    }
}

/// Prints a result as one line of JSON.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print_line(&serde_json::to_string(value)?)
}

/// Prints a line; a reader that has gone away (`| head`) is not an error worth a message.
fn print_line(line: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => crate::exit::now(0),
        written => Ok(written?),
    }
}

/// Errors of training that lie in the photographs or the settings are the input's fault.
pub fn blame(error: TrainingError) -> anyhow::Error {
    match error {
        TrainingError::Data(_) | TrainingError::Setting { .. } => {
            InputError(error.to_string()).into()
        }
        other => other.into(),
    }
}
