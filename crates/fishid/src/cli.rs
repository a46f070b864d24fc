//! What can be typed. Each command's help ends with an example.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    /// Photographs: draw, check, import, split
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
    #[command(after_help = "Example: fishid evaluate bundle --data photos --json")]
    Evaluate(EvaluateArgs),
    /// Name the fish on photographs
    #[command(
        after_help = "Example: fishid predict bundle photo.jpg another.png --json\n\nA folder stands for all photographs in it, at any depth."
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
    /// Whether the command is a long-running server, which logs for machines.
    pub fn is_server(&self) -> bool {
        matches!(self, Self::Serve(_))
    }
}

#[derive(Subcommand, Debug)]
pub enum DataCommand {
    /// Draw synthetic fish: data for demonstrations and tests, nothing else
    #[command(after_help = "Example: fishid data synth /tmp/fish --species 15 --per-class 24")]
    Synth(SynthArgs),
    /// Look for broken, tiny, duplicate and mislabelled photographs
    #[command(
        after_help = "Example: fishid data check photos --json\n\nExit status 0: clean (warnings apart), 2: problems."
    )]
    Check(CheckArgs),
    /// Bring nested or zipped class folders into train/val/test
    #[command(
        after_help = "Example: fishid data import a-large-scale-fish-dataset.zip datasets_final"
    )]
    Import(ImportArgs),
    /// Split class folders into train/val/test by group
    #[command(after_help = "Example: fishid data split photos photos-split --ratios 80/10/10")]
    Split(SplitArgs),
}

#[derive(Args, Debug)]
pub struct SynthArgs {
    /// Folder to fill
    pub dir: PathBuf,
    /// How many species, 1 to 15
    #[arg(long, default_value_t = 15)]
    pub species: usize,
    /// Photographs per species
    #[arg(long, default_value_t = 24)]
    pub per_class: usize,
    /// Same seed, same photographs
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Which column of manifest.csv names the group.
#[derive(Args, Debug, Clone)]
pub struct GroupColumn {
    /// Column of manifest.csv whose photographs stay together
    #[arg(long, default_value = "group", value_name = "NAME")]
    pub group_column: String,
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Folder or <s3://bucket/prefix>
    pub dir: String,
    #[command(flatten)]
    pub group: GroupColumn,
    /// Print one JSON object per problem
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ImportArgs {
    /// Zip archive or folder with class folders at any depth
    pub src: PathBuf,
    /// Folder to fill
    pub dir: PathBuf,
    /// Same seed, same split
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct SplitArgs {
    /// Folder of class folders, or <s3://bucket/prefix>
    pub dir: String,
    /// Folder to fill; an earlier split there is kept and extended
    pub out: PathBuf,
    /// Shares of train/val/test, per cent
    #[arg(long, default_value = "80/10/10")]
    pub ratios: String,
    #[command(flatten)]
    pub group: GroupColumn,
    /// Same seed, same split
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand, Debug)]
pub enum WeightsCommand {
    /// Download published ImageNet weights: resumed, verified, cached
    #[command(
        after_help = "Example: fishid weights fetch tf-efficientnet-b4\n\nweights.hub (FISHID_WEIGHTS__HUB, HF_ENDPOINT) names a mirror, HF_TOKEN is sent to it."
    )]
    Fetch(WeightsFetchArgs),
    /// Turn a safetensors file (timm's or torchvision's names) into an ONNX backbone
    #[command(
        after_help = "Example: fishid weights import model.safetensors --arch tf-efficientnet-b4 --out backbone.onnx\n\nbackbone.json, which says how photographs are to be fed, is written beside it."
    )]
    Import(WeightsImportArgs),
}

