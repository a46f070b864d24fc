//! More than can be answered: limits on what is under way, and clients that wait for so long only.

use std::time::Duration;

use fishid_server::ServerConfig;
use fishid_serving::ServingConfig;
use fishid_testing::{jpeg, png};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{GREEN, RED, Server, problem, settings};

const TIMEOUT: &str = "x-request-timeout-ms";

async fn one_at_a_time() -> Server {
    let config = ServerConfig {
        max_in_flight: 1,
        ..settings()
    };
    Server::start_with(config, ServingConfig::default()).await
}

fn head(length: usize, more: &str) -> String {
    format!(
        "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\ncontent-length: {length}\r\n{more}\r\n"
    )
}

/// A request whose handler has begun to wait for the photograph.
async fn begin(server: &Server, photo: &[u8], more: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let more = format!("expect: 100-continue\r\nconnection: close\r\n{more}");
    stream
        .write_all(head(photo.len(), &more).as_bytes())
        .await
        .unwrap();
    let mut go = [0; 25];
    stream.read_exact(&mut go).await.unwrap();
    stream
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

#[tokio::test]
async fn one_request_above_the_limit_is_read_and_refused() {
    let server = one_at_a_time().await;
    let photo = jpeg(64, 48, GREEN);
    let mut first = begin(&server, &photo, "").await;
    let response = server.predict("/predict", photo.clone()).await;
    assert_eq!(response.headers()["retry-after"], "1");
    problem(response, 503, "overloaded").await;

    // Written to its end before anything is read: only a server that reads it all gets its answer through.
    let mut large = TcpStream::connect(server.address).await.unwrap();
    let body = vec![b'x'; 9 << 20];
    let request = head(body.len(), "connection: close\r\n");
    large.write_all(request.as_bytes()).await.unwrap();
    large.write_all(&body).await.unwrap();
    let reply = rest(&mut large).await;
    assert!(reply.starts_with("HTTP/1.1 503 "), "{reply}");

    assert_eq!(server.get("/health").await.status(), 200, "no photograph");
    let text = server.metrics().await;
    let counted = "fishid_queue_rejected_total{reason=\"in_flight\"} 2";
    assert!(text.contains(counted), "{text}");

    first.write_all(&photo).await.unwrap();
    let reply = rest(&mut first).await;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert_eq!(server.predict("/predict", photo).await.status(), 200);
}

#[tokio::test]
async fn whoever_leaves_gives_the_place_up() {
    let server = one_at_a_time().await;
    let photo = jpeg(64, 48, GREEN);
    drop(begin(&server, &photo, "").await);
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    while server.predict("/predict", photo.clone()).await.status() != 200 {
        assert!(tokio::time::Instant::now() < until, "the place is not free");
    }
}

#[tokio::test]
async fn requests_sent_ahead_on_one_connection_are_under_way_one_by_one() {
    let server = one_at_a_time().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut requests = Vec::new();
    for (side, more) in [(64, ""), (65, ""), (66, "connection: close\r\n")] {
        let photo = jpeg(side, 48, GREEN);
        requests.extend_from_slice(head(photo.len(), more).as_bytes());
        requests.extend_from_slice(&photo);
    }
    stream.write_all(&requests).await.unwrap();
    let replies = rest(&mut stream).await;
    assert_eq!(replies.matches("HTTP/1.1 200 OK").count(), 3, "{replies}");
}

#[tokio::test]
async fn a_time_out_that_is_none_is_said_to_be() {
    let server = Server::start().await;
    for path in ["/predict", "/predict/batch"] {
        for value in ["0", "soon", "-5", "1.5"] {
            let request = server
                .client
                .post(server.url(path))
                .header("content-type", "image/jpeg")
                .header(TIMEOUT, value)
                .body(jpeg(64, 48, RED));
            let found = problem(request.send().await.unwrap(), 400, "bad-header").await;
            let detail = found["detail"].as_str().unwrap();
            assert!(detail.contains(TIMEOUT), "{detail}");
        }
    }
}

#[tokio::test]
async fn a_clients_time_runs_while_it_sends() {
    let server = Server::start().await;
    let photo = jpeg(64, 48, RED);
    let mut patient = begin(&server, &photo, &format!("{TIMEOUT}: 60000\r\n")).await;
    let mut hasty = begin(&server, &photo, &format!("{TIMEOUT}: 1\r\n")).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    patient.write_all(&photo).await.unwrap();
    let reply = rest(&mut patient).await;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    hasty.write_all(&photo).await.unwrap();
    let reply = rest(&mut hasty).await;
    assert!(reply.starts_with("HTTP/1.1 504 "), "{reply}");
    assert!(reply.contains(TIMEOUT), "{reply}");
}

#[tokio::test]
async fn less_time_than_a_photograph_takes_is_refused_once_that_is_known() {
    let server = Server::start().await;
    let ask = async |photo: Vec<u8>, allowed: &str| {
        let request = server
            .client
            .post(server.url("/predict"))
            .header("content-type", "image/png")
            .header(TIMEOUT, allowed)
            .body(photo);
        request.send().await.unwrap()
    };
    // Drawn before, since an idle server tries one again every 50 ms.
    let mut photos: Vec<_> = (0..21).map(|red| png(4000, 3000, [red, 20, 20])).collect();
    assert_eq!(ask(photos.remove(0), "600000").await.status(), 200);
    // One of two may be a trial, which expires; what comes right behind it is not.
    for pair in photos.chunks(2) {
        let (first, second) = tokio::join!(ask(pair[0].clone(), "20"), ask(pair[1].clone(), "20"));
        for response in [first, second] {
            if response.status() == 503 {
                assert_eq!(response.headers()["retry-after"], "1");
                let found = problem(response, 503, "overloaded").await;
                let detail = found["detail"].as_str().unwrap();
                assert!(detail.contains("ms are left"), "{detail}");
                return;
            }
            assert_eq!(response.status(), 504);
        }
    }
    panic!("none was refused");
}
