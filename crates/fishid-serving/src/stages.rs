//! The two stages a photograph goes through, each on its own named threads: decode and resize, then the
//! model. A job whose caller has left is skipped at the door of either stage.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::config::ServingConfig;
use crate::error::{Phase, ServeError};
use crate::load::WorkTime;
use crate::metrics::Metrics;
use crate::model::{Identity, Model};
use crate::photo::Photo;
use crate::pool::{Pool, contain};
use crate::service::Loaded;

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
    pub(crate) identity: Arc<Identity>,
    pub(crate) timings: Timings,
}

pub(crate) type Outcome<M> = Result<Done<<M as Model>::Answer>, ServeError<<M as Model>::Error>>;

/// One caller's claim: who is to answer, where the answer goes, and the place held in the queue.
pub(crate) struct Ticket<M: Model> {
    loaded: Arc<Loaded<M>>,
    reply: oneshot::Sender<Outcome<M>>,
    place: OwnedSemaphorePermit,
    waiting_since: Instant,
    timings: Timings,
}

impl<M: Model> Ticket<M> {
    pub(crate) fn new(
        loaded: Arc<Loaded<M>>,
        place: OwnedSemaphorePermit,
    ) -> (Self, oneshot::Receiver<Outcome<M>>) {
        let (reply, answer) = oneshot::channel();
        let timings = Timings::default();
        (
            Self {
                loaded,
                reply,
                place,
                waiting_since: Instant::now(),
                timings,
            },
            answer,
        )
    }

    /// A worker takes it out of a queue; `false` when its caller has left.
    fn picked_up(&mut self, crew: &Crew) -> bool {
        crew.metrics.queue_depth.dec();
        self.timings.queue += self.waiting_since.elapsed();
        !self.reply.is_closed()
    }

    fn answer(self, outcome: Outcome<M>) {
        // The place goes first: a caller who sends its next photograph the moment it has the answer
        // must find it free.
        drop(self.place);
        drop(self.loaded);
        // A failed send means that the caller left, which is nobody's error.
        let _ = self.reply.send(outcome);
    }
}

struct DecodeJob<M: Model> {
    ticket: Ticket<M>,
    photo: Photo,
}

struct InferJob<M: Model> {
    ticket: Ticket<M>,
    input: M::Input,
}

/// What all workers share.
#[derive(Clone)]
struct Crew {
    metrics: Arc<Metrics>,
    work_time: Arc<WorkTime>,
}

/// The two pools.
pub(crate) struct Stages<M: Model> {
    decode: Pool<DecodeJob<M>>,
    metrics: Arc<Metrics>,
}

impl<M: Model> Stages<M> {
    pub(crate) fn start(
        config: &ServingConfig,
        metrics: &Arc<Metrics>,
        work_time: &Arc<WorkTime>,
    ) -> std::io::Result<Self> {
        let crew = Crew {
            metrics: Arc::clone(metrics),
            work_time: Arc::clone(work_time),
        };
        let inference_crew = crew.clone();
        let inference = Arc::new(Pool::start(
            "fishid-infer",
            config.inference_threads,
            move |job: InferJob<M>| infer(job, &inference_crew),
        )?);
        let decode = Pool::start("fishid-decode", config.decode_threads, move |job| {
            let Some(mut next) = decode(job, &crew) else {
                return;
            };
            next.ticket.waiting_since = Instant::now();
            crew.metrics.queue_depth.inc();
            if let Err(lost) = inference.submit(next) {
                crew.metrics.queue_depth.dec();
                lost.ticket.answer(Err(ServeError::Draining));
            }
        })?;
        Ok(Self {
            decode,
            metrics: Arc::clone(metrics),
        })
    }

    pub(crate) fn submit(&self, ticket: Ticket<M>, photo: Photo) {
        self.metrics.queue_depth.inc();
        if let Err(lost) = self.decode.submit(DecodeJob { ticket, photo }) {
            self.metrics.queue_depth.dec();
            lost.ticket.answer(Err(ServeError::Draining));
        }
    }
}

/// Runs one phase of the model's code: its time measured, its panics contained, its error named.
fn run<M: Model, T>(
    crew: &Crew,
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
    crew.metrics.observe_phase(phase, spent);
    (spent, result)
}

fn decode<M: Model>(job: DecodeJob<M>, crew: &Crew) -> Option<InferJob<M>> {
    let DecodeJob { mut ticket, photo } = job;
    if !ticket.picked_up(crew) {
        return None;
    }
    let model = &ticket.loaded.model;
    let (spent, decoded) = run::<M, _>(crew, Phase::Decode, ServeError::Refused, || {
        model.decode(photo.bytes())
    });
    ticket.timings.decode = spent;
    let prepared = decoded.and_then(|pixels| {
        let (spent, prepared) = run::<M, _>(crew, Phase::Preprocess, ServeError::Refused, || {
            model.preprocess(pixels)
        });
        ticket.timings.preprocess = spent;
        prepared
    });
    match prepared {
        Ok(input) => Some(InferJob { ticket, input }),
        Err(error) => {
            ticket.answer(Err(error));
            None
        }
    }
}

fn infer<M: Model>(job: InferJob<M>, crew: &Crew) {
    let InferJob { mut ticket, input } = job;
    if !ticket.picked_up(crew) {
        return;
    }
    crew.metrics
        .observe_phase(Phase::Queue, ticket.timings.queue);
    let model = &ticket.loaded.model;
    let (spent, answer) = run::<M, _>(crew, Phase::Inference, ServeError::Failed, || {
        model.infer(input)
    });
    ticket.timings.inference = spent;
    crew.work_time.record(spent);
    let identity = Arc::clone(&ticket.loaded.identity);
    let timings = ticket.timings;
    ticket.answer(answer.map(|answer| Done {
        answer,
        identity,
        timings,
    }));
}
