//! The service: cache, then single flight, then a place in line for the workers, all under one deadline.

mod patient;
mod shared;

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use tracing::Instrument as _;

use crate::cache::{AnswerCache, Key, model_key};
use crate::clock::Clock;
use crate::config::{ConfigError, ServingConfig};
use crate::error::{InstallError, Phase, ServeError};
use crate::flight::{Flight, Flights};
use crate::freshness::{Freshness, SharedFreshness};
use crate::hint::ReloadHint;
use crate::metrics::{CacheResult, MEMORY, Metrics, Rejection, ReloadResult};
use crate::model::{Identity, Model, SourceError};
use crate::photo::Photo;
use crate::pool::contain;
use crate::schedule::Refusal;
use crate::shared::SharedTier;
use crate::stages::{Done, Request, Stages, Timings};

/// A new model waits so long for a moment without photographs, before each run of its warm-up.
const LONGEST_WAIT_FOR_A_GAP: Duration = Duration::from_millis(500);
const GAP_LOOK: Duration = Duration::from_millis(1);

/// A model that has answered its warm-up.
#[derive(Debug)]
pub struct Loaded<M: Model> {
    /// The model.
    pub model: M,
    /// Who it is.
    pub identity: Arc<Identity>,
    cache_key: Arc<str>,
}

impl<M: Model> Drop for Loaded<M> {
    fn drop(&mut self) {
        tracing::info!(version = %self.identity.version, "model drained and dropped");
    }
}

/// A model that has answered its warm-up and does not answer clients yet.
#[derive(Debug)]
pub(crate) struct Proven<M: Model> {
    model: M,
    identity: Arc<Identity>,
    took: Duration,
}

/// An answer and where it came from.
#[derive(Debug, Clone)]
pub struct Served<A> {
    /// The answer.
    pub answer: A,
    /// The model that answers now. A cached answer may come from another version of the same digest.
    pub identity: Arc<Identity>,
    /// Whether it was out of a cache.
    pub cached: bool,
    /// Where the time went.
    pub timings: Timings,
}

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting that cannot be served with.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system gave no thread.
    #[error("cannot start the worker threads")]
    Thread(#[from] std::io::Error),
}

/// What a flight ends with.
#[derive(Debug, Clone)]
struct Found<A> {
    answer: A,
    cached: bool,
    timings: Timings,
}

type Landed<M> = Result<Found<<M as Model>::Answer>, ServeError<<M as Model>::Error>>;

struct Inner<M: Model> {
    config: ServingConfig,
    metrics: Arc<Metrics>,
    current: RwLock<Option<Arc<Loaded<M>>>>,
    freshness: SharedFreshness,
    reload_hint: ReloadHint,
    cache: AnswerCache<M>,
    shared: Option<SharedTier>,
    flights: Flights<Landed<M>>,
    stages: Stages<M>,
    draining: AtomicBool,
    closed: AtomicBool,
}

/// Answers photographs with the model installed last. Cheap to clone; the workers end with the last clone.
pub struct Service<M: Model>(Arc<Inner<M>>);

impl<M: Model> Clone for Service<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A caller that waits; dropped before that is over, it has left.
struct Waiting<'a>(Option<&'a Metrics>);

impl Waiting<'_> {
    fn ends(mut self) {
        self.0 = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(metrics) = self.0 {
            metrics.count_rejection(Rejection::ClientGone);
        }
    }
}

impl<M: Model> Service<M> {
    /// Starts the workers. There is no model yet: see [`Service::install`] and [`crate::Follower`].
    pub fn start(config: ServingConfig, metrics: Arc<Metrics>) -> Result<Self, StartError> {
        Self::start_by(Clock::system(), config, metrics)
    }

