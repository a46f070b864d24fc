//! The cache that several servers share, behind the one in process.
//!
//! A request waits for it at most the budget, and never for a write or a connection. A circuit guards it: while
//! the store is away or too slow no request asks it, and one task alone tries until it answers again. Knows
//! nothing of what a value means. Start at [`SharedTier`]; [`SharedStore`] is what a store has to do.

mod circuit;
pub(crate) mod envelope;
mod keeper;
mod redis;
mod writes;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::Span;

use crate::metrics::{CacheWrite, Metrics};
use circuit::Circuit;

pub use redis::{BadRedisAddress, RedisStore};

/// What went wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SharedError {
    /// It answered that it will not do this; the link is whole.
    #[error("{0}")]
    Refused(String),
    /// The link to it is of no use any more, or there never was one.
    #[error("{0}")]
    Broken(String),
    /// It did not answer in time.
    #[error("no answer within {0:?}")]
    TooSlow(Duration),
}

/// Where a tier is: connects, and does nothing else.
pub trait SharedStore: Send + Sync + 'static {
    /// The tier in the metrics, such as `redis`.
    fn name(&self) -> &'static str;
    /// Where it is, for the log, without secrets.
    fn address(&self) -> String;
    /// A new link. May be dropped at any point.
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn SharedLink>, SharedError>>;
}

/// A connection that many requests use at once. Its futures may be dropped at any point.
pub trait SharedLink: Send + Sync + 'static {
    /// What lies under this name.
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SharedError>>;
    /// Puts a value there for a while.
    fn put<'a>(
        &'a self,
        name: &'a str,
        value: Bytes,
        time_to_live: Duration,
    ) -> BoxFuture<'a, Result<(), SharedError>>;
}

/// How long is waited, and how long answers are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedSettings {
    /// The longest that a request waits for the tier, all in all.
    pub budget: Duration,
    /// An answer is forgotten after this time.
    pub time_to_live: Duration,
    /// Answers that may wait to be written; one more is dropped.
    pub write_queue: usize,
}

impl Default for SharedSettings {
    fn default() -> Self {
        Self {
            budget: Duration::from_millis(20),
            time_to_live: Duration::from_hours(24),
            write_queue: 1_024,
        }
    }
}

/// What a look-up came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    Found(Bytes),
    Absent,
    /// Not asked, not answered in time, or refused.
    Failed,
}

/// A store in use: the circuit before it, the task that connects and the one that writes. Both end with it.
pub struct SharedTier {
    name: &'static str,
    settings: SharedSettings,
    circuit: Arc<Circuit>,
    writes: mpsc::Sender<writes::Write>,
    metrics: Arc<Metrics>,
    _tasks: JoinSet<()>,
}

impl SharedTier {
    /// Begins to connect and returns at once, whether the store is there or not. Must be called within a tokio
    /// runtime, which its tasks run on.
    pub fn start(store: impl SharedStore, settings: SharedSettings, metrics: Arc<Metrics>) -> Self {
        let name = store.name();
        metrics.zero_shared_cache(name);
        let circuit = Arc::new(Circuit::new(name, store.address(), Arc::clone(&metrics)));
        let (writes, queue) = mpsc::channel(settings.write_queue.max(1));
        let mut tasks = JoinSet::new();
        tasks.spawn(keeper::keep(store, Arc::clone(&circuit), settings.budget));
        tasks.spawn(writes::carry_out(
            queue,
            Arc::clone(&circuit),
            settings.time_to_live,
            Arc::clone(&metrics),
        ));
        Self {
            name,
            settings,
            circuit,
            writes,
            metrics,
            _tasks: tasks,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Takes at most the budget.
    pub(crate) async fn get(&self, name: &str) -> Looked {
        let Some(link) = self.circuit.link() else {
            return Looked::Failed;
        };
        let budget = self.settings.budget;
        let result = timeout(budget, link.get(name))
            .await
            .unwrap_or(Err(SharedError::TooSlow(budget)));
        match result {
            Ok(found) => {
                self.circuit.answered();
                found.map_or(Looked::Absent, Looked::Found)
            }
            Err(error) => {
                self.circuit.failed(&link, &error);
                Looked::Failed
            }
        }
    }

    /// Returns at once; the value may be dropped.
    pub(crate) fn put(&self, name: String, value: Bytes) {
        let write = writes::Write {
            name,
            value,
            span: Span::current(),
        };
        if self.circuit.link().is_none() || self.writes.try_send(write).is_err() {
            self.metrics
                .count_cache_write(self.name, CacheWrite::Dropped);
        }
    }
}

impl fmt::Debug for SharedTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTier")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
