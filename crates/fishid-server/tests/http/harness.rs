//! Starts a server for one test.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fishid_engine::EngineOptions;
use fishid_prediction::PredictorOptions;
use fishid_server::{Drained, FishModel, Registry, Running, ServerConfig, serve};
use fishid_serving::metrics::Metrics;
use fishid_serving::{Service, ServingConfig};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Response};
use serde_json::Value;
use tokio::sync::oneshot;

pub const RED: [u8; 3] = [230, 20, 20];
pub const GREEN: [u8; 3] = [20, 230, 20];

/// A server and a client for it. The server ends with the test's runtime.
pub struct Server {
    pub client: Client,
    pub service: Service<FishModel>,
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: Running,
}

pub fn model(bundle: &Path, version: &str) -> FishModel {
    let options = PredictorOptions {
        engine: EngineOptions::single_threaded(),
        ..PredictorOptions::default()
    };
    FishModel::open(bundle, &options, Some(version)).unwrap()
}

pub fn settings() -> ServerConfig {
    ServerConfig {
        ready_grace: Duration::ZERO,
        drain_timeout: Duration::from_secs(5),
        ..ServerConfig::listening_on("127.0.0.1:0")
    }
}

impl Server {
    /// With the tiny model as version 1.
    pub async fn start() -> Self {
        Self::start_with(settings(), ServingConfig::default()).await
    }

    pub async fn start_with(config: ServerConfig, serving: ServingConfig) -> Self {
        let server = Self::start_empty(config, serving).await;
        server
            .service
            .install(model(&fishid_testing::tiny_bundle(), "1"))
            .unwrap();
        server
    }

    /// Without a model.
    pub async fn start_empty(config: ServerConfig, serving: ServingConfig) -> Self {
        let mut registry = Registry::default();
        let metrics = Arc::new(Metrics::register(&mut registry));
        let service = Service::start(serving, metrics).unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            // A test that drops the sender stops the server as well.
            let _ = stopped.await;
        };
        let running = serve(config, service.clone(), registry, shutdown)
            .await
            .unwrap();
        let address = running.address();
        Self {
            client: Client::new(),
            service,
            address,
            stop,
            running,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    /// A browser's form.
    pub async fn predict(&self, path: &str, photo: Vec<u8>) -> Response {
        let form = Form::new().part("file", Part::bytes(photo).file_name("fish.jpg"));
        self.client
            .post(self.url(path))
            .multipart(form)
            .send()
            .await
            .unwrap()
    }

    pub async fn post_raw(&self, media_type: &str, body: Vec<u8>) -> Response {
        let request = self
            .client
            .post(self.url("/predict"))
            .header("content-type", media_type);
        request.body(body).send().await.unwrap()
    }

    pub async fn metrics(&self) -> String {
        self.get("/metrics").await.text().await.unwrap()
    }

    /// Gives the stop signal; the rest happens by itself.
    pub fn stop(self) -> Running {
        self.stop.send(()).unwrap();
        self.running
    }

    pub async fn end(self) -> Drained {
        self.stop().finished().await
    }
}

pub async fn json(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

/// The problem document, checked for what all of them have in common.
pub async fn problem(response: Response, status: u16, kind: &str) -> Value {
    assert_eq!(response.status(), status);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let id = response.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let problem = json(response).await;
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], format!("urn:fishid:problem:{kind}"));
    assert_eq!(problem["instance"], id);
    assert!(
        problem["title"]
            .as_str()
            .is_some_and(|title| !title.is_empty())
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.ends_with('.') && detail.len() > 20, "{detail}");
    problem
}
