//! Execution providers: which part of ONNX Runtime computes a graph, in which numbers.
//!
//! Each provider is one variant and one function that prepares a session. The options of OpenVINO's CPU plug-in go
//! in as the JSON text that its `load_config` takes; with a file name there ONNX Runtime would silently use its
//! own CPU kernels.

use std::fmt;
use std::str::FromStr;

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider as _, ExecutionProvider as _};
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use serde::{Deserialize, Serialize};

use crate::{EngineError, EngineOptions, Runtime};

/// What computes the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Provider {
    /// ONNX Runtime's own CPU kernels.
    #[default]
    Cpu,
    /// `OpenVINO` on the processor: x86-64 Linux with the library of the `onnxruntime-openvino` wheel.
    OpenVino,
    /// An NVIDIA GPU, with a library built for CUDA.
    Cuda,
}

impl Provider {
    /// The provider's name as ONNX Runtime writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPUExecutionProvider",
            Self::OpenVino => "OpenVINOExecutionProvider",
            Self::Cuda => "CUDAExecutionProvider",
        }
    }

    /// The provider's name as settings write it.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::OpenVino => "openvino",
            Self::Cuda => "cuda",
        }
    }

    /// Whether the library in use was built with this provider. Its parts may still be missing, which
    /// loading a graph tells.
    ///
    /// # Errors
    /// The library itself is missing, too old or broken.
    pub fn is_built_in(self) -> Result<bool, EngineError> {
        Runtime::current()?;
        let answered = match self {
            Self::Cpu => Ok(true),
            Self::OpenVino => ep::OpenVINO::is_available(),
            Self::Cuda => ep::CUDA::is_available(),
        };
        // The list of providers is a constant of the library; it has no way to fail but want of memory.
        Ok(answered.unwrap_or(false))
    }

    /// Whether it can compute in this precision at all.
    pub fn knows(self, precision: Precision) -> bool {
        match precision {
            Precision::F32 => true,
            Precision::Bf16 => self == Self::OpenVino,
        }
    }

    pub(crate) fn prepare(
        self,
        builder: SessionBuilder,
        options: &EngineOptions,
    ) -> Result<SessionBuilder, String> {
        if !self.knows(options.precision) {
            return Err(format!(
                "{} does not compute in {}; use openvino for bf16, or f32",
                self.name(),
                options.precision
            ));
        }
        let prepared = match self {
            Self::Cpu => prepare_cpu(builder, options),
            Self::OpenVino => prepare_openvino(builder, options),
            Self::Cuda => prepare_cuda(builder, options),
        };
        prepared.map_err(|error| error.to_string())
    }
}

impl FromStr for Provider {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let known = [Self::Cpu, Self::OpenVino, Self::Cuda];
        let found = known.into_iter().find(|provider| provider.slug() == text);
        found.ok_or_else(|| UnknownName::new("execution provider", text, "cpu, openvino or cuda"))
    }
}

/// The numbers a graph is computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// float32
    #[default]
    F32,
    /// bfloat16 with float32 sums: half the memory traffic, and twice the rate where the processor has it natively.
    Bf16,
}

impl Precision {
    /// `f32` or `bf16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            _ => Err(UnknownName::new("precision", text, "f32 or bf16")),
        }
    }
}

/// A provider or precision that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{found}`; it is {known}")]
pub struct UnknownName {
    what: &'static str,
    found: String,
    known: &'static str,
}

impl UnknownName {
    fn new(what: &'static str, found: &str, known: &'static str) -> Self {
        Self {
            what,
            found: found.to_owned(),
            known,
        }
    }
}

fn prepare_cpu(builder: SessionBuilder, options: &EngineOptions) -> ort::Result<SessionBuilder> {
    let builder = builder
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(options.resolved_threads())?
        .with_inter_threads(1)?
        // Waiting threads would otherwise burn the cores that decode the next photographs.
        .with_intra_op_spinning(false)?;
    let builder = builder
        .with_execution_providers([ep::CPU::default().with_arena_allocator(true).build()])?;
    Ok(builder)
}

fn prepare_openvino(
    builder: SessionBuilder,
    options: &EngineOptions,
) -> ort::Result<SessionBuilder> {
    let plugin = serde_json::json!({
        "INFERENCE_NUM_THREADS": options.resolved_threads(),
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_PRECISION_HINT": options.precision.name(),
        // Pinned, the threads of every session sit on the same first cores: two streams of one thread then took
        // turns on one core, at half the rate.
        "ENABLE_CPU_PINNING": false,
    });
    let config = serde_json::json!({ "CPU": plugin }).to_string();
    let mut provider = ep::OpenVINO::default()
        .with_device_type("CPU")
        .with_arbitrary_config("load_config", config);
    if let Some(folder) = &options.compiled_dir {
        provider = provider.with_cache_dir(folder.display());
    }
    let builder = builder
        // OpenVINO optimises the graph itself, and reads best what was written.
        .with_optimization_level(GraphOptimizationLevel::Disable)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        // Without this a provider that cannot be loaded is replaced by the CPU kernels in silence.
        .with_execution_providers([provider.build().error_on_failure()])?;
    Ok(builder)
}

fn prepare_cuda(builder: SessionBuilder, options: &EngineOptions) -> ort::Result<SessionBuilder> {
    let builder = builder
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(options.resolved_threads())?
        .with_intra_op_spinning(false)?
        .with_execution_providers([ep::CUDA::default().build().error_on_failure()])?;
    Ok(builder)
}
