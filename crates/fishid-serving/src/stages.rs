//! The two stages a photograph goes through, each on its own named threads: decode and resize, then the
//! model. Who is next is the [`Schedule`]'s affair; the threads wait for it here and do the work.

mod ticket;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Span;

use crate::clock::Clock;
use crate::config::ServingConfig;
use crate::error::{Phase, ServeError};
use crate::metrics::Metrics;
use crate::model::{Effort, Model};
use crate::photo::Photo;
use crate::pool::{self, contain};
use crate::schedule::{Batch, Dropped, Limits, Newcomer, Refusal, Schedule, Slot};
use crate::service::Loaded;
use ticket::{InputJob, PhotoJob, Ticket, turn_away};

/// Where the time of one answer went. All zero for an answer out of the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Bytes to pixels.
    pub decode: Duration,
    /// Pixels to what the model takes.
    pub preprocess: Duration,
    /// Waiting for a worker, before either stage.
    pub queue: Duration,
    /// The model.
    pub inference: Duration,
}

/// An answer fresh from the model.
#[derive(Debug, Clone)]
pub(crate) struct Done<A> {
    pub(crate) answer: A,
    pub(crate) timings: Timings,
}

pub(crate) type Outcome<M> = Result<Done<<M as Model>::Answer>, ServeError<<M as Model>::Error>>;

/// A photograph, who is to answer it, and by when.
pub(crate) struct Request<M: Model> {
    pub(crate) loaded: Arc<Loaded<M>>,
    pub(crate) photo: Photo,
    pub(crate) effort: Effort,
    pub(crate) deadline: Instant,
    /// The whole time it was given.
    pub(crate) allowed: Duration,
}

type Line<M> = Schedule<PhotoJob<M>, InputJob<M>>;
type Drops<M> = Vec<Dropped<PhotoJob<M>, InputJob<M>>>;

struct State<M: Model> {
    line: Line<M>,
    is_closed: bool,
}

/// What callers and workers share.
struct Shared<M: Model> {
    state: Mutex<State<M>>,
    photo_waits: Condvar,
    input_waits: Condvar,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// The two pools. Their threads end when it is dropped.
pub(crate) struct Stages<M: Model>(Arc<Shared<M>>);

impl<M: Model> Stages<M> {
    pub(crate) fn start(
        config: &ServingConfig,
        metrics: &Arc<Metrics>,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let line = Schedule::new(Limits {
            capacity: config.queue_capacity,
            decode_threads: config.decode_threads,
            inference_threads: config.inference_threads,
            decode_ahead: config.decode_ahead,
            decode_memory_bytes: config.decode_memory_bytes,
        });
        let state = State {
            line,
            is_closed: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            photo_waits: Condvar::new(),
            input_waits: Condvar::new(),
            metrics: Arc::clone(metrics),
            clock,
        });
        // Made first: where a thread cannot be started, those before it end.
        let stages = Self(Arc::clone(&shared));
        let crew = Arc::clone(&shared);
        pool::start("fishid-decode", config.decode_threads, move || {
            while let Some((slot, job)) = crew.next_photo() {
                let _request = job.ticket.span.clone().entered();
                // The model's panics are answered where they happen. This is the last net: a worker never dies
                // and leaves the pool smaller.
                if let Err(message) = contain(|| crew.decode(slot, job)) {
                    tracing::error!(message, "a worker panicked outside of a model");
                    crew.lock().line.decoded(crew.clock.now(), slot, None);
                }
            }
        })?;
        pool::start("fishid-infer", config.inference_threads, move || {
            while let Some(batch) = shared.next_batch() {
                let run = batch.run;
                let _requests = span_of(&batch).entered();
                if let Err(message) = contain(|| shared.infer(batch)) {
                    tracing::error!(message, "a worker panicked outside of a model");
                    shared.lock().line.inferred(shared.clock.now(), run);
                }
            }
        })?;
        Ok(stages)
    }

    /// Gives the photograph a place in line, or says why not.
    pub(crate) fn enter(
        &self,
        request: Request<M>,
    ) -> Result<oneshot::Receiver<Outcome<M>>, Refusal> {
        let shared = &self.0;
        let now = shared.clock.now();
        let (ticket, answer) = Ticket::new(request.loaded, request.allowed, now);
        let newcomer = Newcomer {
            deadline: request.deadline,
            effort: request.effort,
            photo: PhotoJob {
                ticket,
                photo: request.photo,
            },
        };
        let mut dropped = Drops::<M>::new();
        let admitted = {
            let mut state = shared.lock();
            let admitted = state.line.admit(now, newcomer, &mut dropped);
            shared.show_depth(&state.line);
            admitted
        };
        dropped.into_iter().for_each(turn_away);
        // Refused or not: with what was swept out, decoding may run ahead again.
        shared.photo_waits.notify_one();
        admitted.map(|()| answer)
    }

    /// How many photographs the model that answers from now on takes in one run, and how many runs at a time.
    pub(crate) fn expect_model(&self, max_batch: usize, n_streams: usize) {
        self.0.lock().line.expect_model(max_batch, n_streams);
        self.0.input_waits.notify_all();
    }

    /// Photographs accepted and not yet answered.
    pub(crate) fn accepted(&self) -> usize {
        self.0.lock().line.len()
    }

