//! The threads on which everything waits for disks and networks.

use std::future::Future;
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, sync_channel};

use tokio::runtime::Runtime;

static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("fishid-storage")
        .enable_all()
        .build()
});

pub(crate) fn runtime() -> Result<&'static Runtime, String> {
    RUNTIME
        .as_ref()
        .map_err(|error| format!("no threads for storage could be started: {error}"))
}

/// Runs a future on the storage threads; its result comes through the receiver.
pub(crate) fn start<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Result<Receiver<T>, String> {
    let (sender, receiver) = sync_channel(1);
    runtime()?.spawn(async move {
        // A send fails only when the receiver is gone, and then nobody waits.
        let _ = sender.send(future.await);
    });
    Ok(receiver)
}

/// Runs a future on the storage threads and blocks for its result.
pub(crate) fn wait<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, String> {
    received(&start(future)?)
}

/// Blocks for a result of [`start`].
pub(crate) fn received<T>(receiver: &Receiver<T>) -> Result<T, String> {
    receiver
        .recv()
        .map_err(|_| "the storage threads have stopped".to_owned())
}
