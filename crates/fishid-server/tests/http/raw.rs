//! Clients that no library would write: too slow, too much, gone too soon.

use std::time::Duration;

use fishid_server::ServerConfig;
use fishid_serving::ServingConfig;
use fishid_testing::jpeg;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{GREEN, Server, settings};

pub(crate) async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

/// Everything until the server closes the connection.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the reply is as good as an end.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn head(length: usize) -> String {
    format!(
        "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\ncontent-length: {length}\r\nconnection: close\r\n"
    )
}

#[tokio::test]
async fn a_request_head_that_never_ends_is_hung_up_on() {
    let config = ServerConfig {
        head_timeout: Duration::from_millis(200),
        ..settings()
    };
    let server = Server::start_with(config, ServingConfig::default()).await;
    let mut stream = connect(&server).await;
    stream
        .write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ")
        .await
        .unwrap();
    let reply = tokio::time::timeout(Duration::from_secs(10), rest(&mut stream))
        .await
        .unwrap();
    assert!(!reply.contains("200 OK"), "{reply}");
}

#[tokio::test]
async fn a_photograph_that_stops_coming_is_a_408() {
    let config = ServerConfig {
        body_idle_timeout: Duration::from_millis(200),
        ..settings()
    };
    let server = Server::start_with(config, ServingConfig::default()).await;
    let mut stream = connect(&server).await;
    stream
        .write_all(format!("{}\r\nhalf", head(1000)).as_bytes())
        .await
        .unwrap();
    let reply = tokio::time::timeout(Duration::from_secs(10), rest(&mut stream))
        .await
        .unwrap();
    assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
    assert!(
        reply.contains("urn:fishid:problem:upload-timeout"),
        "{reply}"
    );
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_before_it_sends() {
    let server = Server::start().await;
    let mut stream = connect(&server).await;
    let request = format!("{}expect: 100-continue\r\n\r\n", head(50 << 20));
    stream.write_all(request.as_bytes()).await.unwrap();
    let reply = tokio::time::timeout(Duration::from_secs(10), rest(&mut stream))
        .await
        .unwrap();
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");

    let photo = jpeg(64, 48, GREEN);
    let mut stream = connect(&server).await;
    let request = format!("{}expect: 100-continue\r\n\r\n", head(photo.len()));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut go = [0; 25];
    stream.read_exact(&mut go).await.unwrap();
    assert_eq!(&go, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&photo).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_client_that_writes_too_much_still_reads_its_reply() {
    let server = Server::start().await;
    let mut stream = connect(&server).await;
    // Without a length: only counting can tell.
    let chunked = "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\n\
                   transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    stream.write_all(chunked.as_bytes()).await.unwrap();
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..30 {
        stream.write_all(b"100000\r\n").await.unwrap();
        stream.write_all(&chunk).await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let reply = rest(&mut stream).await;
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
}

#[tokio::test]
async fn a_client_that_leaves_is_counted_and_harms_nobody() {
    let server = Server::start().await;
    let mut stream = connect(&server).await;
    stream
        .write_all(format!("{}\r\nhalf", head(1000)).as_bytes())
        .await
        .unwrap();
    drop(stream);
    let left = "fishid_http_requests_total{route=\"/predict\",method=\"POST\",code=\"";
    let mut text = String::new();
    for _ in 0..200 {
        text = server.metrics().await;
        if text.contains(left) {
            break;
        }
    }
    assert!(
        text.contains(&format!("{left}499\"}} 1")) || text.contains(&format!("{left}400\"}} 1")),
        "{text}"
    );
    assert_eq!(
        server
            .predict("/predict", jpeg(64, 48, GREEN))
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = Server::start().await;
    let mut stream = connect(&server).await;
    let one = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    let last = "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream
        .write_all(format!("{one}{one}{last}").as_bytes())
        .await
        .unwrap();
    assert_eq!(
        rest(&mut stream).await.matches("HTTP/1.1 200 OK").count(),
        3
    );
}

/// Sends a chunked form of `n_chunks` times 64 KiB after `head`, and gives the reply.
async fn send_form(server: &Server, head: &str, n_chunks: usize) -> String {
    let mut stream = connect(server).await;
    let request = "POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\
                   content-type: multipart/form-data; boundary=B\r\nconnection: close\r\n\r\n";
    let first = format!("{request}{:x}\r\n{head}\r\n", head.len());
    stream.write_all(first.as_bytes()).await.unwrap();
    let mut chunk = b"10000\r\n".to_vec();
    chunk.resize(chunk.len() + (64 << 10), b'a');
    chunk.extend_from_slice(b"\r\n");
    for _ in 0..n_chunks {
        stream.write_all(&chunk).await.unwrap();
    }
    let tail = "\r\n\r\nphoto\r\n--B--\r\n";
    let last = format!("{:x}\r\n{tail}\r\n0\r\n\r\n", tail.len());
    stream.write_all(last.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

#[tokio::test]
async fn a_form_that_never_gets_to_its_photograph_is_not_collected() {
    let server = Server::start().await;
    let header = "--B\r\ncontent-disposition: form-data; name=\"file\"\r\nx-long: ";
    for head in [header, "before the first boundary "] {
        let reply = send_form(&server, head, 64).await;
        assert!(reply.starts_with("HTTP/1.1 400 "), "{head}: {reply}");
        assert!(reply.contains("urn:fishid:problem:broken-form"), "{reply}");
    }
    // As much in another field is read past.
    let other = "--B\r\ncontent-disposition: form-data; name=\"other\"\r\n\r\n";
    let reply = send_form(&server, other, 64).await;
    assert!(
        reply.contains("urn:fishid:problem:no-photograph"),
        "{reply}"
    );
}

#[tokio::test]
async fn whoever_sends_much_to_a_wrong_address_still_reads_the_reply() {
    let server = Server::start().await;
    let no_boundary = "content-type: multipart/form-data\r\n";
    for (target, header, status) in [
        ("POST /predictions", "", 404),
        ("POST /health", "", 405),
        ("POST /predict", no_boundary, 400),
    ] {
        let mut stream = connect(&server).await;
        let length = 9 << 20;
        let request = format!(
            "{target} HTTP/1.1\r\nhost: x\r\n{header}content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let sent = stream.write_all(&vec![b'x'; length]).await;
        assert!(sent.is_ok(), "{target}: {sent:?}");
        let reply = rest(&mut stream).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(reply.starts_with(&expected), "{target}: {reply}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_gives_its_place_up() {
    let config = ServerConfig {
        max_connections: 1,
        write_timeout: Duration::from_millis(200),
        ..settings()
    };
    let server = Server::start_with(config, ServingConfig::default()).await;
    let mut deaf = connect(&server).await;
    // More replies than the buffers of both ends hold; the server stops reading when it cannot write.
    let many = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1 << 16);
    let _ = tokio::time::timeout(Duration::from_secs(10), deaf.write_all(many.as_bytes())).await;
    let next = tokio::time::timeout(Duration::from_secs(10), server.get("/health")).await;
    assert_eq!(next.unwrap().status(), 200);
    drop(deaf);
}