    /// How long until all that was accepted is answered.
    pub(crate) fn time_to_answer_all(&self) -> Duration {
        let now = self.0.clock.now();
        self.0.lock().line.time_to_answer_all(now)
    }
}

impl<M: Model> Drop for Stages<M> {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.photo_waits.notify_all();
        self.0.input_waits.notify_all();
    }
}

impl<M: Model> Shared<M> {
    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show_depth(&self, line: &Line<M>) {
        self.metrics.queue_depth.set(line.depth() as i64);
    }

    /// Waits until `take` finds something; `None` when the service has ended.
    fn wait_for<T>(
        &self,
        bell: &Condvar,
        mut take: impl FnMut(&mut Line<M>, Instant, &mut Drops<M>) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            let mut dropped = Drops::<M>::new();
            let taken = take(&mut state.line, self.clock.now(), &mut dropped);
            if taken.is_some() || !dropped.is_empty() {
                self.show_depth(&state.line);
                drop(state);
                dropped.into_iter().for_each(turn_away);
                if taken.is_some() {
                    return taken;
                }
                self.photo_waits.notify_all();
                state = self.lock();
            } else {
                state = bell.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn next_photo(&self) -> Option<(Slot, PhotoJob<M>)> {
        self.wait_for(&self.photo_waits, Schedule::next_photo)
    }

    fn next_batch(&self) -> Option<Batch<InputJob<M>>> {
        let batch = self.wait_for(&self.input_waits, Schedule::next_batch);
        // Decoding may run ahead again.
        self.photo_waits.notify_all();
        batch
    }

    /// Runs one phase of the model's code: its time measured, its panics contained, its error named.
    fn run<T>(
        &self,
        phase: Phase,
        name_error: fn(Arc<M::Error>) -> ServeError<M::Error>,
        work: impl FnOnce() -> Result<T, M::Error>,
    ) -> (Duration, Result<T, ServeError<M::Error>>) {
        let started = Instant::now();
        let result = match contain(work) {
            Ok(result) => result.map_err(|error| name_error(Arc::new(error))),
            Err(message) => Err(ServeError::Panicked { phase, message }),
        };
        let spent = started.elapsed();
        self.metrics.observe_phase(phase, spent);
        (spent, result)
    }

    fn decode(&self, slot: Slot, job: PhotoJob<M>) {
        let PhotoJob { mut ticket, photo } = job;
        ticket.picked_up(self.clock.now());
        let model = &ticket.loaded.model;
        let (spent, decoded) = self.run(Phase::Decode, ServeError::Refused, || {
            model.decode(photo.bytes())
        });
        ticket.timings.decode = spent;
        let prepared = decoded.and_then(|pixels| {
            let (spent, prepared) = self.run(Phase::Preprocess, ServeError::Refused, || {
                model.preprocess(pixels)
            });
            ticket.timings.preprocess = spent;
            prepared
        });
        drop(photo);
        let now = self.clock.now();
        let mut state = self.lock();
        match prepared {
            Ok(input) => {
                ticket.waits_again(now);
                state
                    .line
                    .decoded(now, slot, Some(InputJob { ticket, input }));
                self.show_depth(&state.line);
                drop(state);
                self.input_waits.notify_one();
            }
            Err(error) => {
                state.line.decoded(now, slot, None);
                drop(state);
                // The place went first: a caller who sends its next photograph the moment it has the answer
                // must find it free.
                ticket.answer(Err(error));
            }
        }
        // Memory has come free.
        self.photo_waits.notify_one();
    }

    fn infer(&self, batch: Batch<InputJob<M>>) {
        let now = self.clock.now();
        let (mut tickets, inputs): (Vec<_>, Vec<_>) = batch
            .inputs
            .into_iter()
            .map(|job| (job.ticket, job.input))
            .unzip();
        for ticket in &mut tickets {
            ticket.picked_up(now);
            self.metrics
                .observe_phase(Phase::Queue, ticket.timings.queue);
        }
        let n_inputs = inputs.len();
        let Some(loaded) = tickets.first().map(|ticket| Arc::clone(&ticket.loaded)) else {
            return;
        };
        let (spent, answers) = self.run(Phase::Inference, ServeError::Failed, || {
            let answers = loaded.model.infer(inputs)?;
            assert_eq!(answers.len(), n_inputs, "one answer for each photograph");
            Ok(answers)
        });
        drop(loaded);
        self.lock().line.inferred(self.clock.now(), batch.run);
        let answers = match answers {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); n_inputs],
        };
        for (mut ticket, answer) in tickets.into_iter().zip(answers) {
            ticket.timings.inference = spent;
            ticket.log_timings();
            ticket.answer(answer);
        }
    }
}

/// The request's whose photograph is run. Several in one run: one of their own, below the first one's, which follows
/// from the others.
fn span_of<M: Model>(batch: &Batch<InputJob<M>>) -> Span {
    match batch.inputs.as_slice() {
        [] => Span::none(),
        [only] => only.ticket.span.clone(),
        [first, others @ ..] => {
            let n_photographs = batch.inputs.len();
            let span = tracing::info_span!(parent: &first.ticket.span, "batch", n_photographs);
            for other in others {
                span.follows_from(&other.ticket.span);
            }
            span
        }
    }
}
