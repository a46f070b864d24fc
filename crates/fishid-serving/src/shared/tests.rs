//! The tier over a store that does what a test says, with paused time.
#![allow(clippy::unwrap_used)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fishid_testing::logs::{Logs, request_id};
use futures::FutureExt as _;
use prometheus_client::registry::Registry;
use tokio::time::{Instant, sleep};

use super::*;

const BUDGET: Duration = Duration::from_millis(20);
/// A connection under way that is given up, the longest pause of the keeper with its jitter, and a look-up.
const BACK_WITHIN: Duration = Duration::from_millis(9_600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Fine,
    /// Connects, and then answers nothing.
    Hanging,
    /// Answers every command with an error.
    Refusing,
    /// Every command and every connection fails.
    Away,
    /// Not even the connection comes about.
    Unreachable,
}

struct State {
    mood: Mutex<Mood>,
    n_connects: AtomicUsize,
    n_gets: AtomicUsize,
    n_puts: AtomicUsize,
}

#[derive(Clone)]
struct FakeStore(Arc<State>);

impl FakeStore {
    async fn answer<T>(&self, fine: T) -> Result<T, SharedError> {
        let mood = *self.0.mood.lock().unwrap();
        match mood {
            Mood::Fine => Ok(fine),
            Mood::Refusing => Err(SharedError::Refused("no".to_owned())),
            Mood::Away => Err(SharedError::Broken("gone".to_owned())),
            Mood::Hanging | Mood::Unreachable => std::future::pending().await,
        }
    }
}

impl SharedStore for FakeStore {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn address(&self) -> String {
        "nowhere".to_owned()
    }

    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn SharedLink>, SharedError>> {
        async {
            self.0.n_connects.fetch_add(1, Ordering::SeqCst);
            let mood = *self.0.mood.lock().unwrap();
            let link: Arc<dyn SharedLink> = Arc::new(self.clone());
            match mood {
                Mood::Away | Mood::Unreachable => self.answer(link).await,
                _ => Ok(link),
            }
        }
        .boxed()
    }
}

impl SharedLink for FakeStore {
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SharedError>> {
        self.0.n_gets.fetch_add(1, Ordering::SeqCst);
        self.answer(None).boxed()
    }

    fn put<'a>(
        &'a self,
        _: &'a str,
        _: Bytes,
        _: Duration,
    ) -> BoxFuture<'a, Result<(), SharedError>> {
        self.0.n_puts.fetch_add(1, Ordering::SeqCst);
        self.answer(()).boxed()
    }
}

struct Fixture {
    tier: SharedTier,
    store: FakeStore,
    registry: Registry,
}

impl Fixture {
    fn new(mood: Mood) -> Self {
        let mut registry = Registry::default();
        let metrics = Arc::new(Metrics::register(&mut registry));
        let store = FakeStore(Arc::new(State {
            mood: Mutex::new(mood),
            n_connects: AtomicUsize::new(0),
            n_gets: AtomicUsize::new(0),
            n_puts: AtomicUsize::new(0),
        }));
        let settings = SharedSettings {
            budget: BUDGET,
            write_queue: 4,
            ..SharedSettings::default()
        };
        Self {
            tier: SharedTier::start(store.clone(), settings, metrics),
            store,
            registry,
        }
    }

    /// Connected, as after a start with a store that is there.
    async fn connected() -> Self {
        let fixture = Self::new(Mood::Fine);
        sleep(BUDGET).await;
        assert_eq!(fixture.tier.get("name").await, Looked::Absent);
        fixture.check_metric("fishid_cache_tier_up{tier=\"fake\"} 1");
        fixture
    }

    fn set(&self, mood: Mood) {
        *self.store.0.mood.lock().unwrap() = mood;
    }

    fn n_gets(&self) -> usize {
        self.store.0.n_gets.load(Ordering::SeqCst)
    }

    fn n_connects(&self) -> usize {
        self.store.0.n_connects.load(Ordering::SeqCst)
    }

