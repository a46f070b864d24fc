//! `fishid serve`, `health` and `up`.

use std::path::PathBuf;

use clap::Args;

use super::model::RecipeArgs;
use super::registry::RegistryArgs;

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
    /// Folder or `s3://bucket/prefix`; without it, synthetic fish
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
