//! The metrics of serving. What each is called stands in [`crate::metric_names`].

mod process;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
pub use prometheus_client::registry::Registry;

use crate::error::{Phase, ServeError};
use crate::metric_names as names;
use crate::model::{Identity, Measure, Observation};

pub use process::ProcessMetrics;

/// Seconds: five steps per decade from 1 ms to 10 s, rounded so that 100 ms, 250 ms and 1 s are edges
/// (the Renard series R5: 1, 1.6, 2.5, 4, 6.3).
pub const LATENCY_BUCKETS: [f64; 21] = [
    0.001, 0.0016, 0.0025, 0.004, 0.0063, 0.01, 0.016, 0.025, 0.04, 0.063, 0.1, 0.16, 0.25, 0.4,
    0.63, 1.0, 1.6, 2.5, 4.0, 6.3, 10.0,
];

const CONFIDENCE_BUCKETS: [f64; 12] =
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];

/// A latency histogram with [`LATENCY_BUCKETS`].
pub fn latency_histogram() -> Histogram {
    Histogram::new(LATENCY_BUCKETS)
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    tier: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabel {
    class: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    name: String,
    version: String,
    digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EvaluationLabels {
    metric: String,
    split: String,
}

/// What a look-up in the cache found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheResult {
    Hit,
    Miss,
}

/// Why a request got no answer from a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// As many photographs were accepted as the queue holds.
    Full,
    /// Refused at once, since the answer would have come too late.
    Deadline,
    /// Accepted, but not answered in time.
    Expired,
    /// The client left before its answer.
    ClientGone,
    /// No model has been loaded.
    NoModel,
    /// The service is ending.
    Draining,
    /// As many requests were under way as the front takes.
    InFlight,
    /// The memory for photographs being received was taken.
    Memory,
}

impl Rejection {
    const ALL: [Self; 8] = [
        Self::Full,
        Self::Deadline,
        Self::Expired,
        Self::ClientGone,
        Self::NoModel,
        Self::Draining,
        Self::InFlight,
        Self::Memory,
    ];

    /// Errors of the photograph or of the model are not the queue's.
    pub(crate) fn of<E>(error: &ServeError<E>) -> Option<Self> {
        match error {
            ServeError::QueueFull { .. } => Some(Self::Full),
            ServeError::OutOfReach { .. } => Some(Self::Deadline),
            ServeError::DeadlineExceeded { .. } => Some(Self::Expired),
            ServeError::NoModel => Some(Self::NoModel),
            ServeError::Draining => Some(Self::Draining),
            ServeError::Refused(_) | ServeError::Failed(_) | ServeError::Panicked { .. } => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Deadline => "deadline",
            Self::Expired => "expired",
            Self::ClientGone => "client_gone",
            Self::NoModel => "no_model",
            Self::Draining => "draining",
            Self::InFlight => "in_flight",
            Self::Memory => "memory",
        }
    }
}

/// How an attempt to bring in another model ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReloadResult {
    Success,
    Rejected,
    LoadFailed,
    TooSlow,
    SourceFailed,
}

impl ReloadResult {
    const ALL: [Self; 5] = [
        Self::Success,
        Self::Rejected,
        Self::LoadFailed,
        Self::TooSlow,
        Self::SourceFailed,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Rejected => "rejected",
            Self::LoadFailed => "load_failed",
            Self::TooSlow => "too_slow",
            Self::SourceFailed => "source_failed",
        }
    }
}

/// The families of a [`crate::Service`].
#[derive(Debug)]
pub struct Metrics {
    phase_duration: Family<PhaseLabel, Histogram, Latency>,
    cache_requests: Family<CacheLabels, Counter>,
    pub(crate) queue_depth: Gauge,
    queue_rejected: Family<ReasonLabel, Counter>,
    predictions: Family<ClassLabel, Counter>,
    confidence: Histogram,
    model_info: Family<ModelLabels, Gauge>,
    model_evaluation: Family<EvaluationLabels, Gauge<f64, AtomicU64>>,
    model_reloads: Family<ResultLabel, Counter>,
    pub(crate) model_stale: Gauge,
}

/// Makes the latency histograms of a family.
#[derive(Debug, Clone, Copy, Default)]
pub struct Latency;

impl prometheus_client::metrics::family::MetricConstructor<Histogram> for Latency {
    fn new_metric(&self) -> Histogram {
        latency_histogram()
    }
}

impl Metrics {
    fn unregistered() -> Self {
        Self {
            phase_duration: Family::new_with_constructor(Latency),
            cache_requests: Family::default(),
            queue_depth: Gauge::default(),
            queue_rejected: Family::default(),
            predictions: Family::default(),
            confidence: Histogram::new(CONFIDENCE_BUCKETS),
            model_info: Family::default(),
            model_evaluation: Family::default(),
            model_reloads: Family::default(),
            model_stale: Gauge::default(),
        }
    }

