//! One caller's claim on its way through the stages: who is to answer, and where the answer goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Span;

use super::{Done, Outcome, Timings};
use crate::error::ServeError;
use crate::model::Model;
use crate::photo::Photo;
use crate::schedule::{Claim, Dropped};
use crate::service::Loaded;

pub(super) struct Ticket<M: Model> {
    pub(super) loaded: Arc<Loaded<M>>,
    reply: oneshot::Sender<Outcome<M>>,
    /// The time it was given, for the words of an error.
    allowed: Duration,
    waiting_since: Instant,
    pub(super) timings: Timings,
    /// The request's: what is logged at work on it carries the request's id.
    pub(super) span: Span,
}

impl<M: Model> Ticket<M> {
    pub(super) fn new(
        loaded: Arc<Loaded<M>>,
        allowed: Duration,
        now: Instant,
    ) -> (Self, oneshot::Receiver<Outcome<M>>) {
        let (reply, answer) = oneshot::channel();
        let ticket = Self {
            loaded,
            reply,
            allowed,
            waiting_since: now,
            timings: Timings::default(),
            span: Span::current(),
        };
        (ticket, answer)
    }

    /// A worker takes it out of a queue.
    pub(super) fn picked_up(&mut self, now: Instant) {
        self.timings.queue += now.saturating_duration_since(self.waiting_since);
    }

    pub(super) fn waits_again(&mut self, now: Instant) {
        self.waiting_since = now;
    }

    /// Where the time of this one photograph went, for whoever looks for a slow request.
    pub(super) fn log_timings(&self) {
        let ms = |spent: Duration| spent.as_secs_f64() * 1e3;
        tracing::debug!(
            parent: &self.span,
            queue_ms = ms(self.timings.queue),
            decode_ms = ms(self.timings.decode),
            preprocess_ms = ms(self.timings.preprocess),
            inference_ms = ms(self.timings.inference),
            "photograph answered"
        );
    }

    pub(super) fn answer(self, outcome: Result<M::Answer, ServeError<M::Error>>) {
        let timings = self.timings;
        // The model goes first: once the last answer is out, nothing of it may be left.
        drop(self.loaded);
        // A failed send means that the caller left, which is nobody's error.
        let _ = self
            .reply
            .send(outcome.map(|answer| Done { answer, timings }));
    }

    fn too_late(self) {
        let deadline = self.allowed;
        self.answer(Err(ServeError::DeadlineExceeded { deadline }));
    }
}

/// A photograph that waits to be decoded.
pub(super) struct PhotoJob<M: Model> {
    pub(super) ticket: Ticket<M>,
    pub(super) photo: Photo,
}

impl<M: Model> Claim for PhotoJob<M> {
    fn has_left(&self) -> bool {
        self.ticket.reply.is_closed()
    }
}

/// A decoded photograph that waits for the model.
pub(super) struct InputJob<M: Model> {
    pub(super) ticket: Ticket<M>,
    pub(super) input: M::Input,
}

impl<M: Model> Claim for InputJob<M> {
    fn has_left(&self) -> bool {
        self.ticket.reply.is_closed()
    }

    fn max_batch(&self) -> usize {
        self.ticket.loaded.model.max_batch()
    }

    fn goes_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ticket.loaded, &other.ticket.loaded)
    }
}

/// Tells whoever still waits for it.
pub(super) fn turn_away<M: Model>(dropped: Dropped<PhotoJob<M>, InputJob<M>>) {
    match dropped {
        Dropped::Photo(job) => job.ticket.too_late(),
        Dropped::Input(job) => job.ticket.too_late(),
    }
}
