//! Answers shared over a real Redis, which is held up, ended, filled and fed with rubbish meanwhile.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fishid_serving::{RedisStore, ServingConfig, SharedSettings, SharedTier};
use fishid_testing::redis::{Answer, RedisServer};

use crate::fake::{FakeModel, Gate, Harness, eventually, photo};

const UP: &str = "fishid_cache_tier_up{tier=\"redis\"} 1";
const DOWN: &str = "fishid_cache_tier_up{tier=\"redis\"} 0";
/// Against a delay that grows with the outage or ends with the deadline of 5 s; a busy machine takes its time.
const FAR_FROM_THE_DEADLINE: Duration = Duration::from_secs(3);

fn counted(result: &str, n: u64) -> String {
    format!("fishid_cache_requests_total{{tier=\"redis\",result=\"{result}\"}} {n}")
}

fn written(result: &str, n: u64) -> String {
    format!("fishid_cache_writes_total{{tier=\"redis\",result=\"{result}\"}} {n}")
}

/// A server whose memory keeps nothing, so that every look-up goes to Redis, with a budget that only a Redis
/// which hangs exceeds.
fn server(url: &str, change: impl FnOnce(&mut ServingConfig)) -> Harness {
    let settings = SharedSettings {
        budget: Duration::from_millis(200),
        ..SharedSettings::default()
    };
    let mut config = ServingConfig::default();
    config.cache.max_bytes = 0;
    change(&mut config);
    Harness::sharing(config, |metrics| {
        let store = RedisStore::new(url).unwrap();
        Some(SharedTier::start(store, settings, metrics.clone()))
    })
}

/// [`server`] with a model, connected.
async fn ready(url: &str) -> Harness {
    let harness = server(url, |_| {});
    harness.service.install(FakeModel::new("1")).unwrap();
    eventually(|| harness.has_metric(UP)).await;
    harness
}

/// Asks, and takes care that it took no time that a client would notice.
async fn ask(harness: &Harness, number: u32) -> bool {
    let started = Instant::now();
    let served = harness.service.ask(photo(number)).await.unwrap();
    assert_eq!(served.answer, format!("1 says {number}"));
    assert!(started.elapsed() < FAR_FROM_THE_DEADLINE);
    served.cached
}

#[tokio::test]
async fn two_servers_share_what_either_has_answered() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let first = ready(&redis.url()).await;
    let second = server(&redis.url(), |config| {
        config.cache = ServingConfig::default().cache;
    });
    let model = FakeModel::new("1");
    let calls = model.calls.clone();
    second.service.install(model).unwrap();
    eventually(|| second.has_metric(UP)).await;

    assert!(!ask(&first, 7).await);
    eventually(|| first.has_metric(&written("stored", 1))).await;
    let Answer::Line(left) = redis.ask(&["PTTL", &redis.names()[0]]) else {
        panic!("PTTL answers with a number")
    };
    assert!(left.parse::<u64>().unwrap() > 80_000_000, "a day: {left}");

    assert!(ask(&second, 7).await);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    second.check_metric(&counted("hit", 1));
    second.check_metric("fishid_predictions_total{class=\"7\"} 1");
    assert!(ask(&second, 7).await);
    second.check_metric(&counted("hit", 1));
    second.check_metric("fishid_cache_requests_total{tier=\"memory\",result=\"hit\"} 1");

    second.service.install(FakeModel::new("2")).unwrap();
    let other = second.service.ask(photo(7)).await.unwrap();
    assert_eq!((other.answer.as_str(), other.cached), ("2 says 7", false));
    second.check_metric(&counted("miss", 1));
}

#[tokio::test]
async fn a_hundred_callers_ask_redis_once_and_the_model_once() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let harness = server(&redis.url(), |_| {});
    let gate = Gate::closed();
    let model = FakeModel::new("1").held_by(&gate);
    let calls = model.calls.clone();
    harness.service.install(model).unwrap();
    eventually(|| harness.has_metric(UP)).await;

    redis.pause();
    let callers: Vec<_> = (0..100)
        .map(|_| harness.ask_in_background(photo(1)))
        .collect();
    tokio::task::yield_now().await;
    // The first one leaves while Redis is still being asked.
    callers[0].abort();
    redis.resume();
    gate.open();
    for caller in callers.into_iter().skip(1) {
        assert_eq!(caller.await.unwrap().unwrap().answer, "1 says 1");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let text = harness.metrics();
    let asked: u64 = text
        .lines()
        .filter_map(|line| line.strip_prefix("fishid_cache_requests_total{tier=\"redis\""))
        .map(|rest| rest.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(asked, 1, "{text}");
}

#[tokio::test]
async fn a_redis_that_is_held_up_is_left_alone_until_it_goes_on() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let harness = ready(&redis.url()).await;
    ask(&harness, 1).await;
    redis.pause();
    for number in 10..15 {
        ask(&harness, number).await;
    }
    harness.check_metric(DOWN);
    harness.check_metric(&counted("error", 5));
    for number in 20..220 {
        assert!(!ask(&harness, number).await);
    }
    harness.check_metric(&counted("error", 205));
    redis.resume();
    eventually(|| harness.has_metric(UP)).await;
    assert!(ask(&harness, 1).await, "it still knows the first one");
}

