//! Whether the shared tier is asked. Closed, there is a link and requests use it; open, there is none.
//!
//! No request ever finds out whether the store is back: the keeper does, alone, so a store that comes back
//! meets one connection from each server and not every request that waited for it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

use super::{SharedError, SharedLink};
use crate::metrics::Metrics;

/// So many failures in a row, and the store is left alone. One slow answer is no outage.
const N_FAILURES: u32 = 5;

pub(super) struct Circuit {
    name: &'static str,
    address: String,
    metrics: Arc<Metrics>,
    link: RwLock<Option<Arc<dyn SharedLink>>>,
    failures: AtomicU32,
    opened: Notify,
}

impl Circuit {
    /// Open: nothing is connected yet.
    pub(super) fn new(name: &'static str, address: String, metrics: Arc<Metrics>) -> Self {
        Self {
            name,
            address,
            metrics,
            link: RwLock::new(None),
            failures: AtomicU32::new(0),
            opened: Notify::new(),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// What requests may use now.
    pub(super) fn link(&self) -> Option<Arc<dyn SharedLink>> {
        self.link
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn close(&self, link: Arc<dyn SharedLink>) {
        self.failures.store(0, Ordering::Relaxed);
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = Some(link);
        self.metrics.set_cache_tier(self.name, true);
        tracing::info!(
            tier = self.name,
            address = self.address,
            "the shared cache answers"
        );
    }

    /// Comes back once the circuit that was closed last is open.
    pub(super) async fn opened(&self) {
        self.opened.notified().await;
    }

    pub(super) fn answered(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Counts a failure of this link; a late one of a link before it counts for nothing.
    pub(super) fn failed(&self, link: &Arc<dyn SharedLink>, error: &SharedError) {
        if !self
            .link()
            .is_some_and(|present| Arc::ptr_eq(&present, link))
        {
            return;
        }
        let is_enough = match error {
            SharedError::Broken(_) => true,
            SharedError::Refused(_) | SharedError::TooSlow(_) => {
                self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= N_FAILURES
            }
        };
        if is_enough {
            self.open(link, error);
        }
    }

    fn open(&self, link: &Arc<dyn SharedLink>, error: &SharedError) {
        let mut present = self.link.write().unwrap_or_else(PoisonError::into_inner);
        // Of many that fail at once the first opens it.
        if !present
            .as_ref()
            .is_some_and(|present| Arc::ptr_eq(present, link))
        {
            return;
        }
        *present = None;
        drop(present);
        self.metrics.set_cache_tier(self.name, false);
        self.report(error);
        self.opened.notify_one();
    }

    pub(super) fn report(&self, error: &SharedError) {
        tracing::warn!(
            tier = self.name,
            address = self.address,
            %error,
            "the shared cache is away, answers go on without it"
        );
    }
}
