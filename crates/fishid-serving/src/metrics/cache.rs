//! The counters of the cache, tier by tier.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::metric_names as names;

/// The tier in process.
pub(crate) const MEMORY: &str = "memory";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    tier: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TierLabel {
    tier: &'static str,
}

/// What a look-up in the cache found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheResult {
    Hit,
    Miss,
    /// The tier could not be asked, did not answer in time, or held something that is no answer.
    Error,
}

impl CacheResult {
    const ALL: [Self; 3] = [Self::Hit, Self::Miss, Self::Error];

    fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Error => "error",
        }
    }
}

/// What became of an answer meant for a shared tier of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheWrite {
    Stored,
    /// The tier refused it or did not answer.
    Failed,
    /// The tier is not asked now, or too many answers wait for it already.
    Dropped,
}

impl CacheWrite {
    const ALL: [Self; 3] = [Self::Stored, Self::Failed, Self::Dropped];

    fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// The families of the cache.
#[derive(Debug, Default)]
pub(super) struct CacheMetrics {
    requests: Family<CacheLabels, Counter>,
    writes: Family<CacheLabels, Counter>,
    tier_up: Family<TierLabel, Gauge>,
}

impl CacheMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            names::CACHE_REQUESTS,
            "Look-ups in the cache of answers",
            self.requests.clone(),
        );
        registry.register(
            names::CACHE_WRITES,
            "Answers meant for the shared cache, by what became of them",
            self.writes.clone(),
        );
        registry.register(
            names::CACHE_TIER_UP,
            "Whether the shared cache is asked: 0 while it is away or too slow",
            self.tier_up.clone(),
        );
        for result in [CacheResult::Hit, CacheResult::Miss] {
            drop(self.requests_of(MEMORY, result));
        }
    }

    fn requests_of(
        &self,
        tier: &'static str,
        result: CacheResult,
    ) -> impl std::ops::Deref<Target = Counter> {
        let result = result.name();
        self.requests.get_or_create(&CacheLabels { tier, result })
    }

    fn writes_of(
        &self,
        tier: &'static str,
        result: CacheWrite,
    ) -> impl std::ops::Deref<Target = Counter> {
        let result = result.name();
        self.writes.get_or_create(&CacheLabels { tier, result })
    }
}

impl super::Metrics {
    pub(crate) fn count_cache(&self, tier: &'static str, result: CacheResult) {
        self.cache.requests_of(tier, result).inc();
    }

    pub(crate) fn count_cache_write(&self, tier: &'static str, result: CacheWrite) {
        self.cache.writes_of(tier, result).inc();
    }

    pub(crate) fn set_cache_tier(&self, tier: &'static str, is_up: bool) {
        self.cache
            .tier_up
            .get_or_create(&TierLabel { tier })
            .set(i64::from(is_up));
    }

    /// The series of a shared tier, which a server without one does not have.
    pub(crate) fn zero_shared_cache(&self, tier: &'static str) {
        for result in CacheResult::ALL {
            drop(self.cache.requests_of(tier, result));
        }
        for result in CacheWrite::ALL {
            drop(self.cache.writes_of(tier, result));
        }
        self.set_cache_tier(tier, false);
    }
}