    /// The same by another clock, which must be the one that tokio's timers go by.
    pub fn start_by(
        clock: Clock,
        config: ServingConfig,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StartError> {
        Self::start_with(clock, config, metrics, None)
    }

    /// The same with a cache that other servers share, asked when the one in process has no answer.
    pub fn start_with(
        clock: Clock,
        config: ServingConfig,
        metrics: Arc<Metrics>,
        shared: Option<SharedTier>,
    ) -> Result<Self, StartError> {
        config.validate()?;
        Ok(Self(Arc::new(Inner {
            stages: Stages::start(&config, &metrics, clock)?,
            cache: AnswerCache::new(&config.cache),
            shared,
            flights: Flights::new(),
            current: RwLock::new(None),
            freshness: SharedFreshness::default(),
            reload_hint: ReloadHint::new(),
            draining: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            metrics,
            config,
        })))
    }

    /// Answers a photograph within the deadline of the settings. Dropping the future gives the work up, unless
    /// another caller waits for it too.
    pub async fn ask(&self, photo: Photo) -> Result<Served<M::Answer>, ServeError<M::Error>> {
        self.ask_within(self.0.config.deadline, photo).await
    }

    /// The same for a caller that has less time; more than the settings' deadline is not given.
    pub async fn ask_within(
        &self,
        allowed: Duration,
        photo: Photo,
    ) -> Result<Served<M::Answer>, ServeError<M::Error>> {
        let waiting = Waiting(Some(&self.0.metrics));
        let result = self.answer(allowed, photo).await;
        waiting.ends();
        self.note(&result);
        result
    }

    fn note(&self, result: &Result<Served<M::Answer>, ServeError<M::Error>>) {
        match result {
            Ok(served) => self.0.metrics.observe_answer(M::observe(&served.answer)),
            Err(error) => {
                if let Some(reason) = Rejection::of(error) {
                    self.0.metrics.count_rejection(reason);
                }
            }
        }
    }

    async fn answer(
        &self,
        allowed: Duration,
        photo: Photo,
    ) -> Result<Served<M::Answer>, ServeError<M::Error>> {
        let inner = &self.0;
        let deadline = inner.config.deadline.min(allowed);
        let expires = tokio::time::Instant::now() + deadline;
        let too_late = || ServeError::DeadlineExceeded { deadline };
        loop {
            let loaded = self.current().ok_or(ServeError::NoModel)?;
            let key = Key::new(photo.digest(), &loaded.cache_key);
            let identity = Arc::clone(&loaded.identity);
            if let Some(answer) = self.look_up(&key).await {
                return Ok(Served {
                    answer,
                    identity,
                    cached: true,
                    timings: Timings::default(),
                });
            }
            let effort = contain(|| loaded.model.appraise(photo.bytes())).unwrap_or_default();
            let request = Request {
                loaded,
                photo: photo.clone(),
                effort,
                deadline: expires.into_std(),
                allowed: deadline,
            };
            let mut leads = false;
            let flight = self.board(request, key, &mut leads)?;
            let outcome = tokio::time::timeout_at(expires, flight)
                .await
                .map_err(|_| too_late())?;
            match outcome {
                Ok(found) => {
                    return Ok(Served {
                        answer: found.answer,
                        identity,
                        cached: found.cached,
                        timings: found.timings,
                    });
                }
                // Who began it had less time than this caller has: begin anew.
                Err(ServeError::DeadlineExceeded { .. })
                    if !leads && tokio::time::Instant::now() < expires => {}
                // The same, refused before it was worked on.
                Err(ServeError::OutOfReach { deadline: his, .. }) if !leads && his < deadline => {}
                Err(ServeError::DeadlineExceeded { .. }) => return Err(too_late()),
                Err(error) => return Err(error),
            }
        }
    }

    async fn look_up(&self, key: &Key) -> Option<M::Answer> {
        let inner = &self.0;
        if !inner.cache.is_on() {
            return None;
        }
        let started = Instant::now();
        let found = inner.cache.get(key).await;
        inner.metrics.observe_phase(Phase::Cache, started.elapsed());
        let result = if found.is_some() {
            CacheResult::Hit
        } else {
            CacheResult::Miss
        };
        inner.metrics.count_cache(MEMORY, result);
        found
    }

    /// Joins the flight of this photograph, or begins it, and then `leads`.
    fn board(
        &self,
        request: Request<M>,
        key: Key,
        leads: &mut bool,
    ) -> Result<Flight<Landed<M>>, ServeError<M::Error>> {
        self.0.flights.join_or_start(key.clone(), || {
            *leads = true;
            self.begin(request, key)
        })
    }

    /// Asks the shared cache, then the model; the future ends with the answer stored. All of it is shared by the
    /// callers of one photograph, and goes on as long as one of them waits. It is logged as work of the one who began it.
    fn begin(
        &self,
        request: Request<M>,
        key: Key,
    ) -> Result<impl Future<Output = Landed<M>> + Send + use<M>, ServeError<M::Error>> {
        if self.0.closed.load(Ordering::Acquire) {
            return Err(ServeError::Draining);
        }
        let service = self.clone();
        Ok(async move {
            if let Some(answer) = service.look_up_shared(&request.loaded.model, &key).await {
                service.0.cache.put(key, answer.clone()).await;
                return Ok(Found {
                    answer,
                    cached: true,
                    timings: Timings::default(),
                });
            }
            let Done { answer, timings } = service.run(request).await?;
            service.share(&key, &answer);
            service.0.cache.put(key, answer.clone()).await;
            Ok(Found {
                answer,
                cached: false,
                timings,
            })
        }
        .in_current_span())
    }

    /// Puts the photograph in line.
    async fn run(&self, request: Request<M>) -> Result<Done<M::Answer>, ServeError<M::Error>> {
        let deadline = request.allowed;
        let answer = self
            .0
            .stages
            .enter(request)
            .map_err(|refusal| match refusal {
                Refusal::Full { accepted, wait } => ServeError::QueueFull {
                    accepted,
                    retry_after: wait,
                },
                Refusal::Late { expected, wait } => ServeError::OutOfReach {
                    deadline,
                    expected,
                    retry_after: wait,
                },
            })?;
        // The channel closes without an answer only if a worker died in spite of every net.
        answer.await.map_err(|_| ServeError::Draining)?
    }

    /// When all that is accepted now will be answered, for a `Retry-After`.
    pub fn retry_after(&self) -> Duration {
        self.0.stages.time_to_answer_all()
    }

    /// Warms a model up and, if it answers as it should, lets it take the place of the one before, which
    /// finishes what it has begun. Takes as long as the warm-up: not for an async runtime's thread.
    pub fn install(&self, model: M) -> Result<Arc<Identity>, InstallError<M::Error>> {
        let proven = self.warm_up(model)?;
        Ok(self.swap(proven).0)
    }

    fn warm_up(&self, model: M) -> Result<Proven<M>, InstallError<M::Error>> {
        let identity = Arc::new(model.identity());
        let version = identity.version.clone();
        let started = Instant::now();
        let refused = match contain(|| model.warm_up(&|| self.await_gap())) {
            Ok(Ok(())) => None,
            Ok(Err(source)) => Some(InstallError::WarmUp { version, source }),
            Err(message) => Some(InstallError::Panicked { version, message }),
        };
        if let Some(error) = refused {
            self.0.metrics.count_reload(ReloadResult::Rejected);
            return Err(error);
        }
        Ok(Proven {
            model,
            identity,
            took: started.elapsed(),
        })
    }

    /// Returns when nobody waits for an answer, and after a while even then: a run of the network then delays one
    /// photograph at most, and not all that queue behind it.
    fn await_gap(&self) {
        let started = Instant::now();
        while self.0.stages.accepted() > 0 && started.elapsed() < LONGEST_WAIT_FOR_A_GAP {
            thread::sleep(GAP_LOOK);
        }
    }

    /// Warms a model up that is to replace another. With one that answers in time in its place already, a model that
    /// could answer no request in time is refused; how much slower it may be within that is the gate's decision.
    pub(crate) fn prove(&self, model: M) -> Result<Proven<M>, SourceError> {
        let proven = self.warm_up(model)?;
        let deadline = self.0.config.deadline;
        let too_slow = |fastest: &Duration| *fastest > deadline && self.current().is_some();
        if let Some(fastest) = proven.model.fastest_answer().filter(too_slow) {
            self.0.metrics.count_reload(ReloadResult::TooSlow);
            let version = proven.identity.version.clone();
            return Err(Box::new(InstallError::<M::Error>::TooSlow {
                version,
                fastest,
                deadline,
            }));
        }
        Ok(proven)
    }

    /// Gives the proven model's identity and the model before it.
    pub(crate) fn swap(&self, proven: Proven<M>) -> (Arc<Identity>, Option<Arc<Loaded<M>>>) {
        let Proven {
            model,
            identity,
            took,
        } = proven;
        let cache_key = model_key(&identity);
        let evaluation = model.evaluation();
        let (max_batch, n_streams) = (model.max_batch(), model.n_streams());
        self.0.stages.expect_model(max_batch, n_streams);
        let loaded = Arc::new(Loaded {
            model,
            identity: Arc::clone(&identity),
            cache_key,
        });
        let before = {
            let mut current = self
                .0
                .current
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            current.replace(loaded)
        };
        self.0.metrics.describe_model(&identity, &evaluation);
        self.0.metrics.count_reload(ReloadResult::Success);
        tracing::info!(
            version = %identity.version,
            digest = %identity.digest,
            before = before.as_ref().map(|loaded| loaded.identity.version.as_str()),
            warm_up_ms = took.as_millis() as u64,
            "model installed"
        );
        (identity, before)
    }

    /// Asks the follower of this service to look at its source now.
    pub fn reload_hint(&self) -> &ReloadHint {
        &self.0.reload_hint
    }

    /// The model that answers now.
    pub fn current(&self) -> Option<Arc<Loaded<M>>> {
        self.0
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the model that answers is known to be the one its source names.
    pub fn freshness(&self) -> Freshness {
        self.0.freshness.get()
    }

    pub(crate) fn source_answered(&self) {
        self.0.freshness.source_answered();
        self.0.metrics.model_stale.set(0);
    }

    pub(crate) fn source_failed(&self) {
        self.fell_behind();
        self.0.metrics.count_reload(ReloadResult::SourceFailed);
    }

    /// The source names a model that cannot be loaded.
    pub(crate) fn fell_behind(&self) {
        self.0.freshness.fell_behind();
        self.0.metrics.model_stale.set(1);
    }

    /// Whether traffic should be sent here: a model has answered its warm-up, and the end is not near.
    pub fn is_ready(&self) -> bool {
        !self.is_draining() && self.current().is_some()
    }

    /// From now on not ready, though still answering: load balancers need a moment to notice.
    pub fn begin_drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// Whether [`Service::begin_drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }

    /// Takes no more photographs; those accepted are still answered.
    pub fn close(&self) {
        self.begin_drain();
        self.0.closed.store(true, Ordering::Release);
    }

    /// Photographs accepted and not yet answered.
    pub fn accepted(&self) -> usize {
        self.0.stages.accepted()
    }

    /// The settings it was started with.
    pub fn config(&self) -> &ServingConfig {
        &self.0.config
    }

    /// The metrics it writes.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }
}
