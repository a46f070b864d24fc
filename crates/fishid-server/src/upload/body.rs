//! A body under watch: its bytes counted, its pauses and its whole time limited.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

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
    waited_us: AtomicU64,
    ended: OnceLock<Ended>,
}

/// What has become of the body so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct BodyWatch(Arc<State>);

impl BodyWatch {
    pub(crate) fn seen(&self) -> u64 {
        self.0.seen.load(Ordering::Relaxed)
    }

    /// How long the client was waited for.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_micros(self.0.waited_us.load(Ordering::Relaxed))
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
    limits: BodyLimits,
}

/// How long a body may be waited for and how much is read of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// In all. Time in which nobody reads is the server's own.
    whole: Duration,
    idle: Duration,
    max_bytes: u64,
}

impl BodyLimits {
    pub(crate) fn of_photo(config: &ServerConfig) -> Self {
        Self {
            whole: config.body_timeout,
            idle: config.body_idle_timeout,
            max_bytes: config.max_photo_bytes as u64 * PATIENCE,
        }
    }

    pub(crate) fn of_batch(config: &ServerConfig) -> Self {
        let n_photos = config.max_batch_photos as u64 + PATIENCE;
        Self {
            whole: config.batch_body_timeout,
            idle: config.body_idle_timeout,
            max_bytes: config.max_photo_bytes as u64 * n_photos,
        }
    }
}

/// The same body, which now ends with an error when it takes too long or grows too large.
pub(crate) fn watched(body: Body, limits: BodyLimits) -> (Body, BodyWatch) {
    let watch = BodyWatch::default();
    let reading = Reading {
        chunks: body.into_data_stream(),
        watch: watch.clone(),
        limits,
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
    let started = Instant::now();
    let until = started + reading.limits.whole.min(reading.limits.idle);
    let arrived = timeout_at(until, reading.chunks.next()).await;
    let waited = started.elapsed();
    reading.limits.whole = reading.limits.whole.saturating_sub(waited);
    let waited_us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
    let state = &reading.watch.0;
    state.waited_us.fetch_add(waited_us, Ordering::Relaxed);
    let chunk = match arrived {
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
    if seen + chunk.len() as u64 > reading.limits.max_bytes {
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
        let mut chunks = self.map(move |chunk| {
            let chunk = chunk.map_err(std::io::Error::other)?;
            let n_bytes = chunk.len() as u64;
            let waiting = grown.0.n_bytes.fetch_add(n_bytes, Ordering::Relaxed) + n_bytes;
            if waiting > max_bytes {
                return Err(std::io::Error::other("too much of the body waits"));
            }
            Ok(chunk)
        });
        // The parser takes in whatever is ready before it passes anything on. After a pause of its reader that is all
        // that the client's connection holds, megabytes: it gets one chunk at a time, and only once it cannot go on with
        // what it has.
        let (mut is_given, held) = (false, backlog.clone());
        let one_by_one = futures::stream::poll_fn(move |cx| {
            if std::mem::take(&mut is_given) || held.went_on() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let chunk = chunks.poll_next_unpin(cx);
            is_given = matches!(chunk, Poll::Ready(Some(_)));
            chunk
        });
        (one_by_one, backlog)
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
pub(crate) struct Backlog(Arc<Held>);

#[derive(Debug, Default)]
struct Held {
    n_bytes: AtomicU64,
    went_on: AtomicBool,
}

impl Backlog {
    /// The reader is done with so many.
    pub(crate) fn shrink(&self, n_bytes: usize) {
        // It never passes on more than it was given.
        self.0.n_bytes.fetch_sub(n_bytes as u64, Ordering::Relaxed);
        self.go_on();
    }

    /// The reader found something in what it has, and may find more.
    pub(crate) fn go_on(&self) {
        self.0.went_on.store(true, Ordering::Relaxed);
    }

    /// Whether it did so since this was asked last, and has anything left.
    fn went_on(&self) -> bool {
        self.0.went_on.swap(false, Ordering::Relaxed) && self.0.n_bytes.load(Ordering::Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn read(body: Body, config: &ServerConfig) -> (usize, Option<Ended>) {
        let (body, watch) = watched(body, BodyLimits::of_photo(config));
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

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_reads_is_not_the_clients() {
        let config = ServerConfig::default();
        let body = Body::from_stream(futures::stream::unfold(0, |n| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            (n < 3).then(|| (Ok::<_, std::io::Error>(Bytes::from_static(b"x")), n + 1))
        }));
        let (body, watch) = watched(body, BodyLimits::of_batch(&config));
        let mut chunks = body.into_data_stream();
        let mut n_bytes = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            n_bytes += chunk.len();
            tokio::time::sleep(config.batch_body_timeout).await;
        }
        assert_eq!((n_bytes, watch.ended()), (3, None));
        assert_eq!(watch.waited(), Duration::from_secs(4));
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

    #[tokio::test]
    async fn however_much_is_ready_a_reader_gets_it_piece_by_piece() {
        let ready =
            futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 10])));
        let body = SharedBody::new(Body::from_stream(ready.take(5)));
        let (chunks, backlog) = body.with_backlog(15);
        let mut chunks = std::pin::pin!(chunks);
        let mut n_given = 0;
        // Drained as a parser does it: until nothing is ready; then what was given is passed on.
        loop {
            let (mut n_ready, mut is_over) = (0, false);
            std::future::poll_fn(|cx| {
                loop {
                    match chunks.as_mut().poll_next(cx) {
                        Poll::Ready(Some(chunk)) => n_ready += chunk.unwrap().len(),
                        Poll::Ready(None) => is_over = true,
                        Poll::Pending => return Poll::Ready(()),
                    }
                    if is_over {
                        return Poll::Ready(());
                    }
                }
            })
            .await;
            backlog.shrink(n_ready);
            n_given += n_ready;
            if is_over {
                break;
            }
            assert_eq!(n_ready, 10);
        }
        assert_eq!(n_given, 50);
    }
}
