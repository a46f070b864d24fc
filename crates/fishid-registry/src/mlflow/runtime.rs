//! The threads that talk to servers. Callers block for the result, and may stand inside another runtime:
//! nothing here enters theirs.

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::Runtime;

static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("fishid-mlflow")
        .enable_all()
        .build()
});

/// Runs a future on the threads and blocks for its result.
pub(crate) fn wait<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, String> {
    let runtime = RUNTIME
        .as_ref()
        .map_err(|error| format!("its threads cannot be started: {error}"))?;
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    runtime.spawn(async move {
        // A send fails only when the receiver is gone, and then nobody waits.
        let _ = sender.send(future.await);
    });
    receiver
        .recv()
        .map_err(|_| "a call ended without a result".to_owned())
}
