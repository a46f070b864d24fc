//! SIGTERM and Ctrl-C.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The status a shell expects of a program ended by Ctrl-C: 128 + SIGINT.
const STATUS_INTERRUPTED: i32 = 130;

/// Listens from now on; the future it gives ends at the first SIGTERM or SIGINT. From then on a second one
/// ends the process at once, for the person who will not wait.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let name = either(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, "stopping; once more to stop at once");
        tokio::spawn(async move {
            let name = either(&mut terminate, &mut interrupt).await;
            tracing::warn!(signal = name, "stopped at once");
            // Without the destructors of the engine, whose threads may be at work.
            signal_hook::low_level::exit(STATUS_INTERRUPTED);
        });
    })
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
