//! `fishid serve`, `tune`, `prepare`, `health` and `up`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use fishid_engine::{Goal, Precision, Provider};

use super::model::RecipeArgs;
use super::registry::RegistryArgs;

#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Serve this bundle folder
    #[arg(long, conflicts_with = "registry")]
    pub bundle: Option<PathBuf>,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Address and port
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Redis that servers share answers over, `redis://host:port` or `rediss://…`; a password belongs into `REDIS_URL`
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<String>,
}

/// What computes the model; what is not given is chosen by measurement (see `fishid tune`), or by the facts of this
/// machine.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// Execution provider: cpu, openvino (x86-64 Linux) or cuda [default: openvino where the library has it]
    #[arg(long)]
    pub provider: Option<Provider>,
    /// Numbers it computes in: f32 or bf16 [default: bf16 where the processor has it natively and the golden
    /// photographs are answered as in f32]
    #[arg(long)]
    pub precision: Option<Precision>,
    /// Photographs answered side by side [default: 1]
    #[arg(long, value_name = "N")]
    pub streams: Option<NonZeroUsize>,
    /// Threads of each stream [default: the cores of this process's quota, shared out among the streams]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Photographs of one run [default: 1]
    #[arg(long, value_name = "N")]
    pub batch: Option<NonZeroUsize>,
}

#[derive(Args, Debug)]
pub struct TuneArgs {
    /// Bundle folder
    pub bundle: PathBuf,
    /// What the settings are to be best at: latency of one photograph alone, or throughput of many
    #[arg(long, default_value = "latency")]
    pub goal: Goal,
    /// Time for each plan, loading not counted
    #[arg(long, value_name = "SECONDS", default_value_t = 4.0)]
    pub seconds: f64,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct PrepareArgs {
    /// Bundle folder
    pub bundle: PathBuf,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// End after so many seconds, or with standard input
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0)]
    pub within: f64,
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
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Address and port
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Redis that servers share answers over, `redis://host:port` or `rediss://…`; a password belongs into `REDIS_URL`
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<String>,
}
