//! The task that writes answers to the shared tier. Many are under way at once, over the one link.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{StreamExt as _, poll_fn};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{Instrument as _, Span};

use super::circuit::Circuit;
use super::{SharedError, SharedLink};
use crate::metrics::{CacheWrite, Metrics};

const N_UNDER_WAY: usize = 32;
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Write {
    pub(super) name: String,
    pub(super) value: Bytes,
    /// The request's that it is the answer of.
    pub(super) span: Span,
}

/// Runs until the queue is closed and empty.
pub(super) async fn carry_out(
    mut queue: mpsc::Receiver<Write>,
    circuit: Arc<Circuit>,
    time_to_live: Duration,
    metrics: Arc<Metrics>,
) {
    let circuit = circuit.as_ref();
    let metrics = metrics.as_ref();
    poll_fn(|context| queue.poll_recv(context))
        .for_each_concurrent(N_UNDER_WAY, |write| {
            let span = write.span.clone();
            async move {
            let result = match circuit.link() {
                None => CacheWrite::Dropped,
                Some(link) => match put(&*link, write, time_to_live).await {
                    Ok(()) => CacheWrite::Stored,
                    Err(error) => {
                        // A store that is full refuses writes and still answers reads: only a dead link opens the
                        // circuit here. Time-outs of reads will tell soon enough whether the store is slow.
                        if matches!(error, SharedError::Broken(_)) {
                            circuit.failed(&link, &error);
                        }
                        tracing::debug!(tier = circuit.name(), %error, "an answer was not stored");
                        CacheWrite::Failed
                    }
                },
            };
            metrics.count_cache_write(circuit.name(), result);
            }
            .instrument(span)
        })
        .await;
}

async fn put(
    link: &dyn SharedLink,
    write: Write,
    time_to_live: Duration,
) -> Result<(), SharedError> {
    timeout(
        WRITE_TIMEOUT,
        link.put(&write.name, write.value, time_to_live),
    )
    .await
    .unwrap_or(Err(SharedError::TooSlow(WRITE_TIMEOUT)))
}
