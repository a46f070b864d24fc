//! Many photographs in one request.

use std::time::Duration;

use fishid_server::ServerConfig;
use fishid_serving::ServingConfig;
use fishid_testing::logs::{Logs, request_id};
use fishid_testing::{jpeg, png};
use reqwest::Response;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{GREEN, RED, Server, json, problem, settings};
use crate::raw::{connect, rest};

const MEGABYTE: usize = 1 << 20;

async fn post(server: &Server, path: &str, form: Form) -> Response {
    let request = server.client.post(server.url(path)).multipart(form);
    request.send().await.unwrap()
}

fn form_of(photos: impl IntoIterator<Item = Vec<u8>>) -> Form {
    let parts = photos.into_iter().enumerate();
    parts.fold(Form::new(), |form, (n, photo)| {
        form.part("file", Part::bytes(photo).file_name(format!("{n}.jpg")))
    })
}

async fn answers(response: Response) -> Vec<Value> {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let reply = json(response).await;
    let results = reply["results"].as_array().unwrap().clone();
    let n_answered = results
        .iter()
        .filter(|it| it["prediction"].is_object())
        .count();
    assert_eq!(reply["n_answered"], n_answered);
    assert_eq!(reply["n_refused"], results.len() - n_answered);
    for (index, result) in results.iter().enumerate() {
        assert_eq!(result["index"], index);
        assert_ne!(
            result["prediction"].is_object(),
            result["problem"].is_object(),
            "{result}"
        );
    }
    results
}

fn statuses(results: &[Value]) -> Vec<u64> {
    let status = |result: &Value| result["status"].as_u64().unwrap();
    results.iter().map(status).collect()
}

#[tokio::test]
async fn a_bad_photograph_spoils_only_itself_and_the_order_stays() {
    let server = Server::start().await;
    let photos = [
        jpeg(64, 48, RED),
        b"GIF89a is not read here".to_vec(),
        // Takes longer than those after it.
        png(1500, 1000, GREEN),
        jpeg(640, 480, RED)[..200].to_vec(),
        Vec::new(),
        vec![0xff; 10 * MEGABYTE + 1],
        png(1, 1, RED),
        jpeg(64, 48, RED),
    ];
    let request = server
        .client
        .post(server.url("/predict/batch?lang=en"))
        .header("x-request-id", "my-batch")
        .multipart(form_of(photos).text("comment", "caught at dawn"));
    let results = answers(request.send().await.unwrap()).await;
    assert_eq!(statuses(&results), [200, 415, 200, 422, 422, 413, 422, 200]);
    for (n, class) in [
        (0, "abramis_brama"),
        (2, "esox_lucius"),
        (7, "abramis_brama"),
    ] {
        let prediction = &results[n]["prediction"];
        assert_eq!(prediction["predicted_class"], class);
        assert_eq!(prediction["model_version"], "1");
        assert_eq!(prediction["top_3_predictions"].as_array().unwrap().len(), 3);
    }
    assert_eq!(
        results[2]["prediction"]["predicted_label"],
        "Pike (Esox lucius)"
    );
    let found = &results[5];
    assert_eq!(found["file_name"], "5.jpg");
    assert_eq!(found["problem"]["type"], "urn:fishid:problem:too-large");
    assert_eq!(found["problem"]["status"], 413);
    assert_eq!(found["problem"]["instance"], "my-batch#5");
    // What a batch was told is what one alone is told.
    let alone = json(server.predict("/predict?lang=en", jpeg(64, 48, RED)).await).await;
    assert_eq!(alone["cached"], true);
    assert_eq!(
        alone["top_3_predictions"],
        results[0]["prediction"]["top_3_predictions"]
    );
    let metrics = server.metrics().await;
    let line =
        "fishid_http_requests_total{route=\"/predict/batch\",method=\"POST\",code=\"200\"} 1";
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
}

#[tokio::test]
async fn what_the_workers_log_of_a_batch_has_its_id() {
    let logs = Logs::of_this_process();
    let server = Server::start().await;
    let request = server
        .client
        .post(server.url("/predict/batch"))
        .header("x-request-id", "batch-in-the-log")
        .multipart(form_of((0..4).map(|n| jpeg(640 + n, 480, GREEN))));
    let results = answers(request.send().await.unwrap()).await;
    assert_eq!(statuses(&results), [200; 4]);
    let lines = logs.lines_with("batch-in-the-log");
    let of_workers: Vec<_> = lines
        .iter()
        .filter(|line| line["message"] == "photograph answered")
        .collect();
    assert_eq!(of_workers.len(), 4, "{lines:?}");
    for line in of_workers {
        assert_eq!(request_id(line), Some("batch-in-the-log"), "{line}");
    }
}