    /// Registers every family, and those of the process itself.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::unregistered();
        let Self {
            phase_duration,
            cache_requests,
            queue_depth,
            queue_rejected,
            ..
        } = &metrics;
        registry.register(
            names::PHASE_DURATION,
            "Seconds a photograph spent in one phase",
            phase_duration.clone(),
        );
        registry.register(
            names::CACHE_REQUESTS,
            "Look-ups in the cache of answers",
            cache_requests.clone(),
        );
        registry.register(
            names::QUEUE_DEPTH,
            "Accepted photographs that wait for a worker",
            queue_depth.clone(),
        );
        registry.register(
            names::QUEUE_REJECTED,
            "Requests that got no answer from a model, by reason",
            queue_rejected.clone(),
        );
        metrics.register_answers(registry);
        metrics.zero();
        registry.register_collector(Box::new(ProcessMetrics));
        metrics
    }

    fn register_answers(&self, registry: &mut Registry) {
        registry.register(
            names::PREDICTIONS,
            "Answers given, cached ones included, by class",
            self.predictions.clone(),
        );
        registry.register(
            names::CONFIDENCE,
            "Confidence of the answers given, cached ones included",
            self.confidence.clone(),
        );
        registry.register(
            names::MODEL_INFO,
            "The model that answers now",
            self.model_info.clone(),
        );
        registry.register(
            names::MODEL_EVALUATION,
            "What the serving model scored when it was evaluated",
            self.model_evaluation.clone(),
        );
        registry.register(
            names::MODEL_RELOADS,
            "Attempts to bring in another model, by result",
            self.model_reloads.clone(),
        );
        registry.register(
            names::MODEL_STALE,
            "Whether the model may be outdated because its source cannot be asked",
            self.model_stale.clone(),
        );
    }

    /// Series that exist from the start can be alerted on before their first event.
    fn zero(&self) {
        for phase in [
            Phase::Decode,
            Phase::Preprocess,
            Phase::Queue,
            Phase::Inference,
            Phase::Cache,
        ] {
            drop(self.phase_duration.get_or_create(&PhaseLabel {
                phase: phase.name(),
            }));
        }
        for result in ["hit", "miss"] {
            drop(self.cache_requests.get_or_create(&CacheLabels {
                tier: "memory",
                result,
            }));
        }
        for reason in Rejection::ALL {
            drop(self.queue_rejected.get_or_create(&ReasonLabel {
                reason: reason.name(),
            }));
        }
        for result in ReloadResult::ALL {
            drop(self.model_reloads.get_or_create(&ResultLabel {
                result: result.name(),
            }));
        }
    }

    pub(crate) fn observe_phase(&self, phase: Phase, spent: Duration) {
        let label = PhaseLabel {
            phase: phase.name(),
        };
        self.phase_duration
            .get_or_create(&label)
            .observe(spent.as_secs_f64());
    }

    pub(crate) fn count_cache(&self, result: CacheResult) {
        let result = match result {
            CacheResult::Hit => "hit",
            CacheResult::Miss => "miss",
        };
        self.cache_requests
            .get_or_create(&CacheLabels {
                tier: "memory",
                result,
            })
            .inc();
    }

    /// Counts a request that got no answer from a model. [`crate::Service`] counts its own.
    pub fn count_rejection(&self, reason: Rejection) {
        self.queue_rejected
            .get_or_create(&ReasonLabel {
                reason: reason.name(),
            })
            .inc();
    }

    pub(crate) fn count_reload(&self, result: ReloadResult) {
        self.model_reloads
            .get_or_create(&ResultLabel {
                result: result.name(),
            })
            .inc();
    }

    pub(crate) fn observe_answer(&self, seen: Observation<'_>) {
        let label = ClassLabel {
            class: seen.class.to_owned(),
        };
        self.predictions.get_or_create(&label).inc();
        self.confidence.observe(seen.confidence);
    }

    pub(crate) fn describe_model(&self, identity: &Identity, evaluation: &[Measure]) {
        self.model_info.clear();
        let Identity {
            name,
            version,
            digest,
            ..
        } = identity.clone();
        self.model_info
            .get_or_create(&ModelLabels {
                name,
                version,
                digest,
            })
            .set(1);
        self.model_evaluation.clear();
        for measure in evaluation {
            let Measure {
                metric,
                split,
                value,
            } = measure.clone();
            self.model_evaluation
                .get_or_create(&EvaluationLabels { metric, split })
                .set(value);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn latency_buckets_grow_evenly_and_have_the_promised_edges() {
        for edge in [0.001, 0.1, 0.25, 1.0] {
            assert!(LATENCY_BUCKETS.contains(&edge), "{edge}");
        }
        for pair in LATENCY_BUCKETS.windows(2) {
            let step = pair[1] / pair[0];
            assert!((1.55..=1.61).contains(&step), "{pair:?}: {step}");
        }
    }

    #[test]
    fn every_name_is_in_the_text_before_the_first_request() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let identity = Identity {
            name: "fish-classifier".into(),
            version: "3".into(),
            digest: "abc".into(),
            precision: "f32".into(),
        };
        let macro_f1 = Measure {
            metric: "macro_f1".into(),
            split: "test".into(),
            value: 0.75,
        };
        metrics.describe_model(&identity, &[macro_f1]);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "fishid_phase_duration_seconds_count{phase=\"decode\"} 0",
            "fishid_cache_requests_total{tier=\"memory\",result=\"hit\"} 0",
            "fishid_queue_depth 0",
            "fishid_queue_rejected_total{reason=\"full\"} 0",
            "fishid_confidence_count 0",
            "fishid_model_info{name=\"fish-classifier\",version=\"3\",digest=\"abc\"} 1",
            "fishid_model_evaluation{metric=\"macro_f1\",split=\"test\"} 0.75",
            "fishid_model_reloads_total{result=\"success\"} 0",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
        assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
        assert!(text.contains("\nprocess_cpu_seconds_total "), "{text}");
    }
}
