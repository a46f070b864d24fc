//! More photographs than the model can answer, in paused time: it moves only when a test says so, or when
//! everything waits.

use std::sync::atomic::Ordering;
use std::time::Duration;

use fishid_serving::{ServeError, ServingConfig};
use tokio::task::JoinHandle;
use tokio::time::advance;

use crate::fake::{FakeModel, Gate, Harness, eventually, photo};
use crate::one_worker;

const MS: Duration = Duration::from_millis(1);

/// A service whose model has just been seen to take 100 ms, and which holds the next photograph up.
async fn measured(config: ServingConfig) -> (Harness, Gate, FakeModel) {
    let harness = Harness::new(config);
    let first = Gate::closed();
    harness
        .service
        .install(FakeModel::new("slow").held_by(&first))
        .unwrap();
    let asked = harness.ask_in_background(photo(1_000_000));
    first.wait_until_reached(1).await;
    advance(100 * MS).await;
    first.open();
    end(asked).await.unwrap();
    let gate = Gate::closed();
    let model = FakeModel::new("1").held_by(&gate);
    (harness, gate, model)
}

/// A task's end, waited for without letting the runtime idle: its clock would jump to the next deadline.
async fn end<T>(task: JoinHandle<T>) -> T {
    eventually(|| task.is_finished()).await;
    task.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_photograph_that_cannot_be_in_time_is_refused_at_once() {
    let (harness, gate, model) = measured(one_worker()).await;
    let asked = model.asked.clone();
    harness.service.install(model).unwrap();
    let waiting: Vec<_> = (1..=4)
        .map(|n| harness.ask_in_background(photo(n)))
        .collect();
    gate.wait_until_reached(1).await;
    harness.wait_until_accepted(4).await;

    let before = tokio::time::Instant::now();
    let error = harness
        .service
        .ask_within(300 * MS, photo(5))
        .await
        .unwrap_err();
    assert_eq!(before.elapsed(), Duration::ZERO, "nothing was waited for");
    let ServeError::OutOfReach {
        deadline,
        expected,
        retry_after,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(deadline, 300 * MS);
    // It would be second, or third where another one has just begun.
    assert!((200 * MS..=310 * MS).contains(&expected), "{expected:?}");
    assert!(retry_after > Duration::ZERO, "{retry_after:?}");
    harness.check_metric("fishid_queue_rejected_total{reason=\"deadline\"} 1");
    gate.open();
    for task in waiting {
        end(task).await.unwrap();
    }
    assert!(!asked.lock().unwrap().contains(&5));
}

#[tokio::test(start_paused = true)]
async fn the_shortest_deadline_is_answered_first() {
    let harness = Harness::new(ServingConfig {
        decode_ahead: 4,
        ..one_worker()
    });
    let gate = Gate::closed();
    let model = FakeModel::new("1").held_by(&gate);
    let asked = model.asked.clone();
    harness.service.install(model).unwrap();
    let first = harness.ask_in_background(photo(1));
    gate.wait_until_reached(1).await;
    let mut waiting = vec![first];
    for (number, allowed) in [(2, 4_000), (3, 1_000), (4, 3_000), (5, 2_000)] {
        waiting.push(harness.ask_within_in_background(allowed * MS, photo(number)));
    }
    harness.wait_until_all_decoded(5).await;
    gate.open();
    for task in waiting {
        end(task).await.unwrap();
    }
    assert_eq!(*asked.lock().unwrap(), [1, 3, 5, 4, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_in_line_costs_the_model_nothing() {
    let harness = Harness::new(one_worker());
    let gate = Gate::closed();
    let model = FakeModel::new("1").held_by(&gate);
    let asked = model.asked.clone();
    harness.service.install(model).unwrap();
    let first = harness.ask_in_background(photo(1));
    gate.wait_until_reached(1).await;
    let expiring: Vec<_> = (2..=9)
        .map(|n| harness.ask_within_in_background(500 * MS, photo(n)))
        .collect();
    harness.wait_until_accepted(9).await;
    advance(600 * MS).await;
    let lasting = harness.ask_in_background(photo(10));
    for task in expiring {
        let error = end(task).await.unwrap_err();
        assert!(
            matches!(error, ServeError::DeadlineExceeded { deadline } if deadline == 500 * MS),
            "{error}"
        );
    }
    gate.open();
    end(first).await.unwrap();
    end(lasting).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [1, 10]);
    harness.check_metric("fishid_queue_rejected_total{reason=\"expired\"} 8");
    harness.wait_until_accepted(0).await;
    harness.check_metric("fishid_queue_depth 0");
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_has_more_time_than_the_one_it_follows_begins_anew() {
    let harness = Harness::new(one_worker());
    let gate = Gate::closed();
    let model = FakeModel::new("1").held_by(&gate);
    let asked = model.asked.clone();
    harness.service.install(model).unwrap();
    let first = harness.ask_in_background(photo(1));
    gate.wait_until_reached(1).await;
    let leader = harness.ask_within_in_background(100 * MS, photo(2));
    harness.wait_until_accepted(2).await;
    let follower = harness.ask_in_background(photo(2));
    tokio::task::yield_now().await;
    assert_eq!(harness.service.accepted(), 2, "they share one place");
    advance(200 * MS).await;
    assert!(end(leader).await.is_err());
    gate.open();
    end(first).await.unwrap();
    assert_eq!(end(follower).await.unwrap().answer, "1 says 2");
    assert_eq!(*asked.lock().unwrap(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn callers_that_left_are_counted_and_make_room() {
    let harness = Harness::new(ServingConfig {
        queue_capacity: 3,
        ..one_worker()
    });
    let gate = Gate::closed();
    let model = FakeModel::new("1").held_by(&gate);
    let asked = model.asked.clone();
    harness.service.install(model).unwrap();
    let first = harness.ask_in_background(photo(1));
    gate.wait_until_reached(1).await;
    let leaving = [2, 3].map(|n| harness.ask_in_background(photo(n)));
    harness.wait_until_all_decoded(3).await;
    for task in leaving {
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
    harness.check_metric("fishid_queue_rejected_total{reason=\"client_gone\"} 2");
    let next = harness.ask_in_background(photo(4));
    harness.wait_until_accepted(2).await;
    gate.open();
    end(first).await.unwrap();
    end(next).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [1, 4]);
}

#[tokio::test]
async fn a_model_that_takes_several_is_given_what_waits() {
    let harness = Harness::new(one_worker());
    let gate = Gate::closed();
    let model = FakeModel::new("1").held_by(&gate).in_batches_of(3);
    let (calls, asked) = (model.calls.clone(), model.asked.clone());
    harness.service.install(model).unwrap();
    let first = harness.ask_in_background(photo(1));
    gate.wait_until_reached(1).await;
    let mut waiting = vec![first];
    waiting.extend((2..=5).map(|n| harness.ask_in_background(photo(n))));
    // Decoded ahead as far as the model takes them at once.
    harness.wait_until_all_decoded(5).await;
    gate.open();
    for (number, task) in (1..).zip(waiting) {
        assert_eq!(
            task.await.unwrap().unwrap().answer,
            format!("1 says {number}")
        );
    }
    assert_eq!(*asked.lock().unwrap(), [1, 2, 3, 4, 5]);
    assert_eq!(calls.load(Ordering::SeqCst), 3, "one, three, one");
}

#[tokio::test]
async fn a_panic_is_an_error_for_the_whole_batch_and_for_nobody_else() {
    let harness = Harness::new(one_worker());
    let gate = Gate::closed();
    let model = FakeModel::new("1")
        .held_by(&gate)
        .in_batches_of(4)
        .panics_on(3);
    harness.service.install(model).unwrap();
    let first = harness.ask_in_background(photo(1));
    gate.wait_until_reached(1).await;
    let waiting = [2, 3].map(|n| harness.ask_in_background(photo(n)));
    harness.wait_until_all_decoded(3).await;
    gate.open();
    assert!(first.await.unwrap().is_ok());
    for task in waiting {
        let error = task.await.unwrap().unwrap_err();
        assert!(matches!(error, ServeError::Panicked { .. }), "{error}");
    }
    assert!(harness.service.ask(photo(9)).await.is_ok());
}
