//! How a graph is run on a machine: provider, precision, streams × threads, batch.
//!
//! Decides only by facts and wishes; measuring is `tune`'s.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::{EngineError, Machine, Precision, Provider};

/// How a graph is run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Plan {
    /// What computes it.
    pub provider: Provider,
    /// In which numbers.
    pub precision: Precision,
    /// Photographs answered side by side, each by a session of its own.
    pub streams: usize,
    /// Threads of each stream.
    pub threads: usize,
    /// Photographs of one run; 1 is fastest on most processors.
    pub batch: usize,
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            provider,
            precision,
            streams,
            threads,
            batch,
        } = self;
        let provider = provider.slug();
        write!(
            f,
            "{provider} {precision}, {streams} x {threads} threads, batch {batch}"
        )
    }
}

/// What somebody asked for; the rest is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    /// What computes the graph.
    pub provider: Option<Provider>,
    /// In which numbers.
    pub precision: Option<Precision>,
    /// Photographs answered side by side.
    pub streams: Option<NonZeroUsize>,
    /// Threads of each stream.
    pub threads: Option<NonZeroUsize>,
    /// Photographs of one run.
    pub batch: Option<NonZeroUsize>,
}

impl Wishes {
    /// Whether whoever wishes `more` wishes all of this.
    pub fn are_among(&self, more: &Self) -> bool {
        fn is_among<T: PartialEq>(wish: Option<&T>, of: Option<&T>) -> bool {
            wish.is_none() || wish == of
        }
        is_among(self.provider.as_ref(), more.provider.as_ref())
            && is_among(self.precision.as_ref(), more.precision.as_ref())
            && is_among(self.streams.as_ref(), more.streams.as_ref())
            && is_among(self.threads.as_ref(), more.threads.as_ref())
            && is_among(self.batch.as_ref(), more.batch.as_ref())
    }

    /// Whether a plan is what was asked for.
    pub fn are_met_by(&self, plan: &Plan) -> bool {
        let same = |wish: Option<NonZeroUsize>, found| wish.is_none_or(|wish| wish.get() == found);
        self.provider.is_none_or(|wish| wish == plan.provider)
            && self.precision.is_none_or(|wish| wish == plan.precision)
            && same(self.streams, plan.streams)
            && same(self.threads, plan.threads)
            && same(self.batch, plan.batch)
    }
}

impl Plan {
    /// The plan for where nothing was measured: bf16 where the processor has it natively, one stream with all the
    /// cores of the quota, batch 1. Wishes go first.
    ///
    /// # Errors
    /// [`EngineError::Wish`] when the wishes contradict each other or this machine.
    pub fn unmeasured(machine: &Machine, wishes: &Wishes) -> Result<Self, EngineError> {
        let provider = wishes.provider.unwrap_or_else(|| machine.best_provider());
        if provider == Provider::OpenVino && !machine.has_openvino {
            return Err(EngineError::Wish {
                reason: "the ONNX Runtime library here was not built with OpenVINO; use `cpu`, or set ORT_DYLIB_PATH to the library of the onnxruntime-openvino wheel".to_owned(),
            });
        }
        let best = || machine.best_precision(provider);
        let precision = wishes.precision.unwrap_or_else(best);
        if !provider.knows(precision) {
            let slug = provider.slug();
            return Err(EngineError::Wish {
                reason: format!("{slug} does not compute in {precision}; use f32, or openvino"),
            });
        }
        let streams = wishes.streams.map_or(1, NonZeroUsize::get);
        let shared_out = (machine.cores / streams).max(1);
        Ok(Self {
            provider,
            precision,
            streams,
            threads: wishes.threads.map_or(shared_out, NonZeroUsize::get),
            batch: wishes.batch.map_or(1, NonZeroUsize::get),
        })
    }

    /// The same in f32, for a model whose answers bf16 changes too much.
    #[must_use]
    pub fn in_f32(&self) -> Self {
        Self {
            precision: Precision::F32,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn machine(cores: usize, features: &[&str], has_openvino: bool) -> Machine {
        Machine {
            architecture: "x86_64".into(),
            processor: "test".into(),
            features: features.iter().map(ToString::to_string).collect(),
            cores,
            library: "build".into(),
            has_openvino,
        }
    }

    #[track_caller]
    fn check(machine: &Machine, wishes: &Wishes, expected: &str) {
        let plan = Plan::unmeasured(machine, wishes);
        let found = plan.map_or_else(|error| error.to_string(), |plan| plan.to_string());
        assert!(found.contains(expected), "{found} is not {expected}");
    }

    #[test]
    fn without_a_measurement_one_stream_takes_the_cores_and_bf16_where_it_is_native() {
        let none = Wishes::default();
        let bf16 = "openvino bf16, 1 x 2 threads, batch 1";
        check(&machine(2, &["avx512bf16"], true), &none, bf16);
        check(&machine(2, &["amx-bf16"], true), &none, bf16);
        let f32 = "openvino f32, 1 x 4 threads, batch 1";
        check(&machine(4, &["avx2", "avx512f"], true), &none, f32);
        let cpu = "cpu f32, 1 x 8 threads, batch 1";
        check(&machine(8, &["avx512bf16"], false), &none, cpu);
    }

    #[test]
    fn wishes_go_first_and_streams_share_the_cores() {
        let here = machine(8, &["avx512bf16"], true);
        let four = Wishes {
            streams: NonZeroUsize::new(4),
            precision: Some(Precision::F32),
            batch: NonZeroUsize::new(2),
            ..Wishes::default()
        };
        check(&here, &four, "openvino f32, 4 x 2 threads, batch 2");
        let more_than_cores = Wishes {
            streams: NonZeroUsize::new(16),
            ..Wishes::default()
        };
        check(&here, &more_than_cores, "16 x 1 threads");
    }

    #[test]
    fn wishes_that_cannot_be_met_are_refused_with_the_remedy() {
        let on_cpu = Wishes {
            provider: Some(Provider::Cpu),
            precision: Some(Precision::Bf16),
            ..Wishes::default()
        };
        let here = machine(2, &["avx512bf16"], true);
        check(&here, &on_cpu, "cpu does not compute in bf16; use f32");
        let openvino = Wishes {
            provider: Some(Provider::OpenVino),
            ..Wishes::default()
        };
        check(&machine(2, &[], false), &openvino, "use `cpu`");
    }

    #[test]
    fn a_plan_meets_wishes_only_in_every_part() {
        let here = machine(2, &[], true);
        let plan = Plan::unmeasured(&here, &Wishes::default()).unwrap();
        assert!(Wishes::default().are_met_by(&plan));
        let streams = |n| Wishes {
            streams: NonZeroUsize::new(n),
            ..Wishes::default()
        };
        assert!(streams(1).are_met_by(&plan));
        assert!(!streams(2).are_met_by(&plan));
    }
}
