//! `fishid registry …`, and which registry other commands mean.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Which registry and which model in it.
#[derive(Args, Debug, Clone)]
pub struct RegistryArgs {
    /// <file:///folder> or <mlflow+http://host:5000> (default: `MLFLOW_TRACKING_URI`, else $`FISHID_HOME/registry`)
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// The model's name
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
}

/// Why something is changed; who is the user of this machine.
#[derive(Args, Debug, Clone)]
pub struct WhyArgs {
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
}

#[derive(Subcommand, Debug)]
pub enum RegistryCommand {
    /// List versions, newest first
    #[command(after_help = "Example: fishid registry list")]
    List(RegistryListArgs),
    /// Show one version by number or alias
    #[command(after_help = "Example: fishid registry show production --json")]
    Show(RegistryVersionArgs),
    /// Store a bundle as a new version
    #[command(after_help = "Example: fishid registry publish bundle --json")]
    Publish(PublishArgs),
    /// Let the alias `production` name a version
    #[command(
        after_help = "Example: fishid registry promote 3 --why 'better on perch'\n\nA version that the gate refused, or a demonstration in the place of a real model, needs --force and --why; the history keeps both and what was overridden."
    )]
    Promote(PromoteArgs),
    /// Take the last promotion back
    #[command(after_help = "Example: fishid registry rollback --why 'confuses roach and rudd'")]
    Rollback(RollbackArgs),
    /// Every publication, promotion and deletion, with time, who, why and the model's test results
    #[command(after_help = "Example: fishid registry history")]
    History(RegistryListArgs),
    /// Delete old versions that nobody needs
    #[command(
        after_help = "Example: fishid registry prune --keep 10 --dry-run\n\nWhat an alias names, what was in production within 90 days and what a roll-back would return to always stay."
    )]
    Prune(PruneArgs),
}

#[derive(Args, Debug)]
pub struct RegistryListArgs {
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct RegistryVersionArgs {
    /// Version number or alias
    pub version: String,
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct PublishArgs {
    /// Bundle folder
    pub bundle: PathBuf,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub why: WhyArgs,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct PromoteArgs {
    /// Version number
    pub version: String,
    /// Promote what the gate refused, or a demonstration over a real model; needs --why
    #[arg(long, requires = "why")]
    pub force: bool,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub why: WhyArgs,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct PruneArgs {
    /// The newest so many versions stay
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub keep: usize,
    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub why: WhyArgs,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct RollbackArgs {
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub why: WhyArgs,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}