#[derive(Args, Debug)]
pub struct WeightsFetchArgs {
    /// Network, such as tf-efficientnet-b4
    pub arch: String,
    /// Published set instead of the network's default, such as `aa_in1k`
    #[arg(long, value_name = "SET")]
    pub set: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct WeightsImportArgs {
    /// Weights in the safetensors format
    pub file: PathBuf,
    /// Network the weights belong to, such as tf-efficientnet-b4
    #[arg(long)]
    pub arch: String,
    /// ONNX file to write
    #[arg(long, value_name = "BACKBONE.onnx")]
    pub out: PathBuf,
    /// Published set the weights are, such as `ap_in1k`: its card says how photographs are fed
    #[arg(long, value_name = "SET")]
    pub set: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct TrainArgs {
    /// Folder or <s3://bucket/prefix>
    #[arg(long)]
    pub data: String,
    /// Folder of the new bundle
    #[arg(long)]
    pub out: PathBuf,
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// What decides the model besides the data.
#[derive(Args, Debug, Clone)]
pub struct RecipeArgs {
    /// Network by its name (efficientnet-b0…b7, tf-efficientnet-b0…b7), or an ONNX image network with an output
    /// `embedding` or `features` [default: tf-efficientnet-b4; without its weights and offline, a small random one]
    #[arg(long, value_name = "ARCH|FILE.onnx")]
    pub backbone: Option<String>,
    /// Weights of a network given by name: auto (cached, else downloaded, else random with a warning), imagenet or
    /// imagenet:SET, random:SEED, or FILE.safetensors [default: auto]
    #[arg(long, value_name = "WEIGHTS")]
    pub weights: Option<String>,
    #[command(flatten)]
    pub group: GroupColumn,
    /// How a photograph is fitted to the network: stretch, pad or center-crop
    #[arg(long, value_name = "FIT")]
    pub fit: Option<String>,
    /// Same seed and data, same model
    #[arg(long)]
    pub seed: Option<u64>,
}

#[derive(Args, Debug)]
pub struct EvaluateArgs {
    /// Bundle folder
    pub bundle: PathBuf,
    /// Folder of class folders, taken whole
    #[arg(long)]
    pub data: String,
    #[command(flatten)]
    pub group: GroupColumn,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct PredictArgs {
    /// Bundle folder
    pub bundle: PathBuf,
    /// Photographs, or folders of them
    #[arg(required = true, value_name = "PHOTO")]
    pub photos: Vec<PathBuf>,
    /// Language of the labels: ru or en
    #[arg(long, default_value = "ru")]
    pub lang: String,
    /// Print one JSON object per photograph
    #[arg(long)]
    pub json: bool,
}

/// Which registry and which model in it.
#[derive(Args, Debug, Clone)]
pub struct RegistryArgs {
    /// <file:///folder> (default: $`FISHID_HOME/registry`)
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
    #[command(after_help = "Example: fishid registry promote 3 --why 'better on perch'")]
    Promote(PromoteArgs),
    /// Take the last promotion back
    #[command(after_help = "Example: fishid registry rollback --why 'confuses roach and rudd'")]
    Rollback(RollbackArgs),
    /// Every publication and promotion, with time, who and why
    #[command(after_help = "Example: fishid registry history")]
    History(RegistryListArgs),
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
    /// Promote even a demonstration over a real model
    #[arg(long)]
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
pub struct RollbackArgs {
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub why: WhyArgs,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

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
    /// Folder or <s3://bucket/prefix>; without it, synthetic fish
    #[arg(long)]
    pub data: Option<String>,
    #[command(flatten)]
    pub recipe: RecipeArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Continue the last unfinished run
    #[arg(long, conflicts_with_all = ["data", "backbone", "fit", "seed", "registry", "model"])]
    pub resume: bool,
    /// Do every step again
    #[arg(long)]
    pub force: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Serve this bundle folder
    #[arg(long, conflicts_with = "registry")]
    pub bundle: Option<PathBuf>,
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Address and port
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
}

#[derive(Args, Debug)]
pub struct HealthArgs {
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Ask whether it is ready to answer, not only alive
    #[arg(long)]
    pub ready: bool,
}

#[derive(Args, Debug)]
pub struct UpArgs {
    /// Folder or <s3://bucket/prefix>; without it, synthetic fish
    #[arg(long)]
    pub data: Option<String>,
    #[command(flatten)]
    pub recipe: RecipeArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Address and port
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
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
