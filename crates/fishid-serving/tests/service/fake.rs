//! Models and sources that do exactly what a test needs.
#![allow(dead_code)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fishid_serving::metrics::Metrics;
use fishid_serving::{
    Clock, Follower, Identity, Model, ModelSource, Observation, Photo, ServeError, Served, Service,
    ServingConfig, SharedTier, SourceError, VersionTag,
};
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;

/// A photograph that shows a number.
pub fn photo(number: u32) -> Photo {
    Photo::new(Bytes::from(number.to_string()))
}

/// Holds a model up until it is opened, and tells how many have come to it.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<(bool, usize)>, Condvar)>);

impl Gate {
    pub fn closed() -> Self {
        Self::default()
    }

    pub fn open(&self) {
        self.0.0.lock().unwrap().0 = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.1 += 1;
        while !state.0 {
            state = self.0.1.wait(state).unwrap();
        }
    }

    pub async fn wait_until_reached(&self, by: usize) {
        let gate = self.clone();
        eventually(move || gate.0.0.lock().unwrap().1 >= by).await;
    }
}

/// Waits for what another thread is about to do; fails after ten seconds.
pub async fn eventually(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "it did not happen"
        );
        tokio::task::yield_now().await;
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FakeError {
    #[error("zero is no photograph")]
    Zero,
    #[error("the warm-up was told to fail")]
    Warm,
}

pub struct FakeModel {
    version: String,
    digest: String,
    pub calls: Arc<AtomicUsize>,
    /// Photographs in the order in which they came to the model.
    pub asked: Arc<Mutex<Vec<u32>>>,
    max_batch: usize,
    gate: Option<Gate>,
    panics_on: Option<u32>,
    fastest_answer: Option<Duration>,
    /// When its warm-up was let ahead.
    pub had_turn_at: Arc<Mutex<Option<Instant>>>,
    /// The name of the thread that freed it.
    pub freed_on: Arc<Mutex<Option<String>>>,
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        let name = std::thread::current().name().unwrap_or("none").to_owned();
        *self.freed_on.lock().unwrap() = Some(name);
    }
}

impl FakeModel {
    pub fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            digest: format!("digest of {version}"),
            calls: Arc::default(),
            asked: Arc::default(),
            max_batch: 1,
            gate: None,
            panics_on: None,
            fastest_answer: (version == "crawls").then_some(Duration::from_mins(1)),
            had_turn_at: Arc::default(),
            freed_on: Arc::default(),
        }
    }

    /// The same network and the same names as another version.
    pub fn with_digest(mut self, digest: &str) -> Self {
        digest.clone_into(&mut self.digest);
        self
    }

    pub fn held_by(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    pub fn in_batches_of(mut self, max_batch: usize) -> Self {
        self.max_batch = max_batch;
        self
    }

    pub fn panics_on(mut self, number: u32) -> Self {
        self.panics_on = Some(number);
        self
    }
}

impl Model for FakeModel {
    type Photo = u32;
    type Input = u32;
    type Answer = String;
    type Error = FakeError;

    fn identity(&self) -> Identity {
        Identity {
            name: "fake".to_owned(),
            version: self.version.clone(),
            digest: self.digest.clone(),
            precision: "exact".to_owned(),
        }
    }

    fn decode(&self, photo: &[u8]) -> Result<u32, FakeError> {
        match std::str::from_utf8(photo).unwrap().parse().unwrap() {
            0 => Err(FakeError::Zero),
            number => {
                tracing::debug!("decode photograph {number}.");
                Ok(number)
            }
        }
    }

    fn preprocess(&self, photo: u32) -> Result<u32, FakeError> {
        tracing::debug!("preprocess photograph {photo}.");
        Ok(photo)
    }

    fn infer(&self, inputs: Vec<u32>) -> Result<Vec<String>, FakeError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.asked.lock().unwrap().extend(&inputs);
        if let Some(gate) = &self.gate {
            gate.pass();
        }
        if let Some(unlucky) = self.panics_on {
            assert!(!inputs.contains(&unlucky), "unlucky {unlucky}");
        }
        let say = |input| {
            tracing::debug!("infer photograph {input}.");
            format!("{} says {input}", self.version)
        };
        Ok(inputs.into_iter().map(say).collect())
    }

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn warm_up(&self, take_turn: &dyn Fn()) -> Result<(), FakeError> {
        take_turn();
        *self.had_turn_at.lock().unwrap() = Some(Instant::now());
        assert!(!self.version.contains("panics"), "the warm-up panics");
        if self.version == "bad" {
            Err(FakeError::Warm)
        } else {
            Ok(())
        }
    }

    fn fastest_answer(&self) -> Option<Duration> {
        self.fastest_answer
    }

    fn observe(answer: &String) -> Observation<'_> {
        Observation {
            class: answer.rsplit(' ').next().unwrap(),
            confidence: 0.5,
        }
    }

    fn answer_bytes(answer: &String) -> usize {
        answer.len()
    }

    fn encode_answer(answer: &String) -> Option<Vec<u8>> {
        Some(answer.clone().into_bytes())
    }

    fn decode_answer(&self, bytes: &[u8]) -> Option<String> {
        let answer = String::from_utf8(bytes.to_vec()).ok()?;
        answer.contains(" says ").then_some(answer)
    }
}

/// The clock of the runtime the test is in, paused or not, also for threads outside of it.
fn clock() -> Clock {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return Clock::system();
    };
    Clock::new(move || {
        let _inside = runtime.enter();
        tokio::time::Instant::now().into_std()
    })
}

