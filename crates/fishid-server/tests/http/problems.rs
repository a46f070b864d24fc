//! Requests that cannot be answered, each with its problem document.

use std::time::Duration;

use fishid_serving::ServingConfig;
use fishid_testing::{jpeg, png};
use reqwest::Method;
use reqwest::multipart::{Form, Part};

use crate::harness::{RED, Server, json, problem, settings};

const MEGABYTE: usize = 1 << 20;

async fn check_photo(photo: Vec<u8>, status: u16, kind: &str) {
    let server = Server::start().await;
    problem(
        server.predict("/predict", photo.clone()).await,
        status,
        kind,
    )
    .await;
    if !photo.is_empty() {
        problem(server.post_raw("image/jpeg", photo).await, status, kind).await;
    }
}

#[tokio::test]
async fn a_bad_photograph_is_told_from_none() {
    check_photo(Vec::new(), 422, "broken-photograph").await;
    check_photo(b"GIF89a is not read here".to_vec(), 415, "not-a-photograph").await;
    check_photo(
        jpeg(640, 480, RED)[..200].to_vec(),
        422,
        "broken-photograph",
    )
    .await;
    check_photo(png(1, 1, RED), 422, "too-small").await;
    check_photo(vec![0xff; 10 * MEGABYTE + 1], 413, "too-large").await;
    check_photo(vec![0xff; 30 * MEGABYTE], 413, "too-large").await;
    // Exactly the limit is read, and then found to be no photograph.
    check_photo(vec![0; 10 * MEGABYTE], 415, "not-a-photograph").await;
}

#[tokio::test]
async fn a_photograph_of_too_many_pixels_is_refused_by_its_header() {
    let server = Server::start().await;
    let mut bomb = png(20, 20, RED);
    // The size in the header, with the checksum that goes with it.
    bomb[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    let checksum = crc32(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&checksum.to_be_bytes());
    let found = problem(
        server.predict("/predict", bomb).await,
        422,
        "too-many-pixels",
    )
    .await;
    assert!(
        found["detail"].as_str().unwrap().contains("50 million"),
        "{found}"
    );
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}

#[tokio::test]
async fn a_form_without_its_file_is_told_what_to_send() {
    let server = Server::start().await;
    let post = |form: Form| {
        server
            .client
            .post(server.url("/predict"))
            .multipart(form)
            .send()
    };
    let found = problem(
        post(Form::new().text("a", "b")).await.unwrap(),
        400,
        "no-photograph",
    )
    .await;
    assert!(
        found["detail"].as_str().unwrap().contains("`file`"),
        "{found}"
    );
    let nothing_chosen = Form::new().part("file", Part::bytes(Vec::new()).file_name(""));
    problem(post(nothing_chosen).await.unwrap(), 400, "no-photograph").await;
    let two = Form::new()
        .part("file", Part::bytes(jpeg(20, 20, RED)))
        .part("file", Part::bytes(jpeg(20, 20, RED)));
    problem(post(two).await.unwrap(), 400, "broken-form").await;

    for (media_type, body) in [
        ("multipart/form-data", "no boundary"),
        ("multipart/form-data; boundary=x", "not a form at all"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ncut",
        ),
    ] {
        problem(
            server.post_raw(media_type, body.into()).await,
            400,
            "broken-form",
        )
        .await;
    }
    for media_type in ["application/json", "application/octet-stream", "text/plain"] {
        let response = server.post_raw(media_type, b"{}".to_vec()).await;
        problem(response, 415, "unsupported-media-type").await;
    }
    let empty = server
        .client
        .post(server.url("/predict"))
        .send()
        .await
        .unwrap();
    problem(empty, 400, "no-photograph").await;
    problem(
        server.post_raw("image/png", Vec::new()).await,
        400,
        "no-photograph",
    )
    .await;
}

#[tokio::test]
async fn an_unknown_language_is_named_with_those_we_know() {
    let server = Server::start().await;
    for query in ["?lang=de", "?lang=RU", "?lang="] {
        let response = server
            .predict(&format!("/predict{query}"), jpeg(64, 48, RED))
            .await;
        let found = problem(response, 400, "bad-query").await;
        let detail = found["detail"].as_str().unwrap();
        assert!(detail.contains("`ru` or `en`"), "{detail}");
    }
    let response = server.predict("/predict?other=1", jpeg(64, 48, RED)).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn an_unknown_path_or_method_is_a_problem_too() {
    let server = Server::start().await;
    problem(server.get("/nowhere").await, 404, "not-found").await;
    problem(server.get("/vendor/nothing.css").await, 404, "not-found").await;
    for (method, path, allow) in [
        (Method::GET, "/predict", "POST"),
        (Method::DELETE, "/model", "GET,HEAD"),
        (Method::PUT, "/", "GET,HEAD"),
    ] {
        let request = server.client.request(method, server.url(path));
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["allow"], allow);
        problem(response, 405, "method-not-allowed").await;
    }
    let options = server
        .client
        .request(Method::OPTIONS, server.url("/predict"));
    let response = options.send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (204, &"POST".parse().unwrap())
    );
    let response = server
        .client
        .head(server.url("/health"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn without_a_model_the_client_is_told_when_to_come_back() {
    let server = Server::start_empty(settings(), ServingConfig::default()).await;
    let health = json(server.get("/health").await).await;
    assert_eq!(
        health,
        serde_json::json!({"status": "healthy", "model_loaded": false})
    );
    for response in [
        server.get("/ready").await,
        server.get("/model").await,
        server.predict("/predict", jpeg(64, 48, RED)).await,
    ] {
        assert_eq!(response.headers()["retry-after"], "5");
        problem(response, 503, "no-model").await;
    }
}

#[tokio::test]
async fn past_the_deadline_there_is_no_answer() {
    let serving = ServingConfig {
        deadline: Duration::from_nanos(1),
        ..ServingConfig::default()
    };
    let server = Server::start_with(settings(), serving).await;
    // Large, and of a format that is decoded whole: no worker is done before the deadline is looked at.
    let response = server.predict("/predict", png(4000, 3000, RED)).await;
    problem(response, 504, "deadline-exceeded").await;
}

#[tokio::test]
async fn photographs_beyond_the_memory_set_aside_are_refused_for_now() {
    let config = fishid_server::ServerConfig {
        upload_memory_bytes: 64 << 10,
        ..settings()
    };
    let server = Server::start_with(config, ServingConfig::default()).await;
    let response = server.predict("/predict", vec![0; MEGABYTE]).await;
    assert_eq!(response.headers()["retry-after"], "1");
    problem(response, 503, "overloaded").await;
    let response = server.predict("/predict", jpeg(64, 48, RED)).await;
    assert_eq!(
        response.status(),
        200,
        "what was claimed has been given back"
    );
}

#[tokio::test]
async fn a_request_is_known_by_its_id() {
    let server = Server::start().await;
    let ask = |id: &str| {
        server
            .client
            .get(server.url("/nowhere"))
            .header("x-request-id", id)
            .send()
    };
    let response = ask("my-own.id_1").await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "my-own.id_1");
    assert_eq!(json(response).await["instance"], "my-own.id_1");
    let response = ask("two words").await.unwrap();
    assert_ne!(response.headers()["x-request-id"], "two words");
    assert_eq!(
        server.get("/health").await.headers()["x-request-id"].len(),
        16
    );
}
