//! What can be typed. Each command's help ends with an example.

mod data;
mod model;
mod pipeline;
mod registry;
mod serve;
mod weights;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use data::*;
pub use model::*;
pub use pipeline::*;
pub use registry::*;
pub use serve::*;
pub use weights::*;

/// Names fish species from photographs, and runs the whole life of the model that does so.
#[derive(Parser, Debug)]
#[command(
    version,
    propagate_version = true,
    after_help = "Example: fishid up\n\nFISHID_HOME (default ~/.local/share/fishid) holds caches and the default registry.\nExit status: 0 done, 1 failed, 2 the input is not acceptable, 64 wrong usage."
)]
pub struct Cli {
    /// Settings file instead of ./fishid.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log more (`FISHID_LOG` takes a filter such as fishid=trace)
    #[arg(long, short, global = true)]
    pub verbose: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Photographs: draw, check, import, split, lock, compare
    #[command(subcommand)]
    Data(DataCommand),
    /// Pretrained weights: download, import
    #[command(subcommand)]
    Weights(WeightsCommand),
    /// Train a model bundle from photographs
    #[command(
        after_help = "Example: fishid train --data photos --backbone tf-efficientnet-b4 --weights imagenet --out bundle"
    )]
    Train(TrainArgs),
    /// Measure a bundle on labelled photographs
    #[command(
        after_help = "Example: fishid evaluate bundle --data photos-split --split test --json"
    )]
    Evaluate(EvaluateArgs),
    /// Name the fish on photographs
    #[command(
        after_help = "Example: fishid predict bundle photo.jpg another.png --json\nA table of any size: fishid predict bundle photos s3://bucket/2026 --out predictions.parquet\n\nA folder stands for all photographs in it, at any depth."
    )]
    Predict(PredictArgs),
    /// Versions of the model: publish, promote, take back
    #[command(subcommand)]
    Registry(RegistryCommand),
    /// From photographs to a promoted model, step by step
    #[command(subcommand)]
    Pipeline(PipelineCommand),
    /// Answer over HTTP
    #[command(
        after_help = "Example: fishid serve --registry file:///srv/fishid/registry --listen 0.0.0.0:8080"
    )]
    Serve(ServeArgs),
    /// Measure which engine settings are fastest on this machine, and keep them
    #[command(
        after_help = "Example: fishid tune bundle\n\nThe result is kept under $FISHID_HOME/engine for every model of the same network on this machine; `fishid serve`\nand `fishid up` use it. A server with --precision, --streams, --threads or --batch obeys those."
    )]
    Tune(TuneArgs),
    /// Compile and prove a bundle at low priority, as a server does in a process of its own before a reload
    #[command(hide = true, after_help = "Example: fishid prepare bundle")]
    Prepare(PrepareArgs),
    /// Ask a running server whether it is well (for container health checks)
    #[command(after_help = "Example: fishid health --url http://127.0.0.1:8080")]
    Health(HealthArgs),
    /// Train if nothing is in production, then serve
    #[command(
        after_help = "Example: fishid up --data photos\n\nWithout --data, synthetic fish are drawn and a demonstration model is trained on them."
    )]
    Up(UpArgs),
}

impl Command {
    /// Whether the command is a long-running server that logs for machines; `up` at a person's terminal does not.
    pub fn logs_for_machines(&self, at_a_terminal: bool) -> bool {
        match self {
            Self::Serve(_) => true,
            Self::Up(_) => !at_a_terminal,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn servers_log_for_machines_unless_a_person_watches_up() {
        for (command, at_a_terminal, expected) in [
            ("fishid serve --bundle b", false, true),
            ("fishid serve --bundle b", true, true),
            ("fishid up", false, true),
            ("fishid up", true, false),
            ("fishid predict b photo.jpg", false, false),
        ] {
            let cli = Cli::try_parse_from(command.split(' ')).unwrap();
            let found = cli.command.logs_for_machines(at_a_terminal);
            assert_eq!(found, expected, "{command}, at a terminal: {at_a_terminal}");
        }
    }

    #[test]
    fn every_leaf_command_has_an_example() {
        fn visit(command: &clap::Command) {
            if command.get_subcommands().next().is_none() {
                let text = command
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(
                    text.contains("Example:"),
                    "{} has no example",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(visit);
        }
        Cli::command().get_subcommands().for_each(visit);
    }
}
