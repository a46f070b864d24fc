//! Photographs that are answered.

use fishid_serving::ServingConfig;
use fishid_testing::{jpeg, png, tiny_bundle, write_bundle};
use reqwest::multipart::{Form, Part};

use crate::harness::{GREEN, RED, Server, json, model, settings};

#[tokio::test]
async fn the_reply_is_the_one_of_the_contract_in_either_language() {
    let server = Server::start().await;
    let photo = jpeg(64, 48, GREEN);
    let response = server.predict("/predict", photo.clone()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let russian = json(response).await;
    assert_eq!(russian["predicted_class"], "esox_lucius");
    assert_eq!(russian["predicted_label"], "Щука (Esox lucius)");
    assert_eq!(russian["top_3_predictions"][0]["class"], "esox_lucius");
    assert_eq!(russian["top_3_predictions"][0]["label"], "Щука");
    assert_eq!(
        russian["top_3_predictions"][0]["probability"],
        russian["confidence"]
    );
    assert_eq!(russian["model_version"], "1");
    assert_eq!(russian["cached"], false);
    assert_eq!(russian["is_confident"], true);
    assert!(russian["processing_time_ms"].as_f64().unwrap() > 0.0);

    let english = json(server.predict("/predict?lang=en", photo.clone()).await).await;
    assert_eq!(english["predicted_label"], "Pike (Esox lucius)");
    assert_eq!(
        english["cached"], true,
        "the language is no part of what is kept"
    );
    let named = json(server.predict("/predict?lang=ru", photo).await).await;
    assert_eq!(named["predicted_label"], russian["predicted_label"]);
}

#[tokio::test]
async fn a_form_and_a_raw_body_are_answered_alike() {
    let server = Server::start().await;
    for (media_type, photo) in [
        ("image/jpeg", jpeg(64, 48, RED)),
        ("image/png", png(64, 48, RED)),
        ("IMAGE/PNG; charset=binary", png(65, 48, RED)),
        // The bytes tell the format, not the name.
        ("image/webp", jpeg(66, 48, RED)),
    ] {
        let raw = server.post_raw(media_type, photo.clone()).await;
        assert_eq!(raw.status(), 200, "{media_type}");
        let raw = json(raw).await;
        let form = json(server.predict("/predict", photo).await).await;
        assert_eq!(raw["top_3_predictions"], form["top_3_predictions"]);
        assert_eq!(
            (&raw["cached"], &form["cached"]),
            (&false.into(), &true.into())
        );
    }
}

#[tokio::test]
async fn a_form_may_hold_other_fields_and_a_file_without_a_name() {
    let server = Server::start().await;
    let form = Form::new()
        .text("comment", "caught at dawn")
        .part("file", Part::bytes(jpeg(64, 48, RED)))
        .text("place", "Ob");
    let response = server
        .client
        .post(server.url("/predict"))
        .multipart(form)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn after_a_swap_the_new_model_answers_and_not_the_cache() {
    let server = Server::start().await;
    let photo = jpeg(64, 48, GREEN);
    for cached in [false, true] {
        let reply = json(server.predict("/predict", photo.clone()).await).await;
        assert_eq!(
            (&reply["cached"], &reply["model_version"]),
            (&cached.into(), &"1".into())
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let other = write_bundle(&folder.path().join("other"), |parts| {
        parts.manifest.calibration.confidence_threshold = 0.25;
    });
    server.service.install(model(&other, "2")).unwrap();
    let reply = json(server.predict("/predict", photo.clone()).await).await;
    assert_eq!(
        (&reply["cached"], &reply["model_version"]),
        (&false.into(), &"2".into())
    );
    assert_eq!(json(server.get("/ready").await).await["model_version"], "2");
    assert_eq!(json(server.get("/model").await).await["version"], "2");

    // Back again: what the first model said is still kept.
    server.service.install(model(&tiny_bundle(), "1")).unwrap();
    let reply = json(server.predict("/predict", photo).await).await;
    assert_eq!(
        (&reply["cached"], &reply["model_version"]),
        (&true.into(), &"1".into())
    );
}

#[tokio::test]
async fn a_model_that_fails_its_golden_photographs_is_not_let_in() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let wrong = write_bundle(&folder.path().join("wrong"), |parts| {
        for photo in &mut parts.golden {
            photo.probabilities.rotate_left(1);
        }
    });
    let error = server.service.install(model(&wrong, "2")).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
    assert_eq!(json(server.get("/ready").await).await["model_version"], "1");
}

#[tokio::test]
async fn many_clients_at_once_are_all_answered() {
    let server = std::sync::Arc::new(
        Server::start_with(
            settings(),
            ServingConfig {
                queue_capacity: 400,
                ..ServingConfig::default()
            },
        )
        .await,
    );
    let clients: Vec<_> = (0..40_u32)
        .map(|n| {
            let server = std::sync::Arc::clone(&server);
            tokio::spawn(async move {
                for repeat in 0..5 {
                    let photo = jpeg(30 + n, 30 + repeat, RED);
                    let response = server.predict("/predict", photo).await;
                    assert_eq!(response.status(), 200);
                    assert_eq!(json(response).await["predicted_class"], "abramis_brama");
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let metrics = server.metrics().await;
    for line in [
        "fishid_predictions_total{class=\"abramis_brama\"} 200",
        "fishid_http_requests_total{route=\"/predict\",method=\"POST\",code=\"200\"} 200",
        "fishid_confidence_count 200",
        "fishid_phase_duration_seconds_count{phase=\"decode\"} 200",
        "fishid_phase_duration_seconds_count{phase=\"preprocess\"} 200",
        "fishid_queue_depth 0",
        "fishid_model_evaluation{metric=\"accuracy\",split=\"test\"} 1.0",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in\n{metrics}"
        );
    }
}
