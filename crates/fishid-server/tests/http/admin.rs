//! The operators' routes, and what pages of other origins may do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fishid_server::{AdminConfig, FishModel, Secret, ServerConfig};
use fishid_serving::{Follower, Following, ModelSource, ServingConfig, SourceError, VersionTag};
use reqwest::{Method, Response};

use crate::harness::{Server, json, model, problem, settings};

const TOKEN: &str = "token-5c1e8d7a9b3f2046";

fn guarded() -> ServerConfig {
    ServerConfig {
        admin: AdminConfig {
            token: Some(Secret::new(TOKEN).unwrap()),
            webhook_secret: Some(Secret::new("secret of MLflow and us").unwrap()),
        },
        ..settings()
    }
}

async fn reload(server: &Server, authorization: Option<&str>) -> Response {
    let mut request = server.client.post(server.url("/admin/reload"));
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    request.send().await.unwrap()
}

/// Names the tiny model, first as version 1, and after a while as 2.
struct Renaming(Arc<AtomicUsize>);

impl ModelSource for Renaming {
    type Model = FishModel;

    fn place(&self) -> String {
        "alias production of fish-classifier in a test".to_owned()
    }

    fn current(&self) -> Result<Option<VersionTag>, SourceError> {
        let version = self.0.load(Ordering::SeqCst);
        Ok(Some(VersionTag(version.to_string())))
    }

    fn load(&self, tag: &VersionTag) -> Result<FishModel, SourceError> {
        Ok(model(&fishid_testing::tiny_bundle(), &tag.0))
    }
}

async fn serves(server: &Server, version: &str) {
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        let ready = server.get("/ready").await;
        if ready.status() == 200 && json(ready).await["model_version"] == version {
            return;
        }
        assert!(Instant::now() < until, "version {version} did not come");
        tokio::task::yield_now().await;
    }
}

fn seldom() -> ServingConfig {
    ServingConfig {
        poll_interval: Duration::from_secs(10),
        ..ServingConfig::default()
    }
}

/// A server that follows; the number is the version that its registry names.
async fn following() -> (Server, Arc<AtomicUsize>, Following) {
    let server = Server::start_empty(guarded(), seldom()).await;
    let named = Arc::new(AtomicUsize::new(1));
    let follower = Follower::new(Renaming(named.clone()), server.service.clone());
    let following = follower.start().unwrap();
    serves(&server, "1").await;
    (server, named, following)
}

#[tokio::test]
async fn the_token_makes_the_server_look_at_its_registry_now() {
    let (server, named, _following) = following().await;
    let started = Instant::now();
    named.store(2, Ordering::SeqCst);
    let response = reload(&server, Some(&format!("Bearer {TOKEN}"))).await;
    assert_eq!(response.status(), 202);
    let reply = json(response).await;
    assert_eq!(
        reply,
        serde_json::json!({
            "status": "looking",
            "at": "alias production of fish-classifier in a test",
            "model_version": "1"
        })
    );
    serves(&server, "2").await;
    // By itself it would look after 7.5 s at the earliest.
    assert!(started.elapsed() < Duration::from_secs(7), "{started:?}");
}

#[tokio::test]
async fn without_the_token_there_is_no_look() {
    let (server, named, _following) = following().await;
    named.store(2, Ordering::SeqCst);
    for authorization in [
        None,
        Some("Bearer"),
        Some("Bearer "),
        Some("Bearer token-5c1e8d7a9b3f2047"),
        Some("Basic dG9rZW4tNWMxZThkN2E5YjNmMjA0Njo="),
        Some(TOKEN),
    ] {
        let response = reload(&server, authorization).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let found = problem(response, 401, "unauthorized").await;
        assert!(!found.to_string().contains(TOKEN));
    }
    assert_eq!(json(server.get("/ready").await).await["model_version"], "1");
}

#[tokio::test]
async fn a_server_without_secrets_says_that_it_takes_no_hints() {
    let server = Server::start().await;
    let response = reload(&server, Some(&format!("Bearer {TOKEN}"))).await;
    problem(response, 403, "admin-off").await;
    let response = server.client.post(server.url("/admin/mlflow-webhook"));
    problem(response.body("{}").send().await.unwrap(), 403, "admin-off").await;
}

#[tokio::test]
async fn a_server_of_one_bundle_has_nothing_to_look_at() {
    let server = Server::start_with(guarded(), ServingConfig::default()).await;
    let response = reload(&server, Some(&format!("bearer {TOKEN}"))).await;
    problem(response, 409, "nothing-to-reload").await;
}

async fn event(server: &Server, signature: &str, body: Vec<u8>) -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let request = server
        .client
        .post(server.url("/admin/mlflow-webhook"))
        .header("x-mlflow-signature", signature)
        .header("x-mlflow-delivery-id", "1")
        .header("x-mlflow-timestamp", now.as_secs());
    request.body(body).send().await.unwrap()
}

#[tokio::test]
async fn an_event_that_is_not_signed_or_too_large_is_refused() {
    let server = Server::start_with(guarded(), ServingConfig::default()).await;
    let unsigned = server
        .client
        .post(server.url("/admin/mlflow-webhook"))
        .body("{}");
    problem(unsigned.send().await.unwrap(), 401, "unauthorized").await;
    let found = event(&server, "v1,AAAA", b"{}".to_vec()).await;
    problem(found, 401, "unauthorized").await;
    let found = event(&server, "v1,AAAA", vec![b' '; (64 << 10) + 1]).await;
    problem(found, 413, "too-large").await;
}

#[tokio::test]
async fn pages_of_other_origins_may_nothing_unless_they_are_named() {
    let ask = async |server: &Server, method: Method, path: &str, origin: &str| {
        let request = server.client.request(method, server.url(path));
        let request = request
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type");
        request.send().await.unwrap()
    };
    let allowed = |response: &Response| {
        let header = response.headers().get("access-control-allow-origin");
        header.map(|value| value.to_str().unwrap().to_owned())
    };
    let ours = "https://fish.example";
    let closed = Server::start().await;
    for method in [Method::GET, Method::OPTIONS] {
        let response = ask(&closed, method, "/model", ours).await;
        assert_eq!(allowed(&response), None);
    }

    let config = ServerConfig {
        allowed_origins: vec![ours.parse().unwrap()],
        ..guarded()
    };
    let open = Server::start_with(config, ServingConfig::default()).await;
    let response = ask(&open, Method::OPTIONS, "/predict", ours).await;
    assert_eq!(response.status(), 200);
    assert_eq!(allowed(&response).as_deref(), Some(ours));
    assert_eq!(
        response.headers()["access-control-allow-methods"],
        "GET,POST"
    );
    let response = ask(&open, Method::GET, "/model", ours).await;
    assert_eq!(allowed(&response).as_deref(), Some(ours));
    for (path, origin) in [("/model", "https://other.example"), ("/admin/reload", ours)] {
        for method in [Method::GET, Method::OPTIONS] {
            assert_eq!(
                allowed(&ask(&open, method, path, origin).await),
                None,
                "{path} {origin}"
            );
        }
    }
}

#[tokio::test]
async fn every_reply_keeps_a_browser_from_more_than_the_page_needs() {
    let server = Server::start().await;
    for path in ["/", "/docs", "/model", "/nowhere", "/openapi.json"] {
        let response = server.get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(response.headers()[name], value, "{path}");
        }
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(
            response.headers().contains_key("permissions-policy"),
            "{path}"
        );
    }
}
