//! Those who would rather wait than be refused.

use std::time::Duration;

use fishid_serving::{ServeError, ServingConfig};
use tokio::time::Instant;

use crate::fake::{FakeModel, Gate, Harness, photo};

fn one_place() -> ServingConfig {
    ServingConfig {
        queue_capacity: 1,
        decode_threads: 1,
        inference_threads: 1,
        // The gate is the test's to open, however slow the machine.
        deadline: Duration::from_mins(10),
        ..ServingConfig::default()
    }
}

/// A service whose only place is taken until the gate opens.
async fn full() -> (Harness, Gate) {
    let harness = Harness::new(one_place());
    let gate = Gate::closed();
    let model = FakeModel::new("1").held_by(&gate);
    harness.service.install(model).unwrap();
    drop(harness.ask_in_background(photo(1)));
    gate.wait_until_reached(1).await;
    (harness, gate)
}

#[tokio::test]
async fn whoever_is_patient_gets_the_place_that_becomes_free_and_was_never_refused() {
    let (harness, gate) = full().await;
    let (service, until) = (
        harness.service.clone(),
        Instant::now() + Duration::from_mins(5),
    );
    let patient = tokio::spawn(async move { service.ask_patiently(photo(2), until, None).await });
    let error = harness.service.ask(photo(3)).await.unwrap_err();
    assert!(matches!(error, ServeError::QueueFull { .. }), "{error}");
    gate.open();
    let served = patient.await.unwrap().unwrap();
    assert_eq!(served.answer, "1 says 2");
    harness.check_metric("fishid_queue_rejected_total{reason=\"full\"} 1");
}

#[tokio::test(start_paused = true)]
async fn patience_ends_with_a_refusal_that_counts_once() {
    let harness = Harness::new(one_place());
    let gate = Gate::closed();
    let model = FakeModel::new("1").held_by(&gate);
    harness.service.install(model).unwrap();
    let _first = harness.ask_in_background(photo(1));
    harness.wait_until_accepted(1).await;
    let started = Instant::now();
    let patience = Duration::from_secs(30);
    let asked = harness
        .service
        .ask_patiently(photo(2), started + patience, None);
    let error = asked.await.unwrap_err();
    assert!(matches!(error, ServeError::QueueFull { .. }), "{error}");
    let waited = started.elapsed();
    assert!(
        waited <= patience && waited + Duration::from_secs(1) > patience,
        "{waited:?}"
    );
    let asked = harness.service.ask_patiently(photo(2), started, None).await;
    assert!(asked.is_err());
    assert_eq!(started.elapsed(), waited, "no patience is left");
    harness.check_metric("fishid_queue_rejected_total{reason=\"full\"} 2");
    gate.open();
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_before_the_deadline_is_told_then_although_there_was_a_place() {
    let harness = Harness::new(one_place());
    let gate = Gate::closed();
    let model = FakeModel::new("1").held_by(&gate);
    harness.service.install(model).unwrap();
    let started = Instant::now();
    let (until, stay) = (started + Duration::from_mins(5), Duration::from_secs(3));
    let asked = harness
        .service
        .ask_patiently(photo(1), until, Some(started + stay));
    let error = asked.await.unwrap_err();
    assert!(
        matches!(error, ServeError::DeadlineExceeded { .. }),
        "{error}"
    );
    let waited = started.elapsed();
    assert!(
        waited >= stay && waited < stay + Duration::from_secs(1),
        "{waited:?}"
    );
    gate.open();
}