#[tokio::test]
async fn as_many_as_the_limit_are_answered_and_one_more_is_refused() {
    let server = Server::start().await;
    let photo = |n: u32| jpeg(40 + n, 40, GREEN);
    let results = answers(post(&server, "/predict/batch", form_of((0..64).map(photo))).await).await;
    assert_eq!(statuses(&results), [200; 64]);
    let found = problem(
        post(&server, "/predict/batch", form_of((0..65).map(photo))).await,
        413,
        "too-many-photographs",
    )
    .await;
    assert!(
        found["detail"].as_str().unwrap().contains("at most 64"),
        "{found}"
    );
}

#[tokio::test]
async fn what_is_no_batch_is_told_what_to_send() {
    let server = Server::start().await;
    let path = "/predict/batch";
    let nothing = Form::new().text("a", "b");
    let found = problem(post(&server, path, nothing).await, 400, "no-photograph").await;
    assert!(
        found["detail"].as_str().unwrap().contains("`file`"),
        "{found}"
    );
    let nothing_chosen = Form::new().part("file", Part::bytes(Vec::new()).file_name(""));
    let response = post(&server, path, nothing_chosen).await;
    problem(response, 400, "no-photograph").await;
    let empty = server.client.post(server.url(path)).send().await.unwrap();
    problem(empty, 400, "no-photograph").await;
    let response = post(
        &server,
        "/predict/batch?lang=de",
        form_of([jpeg(64, 48, RED)]),
    )
    .await;
    problem(response, 400, "bad-query").await;
    for (media_type, body, status, kind) in [
        ("image/jpeg", "photo", 415, "unsupported-media-type"),
        ("multipart/form-data", "no boundary", 400, "broken-form"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ncut",
            400,
            "broken-form",
        ),
    ] {
        let request = server.client.post(server.url(path));
        let request = request.header("content-type", media_type).body(body);
        problem(request.send().await.unwrap(), status, kind).await;
    }
    let response = server.get(path).await;
    assert_eq!(response.headers()["allow"], "POST");
    problem(response, 405, "method-not-allowed").await;

    let server = Server::start_empty(settings(), ServingConfig::default()).await;
    let response = post(&server, path, form_of([jpeg(64, 48, RED)])).await;
    assert_eq!(response.headers()["retry-after"], "5");
    problem(response, 503, "no-model").await;
}

#[tokio::test]
async fn batches_wait_for_places_instead_of_failing_half_of_their_photographs() {
    let serving = ServingConfig {
        queue_capacity: 1,
        decode_threads: 1,
        ..ServingConfig::default()
    };
    let server = Server::start_with(settings(), serving).await;
    let batch = |first: u32| {
        let photos = (0..12).map(move |n| jpeg(40 + n, 40 + first, GREEN));
        post(&server, "/predict/batch", form_of(photos))
    };
    let (a, b, c, d) = tokio::join!(batch(0), batch(1), batch(2), batch(3));
    for response in [a, b, c, d] {
        assert_eq!(statuses(&answers(response).await), [200; 12]);
    }
    let metrics = server.metrics().await;
    let rejected = metrics
        .lines()
        .filter(|line| line.starts_with("fishid_queue_rejected_total{"));
    for line in rejected {
        assert!(line.ends_with(" 0"), "{line}");
    }
}

#[tokio::test]
async fn without_patience_a_batch_is_told_which_photographs_to_send_again() {
    let serving = ServingConfig {
        deadline: Duration::from_nanos(1),
        ..ServingConfig::default()
    };
    let config = ServerConfig {
        batch_patience: Duration::ZERO,
        ..settings()
    };
    let server = Server::start_with(config, serving).await;
    let photos = [png(4000, 3000, RED), b"not one".to_vec()];
    let results = answers(post(&server, "/predict/batch", form_of(photos)).await).await;
    // Either is past its deadline before a worker comes to it.
    for result in &results {
        let status = result["status"].as_u64().unwrap();
        assert!(matches!(status, 415 | 503 | 504), "{result}");
        assert_eq!(result["retry_after_s"].is_u64(), status == 503, "{result}");
    }
}

#[tokio::test]
async fn a_batch_takes_turns_in_the_memory_set_aside() {
    let config = ServerConfig {
        upload_memory_bytes: 10 * MEGABYTE,
        ..settings()
    };
    let server = Server::start_with(config, ServingConfig::default()).await;
    let batch = || {
        let photos = (0..5).map(|n| vec![n; 4 * MEGABYTE]);
        post(&server, "/predict/batch", form_of(photos))
    };
    let (a, b, c) = tokio::join!(batch(), batch(), batch());
    for response in [a, b, c] {
        assert_eq!(statuses(&answers(response).await), [415; 5]);
    }

    // One that would not fit if all the memory were free is refused without a wait.
    let config = ServerConfig {
        upload_memory_bytes: 64 << 10,
        ..settings()
    };
    let server = Server::start_with(config, ServingConfig::default()).await;
    let photos = [vec![0; MEGABYTE], jpeg(64, 48, RED)];
    let results = answers(post(&server, "/predict/batch", form_of(photos)).await).await;
    assert_eq!(statuses(&results), [503, 200]);
    assert_eq!(results[0]["retry_after_s"], 1);
    assert_eq!(
        results[0]["problem"]["type"],
        "urn:fishid:problem:overloaded"
    );
}