    /// What a look-up came to, and how long it took.
    async fn timed_get(&self) -> (Looked, Duration) {
        let started = Instant::now();
        let looked = self.tier.get("name").await;
        (looked, started.elapsed())
    }

    #[track_caller]
    fn check_metric(&self, line: &str) {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_costs_five_requests_the_budget_and_the_others_nothing() {
    let fixture = Fixture::connected().await;
    fixture.set(Mood::Hanging);
    for n in 1..=5 {
        assert_eq!(fixture.timed_get().await, (Looked::Failed, BUDGET), "{n}");
    }
    fixture.check_metric("fishid_cache_tier_up{tier=\"fake\"} 0");
    let n_gets = fixture.n_gets();
    for _ in 0..1_000 {
        assert_eq!(
            fixture.timed_get().await,
            (Looked::Failed, Duration::ZERO),
            "nobody asks it"
        );
    }
    assert_eq!(fixture.n_gets(), n_gets);
}

#[tokio::test(start_paused = true)]
async fn one_slow_answer_among_good_ones_is_no_outage() {
    let fixture = Fixture::connected().await;
    for _ in 0..20 {
        fixture.set(Mood::Hanging);
        assert_eq!(fixture.tier.get("name").await, Looked::Failed);
        fixture.set(Mood::Fine);
        assert_eq!(fixture.tier.get("name").await, Looked::Absent);
    }
    assert_eq!(fixture.n_connects(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_requests_at_once_wait_together_and_open_the_circuit_once() {
    let fixture = Fixture::connected().await;
    fixture.set(Mood::Hanging);
    let started = Instant::now();
    let looked = futures::future::join_all((0..200).map(|_| fixture.tier.get("name"))).await;
    assert!(looked.iter().all(|looked| *looked == Looked::Failed));
    assert_eq!(started.elapsed(), BUDGET);
    fixture.set(Mood::Fine);
    sleep(BACK_WITHIN).await;
    assert_eq!(
        fixture.tier.get("name").await,
        Looked::Absent,
        "late failures of the link before do not open the new one's circuit"
    );
    assert_eq!(fixture.n_connects(), 2);
}

#[tokio::test(start_paused = true)]
async fn while_it_is_away_one_task_tries_less_and_less_often() {
    for mood in [Mood::Hanging, Mood::Refusing, Mood::Away, Mood::Unreachable] {
        let fixture = Fixture::connected().await;
        fixture.set(mood);
        for _ in 0..5 {
            assert_eq!(fixture.tier.get("name").await, Looked::Failed);
        }
        for _ in 0..1_000 {
            sleep(Duration::from_millis(600)).await;
            assert_eq!(fixture.timed_get().await.1, Duration::ZERO, "{mood:?}");
        }
        // Ten minutes with a pause of 2.5 to 7.5 seconds, and a few short ones at the start.
        let n_connects = fixture.n_connects();
        assert!((50..=250).contains(&n_connects), "{mood:?}: {n_connects}");
        fixture.set(Mood::Fine);
        sleep(BACK_WITHIN).await;
        assert_eq!(
            fixture.tier.get("name").await,
            Looked::Absent,
            "{mood:?} ended"
        );
        fixture.check_metric("fishid_cache_tier_up{tier=\"fake\"} 1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_lost_is_replaced_soon() {
    let fixture = Fixture::connected().await;
    sleep(Duration::from_mins(1)).await;
    fixture.set(Mood::Away);
    assert_eq!(
        fixture.timed_get().await,
        (Looked::Failed, Duration::ZERO),
        "a lost link needs no fifth failure"
    );
    fixture.set(Mood::Fine);
    sleep(Duration::from_millis(160)).await;
    assert_eq!(fixture.tier.get("name").await, Looked::Absent);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_noticed_though_no_photograph_comes() {
    for (mood, noticed_within) in [
        (Mood::Away, Duration::from_secs(3)),
        (Mood::Hanging, Duration::from_millis(15_100)),
        (Mood::Refusing, Duration::from_secs(15)),
    ] {
        let fixture = Fixture::connected().await;
        let n_gets = fixture.n_gets();
        sleep(Duration::from_mins(1)).await;
        let n_looks = fixture.n_gets() - n_gets;
        assert!((20..=60).contains(&n_looks), "{mood:?}: {n_looks}");
        assert_eq!(fixture.n_connects(), 1);
        fixture.check_metric("fishid_cache_tier_up{tier=\"fake\"} 1");

        fixture.set(mood);
        sleep(noticed_within).await;
        fixture.check_metric("fishid_cache_tier_up{tier=\"fake\"} 0");
        assert_eq!(fixture.timed_get().await, (Looked::Failed, Duration::ZERO));

        fixture.set(Mood::Fine);
        sleep(BACK_WITHIN).await;
        fixture.check_metric("fishid_cache_tier_up{tier=\"fake\"} 1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_without_its_store_waits_for_nothing() {
    let started = Instant::now();
    let fixture = Fixture::new(Mood::Unreachable);
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(fixture.timed_get().await, (Looked::Failed, Duration::ZERO));
    fixture.check_metric("fishid_cache_tier_up{tier=\"fake\"} 0");
    fixture.set(Mood::Fine);
    sleep(BACK_WITHIN).await;
    assert_eq!(fixture.tier.get("name").await, Looked::Absent);
}

#[tokio::test(start_paused = true)]
async fn writes_are_awaited_by_nobody_and_dropped_when_too_many_wait() {
    let fixture = Fixture::connected().await;
    let started = Instant::now();
    fixture
        .tier
        .put("name".to_owned(), Bytes::from_static(b"1"));
    sleep(BUDGET).await;
    fixture.check_metric("fishid_cache_writes_total{tier=\"fake\",result=\"stored\"} 1");

    fixture.set(Mood::Hanging);
    let before = Instant::now();
    for _ in 0..4 {
        for _ in 0..50 {
            fixture
                .tier
                .put("name".to_owned(), Bytes::from_static(b"2"));
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(before.elapsed(), Duration::ZERO);
    // Those under way and those in the queue; both are bounded.
    assert!(fixture.store.0.n_puts.load(Ordering::SeqCst) <= 1 + 32);
    sleep(Duration::from_secs(2)).await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &fixture.registry).unwrap();
    let count = |result: &str| -> u64 {
        let start = format!("fishid_cache_writes_total{{tier=\"fake\",result=\"{result}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap().parse().unwrap()
    };
    assert_eq!(count("stored") + count("failed") + count("dropped"), 201);
    assert!(count("failed") >= 4 && count("dropped") > 100, "{text}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_write_is_logged_under_the_request_whose_answer_it_is() {
    let (logs, _guard) = Logs::of_this_thread();
    let fixture = Fixture::connected().await;
    fixture.set(Mood::Refusing);
    for id in ["first", "second"] {
        let _request = tracing::info_span!("request", id).entered();
        fixture
            .tier
            .put("name".to_owned(), Bytes::from_static(b"1"));
    }
    sleep(BUDGET).await;
    let lines = logs.lines_with("an answer was not stored");
    let ids: Vec<_> = lines.iter().map(request_id).collect();
    assert_eq!(ids, [Some("first"), Some("second")], "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_writes_is_read_from_all_the_same() {
    let fixture = Fixture::connected().await;
    for _ in 0..20 {
        fixture.set(Mood::Refusing);
        fixture
            .tier
            .put("name".to_owned(), Bytes::from_static(b"1"));
        sleep(BUDGET).await;
        fixture.set(Mood::Fine);
        assert_eq!(fixture.tier.get("name").await, Looked::Absent);
    }
    fixture.check_metric("fishid_cache_writes_total{tier=\"fake\",result=\"failed\"} 20");
    assert_eq!(fixture.n_connects(), 1);
}
