//! Where log lines go: standard error, one JSON object a line from a server, short text from the other commands.

use std::io::IsTerminal as _;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Lines that wait for whoever reads them; some 500 bytes each.
const WAITING_LINES: usize = 16_384;

/// Until it is dropped, lines are written; those still waiting then are written first, within a second.
pub(crate) struct Logs {
    writer: Option<WorkerGuard>,
    lost: Option<ErrorCounter>,
}

/// Begins to log. `FISHID_LOG` is a filter such as `fishid=trace`.
pub(crate) fn init(verbose: bool, machine_reads: bool) -> Logs {
    let default = match (verbose, machine_reads) {
        (true, _) => "info,fishid=debug",
        (false, true) => "info",
        (false, false) => "warn",
    };
    let wished = std::env::var("FISHID_LOG").unwrap_or_default();
    let parsed = EnvFilter::try_new(if wished.is_empty() { default } else { &wished });
    let (filter, refused) = match parsed {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(default), Some(error)),
    };
    let logs = start(filter, machine_reads);
    if let Some(error) = refused {
        tracing::warn!(%error, "FISHID_LOG={wished} is no filter such as fishid=debug, {default} is used");
    }
    logs
}

fn start(filter: EnvFilter, machine_reads: bool) -> Logs {
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal());
    if !machine_reads {
        logs.with_writer(std::io::stderr)
            .without_time()
            .with_target(false)
            .init();
        return Logs {
            writer: None,
            lost: None,
        };
    }
    // A collector that has stopped reading fills the pipe, and a thread of the server that writes to it would stand still
    // with all its requests. What finds no place in the queue is lost instead, and counted.
    let (lines, writer) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("fishid-log")
        .finish(std::io::stderr());
    let lost = lines.error_counter();
    logs.with_writer(lines).json().flatten_event(true).init();
    Logs {
        writer: Some(writer),
        lost: Some(lost),
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        let n_lost = self.lost.as_ref().map_or(0, ErrorCounter::dropped_lines);
        if n_lost > 0 {
            tracing::warn!(n_lost, "log lines were lost: nobody read standard error");
        }
        drop(self.writer.take());
    }
}
