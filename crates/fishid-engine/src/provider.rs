//! Execution providers: which part of ONNX Runtime computes a graph, and how many threads it gets.
//!
//! The seam for others: a variant of [`Provider`], its precision, and one function that prepares a session.

use std::num::NonZeroUsize;

use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use serde::{Deserialize, Serialize};

/// What computes the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Provider {
    /// ONNX Runtime's own CPU kernels, in f32.
    #[default]
    Cpu,
}

impl Provider {
    /// The provider's name as ONNX Runtime writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPUExecutionProvider",
        }
    }

    /// The number format the provider computes in.
    pub fn precision(self) -> &'static str {
        match self {
            Self::Cpu => "f32",
        }
    }

    pub(crate) fn prepare(
        self,
        builder: SessionBuilder,
        options: &EngineOptions,
    ) -> Result<SessionBuilder, String> {
        match self {
            Self::Cpu => prepare_cpu(builder, options).map_err(|error| error.to_string()),
        }
    }
}

/// How a session is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineOptions {
    /// Threads inside one run (ONNX Runtime's intra-op threads); 0 takes one per core of this process.
    pub threads: usize,
    /// What computes the graph.
    pub provider: Provider,
}

impl Default for EngineOptions {
    /// One thread per core, the CPU provider: the lowest latency for one photograph at a time.
    fn default() -> Self {
        Self {
            threads: 0,
            provider: Provider::Cpu,
        }
    }
}

impl EngineOptions {
    /// One thread: for callers that run several models side by side, one per core.
    pub fn single_threaded() -> Self {
        Self {
            threads: 1,
            provider: Provider::Cpu,
        }
    }

    /// The threads a session really gets.
    pub fn resolved_threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            threads => threads,
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
        .with_execution_providers([ort::ep::CPU::default().with_arena_allocator(true).build()])?;
    Ok(builder)
}
