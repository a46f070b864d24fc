//! A body under watch: its bytes counted, its pauses and its whole time limited.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::stream::Fuse;
use futures::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use crate::ServerConfig;

/// A client that sends too much is read on for the sake of the reply, up to this many times the limit.
const PATIENCE: u64 = 8;

/// Why a body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    TimedOut,
    TooMuch,
    Cut,
}

#[derive(Debug, Default)]
struct State {
    seen: AtomicU64,
    ended: OnceLock<Ended>,
}

/// What has become of the body so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct BodyWatch(Arc<State>);

impl BodyWatch {
    pub(crate) fn seen(&self) -> u64 {
        self.0.seen.load(Ordering::Relaxed)
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.0.ended.get().copied()
    }

    fn end(&self, why: Ended) -> std::io::Error {
        // The first reason stands.
        let _ = self.0.ended.set(why);
        std::io::Error::other("the body ended early")
    }
}

struct Reading {
    chunks: BodyDataStream,
    watch: BodyWatch,
    expires: Instant,
    config: Limits,
}

#[derive(Clone, Copy)]
struct Limits {
    idle: std::time::Duration,
    max_bytes: u64,
}

/// The same body, which now ends with an error when it takes too long or grows too large.
pub(crate) fn watched(body: Body, config: &ServerConfig) -> (Body, BodyWatch) {
    let watch = BodyWatch::default();
    let reading = Reading {
        chunks: body.into_data_stream(),
        watch: watch.clone(),
        expires: Instant::now() + config.body_timeout,
        config: Limits {
            idle: config.body_idle_timeout,
            max_bytes: config.max_photo_bytes as u64 * PATIENCE,
        },
    };
    let stream = futures::stream::unfold(Some(reading), |reading| async move {
        let mut reading = reading?;
        match next(&mut reading).await? {
            Ok(chunk) => Some((Ok(chunk), Some(reading))),
            Err(error) => Some((Err(error), None)),
        }
    });
    (Body::from_stream(stream), watch)
}

async fn next(reading: &mut Reading) -> Option<Result<Bytes, std::io::Error>> {
    let until = reading.expires.min(Instant::now() + reading.config.idle);
    let chunk = match timeout_at(until, reading.chunks.next()).await {
        Err(_) => return Some(Err(reading.watch.end(Ended::TimedOut))),
        Ok(None) => return None,
        Ok(Some(Err(_))) => return Some(Err(reading.watch.end(Ended::Cut))),
        Ok(Some(Ok(chunk))) => chunk,
    };
    let seen = reading
        .watch
        .0
        .seen
        .fetch_add(chunk.len() as u64, Ordering::Relaxed);
    if seen + chunk.len() as u64 > reading.config.max_bytes {
        return Some(Err(reading.watch.end(Ended::TooMuch)));
    }
    Some(Ok(chunk))
}

/// A body that is read by turns: whatever the parser of a form left, for whichever reason, can still be
/// thrown away.
#[derive(Clone)]
pub(crate) struct SharedBody(Arc<Mutex<Fuse<BodyDataStream>>>);

impl SharedBody {
    pub(crate) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(body.into_data_stream().fuse())))
    }

    /// The same for a reader that says what it is done with; it gets an error in place of the first chunk
    /// with which more than `max_bytes` would wait in it.
    pub(crate) fn with_backlog(
        self,
        max_bytes: u64,
    ) -> (
        impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
        Backlog,
    ) {
        let backlog = Backlog::default();
        let grown = backlog.clone();
        let chunks = self.map(move |chunk| {
            let chunk = chunk.map_err(std::io::Error::other)?;
            let n_bytes = chunk.len() as u64;
            let waiting = grown.0.fetch_add(n_bytes, Ordering::Relaxed) + n_bytes;
            if waiting > max_bytes {
                return Err(std::io::Error::other("too much of the body waits"));
            }
            Ok(chunk)
        });
        (chunks, backlog)
    }
}

impl Stream for SharedBody {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut chunks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chunks.poll_next_unpin(cx)
    }
}

/// Bytes given to a reader that it has neither passed on nor dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backlog(Arc<AtomicU64>);

impl Backlog {
    /// The reader is done with so many.
    pub(crate) fn shrink(&self, n_bytes: usize) {
        // It never passes on more than it was given.
        self.0.fetch_sub(n_bytes as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;

    async fn read(body: Body, config: &ServerConfig) -> (usize, Option<Ended>) {
        let (body, watch) = watched(body, config);
        let mut chunks = body.into_data_stream();
        let mut n_bytes = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            n_bytes += chunk.len();
        }
        (n_bytes, watch.ended())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_pauses_or_crawls_is_given_up() {
        let config = ServerConfig::default();
        let silent = futures::stream::pending::<Result<Bytes, std::io::Error>>();
        assert_eq!(
            read(Body::from_stream(silent), &config).await,
            (0, Some(Ended::TimedOut))
        );

        let crawling = futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
        });
        let started = Instant::now();
        let (n_bytes, ended) = read(Body::from_stream(crawling), &config).await;
        assert_eq!((n_bytes, ended), (6, Some(Ended::TimedOut)));
        assert_eq!(started.elapsed(), config.body_timeout);
    }

    #[tokio::test]
    async fn a_body_is_read_on_for_a_while_and_then_no_more() {
        let config = ServerConfig {
            max_photo_bytes: 10,
            ..ServerConfig::default()
        };
        assert_eq!(read(Body::from(vec![0; 80]), &config).await, (80, None));
        let endless =
            futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 7])));
        assert_eq!(
            read(Body::from_stream(endless), &config).await,
            (77, Some(Ended::TooMuch))
        );
    }

    #[tokio::test]
    async fn a_body_cut_off_is_told_from_one_that_ends() {
        let broken = futures::stream::iter([
            Ok(Bytes::from_static(b"abc")),
            Err(std::io::Error::other("reset")),
        ]);
        let config = ServerConfig::default();
        assert_eq!(
            read(Body::from_stream(broken), &config).await,
            (3, Some(Ended::Cut))
        );
    }
}
