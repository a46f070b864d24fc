//! Reloads that must not disturb: bad candidates, slow ones, hints, the old model's end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fishid_serving::{Hinted, Polled, ServingConfig, VersionTag};

use crate::fake::{FakeModel, Gate, Harness, eventually, photo};
use crate::one_worker;

/// A candidate of this name leaves version 1 serving, is counted under `result`, and is not tried again at once.
#[track_caller]
fn check_refused(candidate: &str, result: &str) {
    let harness = Harness::new(one_worker());
    let (mut follower, source) = harness.follow();
    let now = Instant::now();
    source.name("1");
    assert!(matches!(follower.poll(now), Polled::Swapped(_)));
    source.name(candidate);
    let tag = VersionTag(candidate.to_owned());
    assert_eq!(follower.poll(now), Polled::Refused(tag.clone()));
    assert_eq!(follower.poll(now), Polled::BackingOff(tag.clone()));
    assert_eq!(harness.service.current().unwrap().identity.version, "1");
    assert!(harness.service.freshness().may_be_stale);
    harness.check_metric(&format!(
        "fishid_model_reloads_total{{result=\"{result}\"}} 1"
    ));
    harness.check_metric("fishid_model_reloads_total{result=\"success\"} 1");
    let later = now + Duration::from_secs(16);
    assert_eq!(follower.poll(later), Polled::Refused(tag.clone()));
    // A hint is a look; a person who insists gets a try, once.
    let hint = harness.service.reload_hint();
    hint.look_now();
    assert_eq!(follower.poll(later), Polled::BackingOff(tag.clone()));
    hint.insist();
    assert_eq!(follower.poll(later), Polled::Refused(tag.clone()));
    assert_eq!(follower.poll(later), Polled::BackingOff(tag));
}

#[test]
fn a_broken_candidate_leaves_the_old_model_serving() {
    check_refused("bad", "rejected");
    check_refused("panics when loaded", "load_failed");
    check_refused("panics when warmed up", "rejected");
}

#[test]
fn a_truncated_candidate_leaves_the_old_model_serving() {
    check_refused("truncated", "load_failed");
}

#[test]
fn a_mislabelled_candidate_leaves_the_old_model_serving() {
    check_refused("mislabelled", "load_failed");
}

#[test]
fn a_candidate_that_could_answer_no_request_in_time_leaves_the_old_model_serving() {
    check_refused("crawls", "too_slow");
}

#[test]
fn a_slow_model_is_better_than_none() {
    let harness = Harness::new(one_worker());
    let (mut follower, source) = harness.follow();
    source.name("crawls");
    assert!(matches!(follower.poll(Instant::now()), Polled::Swapped(_)));
}

fn impatient() -> ServingConfig {
    ServingConfig {
        load_timeout: Duration::from_secs(1),
        ..one_worker()
    }
}

#[tokio::test]
async fn a_load_that_takes_too_long_is_given_up_and_what_comes_of_it_is_dropped() {
    let harness = Harness::new(impatient());
    let (mut follower, source) = harness.follow();
    let gate = Gate::closed();
    source.hold_by(&gate);
    let now = Instant::now();
    source.name("1");
    assert!(matches!(follower.poll(now), Polled::Swapped(_)));
    source.name("held");
    assert!(matches!(follower.poll(now), Polled::Refused(_)));
    harness.check_metric("fishid_model_reloads_total{result=\"too_slow\"} 1");

    // Another version is not kept from coming in by the one that hangs.
    source.name("2");
    assert!(matches!(follower.poll(now), Polled::Swapped(_)));
    // But each try of it would take memory of its own.
    source.name("held too");
    assert!(matches!(follower.poll(now), Polled::Refused(_)));
    let n_loads = source.loads();
    source.name("3");
    assert!(matches!(follower.poll(now), Polled::Refused(_)));
    assert_eq!(source.loads(), n_loads, "two hang, a third is not begun");
    assert_eq!(harness.service.current().unwrap().identity.version, "2");

    gate.open();
    source.name("4");
    // Each look comes after the longest back-off: the first ones may still find the held loads under way.
    let mut later = now;
    let answers = std::cell::RefCell::new(|| {
        later += Duration::from_mins(11);
        matches!(follower.poll(later), Polled::Swapped(_))
    });
    eventually(|| (answers.borrow_mut())()).await;
    assert_eq!(harness.service.current().unwrap().identity.version, "4");
}

