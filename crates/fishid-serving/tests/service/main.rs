//! The service driven by models that do exactly what a test needs.
#![allow(clippy::unwrap_used)]

mod fake;
mod logs;
mod overload;
mod patience;
mod redis;
mod reload;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fake::{FakeModel, Gate, Harness, photo};
use fishid_serving::{Phase, Polled, ServeError, ServingConfig, VersionTag};

fn one_worker() -> ServingConfig {
    ServingConfig {
        decode_threads: 1,
        inference_threads: 1,
        ..ServingConfig::default()
    }
}

#[tokio::test]
async fn a_photograph_is_answered_by_the_model_and_then_by_the_cache() {
    let harness = Harness::new(one_worker());
    let model = FakeModel::new("1");
    let calls = model.calls.clone();
    harness.service.install(model).unwrap();

    let first = harness.service.ask(photo(7)).await.unwrap();
    assert_eq!((first.answer.as_str(), first.cached), ("1 says 7", false));
    assert_eq!(first.identity.version, "1");
    let second = harness.service.ask(photo(7)).await.unwrap();
    assert_eq!((second.answer.as_str(), second.cached), ("1 says 7", true));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    harness.check_metric("fishid_cache_requests_total{tier=\"memory\",result=\"hit\"} 1");
    harness.check_metric("fishid_predictions_total{class=\"7\"} 2");
    harness.check_metric("fishid_phase_duration_seconds_count{phase=\"inference\"} 1");
    harness.check_metric("fishid_queue_depth 0");
}

#[tokio::test]
async fn without_a_model_nothing_is_ready_and_nothing_is_answered() {
    let harness = Harness::new(one_worker());
    assert!(!harness.service.is_ready());
    let error = harness.service.ask(photo(1)).await.unwrap_err();
    assert!(matches!(error, ServeError::NoModel), "{error}");
    harness.check_metric("fishid_queue_rejected_total{reason=\"no_model\"} 1");
}

