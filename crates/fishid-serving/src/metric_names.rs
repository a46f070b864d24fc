//! Every metric name of a serving process, in one place: dashboards and alerts are written against these.
//!
//! Counters stand here without `_total`, which the text format adds. The HTTP names are used by the
//! crate that speaks HTTP; this crate only keeps the list whole.

/// Counter `_total{route,method,code}`: requests answered.
pub const HTTP_REQUESTS: &str = "fishid_http_requests";
/// Histogram `{route}`: seconds from the request's head to the reply's.
pub const HTTP_REQUEST_DURATION: &str = "fishid_http_request_duration_seconds";
/// Histogram `{phase}`: seconds a photograph spent in one phase.
pub const PHASE_DURATION: &str = "fishid_phase_duration_seconds";
/// Counter `_total{tier,result}`: look-ups in the result cache.
pub const CACHE_REQUESTS: &str = "fishid_cache_requests";
/// Counter `_total{tier,result}`: answers meant for a shared tier of the cache, by what became of them.
pub const CACHE_WRITES: &str = "fishid_cache_writes";
/// Gauge `{tier}`: 1 while a shared tier of the cache is asked, 0 while it is away or too slow.
pub const CACHE_TIER_UP: &str = "fishid_cache_tier_up";
/// Gauge: accepted photographs that wait for a worker.
pub const QUEUE_DEPTH: &str = "fishid_queue_depth";
/// Counter `_total{reason}`: requests that got no answer from a model, and why.
pub const QUEUE_REJECTED: &str = "fishid_queue_rejected";
/// Counter `_total{class}`: answers given.
pub const PREDICTIONS: &str = "fishid_predictions";
/// Histogram: confidence of the answers given.
pub const CONFIDENCE: &str = "fishid_confidence";
/// Gauge, always 1, `{name,version,digest}`: the model that answers now.
pub const MODEL_INFO: &str = "fishid_model_info";
/// Gauge `{metric,split}`: what the serving model scored when it was evaluated.
pub const MODEL_EVALUATION: &str = "fishid_model_evaluation";
/// Counter `_total{result}`: attempts to bring in another model.
pub const MODEL_RELOADS: &str = "fishid_model_reloads";
/// Gauge: 1 while the source of models cannot be asked, so that the model that answers may be outdated, else 0.
pub const MODEL_STALE: &str = "fishid_model_stale";
/// Gauge: resident memory of the process, bytes.
pub const PROCESS_RESIDENT_MEMORY: &str = "process_resident_memory_bytes";
/// Counter `_total`: processor time of the process, user and system, seconds.
pub const PROCESS_CPU: &str = "process_cpu_seconds";
