//! `fishid train`, `evaluate` and `predict`.

use std::path::PathBuf;

use clap::Args;

use super::data::GroupColumn;

#[derive(Args, Debug)]
pub struct TrainArgs {
    /// Folder or `s3://bucket/prefix`
    #[arg(long)]
    pub data: String,
    /// Folder of the new bundle
    #[arg(long)]
    pub out: PathBuf,
    #[command(flatten)]
    pub recipe: RecipeArgs,
    #[command(flatten)]
    pub locked: LockedArgs,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Which state of the photographs is meant.
#[derive(Args, Debug, Clone)]
pub struct LockedArgs {
    /// Refuse photographs that are not those of this lock (see `fishid data lock`)
    #[arg(long, value_name = "FILE", requires = "data")]
    pub lock: Option<PathBuf>,
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
    /// Views of each training photograph: itself, mirrored, then changed by chance [default: 6]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub views: Option<u32>,
    /// Most epochs of the head's training [default: 60]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub epochs: Option<u32>,
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
    /// Of train/val/test folders take only this one: train, val or test
    #[arg(long, value_name = "SPLIT")]
    pub split: Option<String>,
    #[command(flatten)]
    pub group: GroupColumn,
    /// Write the answer to each photograph into a table
    #[arg(long, value_name = "FILE.csv")]
    pub predictions: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct PredictArgs {
    /// Bundle folder
    pub bundle: PathBuf,
    /// Photographs, or folders of them; with --out also `s3://bucket/prefix`
    #[arg(required = true, value_name = "PHOTO")]
    pub photos: Vec<PathBuf>,
    /// Write the answers into a table instead: a name ending in .parquet, .csv or .jsonl. A run that was stopped
    /// goes on when the same command is given again
    #[arg(long, value_name = "TABLE")]
    pub out: Option<PathBuf>,
    /// Begin anew, whatever was answered for this table before
    #[arg(long, requires = "out")]
    pub restart: bool,
    /// End with status 2 when any photograph has no answer, not only when all of them have none
    #[arg(long, requires = "out")]
    pub strict: bool,
    /// Language of the labels: ru or en
    #[arg(long, default_value = "ru")]
    pub lang: String,
    /// Print one JSON object per photograph; with --out one about the table
    #[arg(long)]
    pub json: bool,
}