#[tokio::test]
async fn one_photograph_above_the_queue_is_refused_with_a_time_to_come_back() {
    let harness = Harness::new(ServingConfig {
        queue_capacity: 2,
        ..one_worker()
    });
    let gate = Gate::closed();
    harness
        .service
        .install(FakeModel::new("1").held_by(&gate))
        .unwrap();

    let waiting: Vec<_> = [1, 2].map(|n| harness.ask_in_background(photo(n))).into();
    gate.wait_until_reached(1).await;
    harness.wait_until_accepted(2).await;
    let error = harness.service.ask(photo(3)).await.unwrap_err();
    let ServeError::QueueFull {
        accepted,
        retry_after,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(accepted, 2);
    assert!(retry_after > Duration::ZERO);
    harness.check_metric("fishid_queue_rejected_total{reason=\"full\"} 1");

    gate.open();
    for task in waiting {
        assert!(task.await.unwrap().is_ok());
    }
    assert!(
        harness.service.ask(photo(3)).await.is_ok(),
        "an answer frees its place"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_too_long_is_given_up_and_its_place_comes_back() {
    let harness = Harness::new(ServingConfig {
        queue_capacity: 1,
        ..one_worker()
    });
    let gate = Gate::closed();
    let model = FakeModel::new("1").held_by(&gate);
    harness.service.install(model).unwrap();
    // The clock jumps to the deadline, since nothing else is due in this runtime.
    let error = harness.service.ask(photo(1)).await.unwrap_err();
    let ServeError::DeadlineExceeded { deadline } = error else {
        panic!("{error}")
    };
    assert_eq!(deadline, Duration::from_secs(5));
    harness.check_metric("fishid_queue_rejected_total{reason=\"expired\"} 1");
    gate.open();
    harness.wait_until_accepted_blocking(0);
}

#[tokio::test]
async fn a_job_whose_caller_left_is_skipped() {
    let harness = Harness::new(one_worker());
    let gate = Gate::closed();
    let model = FakeModel::new("1").held_by(&gate);
    let calls = model.calls.clone();
    harness.service.install(model).unwrap();

    let first = harness.ask_in_background(photo(1));
    gate.wait_until_reached(1).await;
    let leaving = harness.ask_in_background(photo(2));
    harness.wait_until_accepted(2).await;
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    gate.open();
    first.await.unwrap().unwrap();
    harness.wait_until_accepted(0).await;
    assert_eq!(
        calls.load(Ordering::SeqCst),
        1,
        "the second photograph never reached the model"
    );
}

#[tokio::test]
async fn a_hundred_callers_of_one_photograph_share_one_run() {
    let harness = Harness::new(one_worker());
    let gate = Gate::closed();
    let model = FakeModel::new("1").held_by(&gate);
    let calls = model.calls.clone();
    harness.service.install(model).unwrap();

    let leader = harness.ask_in_background(photo(1));
    gate.wait_until_reached(1).await;
    let followers: Vec<_> = (0..100)
        .map(|_| harness.ask_in_background(photo(1)))
        .collect();
    tokio::task::yield_now().await;
    // The one who began may leave: the others still wait for the same run.
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    assert_eq!(harness.service.accepted(), 1, "they take one place");
    gate.open();
    for follower in followers {
        assert_eq!(follower.await.unwrap().unwrap().answer, "1 says 1");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert!(harness.service.ask(photo(1)).await.unwrap().cached);
}

#[tokio::test]
async fn a_kept_answer_names_the_version_in_production_now() {
    let harness = Harness::new(one_worker());
    let gate = Gate::closed();
    let first = FakeModel::new("1").with_digest("same").held_by(&gate);
    harness.service.install(first).unwrap();
    let asked = harness.ask_in_background(photo(5));
    gate.wait_until_reached(1).await;
    harness
        .service
        .install(FakeModel::new("2").with_digest("same"))
        .unwrap();
    let joined = harness.ask_in_background(photo(5));
    tokio::task::yield_now().await;
    gate.open();
    assert_eq!(asked.await.unwrap().unwrap().identity.version, "1");
    assert_eq!(joined.await.unwrap().unwrap().identity.version, "2");
    let kept = harness.service.ask(photo(5)).await.unwrap();
    assert_eq!((kept.cached, kept.identity.version.as_str()), (true, "2"));
}

#[tokio::test]
async fn a_panic_in_the_model_is_an_error_and_the_worker_lives() {
    let harness = Harness::new(one_worker());
    harness
        .service
        .install(FakeModel::new("1").panics_on(13))
        .unwrap();
    let error = harness.service.ask(photo(13)).await.unwrap_err();
    let ServeError::Panicked { phase, message } = error else {
        panic!("{error}")
    };
    assert_eq!((phase, message.as_str()), (Phase::Inference, "unlucky 13"));
    assert_eq!(
        harness.service.ask(photo(14)).await.unwrap().answer,
        "1 says 14"
    );
}

#[tokio::test]
async fn a_bad_photograph_is_refused_and_not_remembered() {
    let harness = Harness::new(one_worker());
    harness.service.install(FakeModel::new("1")).unwrap();
    let error = harness.service.ask(photo(0)).await.unwrap_err();
    assert!(
        matches!(&error, ServeError::Refused(error) if error.to_string() == "zero is no photograph")
    );
    harness.check_metric("fishid_cache_requests_total{tier=\"memory\",result=\"miss\"} 1");
    assert!(harness.service.ask(photo(0)).await.is_err());
    harness.check_metric("fishid_cache_requests_total{tier=\"memory\",result=\"miss\"} 2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swapping_under_load_fails_no_request() {
    let harness = Arc::new(Harness::new(ServingConfig {
        queue_capacity: 1_000,
        decode_threads: 2,
        inference_threads: 2,
        ..ServingConfig::default()
    }));
    harness.service.install(FakeModel::new("0")).unwrap();
    let clients: Vec<_> = (0..8_u32)
        .map(|client| {
            let harness = Arc::clone(&harness);
            tokio::spawn(async move {
                for n in 0..250 {
                    let number = 1 + client * 1_000 + n;
                    let served = harness.service.ask(photo(number)).await.unwrap();
                    let expected = format!("{} says {number}", served.identity.version);
                    assert_eq!(
                        served.answer, expected,
                        "the version is the one that answered"
                    );
                }
            })
        })
        .collect();
    for version in 1..=20 {
        let service = harness.service.clone();
        tokio::task::spawn_blocking(move || {
            service
                .install(FakeModel::new(&version.to_string()))
                .unwrap()
        })
        .await
        .unwrap();
    }
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(harness.service.current().unwrap().identity.version, "20");
    harness.check_metric("fishid_model_reloads_total{result=\"success\"} 21");
}

#[tokio::test]
async fn another_model_does_not_answer_from_the_cache_of_the_one_before() {
    let harness = Harness::new(one_worker());
    harness.service.install(FakeModel::new("1")).unwrap();
    harness.service.ask(photo(5)).await.unwrap();
    harness.service.install(FakeModel::new("2")).unwrap();
    let served = harness.service.ask(photo(5)).await.unwrap();
    assert_eq!((served.answer.as_str(), served.cached), ("2 says 5", false));
}

#[tokio::test]
async fn the_model_before_is_dropped_once_its_last_photograph_is_answered() {
    let harness = Harness::new(one_worker());
    let gate = Gate::closed();
    harness
        .service
        .install(FakeModel::new("1").held_by(&gate))
        .unwrap();
    let before = Arc::downgrade(&harness.service.current().unwrap());
    let asked = harness.ask_in_background(photo(1));
    gate.wait_until_reached(1).await;
    harness.service.install(FakeModel::new("2")).unwrap();
    assert!(
        before.upgrade().is_some(),
        "it still works on what it has begun"
    );
    gate.open();
    assert_eq!(asked.await.unwrap().unwrap().identity.version, "1");
    assert!(before.upgrade().is_none());
}

#[tokio::test]
async fn draining_is_not_ready_but_still_answers_until_closed() {
    let harness = Harness::new(one_worker());
    harness.service.install(FakeModel::new("1")).unwrap();
    assert!(harness.service.is_ready());
    harness.service.begin_drain();
    assert!(!harness.service.is_ready());
    assert!(harness.service.ask(photo(1)).await.is_ok());
    harness.service.close();
    let error = harness.service.ask(photo(2)).await.unwrap_err();
    assert!(matches!(error, ServeError::Draining), "{error}");
}

#[tokio::test]
async fn a_cache_of_no_bytes_is_off() {
    let mut config = one_worker();
    config.cache.max_bytes = 0;
    let harness = Harness::new(config);
    harness.service.install(FakeModel::new("1")).unwrap();
    for _ in 0..2 {
        assert!(!harness.service.ask(photo(5)).await.unwrap().cached);
    }
}

#[test]
fn a_bad_model_never_replaces_a_good_one_and_is_tried_again_later() {
    let harness = Harness::new(one_worker());
    let (mut follower, source) = harness.follow();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);

    assert_eq!(follower.poll(at(0)), Polled::Nothing);
    source.name("1");
    assert!(matches!(follower.poll(at(5)), Polled::Swapped(_)));
    assert_eq!(follower.poll(at(10)), Polled::Unchanged);

    let bad = VersionTag("bad".to_owned());
    source.name("bad");
    assert_eq!(follower.poll(at(15)), Polled::Refused(bad.clone()));
    assert_eq!(follower.poll(at(20)), Polled::BackingOff(bad.clone()));
    assert_eq!(
        source.loads(),
        2,
        "a failed version is not loaded at every look"
    );
    assert_eq!(follower.poll(at(31)), Polled::Refused(bad.clone()));
    assert_eq!(
        follower.poll(at(50)),
        Polled::BackingOff(bad),
        "the second pause is longer"
    );
    assert_eq!(harness.service.current().unwrap().identity.version, "1");
    harness.check_metric("fishid_model_reloads_total{result=\"rejected\"} 2");

    source.name("2");
    assert!(
        matches!(follower.poll(at(55)), Polled::Swapped(_)),
        "another version is tried at once"
    );
    source.name("1");
    assert!(
        matches!(follower.poll(at(60)), Polled::Swapped(_)),
        "so is the one taken back"
    );
    harness.check_metric("fishid_model_info{name=\"fake\",version=\"1\",digest=\"digest of 1\"} 1");
}

#[test]
fn whatever_the_source_does_the_model_stays() {
    let harness = Harness::new(one_worker());
    let (mut follower, source) = harness.follow();
    let start = Instant::now();
    source.name("1");
    assert!(matches!(follower.poll(start), Polled::Swapped(_)));
    source.fail();
    assert_eq!(follower.poll(start), Polled::SourceFailed);
    source.name("panics when loaded");
    assert!(matches!(follower.poll(start), Polled::Refused(_)));
    source.name("panics when warmed up");
    assert!(matches!(follower.poll(start), Polled::Refused(_)));
    source.name_nothing();
    assert_eq!(follower.poll(start), Polled::Nothing);
    assert_eq!(harness.service.current().unwrap().identity.version, "1");
    harness.check_metric("fishid_model_reloads_total{result=\"source_failed\"} 1");
    harness.check_metric("fishid_model_reloads_total{result=\"load_failed\"} 1");
}

#[test]
fn without_its_source_a_start_answers_with_the_model_installed_last_and_says_so() {
    let harness = Harness::new(one_worker());
    let (mut follower, source) = harness.follow();
    let now = Instant::now();
    source.keep("7");
    source.fail();
    assert!(matches!(follower.poll(now), Polled::FellBack(_)));
    assert!(harness.service.is_ready());
    assert!(harness.service.freshness().may_be_stale);
    harness.check_metric("fishid_model_stale 1");
    assert_eq!(follower.poll(now), Polled::SourceFailed, "once is enough");

    source.name("7");
    assert_eq!(follower.poll(now), Polled::Unchanged, "it was up to date");
    harness.check_metric("fishid_model_stale 0");
    assert!(!harness.service.freshness().may_be_stale);
    source.name("8");
    assert!(matches!(follower.poll(now), Polled::Swapped(_)));
    assert_eq!(source.kept().as_deref(), Some("8"), "for the next start");
    source.fail();
    assert_eq!(follower.poll(now), Polled::SourceFailed);
    harness.check_metric("fishid_model_stale 1");
    assert_eq!(harness.service.current().unwrap().identity.version, "8");
}

#[test]
fn a_first_model_that_cannot_be_loaded_leaves_the_answers_to_the_one_installed_last() {
    let harness = Harness::new(one_worker());
    let (mut follower, source) = harness.follow();
    let now = Instant::now();
    source.keep("7");
    source.name("panics when loaded");
    assert!(matches!(follower.poll(now), Polled::Refused(_)));
    assert_eq!(harness.service.current().unwrap().identity.version, "7");
    harness.check_metric("fishid_model_stale 1");
    assert!(matches!(follower.poll(now), Polled::BackingOff(_)));
    harness.check_metric("fishid_model_stale 1");

    source.name("8");
    assert!(matches!(follower.poll(now), Polled::Swapped(_)));
    assert_eq!(harness.service.current().unwrap().identity.version, "8");
    harness.check_metric("fishid_model_stale 0");
}

#[test]
fn a_kept_model_that_is_bad_is_not_answered_with_and_a_good_one_comes_later() {
    let harness = Harness::new(one_worker());
    let (mut follower, source) = harness.follow();
    let now = Instant::now();
    source.keep("bad");
    source.fail();
    assert_eq!(follower.poll(now), Polled::SourceFailed);
    assert!(!harness.service.is_ready());
    source.name("1");
    assert!(matches!(follower.poll(now), Polled::Swapped(_)));
}

#[tokio::test]
async fn a_follower_on_its_thread_brings_the_model_in() {
    let harness = Harness::new(one_worker());
    let (follower, source) = harness.follow();
    source.name("1");
    let _following = follower.start().unwrap();
    let service = harness.service.clone();
    fake::eventually(move || service.is_ready()).await;
}