#[tokio::test]
async fn a_redis_that_ends_and_comes_back_fails_no_request() {
    let Some(mut redis) = RedisServer::start() else {
        return;
    };
    let harness = ready(&redis.url()).await;
    ask(&harness, 1).await;
    for round in 0..2 {
        redis.stop();
        for number in 0..50 {
            ask(&harness, 100 + 1_000 * round + number).await;
        }
        harness.check_metric(DOWN);
        redis.start_again();
        eventually(|| harness.has_metric(UP)).await;
        let number = 99 + round;
        assert!(!ask(&harness, number).await, "it came back empty");
        eventually(|| redis.names().len() == 1).await;
        assert!(ask(&harness, number).await);
    }
}

#[tokio::test]
async fn a_redis_that_ends_is_missed_though_no_photograph_comes() {
    let Some(mut redis) = RedisServer::start() else {
        return;
    };
    let harness = ready(&redis.url()).await;
    redis.stop();
    eventually(|| harness.has_metric(DOWN)).await;
    harness.check_metric(&counted("error", 0));
    redis.start_again();
    eventually(|| harness.has_metric(UP)).await;
    assert!(!ask(&harness, 1).await);
    harness.check_metric(&counted("miss", 1));
}

#[tokio::test]
async fn a_full_redis_stores_nothing_and_still_answers() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let harness = ready(&redis.url()).await;
    ask(&harness, 1).await;
    eventually(|| harness.has_metric(&written("stored", 1))).await;
    redis.fill();
    for number in 2..22 {
        assert!(!ask(&harness, number).await);
    }
    eventually(|| harness.has_metric(&written("failed", 20))).await;
    harness.check_metric(UP);
    assert!(ask(&harness, 1).await);
    redis.empty();
    ask(&harness, 2).await;
    eventually(|| harness.has_metric(&written("stored", 2))).await;
    assert!(ask(&harness, 2).await);
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_and_is_replaced() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let harness = ready(&redis.url()).await;
    ask(&harness, 1).await;
    eventually(|| redis.names().len() == 1).await;
    let name = redis.names()[0].clone();
    let good = redis.value(&name);
    ask(&harness, 2).await;
    eventually(|| redis.names().len() == 2).await;
    let others = redis.names();
    let other = others.iter().find(|other| **other != name).unwrap();

    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut longer = good.clone();
    longer.push(0);
    let rubbish = [
        b"rubbish".to_vec(),
        good[..good.len() - 1].to_vec(),
        longer,
        flipped,
        redis.value(other),
        vec![0xff; 3 << 20],
    ];
    for (n_before, value) in rubbish.iter().enumerate() {
        redis.set(&name, value);
        assert!(!ask(&harness, 1).await, "{n_before}");
        harness.check_metric(&counted("error", n_before as u64 + 1));
        eventually(|| redis.value(&name) == good).await;
        assert!(
            ask(&harness, 1).await,
            "the answer of the model replaced it"
        );
    }
    redis.ask(&["DEL", &name]);
    redis.ask(&["LPUSH", &name, "not even a string"]);
    assert!(!ask(&harness, 1).await);
    harness.check_metric(&counted("error", rubbish.len() as u64 + 1));
    harness.check_metric(UP);
}

#[tokio::test]
async fn a_password_opens_a_redis_and_a_wrong_one_fails_no_request() {
    let Some(redis) = RedisServer::with_password("hush") else {
        return;
    };
    let harness = ready(&redis.url()).await;
    ask(&harness, 1).await;
    eventually(|| redis.names().len() == 1).await;
    assert!(ask(&harness, 1).await);

    let stranger = server(
        &format!("redis://:guess@127.0.0.1:{}", redis.port()),
        |_| {},
    );
    stranger.service.install(FakeModel::new("1")).unwrap();
    for number in 1..20 {
        assert!(!ask(&stranger, number).await);
    }
    stranger.check_metric(DOWN);
    stranger.check_metric(&counted("error", 19));
}

#[tokio::test]
async fn a_redis_that_was_never_there_is_used_once_it_comes() {
    let Some(mut redis) = RedisServer::start() else {
        return;
    };
    redis.stop();
    let harness = server(&redis.url(), |_| {});
    harness.service.install(FakeModel::new("1")).unwrap();
    assert!(!ask(&harness, 1).await);
    harness.check_metric(&written("dropped", 1));
    redis.start_again();
    eventually(|| harness.has_metric(UP)).await;
    ask(&harness, 1).await;
    eventually(|| redis.names().len() == 1).await;
    assert!(ask(&harness, 1).await);
}
