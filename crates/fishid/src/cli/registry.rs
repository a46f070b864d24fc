//! `fishid registry …`, and which registry other commands mean.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::data::GroupColumn;

/// Which registry and which model in it.
#[derive(Args, Debug, Clone)]
pub struct RegistryArgs {
    /// `file:///folder` or `mlflow+http://host:5000` (default: `MLFLOW_TRACKING_URI`, else `$FISHID_HOME/registry`)
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
    /// Store an ONNX classifier that was trained elsewhere, wrapped and proven, as a new version
    #[command(after_help = ADOPT_HELP)]
    Adopt(Box<AdoptArgs>),
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

const ADOPT_HELP: &str = "Example:
  fishid registry adopt resnet.onnx --samples photos --classes classes.txt \\
      --scale 1/255 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --out bundle
  fishid registry adopt models:/resnet-fish/3 --samples photos --scale 1/255 --registry mlflow+http://127.0.0.1:5000

What a JSON file beside the model says (resnet.json, in the form of the one beside a backbone), or the signature and
metadata of an MLmodel, need not be repeated. The bundle is compared with the classifier on the samples, whose folders
also prove the order of the classes; what cannot be proven is refused with exit status 2.";

#[derive(Args, Debug)]
pub struct AdoptArgs {
    /// ONNX file, a folder that `MLflow` saved, or <models:/NAME/VERSION> or <models:/NAME@ALIAS>
    #[arg(value_name = "MODEL")]
    pub classifier: String,
    /// Labelled photographs of every class: class folders, or `s3://bucket/prefix`
    #[arg(long, value_name = "DATA")]
    pub samples: String,
    #[command(flatten)]
    pub group: GroupColumn,
    #[command(flatten)]
    pub form: AdoptedForm,
    /// Write the bundle into this folder instead of publishing it
    #[arg(long, value_name = "BUNDLE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub why: WhyArgs,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// How the classifier is fed and what it answers, where its file does not say it.
#[derive(Args, Debug, Clone)]
pub struct AdoptedForm {
    /// Its classes in the order of its output: names between commas, or a file (lines or a JSON list)
    #[arg(long, value_name = "NAMES|FILE")]
    pub classes: Option<String>,
    /// Side in pixels, or height x width such as 240x320
    #[arg(long, value_name = "SIZE")]
    pub size: Option<String>,
    /// nchw or nhwc
    #[arg(long, value_name = "LAYOUT")]
    pub layout: Option<String>,
    /// rgb or bgr
    #[arg(long, value_name = "ORDER")]
    pub channel_order: Option<String>,
    /// Factor on the pixel, such as 1/255
    #[arg(long, value_name = "NUMBER")]
    pub scale: Option<String>,
    /// Subtracted after scaling: one number, or three in the order of the channels
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    pub mean: Option<String>,
    /// Divided by at last: one number, or three
    #[arg(long, value_name = "NUMBERS")]
    pub std: Option<String>,
    /// Name of its input
    #[arg(long, value_name = "NAME")]
    pub input: Option<String>,
    /// Name of the output with a number for each class
    #[arg(long, value_name = "NAME")]
    pub output: Option<String>,
    /// What these numbers are: logits or probabilities
    #[arg(long, value_name = "KIND")]
    pub output_kind: Option<String>,
    /// How a photograph is made its size: stretch, pad or center-crop [default: stretch]
    #[arg(long, value_name = "FIT")]
    pub fit: Option<String>,
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
