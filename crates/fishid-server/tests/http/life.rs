//! Beginning and end.

use std::time::Duration;

use fishid_server::{Drained, Registry, ServerConfig, ServerError, serve};
use fishid_serving::ServingConfig;
use fishid_testing::jpeg;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{GREEN, Server, problem, settings};

#[tokio::test]
async fn an_address_in_use_or_no_address_is_said_in_words() {
    let server = Server::start().await;
    let taken = server.address.to_string();
    let service = server.service.clone();
    let begin = |listen: &str| {
        serve(
            ServerConfig::listening_on(listen),
            service.clone(),
            Registry::default(),
            std::future::pending(),
        )
    };
    let error = begin(&taken).await.unwrap_err();
    assert!(matches!(error, ServerError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&taken), "{error}");
    let error = begin("nonsense").await.unwrap_err();
    assert!(matches!(error, ServerError::Address { .. }), "{error}");
}

/// A photograph sent up to its last ten bytes, its request accepted for certain.
async fn begin_upload(server: &Server, photo: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        photo.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server says "continue" when the handler begins to read.
    let mut go = [0; 25];
    stream.read_exact(&mut go).await.unwrap();
    stream.write_all(&photo[..photo.len() - 10]).await.unwrap();
    stream
}

#[tokio::test]
async fn an_accepted_photograph_is_answered_after_the_stop_signal() {
    let config = ServerConfig {
        ready_grace: Duration::from_secs(1),
        ..settings()
    };
    let server = Server::start_with(config, ServingConfig::default()).await;
    assert_eq!(server.get("/ready").await.status(), 200);
    let photo = jpeg(64, 48, GREEN);
    let mut stream = begin_upload(&server, &photo).await;

    let (client, url) = (server.client.clone(), server.url("/ready"));
    let running = server.stop();
    // In the time of grace the door is open still, and says that it will close.
    loop {
        let response = client.get(&url).send().await.unwrap();
        if response.status() != 200 {
            problem(response, 503, "shutting-down").await;
            break;
        }
    }
    stream.write_all(&photo[photo.len() - 10..]).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert!(reply.contains("esox_lucius"), "{reply}");
    assert_eq!(running.finished().await, Drained { n_cut: 0 });
    assert!(client.get(&url).send().await.is_err(), "the door is closed");
}

#[tokio::test]
async fn who_does_not_finish_in_time_is_cut_off() {
    let config = ServerConfig {
        drain_timeout: Duration::from_millis(100),
        ..settings()
    };
    let server = Server::start_with(config, ServingConfig::default()).await;
    let _stream = begin_upload(&server, &jpeg(64, 48, GREEN)).await;
    assert_eq!(server.end().await, Drained { n_cut: 1 });
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let server = Server::start().await;
    // The client keeps the connection of this request open.
    assert_eq!(server.get("/health").await.status(), 200);
    let _client = server.client.clone();
    let ended = tokio::time::timeout(Duration::from_secs(4), server.end())
        .await
        .unwrap();
    assert_eq!(ended, Drained { n_cut: 0 });
}
