//! Who is next: admission by deadline, earliest deadline first in both stages, and what is dropped undone.
//!
//! A state machine that is told the time. It knows neither threads nor models: [`crate::stages`] drives it
//! under a lock. Start at [`Schedule::admit`].

mod admission;
mod doors;
mod estimate;
mod forecast;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::model::Effort;
use estimate::{Estimates, Pace};

/// A photograph's place in line: the earlier its deadline, the further ahead, and who came first among equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    pub(crate) deadline: Instant,
    number: u64,
}

/// What waits in line.
pub(crate) trait Claim {
    /// Whether nobody waits for the answer any more.
    fn has_left(&self) -> bool;
    /// How many may go to the model at once with this one in front.
    fn max_batch(&self) -> usize {
        1
    }
    /// Whether the model can take both in one run.
    fn goes_with(&self, _other: &Self) -> bool {
        true
    }
}

/// How much of everything there is.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Photographs accepted and not yet answered.
    pub(crate) capacity: usize,
    pub(crate) decode_threads: usize,
    pub(crate) inference_threads: usize,
    /// Decoded photographs that may wait for each thread of the model.
    pub(crate) decode_ahead: usize,
    /// See [`crate::ServingConfig::decode_memory_bytes`].
    pub(crate) decode_memory_bytes: u64,
}

impl Limits {
    /// Photographs that may be decoded or being decoded for a model that takes so many at once.
    fn n_ahead(&self, max_batch: usize) -> usize {
        self.inference_threads.max(1) * (self.decode_ahead.max(1) + max_batch - 1)
    }

    /// What any thread may decode at any time; more is a large photograph.
    fn small_bytes(&self) -> u64 {
        self.decode_memory_bytes / 2 / self.decode_threads.max(1) as u64
    }
}

/// A photograph that asks for a place.
#[derive(Debug)]
pub(crate) struct Newcomer<D> {
    pub(crate) deadline: Instant,
    pub(crate) effort: Effort,
    pub(crate) photo: D,
}

/// Why a photograph was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No place is free.
    Full { accepted: usize, wait: Duration },
    /// It, or one admitted before, would not be answered in time.
    Late { expected: Duration, wait: Duration },
}

/// What was taken out of the line without work: nobody waits for it, or it can no longer be in time.
#[derive(Debug)]
pub(crate) enum Dropped<D, I> {
    Photo(D),
    Input(I),
}

/// Photographs on their way to the model together.
#[derive(Debug)]
pub(crate) struct Batch<I> {
    pub(crate) run: u64,
    pub(crate) inputs: Vec<I>,
}

#[derive(Debug)]
enum Stage<D, I> {
    Waiting(D),
    Decoding { since: Instant },
    Decoded(I),
}

#[derive(Debug)]
struct Entry<D, I> {
    effort: Effort,
    admitted: Instant,
    /// From then to the answer, as it was forecast.
    forecast: Duration,
    /// Admitted against the estimates, with nobody else in line: what it takes corrects them at once.
    is_probe: bool,
    stage: Stage<D, I>,
}

#[derive(Debug)]
struct Run {
    number: u64,
    since: Instant,
    /// When each photograph was admitted, and what was forecast.
    promises: Vec<(Instant, Duration)>,
    has_probe: bool,
}

/// The line before both stages, and what is being worked on. `D` waits for decoding, `I` for the model.
#[derive(Debug)]
pub(crate) struct Schedule<D, I> {
    limits: Limits,
    estimates: Estimates,
    pace: Pace,
    line: BTreeMap<Slot, Entry<D, I>>,
    runs: Vec<Run>,
    /// More may be decoded ahead for a model that takes more at once.
    max_batch: usize,
    /// Threads there are; the model that answers may use fewer.
    n_inference_threads: usize,
    next_number: u64,
    last_probe: Option<Instant>,
    n_decoding: usize,
    n_decoded: usize,
    n_large: usize,
    large_bytes: u64,
}

impl<D: Claim, I: Claim> Schedule<D, I> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            n_inference_threads: limits.inference_threads,
            limits,
            estimates: Estimates::default(),
            pace: Pace::default(),
            line: BTreeMap::new(),
            runs: Vec::new(),
            max_batch: 1,
            next_number: 0,
            last_probe: None,
            n_decoding: 0,
            n_decoded: 0,
            n_large: 0,
            large_bytes: 0,
        }
    }

    /// How many photographs the model that answers from now on takes in one run, and how many runs at a time.
    pub(crate) fn expect_model(&mut self, max_batch: usize, n_streams: usize) {
        self.max_batch = max_batch.max(1);
        self.limits.inference_threads = n_streams.clamp(1, self.n_inference_threads.max(1));
    }

    /// Photographs accepted and not yet answered.
    pub(crate) fn len(&self) -> usize {
        let at_the_model: usize = self.runs.iter().map(|run| run.promises.len()).sum();
        self.line.len() + at_the_model
    }

    /// Photographs that wait for either stage.
    pub(crate) fn depth(&self) -> usize {
        self.line.len() - self.n_decoding
    }
}