const HEAD: &str = "POST /predict/batch HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\
                    content-type: multipart/form-data; boundary=B\r\nconnection: close\r\n\r\n";

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", bytes.len());
    [size.as_bytes(), bytes, b"\r\n"].concat()
}

fn part(photo: &[u8]) -> Vec<u8> {
    let head = "--B\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\r\n";
    [head.as_bytes(), photo, b"\r\n"].concat()
}

/// Asks until the metrics say so; the test's own runner ends one that never does.
async fn until_metrics_say(server: &Server, text: &str) {
    while !server.metrics().await.contains(text) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_photograph_is_answered_while_the_next_is_on_its_way() {
    let server = Server::start().await;
    let mut stream = connect(&server).await;
    stream.write_all(HEAD.as_bytes()).await.unwrap();
    let next = part(&jpeg(65, 48, RED));
    let (begun, left) = next.split_at(next.len() / 2);
    let first = [&part(&jpeg(64, 48, GREEN)), begun].concat();
    stream.write_all(&chunk(&first)).await.unwrap();
    let answered = "fishid_predictions_total{class=\"esox_lucius\"} 1";
    until_metrics_say(&server, answered).await;
    let last = [left, b"--B--\r\n"].concat();
    stream.write_all(&chunk(&last)).await.unwrap();
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let reply = rest(&mut stream).await;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert!(reply.contains("\"n_answered\":2"), "{reply}");
}

#[tokio::test]
async fn photographs_that_come_after_their_client_has_left_are_read_and_not_answered() {
    let server = Server::start().await;
    let mut body = part(&jpeg(64, 48, GREEN));
    body.extend(part(&jpeg(65, 48, RED)));
    body.extend(b"--B--\r\n");
    for (allowed, outcome) in [
        (1, "\"n_answered\":0,\"n_refused\":2"),
        (60_000, "\"n_answered\":2,\"n_refused\":0"),
    ] {
        let more = format!("expect: 100-continue\r\nx-request-timeout-ms: {allowed}\r\n\r\n");
        let mut stream = connect(&server).await;
        let head = HEAD.trim_end().to_owned() + "\r\n" + &more;
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut go = [0; 25];
        stream.read_exact(&mut go).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        stream.write_all(&chunk(&body)).await.unwrap();
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        let reply = rest(&mut stream).await;
        assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
        assert!(reply.contains(outcome), "{reply}");
    }
    let expired = "fishid_queue_rejected_total{reason=\"expired\"} 2";
    assert!(server.metrics().await.contains(expired));
}

#[tokio::test]
async fn however_much_of_a_batch_has_arrived_already_it_is_read_part_by_part() {
    let server = Server::start().await;
    // Much more than the parser may hold back, in parts much smaller than what a socket gives at once.
    let mut body = Vec::new();
    for n in 0..60 {
        body.extend(part(&vec![n; 30_000]));
    }
    body.extend(b"--B--\r\n");
    let head = HEAD.replace(
        "transfer-encoding: chunked",
        &format!("content-length: {}", body.len()),
    );
    let mut stream = connect(&server).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let reply = rest(&mut stream).await;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert!(reply.contains("\"n_refused\":60"), "{reply}");
}

#[tokio::test]
async fn a_batch_that_stops_coming_is_a_408_and_one_that_is_cut_harms_nobody() {
    let config = ServerConfig {
        body_idle_timeout: Duration::from_millis(200),
        ..settings()
    };
    let server = Server::start_with(config, ServingConfig::default()).await;
    let whole = part(&jpeg(64, 48, GREEN));
    let begun = chunk(&[&whole[..], &whole[..whole.len() / 2]].concat());
    let mut stream = connect(&server).await;
    stream.write_all(HEAD.as_bytes()).await.unwrap();
    stream.write_all(&begun).await.unwrap();
    let reply = rest(&mut stream).await;
    assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
    assert!(
        reply.contains("urn:fishid:problem:upload-timeout"),
        "{reply}"
    );

    let mut stream = connect(&server).await;
    stream.write_all(HEAD.as_bytes()).await.unwrap();
    stream.write_all(&begun).await.unwrap();
    drop(stream);
    let counted = "route=\"/predict/batch\",method=\"POST\",code=\"4";
    until_metrics_say(&server, counted).await;
    let results =
        answers(post(&server, "/predict/batch", form_of([jpeg(64, 48, RED)])).await).await;
    assert_eq!(statuses(&results), [200]);
    until_metrics_say(&server, "fishid_queue_depth 0").await;
}
