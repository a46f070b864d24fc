//! Any body under any content type, cut into chunks, sent to `POST /predict` and `POST /predict/batch`: the reply is
//! one of those that a client may get, never the one for a panic.
//!
//! Input: how large the chunks are (one byte), the route (its lowest bit), the content type up to a line's end, the
//! body. There is no model, so a photograph that was received whole is answered with 503.
#![no_main]

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use bytes::Bytes;
use fishid_server::{Registry, ServerConfig, router};
use fishid_serving::metrics::Metrics;
use fishid_serving::{Service, ServingConfig};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

const ALLOWED: [u16; 7] = [200, 400, 408, 413, 415, 422, 503];

fn server() -> &'static (Runtime, Router) {
    static SERVER: OnceLock<(Runtime, Router)> = OnceLock::new();
    SERVER.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_time().build();
        let mut registry = Registry::default();
        let metrics = Arc::new(Metrics::register(&mut registry));
        let serving = ServingConfig {
            decode_threads: 1,
            inference_threads: 1,
            ..ServingConfig::default()
        };
        let service = Service::start(serving, metrics).expect("threads can be started");
        let config = ServerConfig {
            // Within reach of an input.
            max_photo_bytes: 1_000,
            ..ServerConfig::default()
        };
        (
            runtime.expect("a runtime can be made"),
            router(config, service, registry),
        )
    })
}

fuzz_target!(|input: &[u8]| {
    let Some((&form, rest)) = input.split_first() else {
        return;
    };
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (content_type, body) = rest.split_at(end.unwrap_or(0));
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    let Ok(content_type) = HeaderValue::from_bytes(content_type) else {
        return;
    };
    let path = ["/predict", "/predict/batch"][usize::from(form & 1)];
    let chunks: Vec<_> = body
        .chunks(usize::from(form >> 1).max(1) * 8)
        .map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk)))
        .collect();
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, content_type)
        .body(Body::from_stream(futures::stream::iter(chunks)))
        .expect("the parts are whole");
    let (runtime, router) = server();
    let reply = runtime.block_on(router.clone().oneshot(request));
    let status = reply.map(|reply| reply.status().as_u16());
    let status = status.unwrap_or_else(|never| match never {});
    assert!(
        ALLOWED.contains(&status) || (path == "/predict/batch" && matches!(status, 404 | 405)),
        "{path}: {status}"
    );
});
