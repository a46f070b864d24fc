//! `fishid pipeline …`

use clap::{Args, Subcommand};

use super::model::{LockedArgs, RecipeArgs};
use super::registry::RegistryArgs;

#[derive(Subcommand, Debug)]
pub enum PipelineCommand {
    /// validate, split, embed, train, evaluate, gate, register, promote, report
    #[command(
        after_help = "Example: fishid pipeline run --data photos\n\nA step whose inputs have not changed is skipped. --resume continues the last unfinished run with the settings it was started with."
    )]
    Run(PipelineRunArgs),
}

#[derive(Args, Debug)]
pub struct PipelineRunArgs {
    /// Folder or `s3://bucket/prefix`; without it, synthetic fish
    #[arg(long)]
    pub data: Option<String>,
    #[command(flatten)]
    pub locked: LockedArgs,
    #[command(flatten)]
    pub recipe: RecipeArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Continue the last unfinished run
    #[arg(long, conflicts_with_all = ["data", "lock", "backbone", "fit", "views", "epochs", "seed", "registry", "model", "allow_class_change"])]
    pub resume: bool,
    #[command(flatten)]
    pub gate: GateArgs,
    /// Do every step again
    #[arg(long)]
    pub force: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// What a person allows the gate.
#[derive(Args, Debug, Clone, Copy)]
pub struct GateArgs {
    /// Let the gate compare a model of other classes than those in production
    #[arg(long)]
    pub allow_class_change: bool,
}
