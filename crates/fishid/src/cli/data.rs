//! `fishid data …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
    /// Bring a folder to S3; what is there already, with the same content, is left alone
    #[command(
        after_help = "Example: fishid data upload photos s3://fish/rivers\n\nThe server and the keys come from the variables of the AWS tools: docs/STORAGE.md."
    )]
    Upload(UploadArgs),
    /// Write down which photographs there are, by content
    #[command(
        after_help = "Example: fishid data lock photos --out data.lock.json\n\nThe file is the same wherever the photographs lie; keep it under version control. `fishid train` and `fishid pipeline run` take it with --lock and refuse other photographs."
    )]
    Lock(LockArgs),
    /// Say what differs between two states of the photographs
    #[command(
        after_help = "Example: fishid data diff data.lock.json photos\n\nExit status 0, equal or not; with --exit-code 3 when they differ."
    )]
    Diff(DiffArgs),
}

#[derive(Args, Debug)]
pub struct UploadArgs {
    /// Folder whose files are brought
    pub dir: PathBuf,
    /// Where to: `s3://bucket/prefix`, or another folder
    pub to: String,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct LockArgs {
    /// Folder or `s3://bucket/prefix`
    pub dir: String,
    /// The lock to write; an earlier one is replaced
    #[arg(long, default_value = "data.lock.json", value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub group: GroupColumn,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct DiffArgs {
    /// Before: a lock, a folder or `s3://bucket/prefix`
    pub a: String,
    /// After: a lock, a folder or `s3://bucket/prefix`
    pub b: String,
    /// Column of manifest.csv that names the group [default: that of the lock, else `group`]
    #[arg(long, value_name = "NAME")]
    pub group_column: Option<String>,
    /// End with status 3 when they differ
    #[arg(long)]
    pub exit_code: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
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
    /// Folder or `s3://bucket/prefix`
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
    /// Folder of class folders, or `s3://bucket/prefix`
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