#[tokio::test]
async fn a_version_that_is_not_wanted_any_more_is_not_waited_for() {
    let harness = Harness::new(ServingConfig {
        poll_interval: Duration::from_millis(10),
        ..one_worker()
    });
    let (mut follower, source) = harness.follow();
    let gate = Gate::closed();
    source.hold_by(&gate);
    source.name("1");
    assert!(matches!(follower.poll(Instant::now()), Polled::Swapped(_)));
    source.name("held");
    let rollback = {
        let (gate, source) = (gate.clone(), source.clone());
        tokio::spawn(async move {
            gate.wait_until_reached(1).await;
            source.name("1");
        })
    };
    let polled = tokio::task::spawn_blocking(move || {
        let polled = follower.poll(Instant::now());
        (polled, follower.poll(Instant::now()))
    });
    let (first, second) = polled.await.unwrap();
    rollback.await.unwrap();
    assert_eq!(first, Polled::Superseded(VersionTag("held".to_owned())));
    assert_eq!(second, Polled::Unchanged);
    gate.open();
}

/// Long enough that no look but the first and the hinted ones falls into a test.
fn seldom() -> ServingConfig {
    ServingConfig {
        poll_interval: Duration::from_secs(10),
        ..one_worker()
    }
}

#[tokio::test]
async fn a_hint_brings_a_new_version_in_long_before_the_next_look() {
    let harness = Harness::new(seldom());
    assert_eq!(
        harness.service.reload_hint().look_now(),
        Hinted::NothingToFollow
    );
    let (follower, source) = harness.follow();
    source.name("1");
    let started = Instant::now();
    let _following = follower.start().unwrap();
    eventually(|| harness.service.is_ready()).await;
    source.name("2");
    let at = "a fake".to_owned();
    assert_eq!(
        harness.service.reload_hint().look_now(),
        Hinted::Looking { at }
    );
    eventually(|| harness.service.current().unwrap().identity.version == "2").await;
    // The next look of its own accord comes after 7.5 s at the earliest.
    assert!(started.elapsed() < Duration::from_secs(7));
}

#[tokio::test]
async fn a_flood_of_hints_is_few_looks() {
    let harness = Harness::new(seldom());
    let (follower, source) = harness.follow();
    source.name("1");
    let _following = follower.start().unwrap();
    eventually(|| harness.service.is_ready()).await;
    let flood = Instant::now();
    let n_hints = AtomicUsize::new(0);
    eventually(|| {
        n_hints.fetch_add(1, Ordering::Relaxed);
        harness.service.reload_hint().look_now();
        flood.elapsed() > Duration::from_secs(1)
    })
    .await;
    let most = 2 + (flood.elapsed().as_millis() / 250) as usize;
    let n_looks = source.looks();
    assert!((2..=most).contains(&n_looks), "{n_looks} looks, not {most}");
    assert!(n_hints.load(Ordering::Relaxed) > 10 * most);
}

#[tokio::test]
async fn the_old_model_is_freed_by_no_thread_that_answers() {
    let harness = Harness::new(one_worker());
    let (mut follower, source) = harness.follow();
    let gate = Gate::closed();
    let old = FakeModel::new("0").held_by(&gate);
    let freed_on = old.freed_on.clone();
    harness.service.install(old).unwrap();
    let asked = harness.ask_in_background(photo(1));
    gate.wait_until_reached(1).await;
    source.name("1");
    // The follower does not wait for the drain: it has a registry to look at.
    assert!(matches!(follower.poll(Instant::now()), Polled::Swapped(_)));
    assert_eq!(*freed_on.lock().unwrap(), None, "it has not answered yet");
    gate.open();
    assert_eq!(asked.await.unwrap().unwrap().identity.version, "0");
    eventually(|| freed_on.lock().unwrap().is_some()).await;
    assert_eq!(freed_on.lock().unwrap().as_deref(), Some("fishid-drain"));
}

#[tokio::test]
async fn a_warm_up_waits_for_a_gap_between_answers_but_not_for_ever() {
    // Longer than any warm-up waits.
    const LONG: Duration = Duration::from_millis(500);
    let harness = Harness::new(one_worker());
    let gate = Gate::closed();
    let busy = FakeModel::new("0").held_by(&gate);
    harness.service.install(busy).unwrap();
    let asked = harness.ask_in_background(photo(1));
    gate.wait_until_reached(1).await;
    let install = |version: &str| {
        let model = FakeModel::new(version);
        let had_turn_at = model.had_turn_at.clone();
        let service = harness.service.clone();
        let begun = Instant::now();
        let installed = tokio::task::spawn_blocking(move || service.install(model).unwrap());
        (installed, had_turn_at, begun)
    };

    let (installed, had_turn_at, begun) = install("1");
    installed.await.unwrap();
    let waited = had_turn_at.lock().unwrap().unwrap() - begun;
    assert!(waited >= LONG, "it ran ahead of a photograph: {waited:?}");

    let (installed, had_turn_at, begun) = install("2");
    let opened = Instant::now();
    gate.open();
    installed.await.unwrap();
    asked.await.unwrap().unwrap();
    let turn = had_turn_at.lock().unwrap().unwrap();
    assert!(
        turn >= opened || turn - begun >= LONG,
        "it ran ahead of a photograph"
    );

    let (installed, _, begun) = install("3");
    installed.await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "nobody was in its way"
    );
}
