//! What is logged on a photograph's way, on whatever thread, tells the request it was logged for.

use fishid_serving::ServingConfig;
use fishid_testing::logs::{Logs, request_id};
use serde_json::Value;
use tracing::Instrument as _;

use crate::fake::{FakeModel, Gate, Harness, photo};
use crate::one_worker;

/// The lines of a photograph's three stages, in this order.
fn stages_of(number: u32) -> [Value; 3] {
    let logs = Logs::of_this_process();
    ["decode", "preprocess", "infer"].map(|stage| {
        let mut lines = logs.lines_with(&format!("{stage} photograph {number}."));
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    })
}

#[tokio::test]
async fn the_workers_log_under_the_request_that_they_work_for() {
    let logs = Logs::of_this_process();
    let harness = Harness::new(ServingConfig::default());
    harness.service.install(FakeModel::new("1")).unwrap();
    for number in 7_100..7_110 {
        let span = tracing::info_span!("request", id = format!("request-{number}"));
        let asked = harness.service.ask(photo(number)).instrument(span);
        asked.await.unwrap();
    }
    for number in 7_100..7_110 {
        let id = format!("request-{number}");
        for line in stages_of(number) {
            assert_eq!(request_id(&line), Some(&*id), "{line}");
            assert_eq!(line["span"]["name"], "request");
        }
        let lines = logs.lines_with(&id);
        let timed = lines
            .iter()
            .find(|line| line["message"] == "photograph answered");
        assert!(timed.unwrap()["inference_ms"].is_f64(), "{lines:?}");
    }
    // A request that carries none leaves a worker with none.
    harness.service.ask(photo(7_110)).await.unwrap();
    for line in stages_of(7_110) {
        assert_eq!(request_id(&line), None, "{line}");
    }
}

#[tokio::test]
async fn a_run_for_several_requests_says_how_many_and_is_logged_under_the_first() {
    let _caught = Logs::of_this_process();
    let harness = Harness::new(one_worker());
    let gate = Gate::closed();
    let model = FakeModel::new("1").in_batches_of(2).held_by(&gate);
    harness.service.install(model).unwrap();
    let ask = |number: u32| {
        let service = harness.service.clone();
        let span = tracing::info_span!("request", id = format!("request-{number}"));
        tokio::spawn(async move { service.ask(photo(number)).await }.instrument(span))
    };
    // The first is alone with the model, those after it go together.
    let mut asked = vec![ask(7_200)];
    gate.wait_until_reached(1).await;
    for (n, number) in [7_201, 7_202].into_iter().enumerate() {
        asked.push(ask(number));
        harness.wait_until_accepted(n + 2).await;
    }
    harness.wait_until_all_decoded(3).await;
    gate.open();
    for answer in asked {
        answer.await.unwrap().unwrap();
    }
    for number in [7_201, 7_202] {
        let [decode, preprocess, infer] = stages_of(number);
        let id = format!("request-{number}");
        assert_eq!(request_id(&decode), Some(&*id));
        assert_eq!(request_id(&preprocess), Some(&*id));
        assert_eq!(infer["span"]["name"], "batch", "{infer}");
        assert_eq!(infer["span"]["n_photographs"], 2, "{infer}");
        assert_eq!(request_id(&infer), Some("request-7201"), "{infer}");
    }
}
