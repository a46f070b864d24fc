//! `fishid weights …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