/// A service of fake models and the registry its metrics are in.
pub struct Harness {
    pub service: Service<FakeModel>,
    registry: Registry,
}

impl Harness {
    pub fn new(config: ServingConfig) -> Self {
        Self::sharing(config, |_| None)
    }

    pub fn sharing(
        config: ServingConfig,
        tier: impl FnOnce(&Arc<Metrics>) -> Option<SharedTier>,
    ) -> Self {
        let mut registry = Registry::default();
        let metrics = Arc::new(Metrics::register(&mut registry));
        let shared = tier(&metrics);
        Self {
            service: Service::start_with(clock(), config, metrics, shared).unwrap(),
            registry,
        }
    }

    pub fn ask_in_background(
        &self,
        photo: Photo,
    ) -> JoinHandle<Result<Served<String>, ServeError<FakeError>>> {
        let service = self.service.clone();
        tokio::spawn(async move { service.ask(photo).await })
    }

    /// The same for a caller that waits no longer than this.
    pub fn ask_within_in_background(
        &self,
        allowed: Duration,
        photo: Photo,
    ) -> JoinHandle<Result<Served<String>, ServeError<FakeError>>> {
        let service = self.service.clone();
        tokio::spawn(async move { service.ask_within(allowed, photo).await })
    }

    pub async fn wait_until_accepted(&self, n: usize) {
        eventually(|| self.service.accepted() == n).await;
    }

    /// Until all but the first of `n` photographs wait for the model.
    pub async fn wait_until_all_decoded(&self, n: usize) {
        let decoded = format!("fishid_phase_duration_seconds_count{{phase=\"preprocess\"}} {n}");
        let waiting = format!("fishid_queue_depth {}", n - 1);
        eventually(|| self.has_metric(&decoded)).await;
        eventually(|| self.has_metric(&waiting)).await;
    }

    /// Without the runtime, whose clock may be paused.
    pub fn wait_until_accepted_blocking(&self, n: usize) {
        let started = Instant::now();
        while self.service.accepted() != n {
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "it did not happen"
            );
            std::thread::yield_now();
        }
    }

    pub fn follow(&self) -> (Follower<FakeSource>, FakeSource) {
        let source = FakeSource::default();
        (Follower::new(source.clone(), self.service.clone()), source)
    }

    pub fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    pub fn has_metric(&self, line: &str) -> bool {
        self.metrics().lines().any(|found| found == line)
    }

    #[track_caller]
    pub fn check_metric(&self, line: &str) {
        assert!(
            self.has_metric(line),
            "{line} is not in\n{}",
            self.metrics()
        );
    }
}

/// Names whatever version a test tells it to.
#[derive(Clone, Default)]
pub struct FakeSource(Arc<Mutex<SourceState>>);

#[derive(Default)]
struct SourceState {
    current: Option<String>,
    fails: bool,
    n_looks: usize,
    n_loads: usize,
    kept: Option<String>,
    gate: Option<Gate>,
}

impl FakeSource {
    pub fn name(&self, version: &str) {
        let mut state = self.0.lock().unwrap();
        state.current = Some(version.to_owned());
        state.fails = false;
    }

    pub fn name_nothing(&self) {
        self.0.lock().unwrap().current = None;
    }

    pub fn fail(&self) {
        self.0.lock().unwrap().fails = true;
    }

    /// What an earlier life has installed.
    pub fn keep(&self, version: &str) {
        self.0.lock().unwrap().kept = Some(version.to_owned());
    }

    pub fn kept(&self) -> Option<String> {
        self.0.lock().unwrap().kept.clone()
    }

    pub fn looks(&self) -> usize {
        self.0.lock().unwrap().n_looks
    }

    /// Loads of versions whose name begins with "held" wait at this gate.
    pub fn hold_by(&self, gate: &Gate) {
        self.0.lock().unwrap().gate = Some(gate.clone());
    }

    pub fn loads(&self) -> usize {
        self.0.lock().unwrap().n_loads
    }
}

impl ModelSource for FakeSource {
    type Model = FakeModel;

    fn place(&self) -> String {
        "a fake".to_owned()
    }

    fn current(&self) -> Result<Option<VersionTag>, SourceError> {
        let mut state = self.0.lock().unwrap();
        state.n_looks += 1;
        if state.fails {
            return Err("the source is away".into());
        }
        Ok(state.current.clone().map(VersionTag))
    }

    fn load(&self, tag: &VersionTag) -> Result<FakeModel, SourceError> {
        let gate = {
            let mut state = self.0.lock().unwrap();
            state.n_loads += 1;
            state.gate.clone().filter(|_| tag.0.starts_with("held"))
        };
        if let Some(gate) = gate {
            gate.pass();
        }
        match tag.0.as_str() {
            "truncated" => return Err("model.onnx has 17 bytes, not 4096".into()),
            "mislabelled" => {
                return Err("fishid.json has another digest than the registry says".into());
            }
            _ => {}
        }
        assert!(tag.0 != "panics when loaded", "the load panics");
        Ok(FakeModel::new(&tag.0))
    }

    fn installed(&self, tag: &VersionTag) {
        self.keep(&tag.0);
    }

    fn fall_back(&self) -> Result<Option<(VersionTag, FakeModel)>, SourceError> {
        let kept = self.kept();
        Ok(kept.map(|version| (VersionTag(version.clone()), FakeModel::new(&version))))
    }
}
