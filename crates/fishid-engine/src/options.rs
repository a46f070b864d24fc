//! How one session is made.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::{Precision, Provider};

/// How a session is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineOptions {
    /// Threads inside one run; 0 takes [`usable_cores`].
    pub threads: usize,
    /// What computes the graph.
    pub provider: Provider,
    /// The numbers it is computed in.
    pub precision: Precision,
    /// Photographs in every run, where that is known beforehand: fixed shapes are faster in `OpenVINO`, and such
    /// a session runs this many and no other number.
    pub batch: Option<NonZeroUsize>,
    /// Folder of `OpenVINO`'s compiled graphs, which it may read instead of compiling again.
    pub compiled_dir: Option<PathBuf>,
}

impl EngineOptions {
    /// One thread: for callers that run several models side by side, one per core.
    pub fn single_threaded() -> Self {
        Self {
            threads: 1,
            ..Self::default()
        }
    }

    /// The threads a session really gets.
    pub fn resolved_threads(&self) -> usize {
        match self.threads {
            0 => usable_cores(),
            threads => threads,
        }
    }
}

/// Cores this process may use: its affinity and the processor quota of its control group, whichever is less. In a pod
/// with two CPUs on a machine of 64 cores that is 2.
pub fn usable_cores() -> usize {
    // The standard library reads both kinds of control groups.
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}
