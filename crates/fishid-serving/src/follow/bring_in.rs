//! One version on its way in: loaded and proven on a thread of its own, within a limit of time, then swapped;
//! what answered before is drained and freed where no client waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};

use crate::metrics::ReloadResult;
use crate::model::{Identity, ModelSource, SourceError, VersionTag};
use crate::pool::contain;
use crate::priority::{lower_for_good, lowered};
use crate::service::{Proven, Service};

/// Loads that were given up may still run, since a thread cannot be stopped. Another begins beside so many and no
/// more, or each try would take memory of its own.
const MOST_GIVEN_UP: usize = 1;

/// The old model may have this many deadlines to answer what it has begun, before it is left to end by itself.
const DRAIN_DEADLINES: u32 = 2;

/// How long a drain sleeps between two looks: nothing waits for it.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// Why a version did not come in.
pub(super) enum Broken {
    /// It is at fault, or what it was fetched from.
    Refused(SourceError),
    /// The source names another one by now.
    Superseded,
}

/// Loads the versions of a source for a service.
pub(super) struct Loader<S: ModelSource> {
    source: Arc<S>,
    service: Service<S::Model>,
    /// Threads that load, those given up among them.
    n_loading: Arc<AtomicUsize>,
}

/// Counts a thread for as long as it loads, however it ends.
struct Loading(Arc<AtomicUsize>);

impl Drop for Loading {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<S: ModelSource> Loader<S> {
    pub(super) fn new(source: Arc<S>, service: Service<S::Model>) -> Self {
        Self {
            source,
            service,
            n_loading: Arc::default(),
        }
    }

    pub(super) fn bring_in(&self, tag: &VersionTag) -> Result<Arc<Identity>, Broken> {
        let started = Instant::now();
        let proven = self.load_within_limit(tag, started)?;
        let (identity, before) = self.service.swap(proven);
        if let Some(before) = before {
            self.drain(before);
        }
        tracing::info!(version = %identity.version, took_ms = started.elapsed().as_millis() as u64, "reloaded");
        Ok(identity)
    }

    /// The thread does the work; this one keeps the time, and goes on looking whether the version is still wanted.
    fn load_within_limit(
        &self,
        tag: &VersionTag,
        started: Instant,
    ) -> Result<Proven<S::Model>, Broken> {
        let limit = self.service.config().load_timeout;
        if self.n_loading.load(Ordering::Acquire) > MOST_GIVEN_UP {
            let error = "versions whose load was given up are still being loaded; nothing else is until they end";
            return Err(self.too_slow(error.into()));
        }
        let (finished, outcome) = bounded(1);
        self.n_loading.fetch_add(1, Ordering::AcqRel);
        let loading = Loading(Arc::clone(&self.n_loading));
        let (source, service, tag_to_load) =
            (Arc::clone(&self.source), self.service.clone(), tag.clone());
        let load = move || {
            let _loading = loading;
            let outcome = load(source.as_ref(), &service, &tag_to_load);
            // Where nobody waits any more the model ends here.
            let _ = finished.send(outcome);
        };
        let thread = thread::Builder::new().name("fishid-load".to_owned());
        if let Err(error) = thread.spawn(load) {
            self.count(ReloadResult::LoadFailed);
            return Err(Broken::Refused(error.into()));
        }
        loop {
            let left = limit.saturating_sub(started.elapsed());
            let until_look = left.min(self.service.config().poll_interval);
            match outcome.recv_timeout(until_look) {
                Ok(outcome) => return outcome.map_err(Broken::Refused),
                Err(RecvTimeoutError::Disconnected) => {
                    self.count(ReloadResult::LoadFailed);
                    return Err(Broken::Refused("the loading thread died".into()));
                }
                Err(RecvTimeoutError::Timeout) if started.elapsed() >= limit => {
                    let error = format!("it was not loaded and proven within {limit:?}");
                    return Err(self.too_slow(error.into()));
                }
                Err(RecvTimeoutError::Timeout) => {
                    // What cannot be asked has not changed its mind.
                    let named = contain(|| self.source.current());
                    if let Ok(Ok(Some(named))) = named
                        && named != *tag
                    {
                        return Err(Broken::Superseded);
                    }
                }
            }
        }
    }

    fn too_slow(&self, error: SourceError) -> Broken {
        self.count(ReloadResult::TooSlow);
        Broken::Refused(error)
    }

    fn count(&self, result: ReloadResult) {
        self.service.metrics().count_reload(result);
    }

    /// Waits until the model before has answered what it has begun, and frees it: the last holder pays for the
    /// freeing, and that should be no thread that answers, nor the one that looks at the source.
    fn drain<T: Send + Sync + 'static>(&self, before: Arc<T>) {
        let patience = self.service.config().deadline * DRAIN_DEADLINES;
        let drain = move || {
            lower_for_good();
            let started = Instant::now();
            while Arc::strong_count(&before) > 1 && started.elapsed() < patience {
                thread::sleep(DRAIN_LOOK);
            }
            drop(before);
        };
        // Without a thread whoever answers last frees it.
        let thread = thread::Builder::new().name("fishid-drain".to_owned());
        if let Err(error) = thread.spawn(drain) {
            tracing::debug!(%error, "no thread to drain the model before");
        }
    }
}

/// Beside a model that answers it is loaded at low priority; the first one is what clients wait for.
fn load<S: ModelSource>(
    source: &S,
    service: &Service<S::Model>,
    tag: &VersionTag,
) -> Result<Proven<S::Model>, SourceError> {
    let work = || contain(|| source.load(tag));
    let loaded = if service.current().is_some() {
        lowered(work)
    } else {
        work()
    };
    let model = loaded
        .unwrap_or_else(|message| Err(message.into()))
        .inspect_err(|_| service.metrics().count_reload(ReloadResult::LoadFailed))?;
    // At the usual priority: it shares the engine's threads with the answers, which would wait for it.
    service.prove(model)
}
