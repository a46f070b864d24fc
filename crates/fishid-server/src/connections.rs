//! The connections: accepted up to a limit, their request heads and replies timed, each ended gently.
//!
//! Not `axum::serve`, which sets no time limit on a request's head: a client that sends it byte by byte
//! would hold a connection for ever, as would one that does not read its reply.

mod impatient;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use impatient::Impatient;

/// The whole head of a request: request line and headers.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Out of file handles, most likely; they come back when connections end.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// How the connections are ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending {
    /// No more connections; those open finish the request they are at.
    pub(crate) gently: CancellationToken,
    /// All connections are cut.
    pub(crate) at_once: CancellationToken,
}

/// What every connection needs.
#[derive(Clone)]
pub(crate) struct Connections {
    pub(crate) router: Router,
    pub(crate) head_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) most_at_once: usize,
    pub(crate) ending: Ending,
    pub(crate) open: TaskTracker,
}

impl Connections {
    /// Accepts until told to end. The listener is closed when this returns.
    pub(crate) async fn accept(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(
            self.most_at_once.clamp(1, Semaphore::MAX_PERMITS),
        ));
        loop {
            let next = async {
                // The semaphore is never closed.
                let place = Arc::clone(&places).acquire_owned().await.ok()?;
                Some((listener.accept().await, place))
            };
            let accepted = tokio::select! {
                () = self.ending.gently.cancelled() => return,
                accepted = next => accepted,
            };
            match accepted {
                None => return,
                Some((Ok((stream, _)), place)) => {
                    let connection = self.clone();
                    self.open.spawn(async move {
                        connection.serve(stream).await;
                        drop(place);
                    });
                }
                Some((Err(error), _)) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
    }

    async fn serve(self, stream: TcpStream) {
        // Small replies should not wait for more to send; without it they are only slower.
        let _ = stream.set_nodelay(true);
        let stream = Impatient::new(stream, self.write_timeout);
        let service = TowerToHyperService::new(self.router);
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .max_buf_size(MAX_HEAD_BYTES);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut is_ending = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        // A client that went away, mostly.
                        tracing::debug!(%error, "connection ended");
                    }
                    return;
                }
                () = self.ending.at_once.cancelled() => return,
                () = self.ending.gently.cancelled(), if !is_ending => {
                    is_ending = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}
